import IPC
import Protocols
import Testing
@testable import VFSServer

private typealias Flags = VFS.OpenFlags

@Suite("drivers that die, lie and dawdle")
struct RecoveryTests {
  let world = World()
  let p: Client
  init() { p = Client(world, slot: 64) }

  @Test("M-F2 the terminal dies with a read in it: the read is repeated and gets its line")
  func terminalDies() throws {
    let tty = try p.open("/dev/tty", Flags.readWrite)
    p.start(p.readCall(tty, 10))
    world.run()
    world.restart(.tty)
    world.run()
    #expect(p.answer() == nil)
    world.terminal.type("line\n")
    #expect(try p.answer()?.reply(VFS.Count.self).count == 5)
    world.run()
    #expect(world.terminal.waiting.isEmpty)
    world.audit()
  }

  @Test("M-F2 the disk dies between request and answer, in open, read, write and fsync: all complete", arguments: 0...3)
  func diskDies(_ which: Int) throws {
    let fd = which == 0 ? 0 : try p.open("/dev/hd0", Flags.readWrite)
    let before = world.disk.bytes
    world.disk.swallow = 1
    switch which {
    case 0: p.start(p.openCall("/dev/hd0"))
    case 1: p.start(p.readCall(fd, 1024))
    case 2: p.start(p.writeCall(fd, [UInt8](repeating: 9, count: 512)))
    default: p.start(VFS.FileSync(descriptor: fd))
    }
    world.run()
    #expect(p.answer() == nil)
    world.restart(.disk)
    world.run()
    let answer = try #require(p.answer())
    #expect(answer.type == 0)
    if which == 1 { #expect(world.read(p.endpoint, Client.data, 1024) == Array(before[..<1024])) }
    if which == 2 { #expect(Array(world.disk.bytes[..<512]) == [UInt8](repeating: 9, count: 512)) }
    world.audit()
  }

  @Test("M-F2 a driver that always dies: EIO after five repetitions, no hang")
  func alwaysDies() throws {
    let fd = try p.open("/dev/hd0")
    world.disk.swallow = .max
    p.start(p.readCall(fd, 512))
    world.run()
    for round in 1...5 {
      world.restart(.disk, restarts: UInt32(round))
      world.run()
      #expect(p.answer() == nil)
    }
    world.restart(.disk, restarts: 6)
    world.run()
    let answer = try #require(p.answer())
    #expect(failure { try answer.reply(VFS.Count.self) } == .ioError)
    // One more death, and opening it again has failed as often.
    world.restart(.disk, restarts: 7)
    world.run()
    #expect(failure { try p.read(fd) } == .ioError)
    world.disk.swallow = 0
    world.restart(.disk, restarts: 8)
    world.run()
    #expect(try p.read(fd, 512).count == 512)
    world.audit()
  }

  @Test("a driver that is given up: EIO for who waits and who comes; close works")
  func givenUp() throws {
    let tty = try p.open("/dev/tty", Flags.readWrite), hd = try p.open("/dev/hd0")
    p.start(p.readCall(tty, 10))
    world.run()
    world.bury(.tty)
    world.run()
    #expect(failure { try p.answer()!.reply(VFS.Count.self) } == .ioError)
    #expect(failure { try p.write(tty, "x") } == .ioError)
    #expect(failure { try p.open("/dev/tty") } == .ioError)
    try p.close(tty)
    #expect(try p.read(hd, 512).count == 512)
    world.audit()
  }

  @Test("a driver that was taken down and is up again is opened again and works")
  func downAndUp() throws {
    let tty = try p.open("/dev/tty", Flags.readWrite)
    world.bury(.tty)
    world.run()
    #expect(failure { try p.write(tty, "x") } == .ioError)
    world.restart(.tty, restarts: 0)
    world.run()
    #expect(world.terminal.isOpened)
    #expect(try p.write(tty, "x") == 1)
    world.audit()
  }

  @Test("M-F4 M-F7 a new instance is opened with each file's own mode before it gets anything else")
  func order() throws {
    let a = try p.open("/dev/tty", Flags.readWrite)
    let q = Client(world, parent: p, slot: 65)
    _ = try q.open("/dev/console", Flags.writeOnly | Flags.nonBlocking)
    p.start(p.readCall(a, 10))
    world.run()
    world.terminal.taken = []
    world.terminal.restart()
    world.terminal.isHeld = true
    world.deliver(Message(VFS.ServiceUp(service: .tty, restarts: 1)), from: .rs)
    q.start(q.writeCall(a, Array("x".utf8)))
    world.terminal.isHeld = false
    world.run()
    #expect(world.terminal.taken.map(\.type) == [Char.Open.number, Char.Open.number, Char.Read.number, Char.Write.number])
    let flags = world.terminal.taken[..<2].map { ($0.body() as Char.Open).flags & ~Flags.closeOnExec }
    #expect(flags == [Flags.readWrite, Flags.writeOnly | Flags.nonBlocking])
    #expect(q.answer() != nil)
    world.terminal.type("k")
    #expect(p.answer() != nil)
    world.audit()
  }

  @Test("requests are repeated in the order in which they were made, with their old tokens")
  func sameTokens() throws {
    let tty = try p.open("/dev/tty", Flags.readWrite)
    let clients = (0..<6).map { Client(world, parent: p, slot: 70 + $0) }
    world.terminal.swallow = 6
    for client in clients { client.start(client.writeCall(tty, Array("\(client.endpoint.slot)".utf8))) }
    world.run()
    let first = world.terminal.taken.suffix(6).map(\.token)
    world.restart(.tty)
    world.run()
    #expect(world.terminal.taken.filter { $0.type == Char.Write.number }.suffix(6).map(\.token) == first)
    #expect(world.terminal.output == Array("707172737475".utf8))
    #expect(clients.allSatisfy { $0.answer() != nil })
    world.audit()
  }

  @Test("M-F5 a device that cannot be opened again is EIO for its users, and only for them; close works")
  func reopenFails() throws {
    let fd = try p.open("/dev/hd0")
    let tty = try p.open("/dev/tty", Flags.readWrite)
    world.disk.lie = { request, answer in
      if request.type == Block.Open.number {
        answer = Message(error: .noSuchDevice)
        answer.token = request.token
      }
    }
    p.start(p.readCall(fd, 512))
    world.run()
    _ = p.answer()
    world.restart(.disk)
    world.run()
    #expect(failure { try p.read(fd, 512) } == .ioError)
    #expect(failure { try p.call(VFS.Control(descriptor: fd, request: 1, argument: 0)) } == .ioError)
    #expect(try p.write(tty, "x") == 1)
    try p.close(fd)
    world.disk.lie = nil
    #expect(try p.read(p.open("/dev/hd0"), 512).count == 512)
    world.audit()
  }

  @Test("M-F5 M-F7 who waits for a device that cannot be opened again gets EIO; the new instance never hears of the request")
  func waiterOfLostDevice() throws {
    let tty = try p.open("/dev/tty"), fd = try p.open("/dev/hd0")
    let q = Client(world, parent: p, slot: 65)
    p.start(p.readCall(tty, 10))
    world.disk.swallow = 1
    q.start(q.readCall(fd, 100))
    world.run()
    for service in [world.terminal, world.disk] as [FakeService] {
      service.taken = []
      service.lie = { request, answer in
        answer = Message(error: .noSuchDevice)
        answer.token = request.token
      }
      world.restart(service.endpoint)
      world.run()
    }
    #expect(failure { try p.answer()!.reply(VFS.Count.self) } == .ioError)
    #expect(failure { try q.answer()!.reply(VFS.Count.self) } == .ioError)
    #expect(world.terminal.count(Char.Read.number) == 0 && world.disk.count(Block.Transfer.number) == 0)
    world.audit()
  }

  @Test("M-F9 the driver dies again while its devices are being opened")
  func diesWhileReopening() throws {
    let fd = try p.open("/dev/hd0")
    world.disk.swallow = 1
    p.start(p.readCall(fd, 512))
    world.run()
    world.disk.swallow = 1
    world.restart(.disk)
    world.run()
    world.restart(.disk, restarts: 2)
    world.run()
    #expect(p.answer()?.type == 0)
    world.audit()
  }

  @Test("M-F9 all workers wait, the driver dies twice, and everything still completes")
  func allWorkersBusy() throws {
    let fd = try p.open("/dev/hd0")
    let clients = (0..<60).map { Client(world, parent: p, slot: 70 + $0) }
    world.disk.swallow = 32
    for client in clients {
      // Every client has a position of its own.
      try client.close(fd)
      client.start(client.openCall("/dev/hd0"))
    }
    world.run()
    world.disk.swallow = 1
    world.restart(.disk)
    world.run()
    world.restart(.disk, restarts: 2)
    world.run()
    #expect(clients.allSatisfy { $0.answer()?.type == 0 })
    world.audit()
  }

  @Test("M-F12 a driver that says it was restarted is opened again and asked again")
  func driverSaysRestarted() throws {
    let tty = try p.open("/dev/tty", Flags.readWrite)
    var refusals = 1
    world.terminal.lie = { request, answer in
      if request.type == Char.Write.number, refusals > 0 {
        refusals -= 1
        answer = Message(error: .restarted)
        answer.token = request.token
      }
    }
    world.terminal.taken = []
    #expect(try p.write(tty, "x") == 1)
    #expect(world.terminal.taken.map(\.type) == [Char.Write.number, Char.Open.number, Char.Write.number])
    world.terminal.lie = { request, answer in
      if request.type == Char.Write.number {
        answer = Message(error: .restarted)
        answer.token = request.token
      }
    }
    #expect(failure { try p.write(tty, "x") } == .ioError)
    world.audit()
  }

  @Test("M-F11 answers of strangers, with wrong tokens, doubled and late are ignored")
  func strayAnswers() throws {
    let tty = try p.open("/dev/tty", Flags.readWrite)
    p.start(p.readCall(tty, 10))
    world.run()
    let request = try #require(world.terminal.waiting.first)
    var answer = Message(reply: VFS.Count(count: 3))
    answer.token = request.token
    for source in [Endpoint.disk, .rootfs, .memory, .ds, p.endpoint, Endpoint(slot: 6, generation: 1), .vm] { world.deliver(answer, from: source) }
    #expect(p.answer() == nil)
    for token in [request.token + 1, request.token ^ 1 << 12, 1, .max, 0, request.token + 1 << 40] {
      answer.token = token
      world.deliver(answer, from: .tty)
    }
    #expect(p.answer() == nil)
    answer.token = request.token
    world.deliver(answer, from: .tty)
    #expect(try p.answer()?.reply(VFS.Count.self).count == 3)
    let strays = world.vfs.strayReplies
    world.deliver(answer, from: .tty)
    #expect(world.vfs.strayReplies == strays + 1)
    #expect(p.answer() == nil)
    world.terminal.waiting = []
    world.audit()
  }

  @Test("nonsense from a driver is reported to RS, and the request is repeated after the restart", arguments: [0x7FFF_FFFF, 1, -4096, Int32.min])
  func nonsense(_ type: Int32) throws {
    let tty = try p.open("/dev/tty", Flags.readWrite)
    var lies = 1
    world.terminal.lie = { request, answer in
      guard lies > 0, request.type == Char.Write.number else { return }
      lies -= 1
      answer = Message(header: UInt64(UInt32(bitPattern: type)), payload: (~0, ~0, ~0, ~0, ~0, ~0, request.token))
    }
    p.start(p.writeCall(tty, Array("x".utf8)))
    world.run()
    #expect(p.answer() == nil)
    #expect(world.complaints == [.tty])
    world.restart(.tty)
    world.run()
    #expect(try p.answer()?.reply(VFS.Count.self).count == 1)
    world.audit()
  }

  @Test("more bytes than were asked for are nonsense; if RS will not help, EIO")
  func tooManyBytes() throws {
    world.acceptsComplaints = false
    let tty = try p.open("/dev/tty", Flags.readWrite)
    world.terminal.lie = { request, answer in
      answer = Message(reply: VFS.Count(count: 1 << 40))
      answer.token = request.token
    }
    #expect(failure { try p.write(tty, "x") } == .ioError)
    world.root.file("/f", "x")
    world.root.lie = { request, answer in
      if request.type == FS.Read.number {
        answer = Message(reply: VFS.Count(count: 1001))
        answer.token = request.token
      }
    }
    #expect(failure { try p.read(p.open("/f")) } == .ioError)
    #expect(world.complaints == [.tty, .rootfs])
    world.root.lie = nil
    world.audit()
  }

  @Test("errors of message passing do not reach programs")
  func sane() throws {
    world.root.file("/f", "x")
    let fd = try p.open("/f")
    for type in [-301, -302, -999] as [Int32] {
      world.root.lie = { request, answer in
        if request.type == FS.Read.number {
          answer = Message(type: type)
          answer.token = request.token
        }
      }
      #expect(failure { try p.read(fd) } == .ioError)
    }
    world.root.lie = nil
    world.audit()
  }

  @Test("M-F1 a file system that does not answer stops its clients only; the table of processes and pipes go on")
  func slowFileSystem() throws {
    world.root.file("/f", "x")
    let fd = try p.open("/f"), tty = try p.open("/dev/tty", Flags.readWrite)
    let clients = (0..<60).map { Client(world, parent: p, slot: 70 + $0) }
    world.root.isHeld = true
    for client in clients { client.start(client.openCall("/f")) }
    world.run()
    #expect(clients.allSatisfy { $0.answer() == nil })
    #expect(try p.write(tty, "x") == 1)
    let (r, w) = try p.pipe()
    try p.write(w, "y")
    #expect(try p.text(r) == "y")
    #expect(try p.seek(fd, 1) == 1)
    let child = Client(world, parent: p, slot: 200)
    try child.close(fd)
    child.exit()
    for client in clients[40...] { client.exit() }
    world.root.isHeld = false
    world.run()
    #expect(clients[..<40].allSatisfy { $0.answer()?.type == 0 })
    world.audit()
  }

  @Test("the queue in the kernel is full: what cannot be sent is kept, in order, and nothing is lost", arguments: [0, 1, 2, 5])
  func fullQueue(_ quota: Int) throws {
    for n in 0..<20 { world.root.file("/f\(n)", "\(n)") }
    let tty = try p.open("/dev/tty", Flags.readWrite)
    let clients = (0..<40).map { Client(world, parent: p, slot: 70 + $0) }
    world.quota = quota
    for (n, client) in clients.enumerated() {
      client.start(n % 4 == 3 ? Message(client.writeCall(tty, [65 + UInt8(n / 4)])) : Message(client.openCall("/f\(n % 20)")))
      if n == 20 { clients[0].exit() }
    }
    if quota == 0 {
      world.run()
      world.quota = 3
      // Any event lets VFS try again.
      world.deliver(Message(VFS.Cancel(process: .none)), from: .pm)
    }
    world.run()
    #expect(clients[1...].allSatisfy { $0.answer()?.type == 0 })
    #expect(world.terminal.output == Array("ABCDEFGHIJ".utf8))
    for client in clients { client.exit() }
    p.exit()
    world.run()
    #expect(world.filesInUse == 0)
    world.audit()
  }

  @Test("M-F6 the file system's own answers are repeated too when RS says it is back")
  func fileSystemBack() throws {
    world.root.file("/f", "x")
    let fd = try p.open("/f")
    world.root.swallow = 1
    p.start(p.readCall(fd, 10))
    world.run()
    world.restart(.rootfs)
    world.run()
    #expect(try p.answer()?.reply(VFS.Count.self).count == 1)
    world.audit()
  }

  @Test("RS's first word about a service repeats nothing")
  func firstServiceUp() throws {
    let world = World(start: false)
    world.root.isHeld = true
    var ipc = FakeKernel(world: world)
    world.vfs.start(&ipc)
    world.deliver(Message(VFS.ServiceUp(service: .rootfs, restarts: 0)), from: .rs)
    #expect(world.queue.count == 1)
    world.root.isHeld = false
    world.run()
    world.audit()
  }

  @Test("a killed reader of a block device goes at once; the late answer writes nowhere")
  func killedBlockReader() throws {
    let fd = try p.open("/dev/hd0")
    let q = Client(world, parent: p, slot: 65)
    world.disk.isHeld = true
    q.start(q.readCall(fd, 100))
    q.exit()
    world.disk.isHeld = false
    world.run()
    #expect(try p.read(fd, 100) == Array(world.disk.bytes[..<100]))
    world.audit()
  }

  @Test("a process killed while it opens a terminal: what was opened is closed")
  func killedOpener() throws {
    world.terminal.isHeld = true
    p.start(p.openCall("/dev/tty"))
    world.run()
    p.exit()
    world.terminal.isHeld = false
    world.run()
    #expect(world.terminal.opens == 0)
    #expect(world.filesInUse == 0)
    world.audit()
  }

  @Test("a hundred deaths of the disk under load: every read has the right bytes")
  func manyDeaths() throws {
    let clients = (0..<8).map { Client(world, parent: p, slot: 70 + $0) }
    let descriptors = try clients.map { try $0.open("/dev/hd0") }
    var seed: UInt64 = 1
    func random(_ bound: Int) -> Int {
      seed = seed &* 6364136223846793005 &+ 1442695040888963407
      return Int(seed >> 33) % bound
    }
    for round in 1...100 {
      var expected: [[UInt8]] = []
      for (client, fd) in zip(clients, descriptors) {
        let position = random(60000), count = 1 + random(3000)
        try client.seek(fd, Int64(position))
        expected.append(Array(world.disk.bytes[position..<position + count]))
        client.start(client.readCall(fd, count))
        if random(3) == 0 { world.disk.swallow = 1 + random(3) }
        for _ in 0..<random(6) { world.step() }
      }
      world.run()
      world.disk.swallow = 0
      world.restart(.disk, restarts: UInt32(round))
      world.run()
      for (index, client) in clients.enumerated() {
        #expect(try client.answer()?.reply(VFS.Count.self).count == UInt64(expected[index].count))
        #expect(world.read(client.endpoint, Client.data, expected[index].count) == expected[index])
      }
    }
    world.audit()
  }
}
