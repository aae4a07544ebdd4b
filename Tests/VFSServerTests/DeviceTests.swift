import IPC
import Protocols
import Testing
@testable import VFSServer

private typealias Flags = VFS.OpenFlags

@Suite("/dev")
struct DeviceTests {
  let world = World()
  let p: Client
  init() { p = Client(world, slot: 64) }

  @Test("null swallows, zero gives zeros, both can be sought and have no driver")
  func nullAndZero() throws {
    let null = try p.open("/dev/null", Flags.readWrite), zero = try p.open("/dev/zero", Flags.readWrite)
    #expect(try p.write(null, "gone") == 4)
    #expect(try p.read(null) == [])
    _ = world.write(p.endpoint, Client.data, [UInt8](repeating: 9, count: 10_000))
    #expect(try p.read(zero, 10_000) == [UInt8](repeating: 0, count: 10_000))
    #expect(try p.write(zero, "gone") == 4)
    #expect(try p.seek(null, 100) == 0)
    #expect(failure { try p.call(VFS.Read(descriptor: zero, address: 0, length: 5)) } == .badAddress)
    #expect(failure { try p.call(VFS.Control(descriptor: null, request: 1, argument: 0)) } == .notTerminal)
    world.audit()
  }

  @Test("the terminal: write, read, ioctl with a buffer, and the answer for a number it does not know")
  func terminal() throws {
    let tty = try p.open("/dev/tty", Flags.readWrite)
    #expect(world.terminal.opens == 1)
    try p.write(tty, "out")
    #expect(world.terminal.output == Array("out".utf8))
    world.terminal.type("in\n")
    #expect(try p.text(tty) == "in\n")
    #expect(try p.call(VFS.Control(descriptor: tty, request: Char.Request.tiocGetWindow, argument: Client.data)).result == 0)
    #expect(world.read(p.endpoint, Client.data, 4) == [25, 0, 80, 0])
    #expect(failure { try p.call(VFS.Control(descriptor: tty, request: 0x1234, argument: 5)) } == .notTerminal)
    #expect(failure { try p.call(VFS.Control(descriptor: tty, request: Char.Request.tiocGetWindow, argument: 0)) } == .badAddress)
    #expect(failure { try p.seek(tty, 0) } == .illegalSeek)
    #expect(try p.read(tty, 0) == [])
    try p.close(tty)
    world.run()
    #expect(world.terminal.opens == 0)
    world.audit()
  }

  @Test("a driver that heeds positions is read to its end, and can be sought")
  func positions() throws {
    let fd = try p.open("/dev/echo")
    #expect(try p.read(fd, 60) == Array(0..<60))
    #expect(try p.read(fd, 60) == Array(60..<100))
    #expect(try p.read(fd, 60) == [])
    #expect(try p.seek(fd, 98) == 98)
    #expect(try p.read(fd) == [98, 99])
    #expect(try p.seek(fd, .max) == .max)
    #expect(try p.read(fd) == [])
    world.audit()
  }

  @Test("O_NONBLOCK on a terminal without input is EAGAIN")
  func nonBlocking() throws {
    let tty = try p.open("/dev/tty", Flags.readWrite | Flags.nonBlocking)
    #expect(failure { try p.read(tty) } == .wouldBlock)
    world.audit()
  }

  @Test("more readers of a terminal than workers do not stop VFS")
  func manyReaders() throws {
    let tty = try p.open("/dev/tty")
    let readers = (0..<50).map { Client(world, parent: p, slot: 70 + $0) }
    for reader in readers { reader.start(reader.readCall(tty, 10)) }
    world.run()
    world.root.file("/f", "x")
    #expect(try p.text(p.open("/f")) == "x")
    for _ in readers { world.terminal.type("k") }
    #expect(readers.allSatisfy { $0.answer() != nil })
    world.audit()
  }

  @Test("M-F13 a signal cancels a terminal read once, with SA_RESTART or not; a late answer is ignored", arguments: [false, true])
  func cancel(restart: Bool) throws {
    let tty = try p.open("/dev/tty")
    p.start(p.readCall(tty, 10))
    world.run()
    p.cancel(restart: restart)
    p.cancel(restart: restart)
    world.run()
    #expect(world.terminal.count(Char.Cancel.number) == 1)
    #expect(failure { try p.answer()!.reply(VFS.Count.self) } == (restart ? .restarted : .interrupted))
    #expect(p.answer() == nil)
    world.terminal.type("later")
    #expect(try p.text(tty) == "later")
    world.audit()
  }

  @Test("M-F13 bytes that came with the signal are the answer, not EINTR")
  func cancelTooLate() throws {
    let tty = try p.open("/dev/tty")
    p.start(p.readCall(tty, 10))
    world.run()
    world.terminal.isHeld = true
    p.cancel()
    world.terminal.type("yes")
    world.terminal.isHeld = false
    world.run()
    #expect(try p.answer()?.reply(VFS.Count.self).count == 3)
    #expect(p.answer() == nil)
    world.audit()
  }

  @Test("M-F1 a terminal that never answers stops only who asked; the asker can be killed")
  func silentDriver() throws {
    let tty = try p.open("/dev/tty", Flags.readWrite)
    let q = Client(world, parent: p, slot: 65)
    world.terminal.swallow = .max
    p.start(p.writeCall(tty, Array("x".utf8)))
    world.run()
    #expect(p.answer() == nil)
    world.root.file("/f", "x")
    #expect(try q.text(q.open("/f")) == "x")
    let (r, w) = try q.pipe()
    try q.write(w, "y")
    #expect(try q.text(r) == "y")
    p.exit()
    q.exit()
    world.terminal.swallow = 0
    world.run()
    #expect(world.filesInUse == 0)
    world.audit()
  }

  @Test("a process killed while it reads a terminal: the driver is told, its buffer's grant is gone")
  func killedReader() throws {
    let tty = try p.open("/dev/tty")
    p.start(p.readCall(tty, 10))
    world.run()
    p.exit()
    world.run()
    #expect(world.terminal.waiting.isEmpty)
    #expect(world.terminal.opens == 0)
    world.audit()
  }

  @Test("a block device is read and written by the byte, wherever it begins and ends")
  func blocks() throws {
    let fd = try p.open("/dev/hd0", Flags.readWrite)
    #expect(try p.fileStat(fd).size == 65536)
    let before = world.disk.bytes
    for (position, count) in [(0, 512), (1, 1), (511, 2), (100, 1000), (512, 1024), (513, 511), (1000, 70), (0, 65536), (65000, 1000), (65535, 1)] {
      try p.seek(fd, Int64(position))
      #expect(try p.read(fd, count) == Array(before[position..<min(65536, position + count)]))
    }
    try p.seek(fd, 65536)
    #expect(try p.read(fd) == [])
    #expect(failure { try p.write(fd, "x") } == .noSpace)
    var model = before
    for (position, count) in [(0, 512), (1, 1), (511, 2), (100, 1000), (513, 511), (2048, 4096), (65000, 536)] {
      let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &+ position) }
      try p.seek(fd, Int64(position))
      #expect(try p.write(fd, bytes) == count)
      model.replaceSubrange(position..<position + count, with: bytes)
      #expect(world.disk.bytes == model)
    }
    try p.seek(fd, 65000)
    #expect(try p.write(fd, [UInt8](repeating: 5, count: 1000)) == 536)
    #expect(try p.seek(fd, -10, 2) == 65526)
    world.audit()
  }

  @Test("a block device: no such minor, bad buffers, fsync")
  func blockErrors() throws {
    #expect(failure { try p.open("/dev/hd1") } == .noSuchDevice)
    let fd = try p.open("/dev/hd0", Flags.readWrite)
    #expect(failure { try p.call(VFS.Read(descriptor: fd, address: 0, length: 512)) } == .badAddress)
    #expect(failure { try p.call(VFS.Read(descriptor: fd, address: 0, length: 10)) } == .badAddress)
    #expect(failure { try p.call(VFS.Write(descriptor: fd, address: 0, length: 10)) } == .badAddress)
    _ = try p.call(VFS.FileSync(descriptor: fd))
    #expect(world.disk.count(Block.Flush.number) == 1)
    #expect(failure { try p.call(VFS.Control(descriptor: fd, request: 1, argument: 0)) } == nil)
    world.audit()
  }

  @Test("M-D3 the RAM disk is not taken from under others: EBUSY while it is mounted or opened twice")
  func ramDisk() throws {
    // The root lies on it.
    let fd = try p.open("/dev/ram0")
    #expect(failure { try p.call(VFS.Control(descriptor: fd, request: Char.Request.ramDiskSize, argument: 0)) } == .busy)
    let other = World(commandLine: "")
    let q = Client(other, slot: 64)
    let a = try q.open("/dev/ram0"), b = try q.open("/dev/ram0")
    #expect(failure { try q.call(VFS.Control(descriptor: a, request: Char.Request.ramDiskSize, argument: 0)) } == .busy)
    try q.close(b)
    #expect(try q.call(VFS.Control(descriptor: a, request: Char.Request.ramDiskSize, argument: 0)).result == 0)
    other.audit()
  }

  @Test("device files of other file systems are ENXIO")
  func foreignDevices() throws {
    _ = world.root.add(1, "null", VFS.Mode.character | 0o666)
    _ = world.root.add(1, "fifo", VFS.Mode.fifo | 0o666)
    #expect(failure { try p.open("/null") } == .noSuchDevice)
    #expect(failure { try p.open("/fifo") } == .noSuchDevice)
    world.audit()
  }
}
