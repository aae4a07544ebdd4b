import IPC
import Protocols
import Testing
@testable import VFSServer

@Suite("the root, and mounts")
struct MountTests {
  @Test("the disk is the root unless the command line says ram", arguments: [
    ("", true), ("quiet", true), ("root=disk", true), ("root=ram", false), ("ipc=int root=ram run=/x", false), ("root=rambo", true), ("xroot=ram", true),
    (String(repeating: "word ", count: 60) + "root=ram", false),
  ])
  func whichRoot(_ line: String, _ disk: Bool) {
    let world = World(commandLine: line)
    let call: FS.Mount? = world.root.taken.first?.body()
    #expect(call?.driver == (disk ? .disk : .memory))
    world.audit()
  }

  @Test("a bad disk: a message that says so, and the RAM disk")
  func badDisk() {
    let root = MemoryFileSystem()
    root.mountError = .invalidArgument
    root.mountErrorFor = .disk
    let world = World(rootfs: root, commandLine: "")
    #expect(world.text == "VFS: no root file system on the disk (22): using the RAM disk\n")
    let p = Client(world, slot: 64)
    #expect(throws: Never.self) { try p.stat("/tmp") }
    world.audit()
  }

  @Test("no root at all: a message, and requests wait; nothing breaks")
  func noRoot() {
    let root = MemoryFileSystem()
    root.mountError = .ioError
    let world = World(rootfs: root, commandLine: "")
    #expect(world.text.contains("nothing to start from"))
    let p = Client(world, slot: 64)
    p.start(p.openCall("/x"))
    world.run()
    #expect(p.answer() == nil)
    p.exit()
    world.run()
  }

  @Test("no file system server at all")
  func noServer() {
    let world = World(rootfs: nil, commandLine: "")
    #expect(world.text.contains("(5)"))
  }

  @Test("a file system whose root is no directory is refused")
  func strangeRoot() {
    let root = MemoryFileSystem()
    root.inodes[1]!.mode = VFS.Mode.regular | 0o644
    let world = World(rootfs: root, commandLine: "")
    #expect(world.text.contains("nothing to start from"))
    #expect(root.references == 0)
  }

  @Test("requests that come before the root is there wait for it")
  func early() throws {
    let world = World(start: false)
    world.root.isHeld = true
    world.boot()
    world.root.file("/f", "x")
    let p = Client(world, slot: 64), q = Client(world, slot: 65)
    p.start(p.openCall("/f"))
    q.start(q.openCall("f"))
    world.run()
    #expect(p.answer() == nil)
    // What needs no file does not wait.
    world.root.isHeld = false
    world.run()
    #expect(try p.answer()?.reply(VFS.Descriptor.self).descriptor == 0)
    #expect(try q.answer()?.reply(VFS.Descriptor.self).descriptor == 0)
    world.audit()
  }

  @Test("mount points that the disk lacks are made; where that fails the system starts without")
  func mountPoints() throws {
    let root = MemoryFileSystem()
    root.inodes[1]!.entries.removeAll { $0.name == "dev" || $0.name == "proc" }
    let world = World(rootfs: root)
    let p = Client(world, slot: 64)
    #expect(try p.list("/").contains("dev"))
    #expect(try p.stat("/dev/null").special == 3)
    world.audit()

    let readOnly = MemoryFileSystem()
    readOnly.inodes[1]!.entries.removeAll { $0.name == "dev" }
    readOnly.lie = { request, answer in
      if request.type == FS.MakeDirectory.number {
        answer = Message(error: .readOnlyFileSystem)
        answer.token = request.token
      }
    }
    let other = World(rootfs: readOnly)
    #expect(other.text.contains("VFS: no /dev"))
    other.audit()
  }

  @Test("mount and unmount: the covered directory comes back, .. leads out, busy is EBUSY")
  func mount() throws {
    let world = World()
    let p = Client(world, slot: 64)
    let other: MemoryFileSystem = world.service(.extfs)
    other.file("/inside", "in")
    world.root.file("/mnt/below", "b")
    try p.mount("/dev/hd0", "/mnt")
    #expect(try p.text(p.open("/mnt/inside")) == "in")
    #expect(failure { try p.stat("/mnt/below") } == .noSuchFile)
    #expect(try p.stat("/mnt/..").inode == 1)
    #expect(try p.stat("/mnt/../mnt/tmp/../inside").size == 2)
    try p.changeDirectory("/mnt/tmp")
    #expect(try p.currentDirectory() == "/mnt/tmp")
    #expect(failure { try p.unmount("/mnt") } == .busy)
    try p.changeDirectory("/")
    #expect(failure { try p.unmount("/mnt") } == .busy)
    try p.close(0)
    #expect(failure { try p.removeDirectory("/mnt") } == .busy)
    #expect(failure { try p.rename("/mnt", "/x") } == .busy)
    #expect(failure { try p.rename("/mnt/inside", "/inside") } == .crossDevice)
    #expect(failure { try p.unmount("/mnt/tmp") } == .invalidArgument)
    world.audit()
    try p.unmount("/mnt")
    #expect(try p.stat("/mnt/below").size == 1)
    #expect(other.mounts == 0)
    world.audit()
    try p.mount("/dev/hd0", "/mnt")
    try p.unmount("/mnt/")
    world.audit()
  }

  @Test("what mount and unmount refuse")
  func refused() throws {
    let world = World()
    let p = Client(world, slot: 64)
    world.root.file("/file")
    #expect(failure { try p.mount("/file", "/mnt") } == .notBlockDevice)
    #expect(failure { try p.mount("/dev/null", "/mnt") } == .notBlockDevice)
    #expect(failure { try p.mount("/dev/none", "/mnt") } == .noSuchFile)
    #expect(failure { try p.mount("/dev/hd0", "/file") } == .notDirectory)
    #expect(failure { try p.mount("/dev/hd0", "/none") } == .noSuchFile)
    #expect(failure { try p.mount("/dev/hd0", "/proc") } == .busy)
    #expect(failure { try p.mount("/dev/hd0", "/dev") } == .busy)
    #expect(failure { try p.mount("/dev/hd0", "/") } == .busy)
    #expect(failure { try p.mount("/dev/ram0", "/mnt") } == .busy)  // the root is on it
    let other: MemoryFileSystem = world.service(.extfs)
    other.mountError = .invalidArgument
    #expect(failure { try p.mount("/dev/hd0", "/mnt") } == .invalidArgument)
    other.mountError = nil
    world.audit()
    try p.mount("/dev/hd0", "/mnt")
    #expect(failure { try p.mount("/dev/hd0", "/tmp") } == .busy)
    #expect(failure { try p.unmount("/") } == .busy)
    #expect(failure { try p.unmount("/proc") } == .busy)
    #expect(failure { try p.unmount("/dev") } == .busy)
    #expect(failure { try p.unmount("/tmp") } == .invalidArgument)
    try p.unmount("/mnt")
    world.audit()
  }

  @Test("the list of mounts, for processes and for proc")
  func list() throws {
    let world = World()
    let p = Client(world, slot: 64)
    world.root.directory("/tmp/deep")
    try p.changeDirectory("/tmp")
    try p.mount("/dev/hd0", "deep", flags: 1)
    var found: [String] = []
    var index: UInt64 = 0
    while let mount = try? p.call(VFS.MountInformation(index: index)) {
      let path = withUnsafeBytes(of: mount.path) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      found.append("\(mount.server.raw) \(Int32(bitPattern: mount.driver.raw)) \(mount.minor) \(mount.flags) \(path)")
      index = UInt64(mount.index) + 1
    }
    #expect(found == ["9 7 0 0 /", "10 -2 0 0 /proc", "-2 -2 0 0 /dev", "4 -2 0 0 /dev/shm", "11 8 0 1 /tmp/deep"].map { $0.replacing("-2 -2 0 0 /dev", with: "\(Endpoint.none.raw) -2 0 0 /dev") })
    var message = Message(VFS.MountInformation(index: 0))
    message.source = .proc
    world.hand(Delivery(message: message, flags: .request))
    #expect(world.answers[Endpoint.proc.raw]?.first?.type == 0)
    try p.unmount("deep")
    world.audit()
  }

  @Test("a read-only mount refuses every change with EROFS")
  func readOnly() throws {
    let world = World()
    let p = Client(world, slot: 64)
    let other: MemoryFileSystem = world.service(.extfs)
    other.file("/f", "x", mode: 0o755)
    try p.mount("/dev/hd0", "/mnt", flags: 1)
    #expect(failure { try p.open("/mnt/f", VFS.OpenFlags.writeOnly) } == .readOnlyFileSystem)
    #expect(failure { try p.open("/mnt/new", VFS.OpenFlags.create) } == .readOnlyFileSystem)
    #expect(failure { try p.unlink("/mnt/f") } == .readOnlyFileSystem)
    #expect(failure { try p.makeDirectory("/mnt/d") } == .readOnlyFileSystem)
    #expect(failure { try p.removeDirectory("/mnt/tmp") } == .readOnlyFileSystem)
    #expect(failure { try p.rename("/mnt/f", "/mnt/g") } == .readOnlyFileSystem)
    #expect(failure { try p.link("/mnt/f", "/mnt/g") } == .readOnlyFileSystem)
    #expect(failure { try p.symlink("x", "/mnt/s") } == .readOnlyFileSystem)
    #expect(failure { try p.truncate("/mnt/f", 0) } == .readOnlyFileSystem)
    #expect(failure { try p.changeMode("/mnt/f", 0) } == .readOnlyFileSystem)
    #expect(failure { try p.access("/mnt/f", 2) } == .readOnlyFileSystem)
    try p.access("/mnt/f", 5)
    #expect(try p.text(p.open("/mnt/f")) == "x")
    try p.close(0)
    try p.unmount("/mnt")
    world.audit()
  }

  @Test("M-F6 the file system server is gone while mounting: EIO, and the mount point is usable")
  func mountDies() throws {
    let world = World()
    let p = Client(world, slot: 64)
    world.services[Endpoint.extfs.raw]!.swallow = 1
    let (a, al) = p.put("/dev/hd0"), (b, bl) = p.put("/mnt", at: Client.base + 8192)
    p.start(VFS.Mount(source: a, sourceLength: al, target: b, targetLength: bl, flags: 0))
    world.run()
    world.bury(.extfs)
    world.run()
    #expect(failure { try p.answer()!.reply(Done.self) } == .ioError)
    #expect(throws: Never.self) { try p.list("/mnt") }
    world.audit()
  }
}
