import IPC
import Protocols
import Testing
@testable import VFSServer

private typealias Flags = VFS.OpenFlags

@Suite("tables that are full")
struct ExhaustionTests {
  static func limits(_ change: (inout Limits) -> Void) -> Limits {
    var limits = Limits.small
    change(&limits)
    return limits
  }

  @Test("M-M1 no free vnode: ENFILE, nothing kept; after a close it works")
  func vnodes() throws {
    let world = World(Self.limits { $0.vnodes = 10 })
    let p = Client(world, slot: 64)
    for n in 0..<20 { world.root.file("/f\(n)") }
    var opened = 0
    while failure({ try p.open("/f\(opened)") }) == nil { opened += 1 }
    #expect(opened > 2 && opened < 10)
    #expect(failure { try p.open("/f19") } == .tooManyOpenFilesInSystem)
    #expect(failure { try p.open("/new", Flags.create) } == .tooManyOpenFilesInSystem)
    #expect(failure { try p.stat("/f19") } == .tooManyOpenFilesInSystem)
    #expect(failure { try p.open("/dev/null") } == .tooManyOpenFilesInSystem)
    world.run()
    world.audit()
    try p.close(0)
    try p.open("/f19")
    #expect(try p.stat("/f1").size == 0)
    world.audit()
  }

  @Test("M-M2 M-M3 no free open file: ENFILE; a terminal that was opened for it is closed again")
  func files() throws {
    let world = World(Self.limits { $0.files = 3 })
    let p = Client(world, slot: 64)
    world.root.file("/f")
    try p.open("/f")
    try p.open("/f")
    #expect(failure { try p.pipe() } == .tooManyOpenFilesInSystem)
    #expect(world.pipesInUse == 0)
    try p.open("/f")
    #expect(failure { try p.open("/dev/tty") } == .tooManyOpenFilesInSystem)
    world.run()
    #expect(world.terminal.opens == 0)
    #expect(failure { try p.pipe() } == .tooManyOpenFilesInSystem)
    world.audit()
    try p.close(1)
    try p.open("/dev/tty")
    world.audit()
  }

  @Test("M-M3 no free grant: the call fails, nothing is kept")
  func grants() throws {
    let world = World()
    let p = Client(world, slot: 64)
    world.root.file("/f", "x", mode: 0o755)
    world.root.file("/g", "x", mode: 0o755)
    let f = try p.open("/f", Flags.readWrite), tty = try p.open("/dev/tty", Flags.readWrite), hd = try p.open("/dev/hd0", Flags.readWrite)
    let d = try p.open("/")
    world.failsGrants = true
    // Files of disks go through the cache's buffer, for which there is a grant from the mount on.
    #expect(try p.write(f, "x") == 1)
    world.vm.cache.isThere = false
    try p.seek(f, 0)
    #expect(failure { try p.read(f) } == .noMemory)
    #expect(failure { try p.write(tty, "x") } == .noMemory)
    #expect(failure { try p.read(hd, 512) } == .noMemory)
    #expect(failure { try p.read(hd, 5) } == .noMemory)
    #expect(failure { try p.call(VFS.ReadDirectory(descriptor: d, address: Client.data, length: 500)) } == .noMemory)
    #expect(failure { try p.call(VFS.Control(descriptor: tty, request: Char.Request.tcGets, argument: Client.data)) } == .noMemory)
    #expect(failure { try p.mount("/dev/hd0", "/mnt") } == .noMemory)
    #expect(p.exec("/g")?.type == -Errno.noMemory.rawValue)
    world.audit()
    world.failsGrants = false
    #expect(try p.text(f) == "x")
    world.audit()
  }

  @Test("M-M3 no free mount: ENFILE")
  func mounts() throws {
    let world = World(Self.limits { $0.mounts = 3 })
    let p = Client(world, slot: 64)
    #expect(failure { try p.mount("/dev/hd0", "/mnt") } == .tooManyOpenFilesInSystem)
    world.audit()
  }

  @Test("M-M3 one worker does everything, one after the other")
  func oneWorker() throws {
    let world = World(Self.limits { $0.workers = 1 })
    world.root.file("/f", "x")
    let p = Client(world, slot: 64)
    let clients = (0..<40).map { Client(world, parent: p, slot: 70 + $0) }
    for client in clients { client.start(client.openCall("/f")) }
    clients[5].exit()
    clients[39].exit()
    clients[0].exit()
    world.run()
    for index in 1..<39 where index != 5 { #expect(clients[index].answer()?.type == 0) }
    world.audit()
  }

  @Test("M-I1 the table of processes is full: a child that has no place is refused everything, others go on")
  func processes() throws {
    let world = World(Self.limits { $0.processes = 4 })
    world.root.file("/f", "x")
    let p = Client(world, slot: 64)
    let fd = try p.open("/f")
    let children = (0..<5).map { Client(world, parent: p, slot: 70 + $0) }
    #expect(try children[2].seek(fd, 0) == 0)
    #expect(failure { try children[3].seek(fd, 0) } == .notPermitted)
    children[3].exit()
    children[0].exit()
    let late = Client(world, parent: p, slot: 80)
    #expect(try late.text(fd) == "x")
    world.audit()
  }

  @Test("N3 a slot that is used again is another process: nothing of the former is left to it")
  func reusedSlot() throws {
    let world = World()
    world.root.file("/f", "x")
    let p = Client(world, slot: 64)
    let fd = try p.open("/f")
    p.exit()
    let q = Client(world, slot: 64, generation: 1)
    #expect(failure { try q.read(fd) } == .badFileDescriptor)
    // PM forgot to tell: the former occupant of a slot is gone all the same.
    let r = Client(world, slot: 64, generation: 2)
    #expect(failure { try r.read(fd) } == .badFileDescriptor)
    #expect(failure { try q.read(fd) } == .notPermitted)
    world.audit()
  }

  @Test("a thousand forks and exits leave everything as it was")
  func churn() throws {
    let world = World()
    world.root.file("/f", "x")
    let p = Client(world, slot: 64)
    try p.open("/f")
    _ = try p.pipe()
    try p.open("/dev/tty")
    let files = world.filesInUse, vnodes = world.vnodesInUse
    for n in 0..<1000 {
      let child = Client(world, parent: p, slot: 65 + n % 10, generation: UInt32(n))
      if n % 3 == 0 { try child.open("/f") }
      if n % 7 == 0 { child.start(child.readCall(1, 10)) }
      child.exit()
    }
    world.run()
    #expect(world.filesInUse == files && world.vnodesInUse == vnodes)
    world.audit()
  }
}
