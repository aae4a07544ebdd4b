import IPC
import Protocols
import Testing
@testable import VFSServer

private typealias Flags = VFS.OpenFlags

@Suite("VFS: file systems without a disk")
struct MemoryFileTests {
  let world: World
  let p: Client

  init() {
    world = World()
    p = Client(world, slot: 64)
  }

  private var number: UInt32 { world.vm.cache.stores.keys.sorted()[0] }
  private var pages: Int { world.vm.cache.pages.reduce(0) { $0 + (world.vm.cache.stores[$1.key.mount] != nil ? $1.value.count : 0) } }
  private func mountMemory(_ path: String, bytes: UInt64 = 0, readOnly: Bool = false) throws {
    try p.mount("tmpfs", path, flags: VFS.MountFlags.memory | bytes | (readOnly ? 1 : 0))
  }
  private func end() {
    p.exit()
    world.run()
    world.audit()
  }

  @Test("V72 shared memory objects are files of /dev/shm; nobody is asked for them but VM, with cache=off too", arguments: ["root=ram", "root=ram cache=off"])
  func files(line: String) throws {
    let world = World(commandLine: line)
    let p = Client(world, slot: 64)
    let taken = world.root.taken.count
    let fd = try p.open("/dev/shm/a", Flags.readWrite | Flags.create | Flags.exclusive, mode: 0o640)
    #expect(failure { try p.open("/dev/shm/a", Flags.readWrite | Flags.create | Flags.exclusive) } == .fileExists)
    #expect(try p.write(fd, "hello") == 5)
    #expect(try p.seek(fd, 2) == 2)
    #expect(try p.text(fd) == "llo")
    #expect(try p.seek(fd, 5000) == 5000)
    #expect(try p.write(fd, "x") == 1)
    #expect(try p.seek(fd, 4) == 4)
    #expect(try p.read(fd, 5000) == [UInt8(ascii: "o")] + [UInt8](repeating: 0, count: 4995) + [UInt8(ascii: "x")])
    let other = try p.open("/dev/shm/a", Flags.writeOnly | Flags.append)
    #expect(try p.write(other, "yz") == 2)
    let found = try p.stat("/dev/shm/a")
    #expect(found.size == 5003 && found.mode == VFS.Mode.regular | 0o640 && found.links == 1)
    #expect(try p.fileStat(fd).inode == found.inode)
    try p.changeMode("/dev/shm/a", 0o600)
    _ = try p.call(VFS.FileSync(descriptor: fd))
    _ = try p.call(VFS.Sync())
    try p.truncate("/dev/shm/a", 1)
    #expect(try p.seek(fd, 0, 2) == 1)
    #expect(try p.stat("/dev/shm/a").mode & 0o777 == 0o600)
    // The others are asked for the way to /dev, and by sync(2).
    #expect(world.root.taken.dropFirst(taken).allSatisfy { [FS.Lookup.number, FS.Forget.number, FS.Sync.number].contains($0.type) })
    for fd in [fd, other] { try p.close(fd) }
    #expect(try p.text(p.open("/dev/shm/a")) == "h")
    try p.close(0)
    try p.unlink("/dev/shm/a")
    #expect(world.vm.cache.pages.isEmpty && failure { try p.stat("/dev/shm/a") } == .noSuchFile)
    p.exit()
    world.run()
    world.audit()
  }

  @Test("M-J4 contents live as long as a name, a descriptor or a mapping: killed processes lose nothing of others'")
  func life() throws {
    let q = Client(world, parent: p, slot: 65)
    let fd = try q.open("/dev/shm/a", Flags.readWrite | Flags.create)
    try q.write(fd, "kept")
    q.exit()
    world.run()
    let own = try p.open("/dev/shm/a", Flags.readWrite)
    #expect(try p.text(own) == "kept")
    try p.unlink("/dev/shm/a")
    try p.open("/dev/shm/a", Flags.readWrite | Flags.create)
    #expect(try p.text(1) == "" && pages == 1)
    _ = try p.call(VFS.MapFile(descriptor: own, address: 0, length: 4096, offset: 0, protection: 3, flags: VM.Flags.shared))
    let map = world.vm.cache.maps[0]
    #expect(map.mount == number && map.size == 4)
    try p.close(own)
    #expect(pages == 1)
    world.vm.cache.mapped = []
    world.deliver(Message(VFS.FileUnmapped(mount: map.mount, changed: 1, inode: map.inode)), from: .vm)
    world.run()
    #expect(pages == 0)
    // What VM would never ask.
    world.deliver(Message(VFS.PageRequest(mount: map.mount, inode: map.inode, position: 0)), from: .vm)
    world.run()
    #expect(world.vm.cache.failures.count == 1)
    try p.unlink("/dev/shm/a")
    end()
  }

  @Test("/dev/shm is a directory of /dev: ls, .. and getcwd")
  func place() throws {
    #expect(try p.list("/dev").contains("shm"))
    try p.changeDirectory("/dev/shm")
    #expect(try p.currentDirectory() == "/dev/shm")
    try p.makeDirectory("d")
    try p.changeDirectory("d")
    #expect(try p.currentDirectory() == "/dev/shm/d")
    #expect(try p.stat("../../null").special == 3)
    try p.changeDirectory("..")
    try p.changeDirectory("..")
    #expect(try p.currentDirectory() == "/dev")
    #expect(try p.list("/dev/shm").sorted() == [".", "..", "d"])
    #expect(try p.stat("/dev/shm").mode == VFS.Mode.directory | 0o1777)
    try p.removeDirectory("shm/d")
    end()
  }

  @Test("A directory is listed whole in pieces of any size, also while names come and go")
  func listing() throws {
    for index in 0..<60 { try p.close(p.open("/dev/shm/file\(index)", Flags.create)) }
    for room in [40, 64, 100, 4096] { #expect(try Set(p.list("/dev/shm", room: room)) == Set([".", ".."] + (0..<60).map { "file\($0)" })) }
    let fd = try p.open("/dev/shm")
    _ = try p.call(VFS.ReadDirectory(descriptor: fd, address: Client.data, length: 400))
    for index in 0..<30 { try p.unlink("/dev/shm/file\(index)") }
    try p.close(p.open("/dev/shm/late", Flags.create))
    var rest = 0
    while case let count = try p.call(VFS.ReadDirectory(descriptor: fd, address: Client.data, length: 4000)).count, count > 0 { rest += Int(count) }
    #expect(rest == 30 * 32 + 24)
    #expect(failure { try p.call(VFS.ReadDirectory(descriptor: fd, address: Client.data, length: 10)) } == nil)
    try p.close(fd)
    end()
  }

  @Test("mount -t tmpfs: a limit, ENOSPC with what fitted, statfs; unmounted all is gone; read-only and busy are told")
  func mounted() throws {
    try mountMemory("/tmp", bytes: 8192)
    let fd = try p.open("/tmp/f", Flags.readWrite | Flags.create)
    #expect(try p.write(fd, [UInt8](repeating: 7, count: 10_000)) == 8192)
    #expect(failure { try p.write(fd, "x") } == .noSpace)
    #expect(try p.fileStat(fd).size == 8192)
    let (path, length) = p.put("/tmp")
    let space = try p.call(VFS.FileSystemStatistics(path: path, length: length))
    #expect(space.blocks == 2 && space.freeBlocks == 0 && space.inodes == space.freeInodes + 2)
    #expect(failure { try p.unmount("/tmp") } == .busy)
    #expect(failure { try p.rename("/tmp/f", "/dev/shm/f") } == .crossDevice)
    try p.close(fd)
    try p.unmount("/tmp")
    #expect(pages == 0 && failure { try p.stat("/tmp/f") } == .noSuchFile)
    world.audit()
    try mountMemory("/tmp", readOnly: true)
    #expect(failure { try p.open("/tmp/f", Flags.create) } == .readOnlyFileSystem)
    #expect(failure { try mountMemory("/tmp") } == .busy)
    #expect(failure { try mountMemory("/dev/null") } == .notDirectory)
    #expect(failure { try mountMemory("/none") } == .noSuchFile)
    try p.unmount("/tmp")
    #expect(failure { try p.unmount("/dev") } == .busy)
    // As many as there are places for, none lost when there are no more.
    var count = 0
    while failure({ try p.makeDirectory("/mnt/\(count)") }) == nil, failure({ try mountMemory("/mnt/\(count)") }) == nil { count += 1 }
    #expect(count == world.vfs.limits.mounts - 4)
    for index in 0..<count { try p.unmount("/mnt/\(index)") }
    try p.unmount("/dev/shm")
    try mountMemory("/dev/shm")
    #expect(world.vm.cache.stores.count == 1)
    end()
  }

  @Test("No store: the system starts without /dev/shm, and says so")
  func noStore() throws {
    let world = World(start: false)
    world.vm.cache.isThere = false
    world.boot()
    #expect(world.text.contains("VFS: no /dev/shm"))
    let p = Client(world, slot: 64)
    #expect(failure { try p.open("/dev/shm/a", Flags.create) } == .notPermitted)
    p.exit()
    world.run()
    world.audit()
  }

  @Test("M-M1 names run out: ENOSPC, nothing half made; a removed directory is no place for names")
  func names() throws {
    var limits = Limits.small
    limits.memoryNodes = 8
    let world = World(limits)
    let p = Client(world, slot: 64)
    var count = 0
    while failure({ try p.makeDirectory("/dev/shm/\(count)") }) == nil { count += 1 }
    #expect(count == 7 && failure { try p.makeDirectory("/dev/shm/x") } == .noSpace)
    world.audit()
    #expect(failure { try p.open("/dev/shm/x", Flags.create) } == .noSpace)
    try p.removeDirectory("/dev/shm/0")
    // Its text is more than there are cells for.
    #expect(failure { try p.symlink(String(repeating: "a", count: 4000), "/dev/shm/l") } == .noSpace)
    try p.symlink(String(repeating: "a", count: 256), "/dev/shm/l")
    #expect(try p.readLink("/dev/shm/l") == String(repeating: "a", count: 256))
    world.audit()
    try p.unlink("/dev/shm/l")
    try p.changeDirectory("/dev/shm/1")
    try p.removeDirectory("/dev/shm/1")
    #expect(failure { try p.open("x", Flags.create) } == .noSuchFile)
    #expect(failure { try p.currentDirectory() } == .noSuchFile)
    try p.changeDirectory("..")
    #expect(try p.currentDirectory() == "/dev/shm")
    p.exit()
    world.run()
    world.audit()
  }

  @Test("A program in memory is loaded from its pages")
  func program() throws {
    world.root.file("/program", "no ELF", mode: 0o755)
    let fd = try p.open("/dev/shm/program", Flags.readWrite | Flags.create, mode: 0o755)
    try p.write(fd, "no ELF")
    try p.close(fd)
    let taken = world.root.taken.count
    #expect(p.exec("/dev/shm/program")?.type == -Errno.notExecutable.rawValue)
    #expect(world.root.taken.dropFirst(taken).allSatisfy { $0.type == FS.Lookup.number || $0.type == FS.Forget.number })
    end()
  }

  /// The same random calls below /mnt, a file system server, and /dev/shm: the same answers and the same trees.
  @Test("Names in memory do what a file system does", arguments: 1...20 as ClosedRange<UInt64>)
  func model(seed: UInt64) throws {
    var state = seed &* 0x9E37_79B9_7F4A_7C15
    func random(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
    func path() -> String {
      (0...random(3)).map { _ in ["a", "b", "c", "d"][random(4)] }.joined(separator: "/")
    }
    for step in 0..<300 {
      let kind = random(9), one = path(), two = path(), number = random(5000)
      func act(_ top: String) -> String {
        let (a, b) = (top + "/" + one, top + "/" + two)
        func told(_ body: () throws -> String) -> String {
          var text = ""
          let error = failure { text = try body() }
          return error.map { "\($0.rawValue)" } ?? text
        }
        switch kind {
        case 0: return told { try p.close(p.open(a, Flags.create | Flags.exclusive)); return "made" }
        case 1: return told { try p.makeDirectory(a); return "made" }
        case 2: return told { try p.unlink(a); return "gone" }
        case 3: return told { try p.removeDirectory(a); return "gone" }
        case 4: return told { try p.rename(a, b); return "moved" }
        case 5: return told { try p.link(a, b); return "linked" }
        case 6: return told { try p.symlink(two, a); return "linked" }
        case 7:
          return told {
            let fd = try p.open(a, Flags.readWrite | Flags.create)
            defer { try? p.close(fd) }
            _ = try p.seek(fd, Int64(number))
            try p.write(fd, "\(step)")
            _ = try p.seek(fd, 0)
            return "\(try p.read(fd, 6000).hashValue)"
          }
        default:
          return told {
            let found = try p.stat(a, follow: false)
            let names = found.mode & VFS.Mode.typeMask == VFS.Mode.directory ? try p.list(a).sorted().joined(separator: " ") : ""
            // The service of the tests does not count what leads up to a directory, and has sizes for them.
            return names.isEmpty ? "\(found.mode & VFS.Mode.typeMask) \(found.links) \(found.size)" : names
          }
        }
      }
      let expected = act("/mnt"), got = act("/dev/shm")
      #expect(expected == got, "seed \(seed), step \(step): \(kind) \(one) \(two)")
      if expected != got { break }
    }
    world.audit()
    end()
  }
}
