import CLinux
import CSandboxCode
import CX86
import Foundation
@testable import Sandbox
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

/// The executable `sandbox-host`, beside the tests.
enum HostProgram {
  static let path = Bundle.allBundles.map { $0.bundlePath + "/../sandbox-host" }.first { Files.exists($0) }
    ?? (CommandLine.arguments[0] as NSString).deletingLastPathComponent + "/sandbox-host"
}

/// A program of `Tests/Support/SandboxCode`.
struct Code {
  let bytes: UnsafeRawBufferPointer
  static var trap: Code { Code(start_of_trap(), length_of_trap()) }
  static var load: Code { Code(start_of_load(), length_of_load()) }
  static var store: Code { Code(start_of_store(), length_of_store()) }
  static var based: Code { Code(start_of_based(), length_of_based()) }
  static var loop: Code { Code(start_of_loop(), length_of_loop()) }
  static var call: Code { Code(start_of_call(), length_of_call()) }
  static var count: Code { Code(start_of_count(), length_of_count()) }
  static var jump: Code { Code(start_of_jump(), length_of_jump()) }
  static var wide: Code { Code(start_of_wide(), length_of_wide()) }
  static var divide: Code { Code(start_of_divide(), length_of_divide()) }
  static var invalid: Code { Code(start_of_invalid(), length_of_invalid()) }
  static var breakpoint: Code { Code(start_of_breakpoint(), length_of_breakpoint()) }
  static var protection: Code { Code(start_of_protection(), length_of_protection()) }
  static var oldCall: Code { Code(start_of_old_call(), length_of_old_call()) }
  static var oldEntry: Code { Code(start_of_old_entry(), length_of_old_entry()) }
  static var vsyscall: Code { Code(start_of_vsyscall_call(), length_of_vsyscall_call()) }
  init(_ start: UnsafeRawPointer, _ length: Int) { bytes = UnsafeRawBufferPointer(start: start, count: length) }
}

/// All tests of the sandbox, one at a time: each wants a processor for itself.
@Suite("Sandbox", .serialized) enum SandboxTests {}

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
    area.initializeMemory(as: UInt8.self, repeating: 0, count: Int(EXTENDED_SIZE))
    area.storeBytes(of: 0x037F, as: UInt16.self)
    area.storeBytes(of: 0x1F80, toByteOffset: 24, as: UInt32.self)
  }

  /// Lets the slot go on, and gives what comes of it; nothing may take longer than a minute.
  func go(_ slot: Int = 0, full: Bool = false) -> Sandbox.Event {
    sandbox.resume(slot: slot, full: full)
    return next()
  }

  func next() -> Sandbox.Event { sandbox.wait(until: Sandbox.now() + 60_000_000_000) }

  /// More memory for a program: the free frame `number` at `address`.
  func map(_ address: UInt64, free number: Int, slot: Int = 0, writable: Bool = true, executable: Bool = false) {
    sandbox.map(slot: slot, address: address, frame: UInt64(Self.free + number) * 4096, length: 4096, writable: writable, executable: executable)
  }
  func free(_ number: Int) -> UnsafeMutableRawPointer { frame(Self.free + number) }

  /// The signal that ended the slot's last process.
  func signal(_ slot: Int = 0) -> Int32 { sandbox.ending(slot: slot) & 0x7F }

  func context(_ slot: Int = 0) -> apus_context { sandbox.context(slot: slot).pointee }
}
