import IPC
import Protocols
import Testing
@testable import VFSServer

private typealias Flags = VFS.OpenFlags

@Suite("VFS: files in the page cache")
struct CachedFileTests {
  let world = World()
  let p: Client
  static let text = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) }

  init() {
    p = Client(world, slot: 64)
    world.root.file("/big", Self.text)
  }

  @Test("What was read once is read again without the file system, by others too")
  func again() throws {
    var fd = try p.open("/big")
    #expect(try p.read(fd, 200_000) == Self.text)
    let asked = world.root.count(FS.Read.number)
    // 16 KiB, then in order by 64 KiB.
    #expect(asked == 4)
    try p.close(fd)
    let other = Client(world, parent: p, slot: 65)
    fd = try other.open("/big")
    #expect(try other.read(fd, 200_000) == Self.text)
    #expect(try other.read(fd, 1) == [])
    #expect(world.root.count(FS.Read.number) == asked)
    world.audit()
  }

  @Test("V20 a read here and there fetches a few pages, not the file")
  func random() throws {
    let fd = try p.open("/big")
    for position in [150_000, 3, 90_000] {
      try p.seek(fd, Int64(position))
      #expect(try p.read(fd, 10) == Array(Self.text[position..<position + 10]))
    }
    #expect(world.vm.cache.count == 12)
    world.audit()
  }

  @Test("Writes, appends and truncations are seen at once by who reads pages, and are the file system's when they are acknowledged")
  func coherent() throws {
    var model = Self.text
    let fd = try p.open("/big", Flags.readWrite), end = try p.open("/big", Flags.writeOnly | Flags.append)
    #expect(try p.read(fd, 200_000) == model)
    func check() throws {
      try p.seek(fd, 0)
      #expect(try p.read(fd, 400_000) == model)
      #expect(world.root.find("/big")?.data == model)
      #expect(try p.stat("/big").size == UInt64(model.count))
    }
    try p.seek(fd, 4090)
    #expect(try p.write(fd, [UInt8](repeating: 1, count: 70_000)) == 70_000)
    model.replaceSubrange(4090..<74_090, with: [UInt8](repeating: 1, count: 70_000))
    try check()
    #expect(try p.write(end, [1, 2, 3]) == 3)
    model += [1, 2, 3]
    try check()
    try p.truncate("/big", 5000)
    model.removeLast(model.count - 5000)
    try check()
    try p.truncate("/big", 9000)
    model += [UInt8](repeating: 0, count: 4000)
    try check()
    let again = try p.open("/big", Flags.readWrite | Flags.truncate)
    model = []
    try check()
    #expect(try p.write(again, [9]) == 1)
    model = [9]
    try check()
    world.audit()
  }

  @Test("An inode number that comes again never brings the old file's pages")
  func reused() throws {
    let fd = try p.open("/big")
    #expect(try p.read(fd, 100) == Array(Self.text[..<100]))
    try p.close(fd)
    let inode = world.root.find("/big")!.number
    try p.unlink("/big")
    world.root.next = inode
    let new = try p.open("/new", Flags.create | Flags.readWrite)
    #expect(world.root.find("/new")?.number == inode)
    #expect(world.vm.cache.count == 0)
    #expect(try p.write(new, [5]) == 1)
    try p.truncate("/new", 100)
    try p.seek(new, 0)
    #expect(try p.read(new, 100) == [5] + [UInt8](repeating: 0, count: 99))
    world.audit()
  }

  @Test("A cache that has no room, or is not there: the file system copies itself", arguments: [nil, 0, 1, 5] as [Int?])
  func without(limit: Int?) throws {
    world.vm.cache.isThere = limit != nil
    world.vm.cache.limit = limit ?? 0
    let fd = try p.open("/big", Flags.readWrite)
    #expect(try p.read(fd, 200_000) == Self.text)
    try p.seek(fd, 0)
    #expect(try p.write(fd, [1, 2, 3]) == 3)
    try p.seek(fd, 0)
    #expect(try p.read(fd, 400_000) == [1, 2, 3] + Self.text[3...])
    world.audit()
  }

  @Test("A bad address is EFAULT, or ends a read behind the first byte")
  func badAddress() throws {
    let fd = try p.open("/big")
    #expect(try p.read(fd, 5000) == Array(Self.text[..<5000]))
    try p.seek(fd, 0)
    #expect(failure { try p.call(VFS.Read(descriptor: fd, address: 0, length: 100)) } == .badAddress)
    world.audit()
  }

  @Test("A file system that has less than it said ends the file")
  func shorter() throws {
    let fd = try p.open("/big")
    world.root.find("/big")!.data.removeLast(150_000)
    #expect(try p.read(fd, 200_000) == Array(Self.text[..<50_000]))
    #expect(try p.read(fd, 10) == [])
    world.audit()
  }

  @Test("Many who miss pages of one disk at the same time all come to their end")
  func together() throws {
    let clients = (0..<6).map { Client(world, parent: p, slot: 70 + $0) }
    for round in 0..<4 {
      var waiting: [(client: Client, position: Int, fd: Int64)] = []
      for (index, client) in clients.enumerated() {
        let position = (index * 30_000 + round * 7000) % 190_000
        let fd = try client.open("/big")
        try client.seek(fd, Int64(position))
        waiting.append((client, position, fd))
      }
      for (client, _, fd) in waiting { client.start(client.readCall(fd, 5000)) }
      // Each step is a message; none waits for more than a few.
      for _ in 0..<500 { world.step() }
      for (client, position, _) in waiting {
        let answer = client.answer()
        #expect(answer?.type == 0 && answer?.payload.0 == UInt64(min(5000, 200_000 - position)), "\(position)")
      }
    }
    for client in clients { client.exit() }
    world.run()
    world.audit()
  }
}
