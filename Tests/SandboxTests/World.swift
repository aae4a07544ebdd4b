import CLinux
import CSandboxCode
import CX86
import Foundation
import Sandbox
import Testing
import ToolKit

/// The stub as the metal build makes it; `APUS_STUB` names another.
enum StubFile {
  static let path: String = {
    if let named = ProcessInfo.processInfo.environment["APUS_STUB"] { return named }
    do {
      let project = try Project.find()
      let build = try Child.run(
        ["swift", "build", "-c", "release", "--triple", "x86_64-unknown-none-elf", "--scratch-path", project.metal, "--product", "linux-stub"],
        environment: ["METAL": "x86_64"], folder: project.root)
      _ = try build.succeeded("the build of linux-stub")
      return project.product("linux-stub")
    } catch { fatalError("\(error)") }
  }()
}

/// A program of `Tests/Support/SandboxCode`.
struct Code {
  let bytes: UnsafeRawBufferPointer
  static var trap: Code { Code(start_of_trap(), length_of_trap()) }
  static var load: Code { Code(start_of_load(), length_of_load()) }
  static var store: Code { Code(start_of_store(), length_of_store()) }
  static var loop: Code { Code(start_of_loop(), length_of_loop()) }
  static var call: Code { Code(start_of_call(), length_of_call()) }
  static var count: Code { Code(start_of_count(), length_of_count()) }
  init(_ start: UnsafeRawPointer, _ length: Int) { bytes = UnsafeRawBufferPointer(start: start, count: length) }
}

/// A sandbox with programs in it: slot s has its code in frame 2s at `World.code`, its stack in frame 2s + 1 below `World.stack`.
final class World {
  let sandbox: Sandbox
  static let code: UInt64 = 0x40_0000
  static let stack: UInt64 = 0x7FFF_F000_0000
  /// Frames that belong to nobody, from this number on.
  static let free = 64

  init(slots: Int = 4) throws { sandbox = try Sandbox(frames: 128 * 4096, slots: slots, stub: StubFile.path) }
  deinit { sandbox.close() }

  func frame(_ number: Int) -> UnsafeMutableRawPointer { sandbox.memory + number * 4096 }

  /// A new process in the slot, blocked, which will begin with `program`.
  func start(_ slot: Int = 0, _ program: Code, prepare: (inout apus_context) -> Void = { _ in }) throws {
    try sandbox.create(slot: slot)
    frame(2 * slot).copyMemory(from: program.bytes.baseAddress!, byteCount: program.bytes.count)
    sandbox.map(slot: slot, address: Self.code, frame: UInt64(2 * slot) * 4096, length: 4096, writable: false, executable: true)
    sandbox.map(slot: slot, address: Self.stack - 4096, frame: UInt64(2 * slot + 1) * 4096, length: 4096, writable: true, executable: false)
    var context = apus_context()
    context.rip = Self.code
    context.rsp = Self.stack - 64
    context.flags = 0x202
    prepare(&context)
    sandbox.context(slot: slot).pointee = context
    let area = sandbox.extendedState(slot: slot)
    area.initializeMemory(as: UInt8.self, repeating: 0, count: 512)
    area.storeBytes(of: 0x037F, as: UInt16.self)
    area.storeBytes(of: 0x1F80, toByteOffset: 24, as: UInt32.self)
  }

  /// Lets the slot go on, and gives what comes of it; nothing may take longer than a minute.
  func go(_ slot: Int = 0, full: Bool = false) -> Sandbox.Event {
    sandbox.resume(slot: slot, full: full)
    return next()
  }

  func next() -> Sandbox.Event { sandbox.wait(until: Sandbox.now() + 60_000_000_000) }

  func context(_ slot: Int = 0) -> apus_context { sandbox.context(slot: slot).pointee }
}
