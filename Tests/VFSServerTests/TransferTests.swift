import IPC
import Protocols
import Testing
@testable import VFSServer

private typealias Flags = VFS.OpenFlags

@Suite("read, write, seek, truncate")
struct TransferTests {
  let world = World()
  let p: Client
  init() {
    p = Client(world, slot: 64)
    world.root.file("/f", "0123456789")
  }

  @Test("reads go on where the last ended, and end at the end")
  func sequential() throws {
    let fd = try p.open("/f")
    #expect(try p.text(fd, 4) == "0123")
    #expect(try p.text(fd, 4) == "4567")
    #expect(try p.text(fd, 4) == "89")
    #expect(try p.text(fd, 4) == "")
    #expect(try p.text(fd, 0) == "")
    world.audit()
  }

  @Test("long transfers are split into messages of 64 KiB and lose nothing")
  func chunks() throws {
    let bytes = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) }
    let fd = try p.open("/big", Flags.create | Flags.readWrite)
    #expect(try p.write(fd, bytes) == bytes.count)
    #expect(world.root.count(FS.Write.number) == 4)
    #expect(world.root.find("/big")?.data == bytes)
    try p.seek(fd, 0)
    #expect(try p.read(fd, 400_000) == bytes)
    world.audit()
  }

  @Test("a full device shortens a write")
  func full() throws {
    let fd = try p.open("/big", Flags.create | Flags.writeOnly)
    world.root.writeLimit = 1000
    #expect(try p.write(fd, [UInt8](repeating: 1, count: 100_000)) == 1000)
    #expect(try p.seek(fd, 0, 1) == 1000)
    world.audit()
  }

  @Test("an error after some bytes is the count of these bytes")
  func errorInTheMiddle() throws {
    let fd = try p.open("/big", Flags.create | Flags.readWrite)
    var calls = 0
    world.root.lie = { request, answer in
      guard request.type == FS.Write.number else { return }
      calls += 1
      if calls == 2 { answer = Message(error: .ioError); answer.token = request.token }
    }
    #expect(try p.write(fd, [UInt8](repeating: 1, count: 150_000)) == 65536)
    world.audit()
  }

  @Test("a buffer outside the caller's memory is EFAULT", arguments: [0, 1, UInt64.max, UInt64.max - 5, Client.base + UInt64(Client.size) - 3])
  func badBuffer(_ address: UInt64) throws {
    let fd = try p.open("/f", Flags.readWrite)
    #expect(failure { try p.call(VFS.Read(descriptor: fd, address: address, length: 10)) } == .badAddress)
    #expect(failure { try p.call(VFS.Write(descriptor: fd, address: address, length: 10)) } == .badAddress)
    #expect(try p.seek(fd, 0, 1) == 0)
    #expect(world.root.find("/f")?.data == Array("0123456789".utf8))
    world.audit()
  }

  @Test("lseek by all three whences, its errors, and holes")
  func seek() throws {
    let fd = try p.open("/f", Flags.readWrite)
    #expect(try p.seek(fd, 3) == 3)
    #expect(try p.text(fd, 2) == "34")
    #expect(try p.seek(fd, 2, 1) == 7)
    #expect(try p.seek(fd, -1, 2) == 9)
    #expect(try p.text(fd) == "9")
    #expect(failure { try p.seek(fd, -1) } == .invalidArgument)
    #expect(failure { try p.seek(fd, -100, 1) } == .invalidArgument)
    #expect(failure { try p.seek(fd, -100, 2) } == .invalidArgument)
    #expect(failure { try p.seek(fd, .max, 1) } == .overflow)
    #expect(failure { try p.seek(fd, 0, 3) } == .invalidArgument)
    #expect(failure { try p.seek(fd, 0, .max) } == .invalidArgument)
    #expect(try p.seek(fd, 0, 1) == 10)
    #expect(try p.seek(fd, 20) == 20)
    #expect(try p.text(fd) == "")
    try p.write(fd, "x")
    #expect(try p.stat("/f").size == 21)
    #expect(try p.seek(fd, .max) == .max)
    #expect(try p.text(fd) == "")
    #expect(failure { try p.write(fd, "x") } == .fileTooLarge)
    world.audit()
  }

  @Test("O_APPEND writes at the end, whoever else writes, and moves the position there")
  func append() throws {
    let a = try p.open("/f", Flags.writeOnly | Flags.append), b = try p.open("/f", Flags.writeOnly | Flags.append)
    try p.write(a, "A")
    try p.write(b, "B")
    try p.write(a, "C")
    #expect(try p.seek(a, 0, 1) == 13)
    #expect(world.root.find("/f")?.data == Array("0123456789ABC".utf8))
    world.audit()
  }

  @Test("truncate and ftruncate, and whom they refuse")
  func truncate() throws {
    try p.truncate("/f", 3)
    #expect(try p.stat("/f").size == 3)
    let fd = try p.open("/f", Flags.readWrite)
    _ = try p.call(VFS.FileTruncate(descriptor: fd, size: 8))
    #expect(try p.read(fd) == [48, 49, 50, 0, 0, 0, 0, 0])
    let r = try p.open("/f")
    #expect(failure { try p.call(VFS.FileTruncate(descriptor: r, size: 0)) } == .invalidArgument)
    #expect(failure { try p.truncate("/f", .max) } == .invalidArgument)
    #expect(failure { try p.truncate("/tmp", 0) } == .isDirectory)
    #expect(failure { try p.truncate("/dev/null", 0) } == .invalidArgument)
    #expect(failure { try p.truncate("/nothing", 0) } == .noSuchFile)
    world.audit()
  }

  @Test("processes that share an open file share its position, and never read the same bytes")
  func sharedPosition() throws {
    let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 / 1000) }
    world.root.file("/shared", bytes)
    let fd = try p.open("/shared")
    let child = Client(world, parent: p, slot: 65)
    world.root.isHeld = true
    p.start(p.readCall(fd, 150_000))
    child.start(child.readCall(fd, 150_000))
    world.root.isHeld = false
    world.run()
    let first = try p.answer()!.reply(VFS.Count.self).count, second = try child.answer()!.reply(VFS.Count.self).count
    #expect(first == 150_000 && second == 150_000)
    #expect(world.read(p.endpoint, Client.data, 150_000) == Array(bytes[..<150_000]))
    #expect(world.read(child.endpoint, Client.data, 150_000) == Array(bytes[150_000...]))
    world.audit()
  }

  @Test("stat and fstat tell size, type, links and device; ENOENT, and EBADF")
  func stat() throws {
    let a = try p.stat("/f")
    #expect(a.size == 10 && a.mode == VFS.Mode.regular | 0o644 && a.links == 1 && a.blocks == 1)
    let d = try p.stat("/")
    #expect(d.mode & VFS.Mode.typeMask == VFS.Mode.directory && d.inode == 1 && d.device == a.device)
    #expect(try p.stat("/proc").device != a.device)
    let null = try p.stat("/dev/null")
    #expect(null.mode & VFS.Mode.typeMask == VFS.Mode.character && null.special == 3)
    #expect(try p.stat("/dev/hd0").special == 8 << 16)
    #expect(failure { try p.stat("/x") } == .noSuchFile)
    world.audit()
  }

  @Test("chmod changes permission bits only; access and exec heed them")
  func changeMode() throws {
    try p.access("/f", 0)
    try p.access("/f", 6)
    #expect(failure { try p.access("/f", 1) } == .accessDenied)
    try p.changeMode("/f", 0o755 | 0o170000)
    #expect(try p.stat("/f").mode == VFS.Mode.regular | 0o755)
    try p.access("/f", 7)
    #expect(failure { try p.access("/f", 8) } == .invalidArgument)
    #expect(failure { try p.access("/none", 0) } == .noSuchFile)
    #expect(failure { try p.changeMode("/dev/null", 0) } == .notPermitted)
    world.audit()
  }

  @Test("fsync, sync and statfs reach the file systems")
  func sync() throws {
    let fd = try p.open("/f")
    _ = try p.call(VFS.FileSync(descriptor: fd))
    #expect(world.root.syncs == 1)
    _ = try p.call(VFS.Sync())
    #expect(world.root.syncs == 2)
    let (address, length) = p.put("/tmp")
    #expect(try p.call(VFS.FileSystemStatistics(path: address, length: length)).blocks == 100)
    let (dev, devLength) = p.put("/dev/null")
    #expect(try p.call(VFS.FileSystemStatistics(path: dev, length: devLength)).blocks == 0)
    world.audit()
  }
}
