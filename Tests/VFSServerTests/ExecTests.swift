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

  /// VM: nobody shows the program's file any more.
  private func forgotten() {
    guard let map = world.vm.cache.images.last else { return }
    world.vm.cache.mapped.remove(FakeCache.File(mount: map.mount, inode: map.inode))
    world.deliver(Message(VFS.FileUnmapped(mount: map.mount, changed: 0, inode: map.inode)), from: .vm)
    world.run()
  }

  @Test("V20 whole pages of the file are shown, not read; what goes on with zeroed memory is copied; the process gets no answer of ours")
  func shown() throws {
    // 4 MiB of text; data of two pages and a half with bss; read-only data that begins inside a page.
    let size = 4 << 20
    let big = elf([
      (0x40_0000, UInt64(size), 0, UInt64(size), 5), (0x90_1000, 40_000, UInt64(size), 10_240, 6),
      (0xA0_0123, 5000, UInt64(size) + 0x3123, 5000, 4), (0xB0_0000, 4096, UInt64(size) + 1, 4096, 4),
    ], size: size + 0x6000)
    world.root.file("/big", big, mode: 0o755)
    let asked = world.root.count(FS.Read.number)
    #expect(p.exec("/big")?.type == 0)
    #expect(world.vm.log == [
      "begin", "show \(0x40_0000) 0 \(size) 5", "show \(0x90_1000) \(size) 8192 3", "map \(0x90_3000) 31808 3", "write \(0x90_3000) 2048",
      "show \(0xA0_0000) \(size + 0x3000) \(5000 + 0x123) 1", "map \(0xB0_0000) 4096 1", "write \(0xB0_0000) 4096",
      "commit \(0x40_1000) \(0x5000) 64",
    ])
    #expect(world.vm.image[0x90_3000]! == Array(big[(size + 8192)..<(size + 10_240)]))
    #expect(world.vm.image[0xB0_0000]! == Array(big[(size + 1)..<(size + 4097)]))
    // The header and two windows of data: no more.
    #expect(world.root.count(FS.Read.number) == asked + 3 && world.vm.cache.count <= 48)
    #expect(world.vm.cache.images.allSatisfy { $0.size == UInt64(big.count) && $0.protection >> 8 == $0.protection & 0xFF && $0.flags & ~PageCache.Map.image == VM.Flags.private })
    #expect(p.answer() == nil)
    // Again: all is in the cache.
    world.vm.log = []
    #expect(p.exec("/big")?.type == 0)
    #expect(world.vm.log.count == 9 && world.root.count(FS.Read.number) == asked + 3)
    world.audit()
    // The file stays while VM shows it, whatever becomes of names and processes.
    try p.unlink("/big")
    p.exit()
    world.run()
    let held = world.vnodesInUse
    forgotten()
    #expect(world.vnodesInUse == held - 1)
    world.audit()
  }

  @Test("ETXTBSY: what runs is not written to, what is open for writing does not run; fork, exec and exit are counted")
  func textBusy() throws {
    typealias Flags = VFS.OpenFlags
    let reader = try p.open("/prog"), writer = try p.open("/prog", Flags.readWrite)
    #expect(p.exec("/prog")?.type == -Errno.textFileBusy.rawValue)
    let other = Client(world, slot: 65)
    _ = try p.call(VFS.MapFile(descriptor: writer, address: 0, length: 4096, offset: 0, protection: 3, flags: VM.Flags.shared))
    try p.close(writer)
    #expect(p.exec("/prog")?.type == -Errno.textFileBusy.rawValue, "somebody maps it and may write to it")
    let map = world.vm.cache.maps[0]
    world.vm.cache.mapped = []
    world.deliver(Message(VFS.FileUnmapped(mount: map.mount, changed: 0, inode: map.inode)), from: .vm)
    world.run()
    #expect(p.exec("/prog")?.type == 0)
    world.audit()
    func busy(_ body: () throws -> Void) -> Bool { failure { try body() } == .textFileBusy }
    func isBusy() -> Bool { busy { try other.close(try other.open("/prog", Flags.writeOnly)) } }
    #expect(isBusy() && busy { _ = try other.open("/prog", Flags.readWrite | Flags.truncate) })
    let (address, length) = other.put("/prog")
    #expect(busy { _ = try other.call(VFS.Truncate(path: address, length: length, size: 5)) })
    #expect(world.root.find("/prog")!.data == program)
    try other.close(try other.open("/prog"))
    let child = Client(world, parent: p, slot: 66)
    world.root.file("/next", program, mode: 0o755)
    #expect(p.exec("/next")?.type == 0)
    #expect(isBusy(), "the child runs it")
    child.exit()
    world.run()
    #expect(!isBusy())
    // A failed exec leaves no trace.
    world.root.file("/bad", "#!", mode: 0o755)
    #expect(p.exec("/bad")?.type == -Errno.notExecutable.rawValue)
    try other.close(try other.open("/bad", Flags.writeOnly))
    try p.close(reader)
    world.audit()
  }

  @Test("without the cache a program is loaded segment by segment, by way of a buffer")
  func load() throws {
    let world = World(commandLine: "root=ram cache=off")
    world.root.file("/prog", program, mode: 0o755)
    let p = Client(world, slot: 64)
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

  @Test("a failure leaves the process as it was: descriptors kept, the new space given up", arguments: 1...5)
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
    #expect(world.vm.log.count == 50)
    for start in stride(from: 0, to: 50, by: 5) { #expect(world.vm.log[start] == "begin") }
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
