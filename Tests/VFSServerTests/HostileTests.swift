import IPC
import Protocols
import ServerKit
import Testing
@testable import VFSServer

/// Random numbers that repeat themselves.
struct Dice: RandomNumberGenerator {
  var state: UInt64
  init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }
  mutating func next() -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state
  }
  mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self) }
  mutating func pick<C: Collection>(_ from: C) -> C.Element where C.Index == Int { from[from.startIndex + below(from.count)] }
}

@Suite("hostile messages")
struct HostileTests {
  /// Numbers that like to break things.
  static let words: [UInt64] = [
    0, 1, 2, 3, 7, 63, 64, 65, 255, 256, 4095, 4096, 65535, 65536, 1 << 31, 1 << 32 - 1, 1 << 32, 1 << 47, 1 << 62, 1 << 63 - 1, 1 << 63, .max, .max - 1,
    .max - 4095, Client.base, Client.base + 100, Client.data, Client.base + UInt64(Client.size) - 10, 0xFFFF_8000_0000_0000,
  ]

  @Test("100,000 random requests of processes: an answer to each or a wait, and the books are right", arguments: [1, 2, 3, 4] as [UInt64])
  func requests(_ seed: UInt64) {
    var dice = Dice(seed)
    let world = World()
    world.root.file("/f", "contents")
    world.root.symlink("/s", "tmp")
    let paths = ["/f", "/tmp/a", "/tmp/b", "/s/c", "/dev/null", "/dev/tty", "/dev/hd0", "..", ".", "/", "/mnt", "/tmp/a/b", "/tmp/a/../c", "//"].map { Array($0.utf8) }
    var clients = (0..<4).map { Client(world, slot: 64 + $0) }
    var generation: UInt32 = 1
    let numbers = VFS.Number.allCases.map(\.rawValue)
    for round in 0..<25_000 {
      let index = dice.below(clients.count)
      let client = clients[index]
      let path = dice.pick(paths)
      _ = world.write(client.endpoint, Client.base, path)
      _ = world.write(client.endpoint, Client.base + 100, dice.pick(paths))
      func word() -> UInt64 {
        switch dice.below(5) {
        case 0: dice.next()
        case 1: UInt64(dice.below(8))
        case 2: UInt64(path.count)
        case 3: Client.base
        default: dice.pick(Self.words)
        }
      }
      var message = Message(type: dice.below(20) == 0 ? Int32(truncatingIfNeeded: dice.next()) : dice.pick(numbers))
      message.payload = (word(), word(), word(), word(), word(), word(), word())
      // Many a path, so that calls get beyond it.
      if dice.below(2) == 0 {
        message.payload.0 = Client.base
        message.payload.1 = UInt64(path.count)
      }
      client.start(message)
      world.run()
      if client.answer() == nil {
        // It waits for a terminal or a pipe.
        if dice.below(2) == 0 { client.cancel() } else { world.terminal.type("x") }
        world.run()
        if client.answer() == nil {
          client.exit()
          clients[index] = Client(world, slot: 64 + index, generation: generation)
          generation += 1
        }
      }
      #expect(world.answers[client.endpoint.raw]?.isEmpty ?? true, "one answer only")
      if round % 500 == 0 { world.audit() }
    }
    for client in clients { client.exit() }
    world.run()
    world.services.values.forEach { ($0 as? FakeTerminal)?.input = [] }
    #expect(world.filesInUse == 0 && world.pipesInUse == 0)
    world.audit()
  }

  @Test("20,000 random asynchronous messages from services change nothing")
  func asynchronous() throws {
    var dice = Dice(7)
    let world = World()
    world.root.file("/f", "contents")
    let p = Client(world, slot: 64), q = Client(world, slot: 65)
    let tty = try p.open("/dev/tty"), fd = try q.open("/f")
    p.start(p.readCall(tty, 10))
    world.run()
    let sources: [Endpoint] = [.tty, .disk, .rootfs, .memory, .proc, .extfs, .ds, .vm, .kernel, .init(raw: 0xFFFF_FFFF), p.endpoint, q.endpoint]
    for _ in 0..<20_000 {
      var message = Message(type: dice.below(2) == 0 ? Int32(truncatingIfNeeded: dice.next()) : dice.pick(VFS.Number.allCases).rawValue)
      message.payload = (dice.pick(Self.words), dice.next(), dice.pick(Self.words), dice.next(), 0, 0, dice.below(2) == 0 ? dice.next() : UInt64(dice.below(1 << 20)))
      if world.vfs.tables.outstanding.count > 0, message.token == world.terminal.waiting.first?.token { continue }
      world.deliver(message, from: dice.pick(sources))
    }
    #expect(p.answer() == nil)
    #expect(try q.text(fd) == "contents")
    world.terminal.type("k")
    #expect(p.answer() != nil)
    world.audit()
  }

  @Test("plain messages, notifications and kernel flags are no requests")
  func otherDeliveries() {
    let world = World()
    let p = Client(world, slot: 64)
    for flags in [0, 8, 2, 10, 16] as [UInt64] {
      for number in VFS.Number.allCases {
        var message = Message(type: number.rawValue)
        message.source = p.endpoint
        world.hand(Delivery(message: message, flags: Delivery.Flags(raw: flags)))
      }
    }
    world.run()
    #expect(p.answer() == nil)
    world.audit()
  }

  @Test("PM and RS with nonsense in their messages do no harm")
  func pmAndRS() throws {
    var dice = Dice(9)
    let world = World()
    world.root.file("/f", "contents")
    var known: [Endpoint] = [.none, .any, .vm, .tty]
    for round in 0..<20_000 {
      if known.count < 60 { known.append(Endpoint(raw: UInt32(truncatingIfNeeded: dice.next()))) }
      let endpoint = dice.pick(known)
      switch dice.below(6) {
      case 0, 1: world.deliver(Message(VFS.ProcessForked(parent: dice.pick(known), child: endpoint)), from: .pm)
      case 2: world.deliver(Message(VFS.ProcessExited(process: endpoint)), from: .pm)
      case 3: world.deliver(Message(VFS.Cancel(process: endpoint)), from: .pm)
      case 4:
        var message = Message(VFS.ExecLoad(process: endpoint, grant: dice.next(), pathLength: UInt32(dice.below(5000)), arguments: 0, argumentsLength: 0))
        message.token = dice.next()
        world.deliver(message, from: .pm)
      default: world.deliver(Message(VFS.ServiceUp(service: Endpoint(raw: UInt32(dice.below(70))), restarts: UInt32(dice.below(3)))), from: .rs)
      }
      if round % 50 == 0 { world.run() }
    }
    world.run()
    for endpoint in known { world.deliver(Message(VFS.ProcessExited(process: endpoint)), from: .pm) }
    world.run()
    world.audit()
    let p = Client(world, slot: 300)
    #expect(try p.text(p.open("/f")) == "contents")
  }

  @Test("a file system that answers anything at all: errors, never a crash or a hang", arguments: [1, 2, 3, 4, 5, 6] as [UInt64])
  func lyingFileSystem(_ seed: UInt64) {
    var dice = Dice(seed)
    let world = World()
    world.root.file("/f", "contents", mode: 0o755)
    world.root.symlink("/s", "tmp")
    let p = Client(world, slot: 64)
    world.acceptsComplaints = false
    world.root.lie = { request, answer in
      guard dice.below(3) == 0, request.type != FS.Forget.number else { return }
      let token = request.token
      switch dice.below(3) {
      case 0: answer = Message(type: -Int32(dice.below(5000)))
      case 1: answer = Message(type: Int32(truncatingIfNeeded: dice.next()))
      default: break
      }
      if dice.below(2) == 0 {
        answer.payload = (dice.pick(Self.words), dice.next(), dice.pick(Self.words), dice.next(), dice.pick(Self.words), dice.next(), 0)
      }
      answer.token = token
    }
    let paths = ["/f", "/tmp/a", "/s/b", "/tmp", "/", "/mnt/..", "/tmp/a/b"]
    for _ in 0..<1500 {
      _ = failure {
        let path = dice.pick(paths)
        switch dice.below(12) {
        case 0: _ = try p.open(path, UInt32(dice.below(2)) * VFS.OpenFlags.create | UInt32(dice.below(3)))
        case 1: _ = try p.stat(path)
        case 2: try p.unlink(path)
        case 3: try p.makeDirectory(path)
        case 4: try p.rename(path, dice.pick(paths))
        case 5: _ = try p.list(path)
        case 6: try p.changeDirectory(path)
        case 7: _ = try p.currentDirectory()
        case 8: _ = try p.read(Int64(dice.below(10)), 100_000)
        case 9: _ = try p.write(Int64(dice.below(10)), [UInt8](repeating: 1, count: 70_000))
        case 10: try p.close(Int64(dice.below(64)))
        default: _ = p.exec(path)
        }
      }
      _ = p.answer()
    }
    p.exit()
    world.run()
    #expect(world.filesInUse == 0)
    for index in 0..<world.vfs.workerCount { #expect(!world.vfs.fibers.isBusy(index)) }
    #expect(world.grants.count == 5)  // three of the disk's mount, two of proc's
  }
}
