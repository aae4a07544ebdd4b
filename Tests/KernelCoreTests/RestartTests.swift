import IPC
import Protocols
import Testing

@testable import KernelCore

@Suite struct RestartTests {
  let world = World()
  let server: Endpoint, a: Endpoint, b: Endpoint

  init() {
    world.spawn(slot: 2)
    server = world.spawn(slot: 12, privileges: World.all)
    a = world.spawn(slot: 13)
    b = world.spawn(slot: 14)
  }

  func restart(_ thread: Endpoint, start: Bool = true, fault: Bool = false) {
    try! world.kernel(.vm, Kernel.ThreadRestart(
      thread: thread, root: 0x3000, space: 5, entry: 0x1111, stack: 0x2222, fault: fault ? 1 : 0))
    if start { try! world.kernel(.vm, Kernel.ThreadStart(thread: thread)) }
  }

  @Test("a service restarts at any moment: stopped, at its entry, under its old name", arguments: Moment.allCases)
  func anyMoment(moment: Moment) {
    world.bring(server, to: moment, with: a)
    restart(server, start: false)
    let thread = world[server]
    #expect(thread.context == .init(entry: 0x1111, stack: 0x2222) && thread.root == 0x3000 && thread.space == 5)
    #expect(thread.state == .runnable && thread.holds == .stopped)
    #expect(world.core.machine.resetSlots.last == server.slot)
    try! world.kernel(.vm, Kernel.ThreadStart(thread: server))
    #expect(world[server].canRun)
    #expect(world.sendRec(b, server) == nil)
    #expect(world.receive(server)!.message.source == b)
  }

  @Test("a request outlives the server: the next life gets it, eight words, marked")
  func requestSurvives() {
    let message = Message(header: 42, payload: (1, 2, 3, 4, 5, 6, 7))
    world.sendRec(a, server, message)
    #expect(world.receive(server)!.flags == .request)
    restart(server)
    #expect(world.blocked(a))
    let delivery = world.receive(server)!
    #expect(delivery.flags == .request | .again && delivery.message.source == a && delivery.message.type == 42)
    #expect(delivery.message.payload.0 == 1 && delivery.message.payload.6 == 7)
    world.reply(server, a, Message(type: 0, 8))
    #expect(world.delivery(a)!.message.payload.0 == 8)
  }

  @Test("requests come again in their old order, before those that were not heard yet")
  func order() {
    let callers = (20..<26).map { world.spawn(slot: UInt32($0)) }
    for caller in callers { world.sendRec(caller, server) }
    for _ in 0..<3 { world.receive(server) }
    restart(server)
    for (index, caller) in callers.enumerated() {
      let delivery = world.receive(server)!
      #expect(delivery.message.source == caller && delivery.isAgain == (index < 3))
    }
  }

  @Test("a plain sender is not taken for one that was heard because of an earlier request of its own")
  func plainSender() {
    world.engage(b, server)
    world.reply(server, b)
    world.engage(a, server)
    world.send(b, server, Message(type: 8))
    restart(server)
    #expect(world.receive(server)!.message.source == a)
    #expect(world.receive(server)!.message.source == b)
  }

  @Test("what the server heard last at two deaths of its own is answered with ioError; the others go on")
  func poison() {
    let c = world.spawn(slot: 15)
    world.engage(b, server, Message(type: 7))
    world.engage(a, server, Message(type: 13))
    restart(server, fault: true)
    #expect(world.receive(server)!.message.source == b)
    #expect(world.receive(server)!.message.source == a)
    world.sendRec(c, server)
    restart(server, fault: true)
    let answer = world.delivery(a)!
    #expect(answer.message.type == -Errno.ioError.rawValue && answer.message.source == server && answer.flags == Delivery.Flags(raw: 0))
    for (caller, again) in [(b, true), (c, false)] {
      let delivery = world.receive(server)!
      #expect(delivery.message.source == caller && delivery.isAgain == again)
    }
    world.sendRec(a, server)
    #expect(!world.receive(server)!.isAgain, "a new request starts anew")
    restart(server, fault: true)
    #expect(world.blocked(a), "and is not suspect for what an earlier one did")
  }

  @Test("what kills the server late, others heard after it, is answered with ioError at the fourth death")
  func latePoison() {
    world.engage(a, server, Message(type: 13))
    for death in 1...4 {
      let c = world.spawn(slot: UInt32(19 + death))
      world.sendRec(c, server)
      while world.receive(server) != nil {}
      #expect(world.blocked(a))
      restart(server, fault: true)
    }
    #expect(world.delivery(a)!.message.type == -Errno.ioError.rawValue)
  }

  @Test("deaths that were ordered cost no request, however many; one by a fault counts among them")
  func ordered() {
    world.engage(a, server)
    world.engage(b, server)
    for death in 1...100 {
      restart(server, fault: death == 50)
      for caller in [a, b] { #expect(world.receive(server)!.message.source == caller) }
    }
    restart(server, fault: true)
    #expect(world.blocked(a))
    #expect(world.delivery(b)!.message.type == -Errno.ioError.rawValue)
  }

  @Test("a request that was never received is not counted")
  func unheard() {
    world.sendRec(a, server)
    for _ in 0..<5 { restart(server, fault: true) }
    #expect(world.receive(server)!.flags == .request)
  }

  @Test("plain senders, waiting receivers and queued messages for the service stay")
  func queuesStay() {
    world.send(a, server, Message(type: 1, 1))
    world.receive(b, from: server)
    let c = world.spawn(slot: 15)
    world.sendAsync(c, server, Message(type: 1, 2))
    world.notify(c, server)
    restart(server)
    #expect(world.receive(server)!.isNotification)
    #expect(world.receive(server)!.message.payload.0 == 2)
    #expect(world.receive(server)!.message.payload.0 == 1)
    #expect(world.status(a) == .done)
    #expect(world.send(server, b) == .done)
    #expect(world.delivery(b)!.message.source == server)
  }

  @Test("grants, lines, alarm, own messages and kernel events of the old life are gone")
  func possessionsGo() {
    let id = try! world.kernel(server, Kernel.GrantCreate(address: 0x1000, length: 1, grantee: a, access: 1)).id
    try! world.kernel(server, Kernel.InterruptAttach(line: 3))
    try! world.kernel(server, Kernel.InterruptEnable(line: 3))
    try! world.kernel(server, Kernel.Alarm(deadline: world.core.machine.clock + 100))
    world.sendAsync(server, a)
    world.core.interrupt(line: 3)
    restart(server)
    #expect(world.statistics().grants == 0 && world.statistics().asynchronous == 0)
    let copy = Kernel.CopyGrant(granter: server, id: id, offset: 0, address: 0, length: 1, direction: 0)
    #expect(world.error(a, copy) == .notPermitted)
    #expect(world.core.machine.openLines == 0)
    #expect(world.receive(server) == nil)
    world.wait(1000)
    #expect(world.blocked(server))
    #expect(world.receive(a) == nil)
  }

  @Test("the answer to a request of the old life does not reach the new one")
  func lateAnswer() {
    world.engage(server, a)
    restart(server)
    #expect(world.reply(a, server) == .notReady)
    world.sendRec(server, a)
    #expect(world.reply(a, server) == .notReady)
    #expect(world.receive(a)!.message.source == server)
    #expect(world.reply(a, server) == .done)
  }

  @Test("SEC31 a process is not restarted, a dead service neither")
  func refused() {
    let user = world.spawn()
    func restart(_ thread: Endpoint, root: UInt64 = 0x1000, entry: UInt64 = 0) -> Errno? {
      world.error(.vm, Kernel.ThreadRestart(thread: thread, root: root, space: 0, entry: entry, stack: 0, fault: 0))
    }
    #expect(restart(user) == .notPermitted)
    #expect(restart(Endpoint(slot: 30, generation: 0)) == .deadEndpoint)
    #expect(restart(server, root: 5) == .invalidArgument)
    #expect(restart(server, entry: ~0) == .badAddress)
  }

  @Test("a client whose server restarts a thousand times loses nothing")
  func thousandRestarts() {
    let before = world.statistics()
    for round: UInt64 in 0..<1000 {
      world.sendRec(a, server, Message(type: 1, round))
      if round % 3 == 0 { world.receive(server) }
      restart(server)
      let delivery = world.receive(server)!
      #expect(delivery.message.payload.0 == round && delivery.isAgain == (round % 3 == 0))
      world.reply(server, a, Message(type: 0, round))
      #expect(world.delivery(a)!.message.payload.0 == round)
    }
    let after = world.statistics()
    #expect(after.threads == before.threads && after.grants == before.grants && after.asynchronous == before.asynchronous)
  }
}
