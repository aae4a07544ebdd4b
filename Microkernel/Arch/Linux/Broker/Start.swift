import BootImage
import Glibc
import IPC
import KernelCore
import PageTable
import PhysicalMemory
import Protocols
import Sandbox

// What a boot loader and the kernel's Main do on metal.
extension Broker {
  /// As on a PC: nothing below 1 MiB, the archive where QEMU's loader might put it.
  private static var memoryStart: UInt64 { 1 << 20 }
  private static var archiveStart: UInt64 { 2 << 20 }

  func start() throws(SandboxFailure) {
    let archive = try loadArchive()
    let maps = UnsafeMutablePointer<MemoryMap>.allocate(capacity: 2)
    defer { maps.deallocate() }
    let (free, window) = (maps, maps + 1)
    free.initialize(to: MemoryMap())
    _ = free.pointee.add(base: Self.memoryStart, length: UInt64(sandbox.size) - Self.memoryStart)
    window.initialize(to: free.pointee)
    free.pointee.remove(base: archive.base, length: archive.length)

    say("Apus kernel on Linux processes: \(sandbox.size >> 20) MiB, boot archive \(archive.length >> 10) KiB")
    say("entry: seccomp notification")
    kernel.pointee.setBootPrivileges(slot: 1, BootTable.entry(0).privileges, priority: BootTable.entry(0).priority)
    kernel.pointee.setBootPrivileges(slot: 2, BootTable.entry(1).privileges, priority: BootTable.entry(1).priority)
    kernel.pointee.startTrace(trace.what)

    let frames = LinuxFrames(ram: sandbox.memory)
    let root = frames.zeroed(&free.pointee)
    // What programs would find if the stub of this host were not before it: on metal this page is the stub.
    let stub = frames.zeroed(&free.pointee)
    frames.pointer(stub).storeBytes(of: 0x00C3_050F, as: UInt32.self)
    let words = Array(options.words.joined(separator: " ").utf8)
    let first = words.withUnsafeBytes { words in
      FirstSpace.build(
        FirstSpace.Plan(
          root: root, stub: stub, archive: archive, total: UInt64(sandbox.size) - Self.memoryStart, memoryEnd: UInt64(sandbox.size),
          commandLine: words, seed: (.random(in: 1 ... .max), .random(in: 0 ... .max), .random(in: 0 ... .max), .random(in: 0 ... .max))),
        free: &free.pointee, window: window, access: frames)
    }
    kernel.pointee.createFirst(root: first.root, space: 0, entry: first.entry, stack: first.stack)
    kernel.pointee.schedule()
  }

  /// The same file that metal boots, byte for byte.
  private func loadArchive() throws(SandboxFailure) -> PhysicalRange {
    let file = open(options.archive, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw SandboxFailure("cannot open the boot archive \(options.archive): \(String(cString: strerror(errno)))") }
    defer { Glibc.close(file) }
    let room = sandbox.size - Int(Self.archiveStart)
    var length = 0
    while length < room {
      let count = read(file, sandbox.memory + Int(Self.archiveStart) + length, room - length)
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw SandboxFailure("cannot read the boot archive: \(String(cString: strerror(errno)))") }
      if count == 0 { break }
      length += count
    }
    guard length < room - 4 << 20 else { throw SandboxFailure("\(sandbox.size >> 20) MiB of memory are too few for the boot archive") }
    return PhysicalRange(base: Self.archiveStart, length: Page.up(UInt64(length)))
  }
}

struct LinuxFrames: FrameAccess {
  let ram: UnsafeMutableRawPointer
  func pointer(_ physical: UInt64) -> UnsafeMutableRawPointer { ram + Int(physical) }
  func stop(_ reason: StaticString) -> Never {
    var line = "apus: \(reason)\n"
    line.withUTF8 { _ = write(2, $0.baseAddress, $0.count) }
    exit(1)
  }
}
