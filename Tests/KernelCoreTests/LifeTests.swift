import IPC
import Protocols
import Testing

@testable import KernelCore

/// Everything that a thread can be in the middle of.
enum Moment: CaseIterable {
  case ready, stopped, sending, calling, waiting, receiving, receivingFrom, sleeping, faultQueued, faultReceived, exception, ended
}

extension World {
  /// Brings `thread` to that point; `peer` is a service that runs.
  func bring(_ thread: Endpoint, to moment: Moment, with peer: Endpoint) {
    switch moment {
    case .ready: break
    case .stopped: try! kernel(.vm, Kernel.ThreadStop(thread: thread))
    case .sending: send(thread, peer)
    case .calling: sendRec(thread, peer)
    case .waiting: engage(thread, peer)
    case .receiving: receive(thread)
    case .receivingFrom: receive(thread, from: peer)
    case .sleeping: receive(thread, from: .none, deadline: core.machine.clock + 1_000_000)
    case .faultQueued:
      run(thread)
      core.pageFault(address: 0x1234, access: 2)
    case .faultReceived:
      run(thread)
      core.pageFault(address: 0x1234, access: 2)
      receive(.vm)
    case .exception:
      run(thread)
      core.exception(vector: 6, signal: 4, address: 0)
    case .ended:
      trap(thread, .kernelCall, Message(Kernel.Exit(status: 3)))
    }
    check()
  }
}

@Suite struct LifeTests {
  let world = World()
  let peer: Endpoint

  init() {
    world.spawn(slot: 2)
    peer = world.spawn(slot: 11)
  }

  @Test("a thread can be destroyed at any moment, and everything counts as before", arguments: Moment.allCases)
  func destroy(moment: Moment) {
    let before = world.statistics()
    let thread = world.spawn(slot: 12, privileges: World.all)
    try! world.kernel(thread, Kernel.GrantCreate(address: 0, length: 1, grantee: peer, access: 1))
    try! world.kernel(thread, Kernel.Alarm(deadline: 5_000_000))
    try! world.kernel(thread, Kernel.InterruptAttach(line: 3))
    world.sendAsync(thread, peer)
    world.sendAsync(peer, thread)
    if moment == .receiving { world.receive(thread) }
    world.bring(thread, to: moment, with: peer)
    try! world.kernel(.vm, Kernel.ThreadDestroy(thread: thread))
    let after = world.statistics()
    #expect(after.threads == before.threads && after.grants == before.grants && after.asynchronous == before.asynchronous)
    #expect(world.core.timerCount == 0)
    #expect(world.core.lineOwners[3] == nil)
    while world.receive(peer, deadline: 1) != nil {}
    world.wait(10_000_000)
  }

  @Test("a process can be destroyed at any moment and its slot used again", arguments: Moment.allCases)
  func destroyProcess(moment: Moment) {
    world.spawn(slot: 3)
    let user = world.spawn(supervisor: .pm)
    if moment == .sending || moment == .ended { return }
    world.bring(user, to: moment, with: .pm)
    try! world.kernel(.vm, Kernel.ThreadDestroy(thread: user))
    #expect(world.core.lookup(user) == nil)
    #expect(world.reply(.pm, user) == .deadEndpoint)
  }

  @Test("who waits for a thread that is destroyed learns it, at whatever stage")
  func bereaved() {
    let server = world.spawn(slot: 12)
    let (sender, caller, client, receiver, timed) =
      (world.spawn(slot: 20), world.spawn(slot: 21), world.spawn(slot: 22), world.spawn(slot: 23), world.spawn(slot: 24))
    world.engage(client, server)
    world.send(sender, server)
    world.sendRec(caller, server)
    world.receive(receiver, from: server)
    world.receive(timed, from: server, deadline: 1_000_000)
    let bystander = world.spawn(slot: 25)
    world.receive(bystander)
    try! world.kernel(.vm, Kernel.ThreadDestroy(thread: server))
    for thread in [sender, caller, client, receiver, timed] { #expect(world.status(thread) == .deadEndpoint) }
    #expect(world.blocked(bystander))
    world.wait(2_000_000)
    #expect(world.status(timed) == .deadEndpoint)
  }

  @Test("a destroyed service's notifications are gone: a new one in its slot is not blamed for them")
  func notificationsDie() {
    let service = world.spawn(slot: 12)
    world.notify(service, peer)
    try! world.kernel(.vm, Kernel.ThreadDestroy(thread: service))
    world.spawn(slot: 12)
    #expect(world.receive(peer) == nil)
  }

  @Test("asynchronous messages of a destroyed sender are gone, those of others stay in order")
  func messagesDie() {
    let (a, b) = (world.spawn(slot: 12), world.spawn(slot: 13))
    for number: UInt64 in 0..<3 {
      world.sendAsync(a, peer, Message(type: 1, number))
      world.sendAsync(b, peer, Message(type: 2, number))
    }
    try! world.kernel(.vm, Kernel.ThreadDestroy(thread: a))
    for number: UInt64 in 0..<3 { #expect(world.receive(peer)!.message.payload.0 == number) }
    #expect(world.receive(peer) == nil)
    #expect(world.statistics().asynchronous == 0)
  }

  @Test("nobody can end VM, or himself")
  func immortal() {
    let boss = world.spawn(slot: 12, privileges: World.all)
    #expect(world.error(boss, Kernel.ThreadDestroy(thread: .vm)) == .notPermitted)
    #expect(world.error(boss, Kernel.ThreadStop(thread: .vm)) == .notPermitted)
    #expect(world.error(boss, Kernel.ThreadDestroy(thread: boss)) == .notPermitted)
    #expect(world.error(boss, Kernel.ThreadRestart(thread: boss, root: 0x1000, space: 0, entry: 0, stack: 0, fault: 0)) == .notPermitted)
    #expect(world.error(boss, Kernel.ThreadExec(thread: .vm, root: 0x1000, space: 0, entry: 0, stack: 0)) == .notPermitted)
  }

  // MARK: Stop and start

  @Test("a stopped thread does not run but is reached; started, it has what came", arguments: Moment.allCases)
  func stopAndStart(moment: Moment) {
    let thread = world.spawn(slot: 12)
    world.bring(thread, to: moment, with: peer)
    try! world.kernel(.vm, Kernel.ThreadStop(thread: thread))
    #expect(!world[thread].canRun)
    #expect(world.info(thread).state == Kernel.ThreadState.stopped)
    try! world.kernel(.vm, Kernel.ThreadStop(thread: thread))
    switch moment {
    case .ready, .stopped: break
    case .sending: world.receive(peer)
    case .calling:
      world.receive(peer)
      world.reply(peer, thread)
    case .waiting: world.reply(peer, thread)
    case .receiving, .receivingFrom: world.send(peer, thread)
    case .sleeping: world.wait(1_000_000)
    case .faultQueued:
      world.receive(.vm)
      world.reply(.vm, thread)
    case .faultReceived: world.reply(.vm, thread)
    case .exception, .ended: break
    }
    world.check()
    #expect(!world.blocked(thread) && !world[thread].canRun)
    try! world.kernel(.vm, Kernel.ThreadStart(thread: thread))
    #expect(world[thread].canRun == (moment != .ended))
    world.check()
  }

  @Test("a thread that stops itself stays stopped until somebody starts it")
  func stopOneself() {
    let boss = world.spawn(slot: 12, privileges: World.all)
    world.trap(boss, .kernelCall, Message(Kernel.ThreadStop(thread: boss)))
    #expect(world.core.current != world.pointer(boss))
    try! world.kernel(.vm, Kernel.ThreadStart(thread: boss))
    #expect(world[boss].canRun && world[boss].context.message.type == 0)
  }

  @Test("starting a thread that waits does not end its wait")
  func startWaiting() {
    let thread = world.spawn(slot: 12)
    world.engage(thread, peer)
    try! world.kernel(.vm, Kernel.ThreadStart(thread: thread))
    #expect(world.blocked(thread))
    world.reply(peer, thread)
    #expect(world.status(thread) == .done)
  }

  // MARK: Exit and exceptions

  @Test("Exit ends the thread, and the supervisor hears the status")
  func exit() {
    let thread = world.spawn(slot: 12)
    world.trap(thread, .kernelCall, Message(Kernel.Exit(status: 42)))
    let delivery = world.receive(.rs)!
    #expect(delivery.flags == .asynchronous | .fromKernel && delivery.message.source == .kernel)
    let event = delivery.message.body(KernelEvent.Exception.self)
    #expect(event.thread == thread && event.signal == 0 && event.address == 42)
    try! world.kernel(.vm, Kernel.ThreadStart(thread: thread))
    #expect(!world[thread].canRun, "for good")
  }

  @Test("an exception stops the thread, and the supervisor hears signal, address and vector")
  func exception() {
    let user = world.spawn()
    world.receive(.rs)
    world.run(user)
    world.core.exception(vector: 13, signal: 11, address: 0xDEAD)
    world.check()
    let event = world.delivery(.rs)!.message.body(KernelEvent.Exception.self)
    #expect(event.thread == user && event.signal == 11 && event.address == 0xDEAD && event.vector == 13)
    #expect(event.instruction == 0x40_0000)
    #expect(!world[user].canRun && !world.blocked(user))
    try! world.kernel(.vm, Kernel.ThreadStart(thread: user))
    #expect(world[user].canRun)
  }

  @Test("the news of a thread's end is never lost, even with no asynchronous message left")
  func newsIsNotLost() {
    let flooder = world.spawn(slot: 12)
    world.pointer(flooder).pointee.privileges.asynchronousQuota = 1000
    while world.sendAsync(flooder, peer) == .done {}
    let threads = (20..<40).map { world.spawn(slot: UInt32($0)) }
    for thread in threads { world.trap(thread, .kernelCall, Message(Kernel.Exit(status: UInt64(thread.slot)))) }
    for thread in threads { #expect(world.receive(.rs)!.message.body(KernelEvent.Exception.self).thread == thread) }
  }

  @Test("a second exception before the first was heard takes its place")
  func eventsMerge() {
    let thread = world.spawn(slot: 12)
    world.run(thread)
    world.core.exception(vector: 6, signal: 4, address: 1)
    try! world.kernel(.vm, Kernel.ThreadStart(thread: thread))
    world.run(thread)
    world.core.exception(vector: 13, signal: 11, address: 2)
    world.check()
    #expect(world.receive(.rs)!.message.body(KernelEvent.Exception.self).signal == 11)
    #expect(world.receive(.rs) == nil)
  }

  @Test("a supervisor that is gone is no harm")
  func noSupervisor() {
    let supervisor = world.spawn(slot: 12)
    let thread = world.spawn(supervisor: supervisor)
    try! world.kernel(.vm, Kernel.ThreadDestroy(thread: supervisor))
    world.run(thread)
    world.core.exception(vector: 0, signal: 8, address: 0)
    world.check()
    #expect(!world[thread].canRun)
  }

  // MARK: Fork and exec

  @Test("fork: the copy waits for the same server, and both are answered")
  func fork() {
    world.spawn(slot: 3)
    let parent = world.spawn(priority: 5, supervisor: .pm)
    world.pointer(parent).pointee.context.kept = (1, 2, 3, 4)
    world.engage(parent, .pm, Message(type: 0x200, 9))
    let child = try! world.kernel(.vm, Kernel.ThreadFork(parent: parent, root: 0x1000, space: 77)).thread
    #expect(world.info(child).state == Kernel.ThreadState.waitingForReply && world.info(child).peer == .pm)
    #expect(world[child].space == 77 && world[child].root == 0x1000 && world[child].supervisor == .pm)
    #expect(world[child].context.kept.2 == 3 && world[child].priority == 5)
    #expect(world.core.machine.copiedSlots == [.init(from: parent.slot, to: child.slot)])
    world.reply(.pm, child, Message(type: 0, 0))
    world.reply(.pm, parent, Message(type: 0, 5))
    #expect(world.delivery(child)!.message.payload.0 == 0 && world.delivery(parent)!.message.payload.0 == 5)
    #expect(world.sendRec(child, .pm) == nil, "with a process's rights")
  }

  @Test("fork refuses services and parents that do not wait, and says when slots run out")
  func forkErrors() {
    let world = World(threads: 66)
    world.spawn(slot: 3)
    let service = world.spawn(slot: 12)
    let parent = world.spawn(supervisor: .pm)
    func fork(_ parent: Endpoint) -> Errno? { world.error(.vm, Kernel.ThreadFork(parent: parent, root: 0x1000, space: 1)) }
    #expect(fork(parent) == .notReady)
    world.sendRec(parent, .pm)
    #expect(fork(parent) == .notReady, "not received yet")
    world.receive(.pm)
    world.engage(service, .pm)
    #expect(fork(service) == .notPermitted)
    #expect(fork(parent) == nil)
    #expect(fork(parent) == .wouldBlock)
    #expect(fork(Endpoint(slot: 65, generation: 3)) == .deadEndpoint)
  }

  @Test("exec frees a process from whatever it waits for and lets it run at its entry", arguments: Moment.allCases)
  func exec(moment: Moment) {
    world.spawn(slot: 3)
    let user = world.spawn(supervisor: .pm)
    if moment == .sending || moment == .ended { return }
    world.bring(user, to: moment, with: .pm)
    world.pointer(user).pointee.context.kept = (1, 1, 1, 1)
    try! world.kernel(.vm, Kernel.ThreadExec(thread: user, root: 0x2000, space: 9, entry: 0x1111, stack: 0x2222))
    let thread = world[user]
    #expect(thread.context == .init(entry: 0x1111, stack: 0x2222))
    #expect(thread.root == 0x2000 && thread.space == 9)
    #expect(thread.state == .runnable && thread.canRun == (moment != .stopped))
    #expect(world.core.machine.resetSlots.last == user.slot)
    #expect(world.reply(.pm, user) == .notReady)
    #expect(world.core.timerCount == 0)
  }
}
