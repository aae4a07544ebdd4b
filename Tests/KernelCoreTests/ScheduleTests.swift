import IPC
import Protocols
import Testing

@testable import KernelCore

@Suite struct ScheduleTests {
  let world = World()

  /// VM out of the way.
  func quiet() { world.receive(.vm) }
  var running: Int? { world.core.current?.pointee.slot }

  @Test("the most important thread that is ready runs")
  func priorities() {
    let (low, high) = (world.spawn(slot: 10, priority: 6), world.spawn(slot: 11, priority: 3))
    #expect(running == 1)
    quiet()
    #expect(running == high.slot)
    world.receive(high)
    #expect(running == low.slot)
    world.send(low, high)
    #expect(running == high.slot, "woken by a lesser one, it runs at once")
    world.receive(high)
    world.receive(low)
    #expect(running == nil)
  }

  @Test("threads of one priority take turns of 10 ms")
  func roundRobin() {
    let threads = (10..<13).map { world.spawn(slot: UInt32($0)) }
    quiet()
    for _ in 0..<3 {
      for thread in threads {
        #expect(running == thread.slot)
        #expect(world.core.machine.timerDeadline == world.core.machine.clock + Quantum.length)
        world.wait(Quantum.length)
      }
    }
  }

  @Test("the timer is not set for a thread that has nobody to share with")
  func alone() {
    let thread = world.spawn(slot: 10)
    world.spawn(slot: 11, priority: 5)
    quiet()
    world.wait(1)
    let settings = world.core.machine.timerSettings
    for _ in 0..<20 { world.trap(thread, .kernelCall, Message(Kernel.Null())) }
    #expect(world.core.machine.timerSettings == settings)
    #expect(world.core.armed == .max)
  }

  @Test("who is pushed aside keeps the rest of its turn and its place")
  func preempted() {
    let (a, b) = (world.spawn(slot: 10), world.spawn(slot: 11))
    let high = world.spawn(slot: 12, priority: 2)
    quiet()
    world.receive(high, deadline: world.core.machine.clock + 4_000_000)
    #expect(running == a.slot)
    world.wait(4_000_000)
    #expect(running == high.slot)
    world.wait(1_000_000)
    world.receive(high)
    #expect(running == a.slot)
    world.wait(6_000_000)
    #expect(running == b.slot)
  }

  @Test("yield lets the next of the same priority run, and nobody less important")
  func yield() {
    let (a, b) = (world.spawn(slot: 10), world.spawn(slot: 11))
    world.spawn(slot: 12, priority: 6)
    quiet()
    world.trap(a, .kernelCall, Message(Kernel.Yield()))
    #expect(running == b.slot && world[a].context.message.type == 0)
    world.receive(b)
    world.trap(a, .kernelCall, Message(Kernel.Yield()))
    #expect(running == a.slot)
  }

  @Test("SEC37 a process that never stops does not keep a service from its alarm")
  func starvation() {
    let service = world.spawn(slot: 10, priority: 2)
    world.spawn(priority: 5)
    try! world.kernel(service, Kernel.Alarm(deadline: world.core.machine.clock + 1000))
    world.receive(service)
    quiet()
    #expect(running == 64)
    world.wait(1000)
    #expect(running == service.slot)
  }

  @Test("processor time is charged to who ran, or to nobody")
  func accounting() {
    let (a, b) = (world.spawn(slot: 10), world.spawn(slot: 11, priority: 5))
    quiet()
    world.core.machine.clock += 700
    #expect(world.info(a).time == 700)
    _ = try! world.kernel(a, Kernel.Alarm(deadline: world.core.machine.clock + 1))
    world.receive(a)
    world.core.machine.clock += 300
    #expect(try! world.kernel(b, Kernel.Clock()).threadTime == 300)
    world.receive(b)
    world.core.machine.clock += 5000
    #expect(world.info(a).time == 700 && world.info(b).time == 300)
    #expect(world.core.current == nil)
    world.wait(60)
    world.core.machine.clock += 9
    #expect(try! world.kernel(a, Kernel.Clock()).idle == 5060)
  }

  @Test("a new priority holds at once")
  func changePriority() {
    let (a, b) = (world.spawn(slot: 10), world.spawn(slot: 11))
    try! world.kernel(.vm, Kernel.SetPrivileges(thread: b, priority: 3, privileges: World.plain))
    quiet()
    #expect(running == b.slot)
    world.pointer(b).pointee.privileges = World.all
    try! world.kernel(b, Kernel.SetPrivileges(thread: b, priority: 7, privileges: World.plain))
    #expect(running == a.slot)
    world.check()
  }

  @Test("a call and its answer between two who wait for nobody else take the fast path, both ways")
  func fastPath() {
    let (client, server) = (world.spawn(), world.spawn(slot: 4, priority: 3))
    world.receive(server)
    quiet()
    let before = world.statistics()
    for round: UInt64 in 0..<10 {
      world.sendRec(client, server, Message(type: 1, round))
      #expect(running == server.slot && world.delivery(server)!.message.payload.0 == round)
      world.replyReceive(server, client, Message(type: 0, round + 1))
      #expect(running == client.slot && world.delivery(client)!.message.payload.0 == round + 1)
      #expect(world.delivery(client)!.message.source == server)
    }
    let after = world.statistics()
    #expect(after.fastPath == before.fastPath + 20 && after.slowPath == before.slowPath)
  }

  @Test("the fast path keeps out of the way: somebody else is ready, waits in line or has sent")
  func notFast() {
    let (client, server) = (world.spawn(), world.spawn(slot: 4, priority: 3))
    let other = world.spawn(slot: 10, priority: 3)
    world.receive(server)
    quiet()
    let before = world.statistics().fastPath
    world.run(client)
    world.sendRec(client, server)
    #expect(world.statistics().fastPath == before, "another of the server's priority is ready")
    world.receive(other)
    world.sendAsync(server, server)
    world.replyReceive(server, client)
    #expect(world.statistics().fastPath == before && running == server.slot, "a message is there")
    world.trap(server, .receive, from: .any, deadline: world.core.machine.clock + 1000)
    world.sendRec(client, server)
    #expect(world.statistics().fastPath == before && world.core.timerCount == 0, "a deadline must be taken back")
  }

  @Test("clock tells the machine's time")
  func clock() {
    #expect(try! world.kernel(.vm, Kernel.Clock()).now == world.core.machine.clock)
  }

  @Test("M-E10 nobody runs before VM starts it, however much time passes and whatever comes for it")
  func notBeforeItsSpace() throws {
    let world = World()
    let service = world.spawn(slot: 10, priority: 0, start: false)
    let caller = world.spawn(slot: 11)
    world.core.lineOwners[5] = world.pointer(service)
    for _ in 0..<50 {
      world.wait(20_000_000)
      world.core.interrupt(line: 5)
      #expect(world.core.current != world.pointer(service))
    }
    world.notify(caller, service)
    world.sendRec(caller, service)
    try world.kernel(.vm, Kernel.SetPrivileges(thread: service, priority: 0, privileges: World.all))
    #expect(world[service].holds == .stopped && world[service].context.instruction == 0x40_0000)
    try world.kernel(.vm, Kernel.ThreadStart(thread: service))
    #expect(world.core.current == world.pointer(service))
  }
}
