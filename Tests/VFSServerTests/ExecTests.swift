import IPC
import Protocols
import Testing
@testable import VFSServer

/// An ELF file with these segments, header and program headers first.
func elf(entry: UInt64 = 0x40_1000, _ segments: [(address: UInt64, memory: UInt64, offset: UInt64, file: UInt64, flags: UInt32)], size: Int) -> [UInt8] {
  var bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 11 ^ $0 >> 9) }
  bytes.withUnsafeMutableBytes { b in
    for at in 0..<64 + 56 * segments.count { b[at] = 0 }
    b.storeBytes(of: 0x464C_457F as UInt32, as: UInt32.self)
    b[4] = 2
    b[5] = 1
    b[6] = 1
    b.storeBytes(of: 2 as UInt16, toByteOffset: 16, as: UInt16.self)
    b.storeBytes(of: 62 as UInt16, toByteOffset: 18, as: UInt16.self)
    b.storeBytes(of: entry, toByteOffset: 24, as: UInt64.self)
    b.storeBytes(of: 64 as UInt64, toByteOffset: 32, as: UInt64.self)
    b.storeBytes(of: 56 as UInt16, toByteOffset: 54, as: UInt16.self)
    b.storeBytes(of: UInt16(segments.count), toByteOffset: 56, as: UInt16.self)
    for (index, segment) in segments.enumerated() {
      let at = 64 + 56 * index
      b.storeBytes(of: 1 as UInt32, toByteOffset: at, as: UInt32.self)
      b.storeBytes(of: segment.flags, toByteOffset: at + 4, as: UInt32.self)
      b.storeBytes(of: segment.offset, toByteOffset: at + 8, as: UInt64.self)
      b.storeBytes(of: segment.address, toByteOffset: at + 16, as: UInt64.self)
      b.storeBytes(of: segment.file, toByteOffset: at + 32, as: UInt64.self)
      b.storeBytes(of: segment.memory, toByteOffset: at + 40, as: UInt64.self)
    }
  }
  return bytes
}

@Suite("exec")
struct ExecTests {
  let world = World()
  let p: Client
  let program = elf([(0x40_0000, 100_000, 0, 100_000, 5), (0x50_0000, 9000, 100_000, 5000, 6)], size: 105_000)
  init() {
    p = Client(world, slot: 64)
    world.root.file("/prog", program, mode: 0o755)
  }

  @Test("a program is loaded segment by segment and committed; the process gets no answer of ours")
  func load() throws {
    let fd = try p.open("/prog", VFS.OpenFlags.closeOnExec), kept = try p.open("/prog")
    #expect(p.exec("/prog")?.type == 0)
    #expect(world.vm.log == [
      "begin", "map 4194304 100000 5", "write 4194304 65536", "write 4259840 34464", "map 5242880 9000 3", "write 5242880 5000",
      "commit \(0x40_1000) \(0x5000) 64",
    ])
    #expect(world.vm.image[0x40_0000]! + world.vm.image[0x41_0000]! == Array(program[..<100_000]))
    #expect(world.vm.image[0x50_0000]! == Array(program[100_000...]))
    #expect(p.answer() == nil)
    #expect(failure { try p.close(fd) } == .badFileDescriptor)
    try p.close(kept)
    world.audit()
  }

  @Test("a failure leaves the process as it was: descriptors kept, the new space given up", arguments: 1...7)
  func fails(_ call: Int) throws {
    let fd = try p.open("/prog", VFS.OpenFlags.closeOnExec)
    world.vm.failingCall = call
    let answer = p.exec("/prog")
    #expect(answer?.type == -Errno.noMemory.rawValue)
    #expect(world.vm.building == nil)
    #expect(call == 1 || world.vm.log.last == "abort")
    try p.close(fd)
    world.audit()
  }

  @Test("whom exec refuses")
  func refuses() {
    world.root.file("/plain", program, mode: 0o644)
    world.root.file("/text", "#!/bin/sh\n", mode: 0o755)
    world.root.file("/emptyfile", "", mode: 0o755)
    world.root.file("/short", Array(program[..<1000]), mode: 0o755)
    world.root.file("/cut", Array(program[..<90_000]), mode: 0o755)
    world.root.file("/kernel", elf([(0xFFFF_FFFF_8000_0000, 100, 0, 100, 5)], size: 1000), mode: 0o755)
    world.root.file("/wx", elf([(0x40_0000, 100, 0, 100, 7)], size: 1000), mode: 0o755)
    world.root.file("/none", elf([], size: 1000), mode: 0o755)
    #expect(p.exec("/plain")?.type == -Errno.accessDenied.rawValue)
    #expect(p.exec("/tmp")?.type == -Errno.accessDenied.rawValue)
    #expect(p.exec("/dev/null")?.type == -Errno.accessDenied.rawValue)
    for name in ["/text", "/emptyfile", "/short", "/cut", "/kernel", "/wx", "/none"] {
      #expect(p.exec(name)?.type == -Errno.notExecutable.rawValue, "\(name)")
    }
    #expect(p.exec("/missing")?.type == -Errno.noSuchFile.rawValue)
    #expect(p.exec("")?.type == -Errno.noSuchFile.rawValue)
    #expect(p.exec(String(repeating: "/", count: 4096))?.type == -Errno.nameTooLong.rawValue)
    #expect(world.vm.building == nil)
    world.audit()
  }

  @Test("a relative path begins at the process's directory, and links are followed")
  func relative() throws {
    world.root.symlink("/tmp/alias", "../prog")
    try p.changeDirectory("/tmp")
    #expect(p.exec("alias")?.type == 0)
    world.audit()
  }

  @Test("exec of an unknown process, and a second one meanwhile, are ESRCH")
  func unknown() {
    var message = Message(VFS.ExecLoad(process: Endpoint(slot: 99, generation: 1), grant: 0, pathLength: 5, arguments: 0, argumentsLength: 0))
    message.token = 5
    world.deliver(message, from: .pm)
    world.run()
    #expect(world.toPM.last?.type == -Errno.noSuchProcess.rawValue && world.toPM.last?.token == 5)
    world.root.isHeld = true
    _ = p.exec("/prog")
    message = Message(VFS.ExecLoad(process: p.endpoint, grant: 0, pathLength: 5, arguments: 0, argumentsLength: 0))
    message.token = 6
    world.deliver(message, from: .pm)
    world.run()
    #expect(world.toPM.last?.type == -Errno.noSuchProcess.rawValue && world.toPM.last?.token == 6)
    world.root.isHeld = false
    world.run()
    #expect(world.toPM.last?.type == 0 && world.toPM.last?.token == 77)
    world.audit()
  }

  @Test("ten processes exec at once: one after the other uses the buffer, and none gets another's bytes")
  func together() {
    let clients = (0..<10).map { Client(world, parent: p, slot: 70 + $0) }
    world.root.isHeld = true
    for client in clients { _ = client.exec("/prog") }
    world.root.isHeld = false
    // The fake path grant belongs to the last client, all paths are alike.
    world.run()
    #expect(world.toPM.count { $0.token == 77 && $0.type == 0 } == 10)
    #expect(world.vm.log.count == 70)
    for start in stride(from: 0, to: 70, by: 7) { #expect(world.vm.log[start] == "begin") }
    world.audit()
  }

  @Test("the process is killed while its program is read: the new space is given up or refused, nothing is left")
  func killed() {
    world.root.isHeld = true
    _ = p.exec("/prog")
    p.exit()
    world.root.isHeld = false
    world.run()
    #expect(world.filesInUse == 0)
    world.audit()
  }
}
