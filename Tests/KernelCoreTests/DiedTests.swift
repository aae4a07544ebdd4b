import IPC
import Protocols
import Testing

@testable import KernelCore

@Suite struct DiedTests {
  let world = World()
  let supervisor: Endpoint, a: Endpoint, b: Endpoint

  init() {
    supervisor = world.spawn(slot: 2)
    a = world.spawn(slot: 13, privileges: World.all)
    b = world.spawn(slot: 14)
  }

  /// What the supervisor hears of it.
  private func news() -> KernelEvent.Exception? {
    guard let delivery = world.receive(supervisor), delivery.isFromKernel, delivery.message.type == KernelEvent.Exception.number
    else { return nil }
    return delivery.message.body()
  }

  @Test("a thread that is killed from outside stops wherever it is, and its supervisor hears SIGKILL once", arguments: Moment.allCases)
  func anyMoment(moment: Moment) {
    world.bring(a, to: moment, with: b)
    let wasEnded = moment == .ended
    world.core.died(slot: a.slot)
    world.check()
    world.core.died(slot: a.slot)
    world.check()
    #expect(!world[a].canRun)
    let event = news()
    #expect(event?.thread == a && event?.signal == (wasEnded ? 0 : 9))
    #expect(world.receive(supervisor) == nil)
  }

  @Test("the one that runs may be it: somebody else runs next")
  func current() {
    world.run(a)
    world.core.died(slot: a.slot)
    world.check()
    #expect(world.core.current != world.pointer(a))
    #expect(news()?.signal == 9)
  }

  @Test("whatever comes for it later, it does not run again before its next life", arguments: [Moment.calling, .waiting, .receiving, .sleeping, .faultReceived])
  func staysDead(moment: Moment) {
    world.bring(a, to: moment, with: b)
    world.core.died(slot: a.slot)
    try! world.kernel(.vm, Kernel.ThreadStart(thread: a))
    switch moment {
    case .calling, .waiting: if moment == .calling { world.receive(b) }; world.reply(b, a)
    case .receiving: world.send(b, a)
    case .sleeping: world.wait(2_000_000)
    default: world.reply(.vm, a, Message(type: 0))
    }
    world.check()
    #expect(!world[a].canRun)
    try! world.kernel(.vm, Kernel.ThreadRestart(thread: a, root: 0x3000, space: 5, entry: 0x1111, stack: 0x2222))
    #expect(world.core.machine.endedSlots.contains(a.slot))
    try! world.kernel(.vm, Kernel.ThreadStart(thread: a))
    #expect(world[a].canRun)
  }

  @Test("its callers wait on, and its next life gets their requests")
  func requestsStay() {
    world.sendRec(b, a, Message(type: 42))
    world.receive(a)
    world.core.died(slot: a.slot)
    #expect(world.blocked(b))
    try! world.kernel(.vm, Kernel.ThreadRestart(thread: a, root: 0x3000, space: 5, entry: 0x1111, stack: 0x2222))
    try! world.kernel(.vm, Kernel.ThreadStart(thread: a))
    let delivery = world.receive(a)
    #expect(delivery?.isAgain == true && delivery?.message.type == 42)
  }

  @Test("a free slot, or none at all, cannot die")
  func nobody() {
    for slot in [-1, 20, 95, 96, 5000] { world.core.died(slot: slot) }
    world.check()
    #expect(world.receive(supervisor) == nil)
  }

  @Test("a process that ends is told to the machine, which keeps nothing for it")
  func ended() {
    let process = world.spawn()
    try! world.kernel(.vm, Kernel.ThreadDestroy(thread: process))
    #expect(world.core.machine.endedSlots == [process.slot])
  }
}
