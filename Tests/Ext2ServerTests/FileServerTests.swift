import FakeKernel
import Foundation
import IPC
import Protocols
import ServerKit
import Testing

@testable import Ext2Server

@Suite struct FileServerTests {
  @Test("every call of FS by message")
  func everyCall() throws {
    let bench = try ServerBench()
    #expect(try bench.mount().inode == 2)
    let file = try bench.create("file")
    #expect(try bench.write(file.inode, [UInt8](repeating: 7, count: 5000)).size == 5000)
    #expect(try bench.write(file.inode, at: .max, [8]).size == 5001)
    #expect(try bench.read(file.inode, at: 4999, 10) == [7, 8])
    _ = try bench.granting(Array("dirnewname".utf8)) { id in
      _ = try bench.ask(FS.MakeDirectory(directory: 2, grant: id, offset: 0, length: 3, mode: 0o755))
      let directory = try bench.lookup("dir")
      _ = try bench.ask(FS.Link(inode: file.inode, directory: directory.inode, grant: id, offset: 3, length: 3))
      _ = try bench.ask(FS.Rename(from: directory.inode, to: 2, grant: id, offset: 3, lengths: 3 | 4 << 16))
      #expect(try bench.lookup("name").inode == file.inode)
      _ = try bench.ask(FS.SymbolicLink(directory: 2, grant: id, offset: 3, lengths: 3 | 4 << 16))
      let link = try bench.lookup("new")
      let (reply, text) = try bench.granting([UInt8](repeating: 0, count: 4)) { try bench.ask(FS.ReadLink(inode: link.inode, grant: $0, offset: 0, capacity: 100)) }
      #expect(reply.count == 4 && text == Array("name".utf8))
      _ = try bench.ask(FS.Unlink(directory: 2, grant: id, offset: 3, length: 3))
      _ = try bench.ask(FS.RemoveDirectory(directory: 2, grant: id, offset: 0, length: 3))
      _ = try bench.ask(FS.Forget(inode: directory.inode, count: 1))
      _ = try bench.ask(FS.Forget(inode: link.inode, count: 1))
    }
    _ = try bench.ask(FS.Truncate(inode: file.inode, size: 3))
    _ = try bench.ask(FS.SetAttributes(inode: file.inode, fields: 1, mode: 0o600, modified: 0))
    #expect(try bench.ask(FS.Attributes(inode: file.inode)).mode == 0o100600)
    let (listing, _) = try bench.granting([UInt8](repeating: 0, count: 500)) {
      try bench.ask(FS.ReadDirectory(inode: 2, position: 0, grant: $0, offset: 0, length: 500))
    }
    #expect(listing.count > 0)
    #expect(try bench.ask(FS.Statistics()).blockSize == 1024)
    #expect(throws: Errno.busy) { try bench.ask(FS.Unmount()) }
    _ = try bench.ask(FS.Forget(inode: file.inode, count: 100))
    _ = try bench.ask(FS.Sync())
    #expect(bench.complaint == nil)
    _ = try bench.ask(FS.Unmount())
    #expect(throws: Errno.noSuchDevice) { try bench.ask(FS.Sync()) }
    _ = try bench.mount()
    #expect(bench.kernel.grants.isEmpty)  // each transfer's grant was revoked
  }

  @Test("only VFS is served, and only requests are answered")
  func strangers() throws {
    let bench = try ServerBench()
    for source: Endpoint in [.pm, .initProcess, .memory] {
      #expect(throws: Errno.notPermitted) { try bench.ask(FS.Sync(), from: source) }
      #expect(throws: Errno.notPermitted) { try bench.ask(FS.Sync(), from: source, flags: .request) }
    }
    #expect(throws: Errno.noSuchCall) { try bench.ask(Echo.Ping(words: (0, 0, 0, 0, 0, 0, 0))) }
    #expect(throws: Errno.noSuchDevice) { try bench.ask(FS.Attributes(inode: 2)) }
    #expect(bench.server.handle(Delivery(message: Message(error: .ioError), flags: .asynchronous), &bench.ipc) == nil)
    #expect(bench.server.handle(request(FS.Sync(), from: .vfs, flags: Delivery.Flags(raw: 0)), &bench.ipc) == nil)
  }

  @Test("mounting: no such minor, no such driver, twice, and what is not ext2 is told by name")
  func mounting() throws {
    let bench = try ServerBench()
    #expect(throws: Errno.noSuchDevice) { try bench.mount(minor: 3) }
    #expect(throws: Errno.ioError) { try bench.ask(FS.Mount(driver: .tty, minor: 0, flags: 0)) }
    _ = try bench.mount()
    #expect(throws: Errno.busy) { try bench.mount() }
    let other = try ServerBench("-b 1024 -O extents,flex_bg")
    #expect(throws: Errno.invalidArgument) { try other.mount() }
    #expect(other.kernel.logged == "ext2: unknown incompatible features 0x240 extents flex_bg\n")
    let readOnly = try ServerBench("-b 1024 -O huge_file")
    _ = try readOnly.mount()
    #expect(readOnly.kernel.logged == "ext2: mounted read-only: unknown read-only compatible features 0x8 huge_file\n")
    #expect(throws: Errno.readOnlyFileSystem) { try readOnly.create("x") }
  }

  @Test("changes go out by age: an alarm one second after the first")
  func age() throws {
    let bench = try ServerBench()
    _ = try bench.mount()
    #expect(bench.kernel.alarm == 0)
    _ = try bench.create("file")
    #expect(bench.kernel.alarm == bench.kernel.now + 1_000_000_000)
    bench.kernel.now += 500_000_000
    _ = try bench.create("other")
    #expect(bench.kernel.alarm == bench.kernel.now + 500_000_000)
    bench.server.notified(by: .pm, events: KernelEvent.alarm, &bench.ipc)
    #expect(bench.server.volume!.isDirty)
    bench.server.notified(by: .kernel, events: KernelEvent.alarm, &bench.ipc)
    #expect(!bench.server.volume!.isDirty)
    let transfers = bench.transfers
    bench.server.notified(by: .kernel, events: KernelEvent.alarm, &bench.ipc)
    #expect(bench.transfers == transfers)
    _ = try bench.create("third")
    #expect(bench.kernel.alarm == bench.kernel.now + 1_000_000_000)
  }

  @Test("the time of a change is the superblock's plus the time since boot")
  func time() throws {
    let bench = try ServerBench()
    let root = try bench.mount()
    bench.kernel.now += 100 * 1_000_000_000
    let file = try bench.create("file")
    #expect(file.modified >= root.modified + 100)
    #expect(file.modified <= UInt64(Date().timeIntervalSince1970) + 101)
  }

  @Test("M-F2 a driver whose answers make no sense is complained about, and the transfer repeated", arguments: 0..<4)
  func garbage(kind: Int) throws {
    let bench = try ServerBench()
    _ = try bench.mount()
    let file = try bench.create("file")
    _ = try bench.write(file.inode, [UInt8](repeating: 1, count: 30000))
    var left = 3
    bench.spoil = { message in
      guard left > 0, message.type == Block.Transfer.number else { return nil }
      left -= 1
      switch kind {
      case 0: return Message(header: 0x7FFF_FFFF, payload: (.max, .max, .max, .max, .max, .max, .max))
      case 1: return Message(reply: VFS.Count(count: .max))
      case 2: return Message(type: -5000)
      default: return Message(type: 3)
      }
    }
    _ = try bench.ask(FS.Sync())
    #expect(bench.complaints == [.memory, .memory, .memory])
    #expect(bench.complaint == nil)
    #expect(bench.kernel.grants.isEmpty)
  }

  @Test("nonsense five times is EIO, and the server goes on")
  func garbageForEver() throws {
    let bench = try ServerBench()
    _ = try bench.mount()
    _ = try bench.create("file")
    bench.spoil = { _ in Message(type: 0x7FFF_FFFF) }
    #expect(throws: Errno.ioError) { try bench.ask(FS.Sync()) }
    #expect(bench.complaints.count % 5 == 0 && !bench.complaints.isEmpty)
    bench.spoil = { _ in nil }
    _ = try bench.ask(FS.Sync())
    #expect(bench.complaint == nil)
  }

  @Test("a nonsensical size at the mount")
  func garbageSize() throws {
    let bench = try ServerBench()
    bench.spoil = { $0.type == Block.Open.number ? Message(reply: Block.Open.Reply(size: .max, readOnly: 0)) : nil }
    #expect(throws: Errno.ioError) { try bench.mount() }
    #expect(bench.complaints.count == 5)
    bench.spoil = { $0.type == Block.Open.number ? Message(reply: Block.Open.Reply(size: 3 << 20, readOnly: 0)) : nil }
    _ = try bench.mount()
  }

  @Test("fewer bytes than asked, errors and a dead driver are EIO without a complaint")
  func honestFailures() throws {
    let bench = try ServerBench()
    _ = try bench.mount()
    _ = try bench.create("file")
    bench.spoil = { $0.type == Block.Transfer.number ? Message(reply: VFS.Count(count: 512)) : nil }
    #expect(throws: Errno.ioError) { try bench.ask(FS.Sync()) }
    bench.spoil = { _ in Message(error: .ioError) }
    #expect(throws: Errno.ioError) { try bench.ask(FS.Sync()) }
    bench.driverIsDead = true
    #expect(throws: Errno.ioError) { try bench.ask(FS.Sync()) }
    bench.server.notified(by: .kernel, events: KernelEvent.alarm, &bench.ipc)
    #expect(bench.kernel.logged.contains("cannot write"))
    let logged = bench.kernel.logged
    bench.server.notified(by: .kernel, events: KernelEvent.alarm, &bench.ipc)
    #expect(bench.kernel.logged == logged)
    #expect(bench.complaints.isEmpty)
    bench.driverIsDead = false
    bench.spoil = { _ in nil }
    _ = try bench.ask(FS.Sync())
    #expect(bench.complaint == nil)
  }

  @Test("damage is logged once")
  func damage() throws {
    let bench = try ServerBench()
    _ = try bench.mount()
    let file = try bench.create("file")
    _ = try bench.write(file.inode, [1])
    var inode = try bench.server.volume!.load(UInt32(file.inode))
    inode.pointers[0] = 1
    try bench.server.volume!.store(inode)
    #expect(throws: Errno.ioError) { try bench.read(file.inode, 1) }
    #expect(throws: Errno.ioError) { try bench.read(file.inode, 1) }
    #expect(bench.kernel.logged == "ext2: damaged: a pointer leads outside the data\n")
  }

  @Test("names: lengths of 0, 255, 256 and beyond the grant")
  func nameLengths() throws {
    let bench = try ServerBench()
    _ = try bench.mount()
    _ = bench.granting([UInt8](repeating: 0x61, count: 300)) { id in
      #expect(throws: Errno.noSuchFile) { try bench.ask(FS.Lookup(directory: 2, grant: id, offset: 0, length: 0)) }
      #expect(throws: Errno.nameTooLong) { try bench.ask(FS.Lookup(directory: 2, grant: id, offset: 0, length: 256)) }
      #expect(throws: Errno.nameTooLong) { try bench.ask(FS.Lookup(directory: 2, grant: id, offset: 0, length: .max)) }
      #expect(throws: Errno.invalidArgument) { try bench.ask(FS.Lookup(directory: 2, grant: id, offset: 200, length: 200)) }
      #expect(throws: Errno.self) { try bench.ask(FS.Lookup(directory: 2, grant: id, offset: .max, length: 200)) }
      #expect(throws: Errno.nameTooLong) { try bench.ask(FS.Rename(from: 2, to: 2, grant: id, offset: 0, lengths: 0xFFFF_FFFF)) }
      #expect(throws: Errno.noSuchFile) { try bench.ask(FS.Rename(from: 2, to: 2, grant: id, offset: 0, lengths: 0)) }
      #expect(throws: Errno.nameTooLong) { try bench.ask(FS.SymbolicLink(directory: 2, grant: id, offset: 0, lengths: 3 | 5000 << 16)) }
    }
    #expect(throws: Errno.notPermitted) { try bench.ask(FS.Lookup(directory: 2, grant: 1 << 40, offset: 0, length: 5)) }
  }

  @Test("random messages from VFS: an answer each, no trap, and the image stays whole")
  func randomMessages() throws {
    let bench = try ServerBench()
    _ = try bench.mount()
    var random = Random(seed: 77)
    let numbers = FS.Number.allCases.filter { $0 != .unmount }.map(\.rawValue)
    let memory = ClientBuffer((0..<4096).map { _ in UInt8(truncatingIfNeeded: random.next()) | 1 })
    let grant = bench.kernel.grant(memory.memory, from: .vfs, to: .rootfs)
    func word() -> UInt64 {
      switch random.next() % 6 {
      case 0: random.next()
      case 1: .max - random.next() % 3
      case 2: grant
      case 3: 2
      default: random.next() % 40
      }
    }
    for _ in 0..<5000 {
      var message = Message(type: numbers.randomElement(using: &random)!)
      message.source = .vfs
      message.payload = (word(), word(), word(), word(), word(), word(), word())
      #expect(bench.server.handle(Delivery(message: message, flags: .asynchronous), &bench.ipc) != nil)
    }
    // VFS gives everything back.
    for inode in 1...1000 { _ = try? bench.ask(FS.Forget(inode: UInt64(inode), count: .max)) }
    _ = try bench.ask(FS.Sync())
    #expect(bench.complaint == nil)
  }
}

@Suite struct CacheTests {
  @Test("a large file is read in requests of 64 KiB, and the second time from memory in few copies")
  func readAhead() throws {
    let bench = try ServerBench("-b 4096", blocks: "8M")
    bench.server = FileServer(cacheBytes: 3 << 20)
    _ = try bench.mount()
    let file = try bench.create("big")
    let data = (0..<1 << 20).map { UInt8(truncatingIfNeeded: $0 >> 12) }
    _ = try bench.write(file.inode, data)
    _ = try bench.ask(FS.Sync())
    _ = try bench.ask(FS.Forget(inode: file.inode, count: 1))
    _ = try bench.ask(FS.Unmount())
    _ = try bench.mount()
    let again = try bench.lookup("big")
    bench.transfers = 0
    bench.kernel.copies = 0
    #expect(try bench.read(again.inode, 1 << 20) == data)
    // 16 of 64 KiB; a request ends where a pointer block interrupts the file.
    #expect(bench.transfers <= 20)
    #expect(bench.kernel.copies <= 2 * 20)
    bench.transfers = 0
    bench.kernel.copies = 0
    #expect(try bench.read(again.inode, 1 << 20) == data)
    #expect(bench.transfers == 0)
    #expect(bench.kernel.copies <= 20)
  }

  @Test("small reads in sequence are read ahead, scattered ones are not")
  func sequence() throws {
    let bench = try ServerBench("-b 1024", blocks: "8M")
    _ = try bench.mount()
    let file = try bench.create("big")
    _ = try bench.write(file.inode, [UInt8](repeating: 5, count: 200 << 10))
    _ = try bench.ask(FS.Forget(inode: file.inode, count: 1))
    _ = try bench.ask(FS.Unmount())
    _ = try bench.mount()
    let again = try bench.lookup("big")
    _ = try bench.read(again.inode, at: 150 << 10, 1)
    bench.transfers = 0
    for block in stride(from: 100, to: 110, by: 3) { _ = try bench.read(again.inode, at: UInt64(block) << 10, 1) }
    #expect(bench.transfers == 4)
    bench.transfers = 0
    for block in 0..<64 { _ = try bench.read(again.inode, at: UInt64(block) << 10, 1024) }
    #expect(bench.transfers <= 3)
  }

  @Test("dirty neighbours go out together")
  func gathering() throws {
    let bench = try ServerBench("-b 1024", blocks: "8M")
    _ = try bench.mount()
    let file = try bench.create("big")
    for block in 0..<128 { _ = try bench.write(file.inode, at: UInt64(block) << 10, [UInt8](repeating: 5, count: 1024)) }
    bench.transfers = 0
    _ = try bench.ask(FS.Sync())
    // 128 KiB of data in 2 or 3 transfers, metadata in a few, the clean superblock.
    #expect(bench.transfers <= 14)
    #expect(bench.complaint == nil)
  }

  @Test("a cache that is far too small is slow, not wrong", arguments: ["-b 1024", "-b 4096"])
  func tiny(shape: String) throws {
    var mounted = try Mounted(Image(blocks: "16M", shape), cache: 0)
    defer { mounted.done() }
    var random = Random(seed: 8)
    let data = random.bytes(50_000)
    for index in 0..<30 {
      try mounted.make("f\(index)")
      try mounted.write("f\(index)", at: UInt64(index) * 5000, data)
    }
    for index in 0..<30 { #expect(try Array(mounted.read("f\(index)").suffix(50_000)) == data) }
    #expect(try mounted.judge() == nil)
  }
}
