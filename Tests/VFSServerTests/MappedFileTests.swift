import IPC
import Protocols
import Testing
@testable import VFSServer

private typealias Flags = VFS.OpenFlags

@Suite("VFS: files in memory of processes")
struct MappedFileTests {
  let world = World()
  let p: Client
  static let text = (0..<50_000).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) }

  init() {
    p = Client(world, slot: 64)
    world.root.file("/f", Self.text)
  }

  private func map(_ fd: Int64, _ protection: UInt32 = 1, shared: Bool = false, offset: UInt64 = 0) throws -> UInt64 {
    let flags = shared ? VM.Flags.shared : VM.Flags.private
    return try p.call(VFS.MapFile(descriptor: fd, address: 0, length: 50_000, offset: offset, protection: protection, flags: flags)).address
  }

  private var file: FakeCache.File { FakeCache.File(mount: world.vm.cache.maps[0].mount, inode: world.vm.cache.maps[0].inode) }
  private func unmapped(changed: UInt32 = 0) {
    world.vm.cache.mapped.remove(file)
    world.deliver(Message(VFS.FileUnmapped(mount: file.mount, changed: changed, inode: file.inode)), from: .vm)
    world.run()
  }
  private func request(_ position: UInt64) {
    world.deliver(Message(VFS.PageRequest(mount: file.mount, inode: file.inode, position: position)), from: .vm)
    world.run()
  }

  @Test("V53 V82 VM hears the file, its size, and what the descriptor allows; the rest is refused")
  func modes() throws {
    let reader = try p.open("/f"), writer = try p.open("/f", Flags.writeOnly), both = try p.open("/f", Flags.readWrite)
    #expect(failure { try map(writer) } == .accessDenied)
    #expect(failure { try map(try p.open("/dev/null", Flags.readWrite)) } == .operationNotSupportedByDevice)
    #expect(failure { try map(try p.open("/")) } == .operationNotSupportedByDevice)
    #expect(failure { try map(77) } == .badFileDescriptor)
    for (fd, shared, allowed) in [(reader, false, 7), (reader, true, 5), (both, true, 7), (both, false, 7)] as [(Int64, Bool, UInt32)] {
      #expect(try map(fd, shared: shared) == 0x7000_0000)
      let call = world.vm.cache.maps.last!
      #expect(call.protection == 1 | allowed << 8 && call.size == 50_000 && call.process == p.endpoint)
    }
    unmapped()
    for fd in [reader, writer, both] { try p.close(fd) }
    p.exit()
    world.run()
    world.audit()
  }

  @Test("V22 V84 a page that VM asks for is fetched; behind the end, or with a broken file system, VM hears of the failure")
  func pages() throws {
    let fd = try p.open("/f")
    _ = try map(fd)
    try p.close(fd)
    request(8192)
    #expect(world.vm.cache.pages[file]?[2] == Array(Self.text[8192..<12_288]))
    #expect(world.vm.cache.failures.isEmpty)
    request(1 << 20)
    #expect(world.vm.cache.failures.last?.error == Errno.ioError.rawValue && world.vm.cache.failures.last?.position == 1 << 20)
    world.vm.cache.limit = 0
    request(40_960)
    #expect(world.vm.cache.failures.last?.error == Errno.noMemory.rawValue)
    world.vm.cache.limit = .max
    world.root.lie = { request, answer in
      if request.type == FS.Read.number { answer = Message(error: .noSpace); answer.token = request.token }
    }
    request(45_056)
    #expect(world.vm.cache.failures.count == 3)
    world.root.lie = nil
    unmapped()
    request(0)
    #expect(world.vm.cache.failures.count == 4, "nobody has the file any more")
    world.audit()
  }

  @Test("V22 V93 more requests for pages than VFS has places: VM hears that it has to ask again, not that memory is short")
  func crowded() throws {
    _ = try map(try p.open("/f"))
    let places = world.vfs.tables.wantedPages.count
    for _ in 0..<places + world.vfs.tables.workers.count + 2 {
      world.deliver(Message(VFS.PageRequest(mount: file.mount, inode: file.inode, position: 8192)), from: .vm)
    }
    world.run()
    #expect(!world.vm.cache.failures.isEmpty && world.vm.cache.failures.allSatisfy { $0.error == Errno.wouldBlock.rawValue })
    #expect(world.vm.cache.pages[file]?[2] != nil)
    world.vm.cache.failures = []
    request(8192)
    #expect(world.vm.cache.failures.isEmpty)
    world.audit()
  }

  @Test("V90 advice brings a long run at once, and has no place where many pages are wanted already: VM hears nothing of that")
  func ahead() throws {
    _ = try map(try p.open("/f"))
    func advise(_ position: UInt64) {
      world.deliver(Message(VFS.PageRequest(mount: file.mount, inode: file.inode, position: position, isAhead: true)), from: .vm)
    }
    advise(4096)
    world.run()
    #expect((1...12).allSatisfy { world.vm.cache.pages[file]?[$0] != nil } && world.vm.cache.pages[file]?[0] == nil)
    for _ in 0..<Bound.ahead * 3 { advise(8192) }
    #expect(world.vfs.wantedCount <= Bound.ahead)
    request(0)
    #expect(world.vm.cache.pages[file]?[0] != nil && world.vm.cache.failures.isEmpty)
    world.audit()
  }

  @Test("The file is held from the first mapping to the last, whatever becomes of descriptors and names")
  func held() throws {
    let fd = try p.open("/f", Flags.readWrite)
    _ = try map(fd, 3, shared: true)
    _ = try map(fd, 3, shared: true)
    try p.close(fd)
    try p.unlink("/f")
    request(0)
    #expect(world.vm.cache.pages[file]?[0] != nil)
    unmapped()
    world.audit()
  }

  @Test("V83 what processes changed goes to the file system: at fsync, at sync, and when nobody maps the file any more; never behind its end")
  func changes() throws {
    let fd = try p.open("/f", Flags.readWrite)
    _ = try map(fd, 3, shared: true)
    var model = Self.text
    func change(_ page: UInt64, _ value: UInt8) {
      request(page << 12)
      let bytes = [UInt8](repeating: value, count: 4096)
      world.vm.cache.pages[file]![page] = bytes
      world.vm.cache.changed[file, default: []].insert(page)
      let end = min(Int(page + 1) << 12, model.count)
      model.replaceSubrange(Int(page) << 12..<end, with: bytes.prefix(end - Int(page) << 12))
    }
    change(1, 1)
    change(12, 2)
    _ = try p.call(VFS.FileSync(descriptor: fd))
    #expect(world.root.find("/f")!.data == model)
    change(3, 3)
    _ = try p.call(VFS.Sync())
    #expect(world.root.find("/f")!.data == model)
    try p.close(fd)
    change(4, 4)
    change(12, 5)
    unmapped(changed: 2)
    #expect(world.root.find("/f")!.data == model)
    p.exit()
    world.run()
    world.audit()
  }

  @Test("V93 VM is short of memory: what processes changed is written, and VM hears of the end; what the file system refuses stays changed")
  func pressed() throws {
    let fd = try p.open("/f", Flags.readWrite)
    _ = try map(fd, 3, shared: true)
    func change(_ page: UInt64, _ value: UInt8) {
      request(page << 12)
      world.vm.cache.pages[file]![page] = [UInt8](repeating: value, count: 4096)
      world.vm.cache.changed[file, default: []].insert(page)
    }
    func press(_ mount: UInt32, _ inode: UInt64) {
      world.deliver(Message(VFS.WriteBack(mount: mount, inode: inode)), from: .vm)
      world.run()
    }
    change(1, 1)
    change(2, 2)
    press(file.mount, file.inode)
    #expect(Array(world.root.find("/f")!.data[4096..<12_288]) == [UInt8](repeating: 1, count: 4096) + [UInt8](repeating: 2, count: 4096))
    #expect(world.vm.cache.wroteBack.map(\.error) == [0] && world.vm.cache.changed[file] == [])
    change(1, 3)
    change(2, 4)
    var refusals = 0
    world.root.lie = { request, answer in
      if request.type == FS.Write.number, refusals == 0 {
        answer = Message(error: .ioError)
        answer.token = request.token
        refusals += 1
      }
    }
    press(file.mount, file.inode)
    #expect(world.vm.cache.wroteBack.map(\.error) == [0, Errno.ioError.rawValue] && world.vm.cache.changed[file] == [1])
    // A file that nobody has, and a mount that is none: VM must hear of the end too. Others than VM are not heard.
    press(file.mount, 12_345)
    press(77, 5)
    #expect(world.vm.cache.wroteBack.count == 4 && world.vm.cache.wroteBack.suffix(2).allSatisfy { $0.error != 0 })
    world.deliver(Message(VFS.WriteBack(mount: file.mount, inode: file.inode)), from: .pm)
    world.run()
    #expect(world.vm.cache.wroteBack.count == 4 && world.vm.cache.changed[file] == [1])
    world.root.lie = nil
    try p.close(fd)
    unmapped(changed: 1)
    #expect(world.vm.cache.changed[file] == [])
    p.exit()
    world.run()
    world.audit()
  }

  @Test("V85 a buffer in a mapped file: VFS fetches the page and does the request again, in jobs and in the loop")
  func buffers() throws {
    let fd = try p.open("/f", Flags.readWrite)
    _ = try map(fd)
    func place(_ page: UInt64) -> PageCache.Place { PageCache.Place(mount: file.mount, isShared: 0, inode: file.inode, position: page << 12, end: 0) }
    let before = world.vm.cache.pages[file]?[9]
    #expect(before == nil)
    // The address stays bad; so after two pages the error is told.
    world.vm.cache.missing = [place(9), place(10)]
    #expect(failure { try p.call(VFS.Write(descriptor: fd, address: 0, length: 10)) } == .badAddress)
    #expect(world.vm.cache.missing.isEmpty && world.vm.cache.pages[file]?[9] != nil)
    let zero = try p.open("/dev/zero")
    world.vm.cache.missing = [place(4)]
    #expect(failure { try p.call(VFS.Read(descriptor: zero, address: 0, length: 10)) } == .badAddress)
    #expect(world.vm.cache.missing.isEmpty && world.vm.cache.pages[file]?[4] != nil)
    unmapped()
    try p.close(fd)
    p.exit()
    world.run()
    world.audit()
  }

  @Test("V85 a device's copy meets a page that is not there: the page is brought and the device asked again; PM asks for itself")
  func devices() throws {
    let fd = try p.open("/f")
    _ = try map(fd)
    func place(_ page: UInt64) -> PageCache.Place { PageCache.Place(mount: file.mount, isShared: 0, inode: file.inode, position: page << 12, end: 0) }
    let tty = try p.open("/dev/tty", Flags.readWrite)
    world.vm.cache.missing = [place(9), place(2)]
    // The address stays bad: after two pages the error is told.
    #expect(failure { try p.call(VFS.Write(descriptor: tty, address: 16, length: 10)) } == .badAddress)
    #expect(world.vm.cache.missing.isEmpty && world.vm.cache.pages[file]?[9] != nil && world.vm.cache.pages[file]?[2] != nil)
    world.vm.cache.missing = [place(5)]
    func bring() -> Message? {
      var message = Message(VFS.BringPage(process: p.endpoint))
      message.token = 4711
      world.toPM = []
      world.deliver(message, from: .pm)
      world.run()
      return world.toPM.first { $0.token == 4711 }
    }
    #expect(bring()?.type == 0 && world.vm.cache.pages[file]?[5] != nil)
    #expect(bring()?.type == -Errno.badAddress.rawValue, "it was no such page")
    world.vm.cache.missing = [place(1 << 20)]
    #expect(bring()?.type == -Errno.ioError.rawValue)
    unmapped()
    p.exit()
    world.run()
    world.audit()
  }

  @Test("M-F11 what others than VM say of pages is ignored, and what VM says of files that nobody has")
  func strangers() throws {
    let fd = try p.open("/f")
    _ = try map(fd)
    let asked = world.root.count(FS.Read.number)
    for source in [Endpoint.pm, .rootfs, .tty, p.endpoint] {
      world.deliver(Message(VFS.PageRequest(mount: file.mount, inode: file.inode, position: 0)), from: source)
      world.deliver(Message(VFS.FileUnmapped(mount: file.mount, changed: 0, inode: file.inode)), from: source)
    }
    world.run()
    #expect(world.root.count(FS.Read.number) == asked)
    world.deliver(Message(VFS.FileUnmapped(mount: 77, changed: 0, inode: 5)), from: .vm)
    world.deliver(Message(VFS.FileUnmapped(mount: file.mount, changed: 9, inode: 12_345)), from: .vm)
    world.run()
    unmapped()
    unmapped()
    world.audit()
  }
}
