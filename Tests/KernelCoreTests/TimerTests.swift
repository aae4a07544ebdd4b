import IPC
import Protocols
import Testing

@testable import KernelCore

@Suite struct TimerTests {
  let world = World()
  let a: Endpoint, b: Endpoint

  init() {
    a = world.spawn(slot: 10)
    b = world.spawn(slot: 11)
  }

  var now: UInt64 { world.core.machine.clock }

  @Test("an alarm comes once, at or after its time, also to one who does not wait yet")
  func alarm() {
    try! world.kernel(a, Kernel.Alarm(deadline: now + 100))
    #expect(world.core.machine.timerDeadline == now + 100)
    world.wait(99)
    #expect(world[a].events == 0)
    world.wait(1)
    let delivery = world.receive(a)!
    #expect(delivery.flags == .notification | .fromKernel && delivery.message.source == .kernel)
    #expect(delivery.message.payload.0 == KernelEvent.alarm)
    #expect(world.receive(a) == nil)
    world.wait(1000)
    #expect(world.blocked(a))
  }

  @Test("a new alarm replaces the old one, 0 cancels, one in the past comes at once")
  func replace() {
    try! world.kernel(a, Kernel.Alarm(deadline: now + 100))
    try! world.kernel(a, Kernel.Alarm(deadline: now + 500))
    world.wait(200)
    #expect(world[a].events == 0)
    try! world.kernel(a, Kernel.Alarm(deadline: 0))
    world.wait(1000)
    #expect(world[a].events == 0 && world.core.timerCount == 0)
    try! world.kernel(a, Kernel.Alarm(deadline: 1))
    #expect(world.core.machine.timerDeadline <= now)
    world.wait(0)
    #expect(world[a].events == KernelEvent.alarm)
  }

  @Test("an alarm and a deadline of one thread are two things")
  func both() {
    let start = now
    try! world.kernel(a, Kernel.Alarm(deadline: start + 100))
    world.receive(a, from: b, deadline: start + 50)
    world.wait(50)
    #expect(world.status(a) == .timedOut)
    world.receive(a, deadline: start + 200)
    world.wait(50)
    #expect(world.delivery(a)!.message.payload.0 == KernelEvent.alarm)
    world.wait(500)
    #expect(world.delivery(a) != nil)
    try! world.kernel(a, Kernel.Alarm(deadline: now + 10))
    world.receive(a, from: b, deadline: now + 10)
    world.wait(10)
    #expect(world.status(a) == .timedOut && world[a].events == KernelEvent.alarm)
  }

  @Test("SEC35 five hundred timers at random times go off in order, each once")
  func many() {
    let world = World(threads: 600, frames: 2048)
    var random = Random(seed: 7)
    var due: [(UInt64, Endpoint)] = []
    for number: UInt64 in 0..<500 {
      let thread = world.spawn()
      let deadline = world.core.machine.clock + 1 + random.next() % 1000 * 500 + number
      world.run(thread)
      let me = world.pointer(thread)
      me.pointee.context.rax = TrapOperation.receive.rawValue
      me.pointee.context.rsi = UInt64(Endpoint.none.raw)
      me.pointee.context.rdx = deadline
      world.core.trap()
      due.append((deadline, thread))
    }
    world.check()
    due.sort { $0.0 < $1.0 }
    for (deadline, thread) in due {
      #expect(world.core.timers[0].pointee.timerKey == deadline)
      #expect(world.blocked(thread))
      world.core.machine.clock = deadline
      world.core.timer()
      #expect(world.status(thread) == .timedOut)
    }
    #expect(world.core.timerCount == 0)
    world.check()
  }

  @Test("SEC37 no more than 64 timers go off in one interrupt; the rest comes at the next, which is due at once")
  func bounded() {
    let world = World(threads: 600, frames: 2048)
    let deadline = world.core.machine.clock + 1_000
    for _ in 0..<200 {
      let thread = world.spawn()
      world.run(thread)
      let me = world.pointer(thread)
      me.pointee.context.rax = TrapOperation.receive.rawValue
      me.pointee.context.rsi = UInt64(Endpoint.none.raw)
      me.pointee.context.rdx = deadline
      world.core.trap()
    }
    world.core.machine.clock = deadline
    for left in [136, 72, 8, 0] {
      world.core.timer()
      #expect(world.core.timerCount == left)
      if left > 0 { #expect(world.core.machine.timerDeadline <= deadline) }
    }
    world.check()
  }

  @Test("an early timer interrupt does nothing and does not lose the alarm")
  func early() {
    try! world.kernel(a, Kernel.Alarm(deadline: now + 100))
    for _ in 0..<10 { world.core.timer() }
    #expect(world[a].events == 0 && world.core.machine.timerDeadline == now + 100)
    world.wait(100)
    #expect(world[a].events == KernelEvent.alarm)
  }

  @Test("no periodic tick: the timer stands only for an alarm, a deadline, or two who share the processor")
  func noTick() throws {
    var timer: UInt64? { world.core.armed == .max ? nil : world.core.machine.timerDeadline }
    world.receive(.vm)
    world.wait(0)  // what stood too early for somebody is gone
    world.receive(a)
    world.wait(0)
    #expect(world.core.current == world.pointer(b) && timer == nil, "one runs alone")
    let alarm = now + 1_000_000_000
    try world.kernel(b, Kernel.Alarm(deadline: alarm))
    #expect(timer == alarm, "an alarm, and nothing before it")
    world.receive(b)
    #expect(world.core.current == nil && timer == alarm, "nobody runs")
    world.core.interrupt(line: 3)
    #expect(timer == alarm, "an interrupt that wakes nobody")
    let before = world.statistics().timers
    world.wait(1_000_000_000)
    #expect(world.delivery(b)?.message.payload.0 == KernelEvent.alarm && timer == nil, "and none after it")
    world.notify(b, .vm)
    world.receive(b)
    let others = (0..<2).map { _ in world.spawn() }
    world.receive(.vm)
    #expect(others.contains { world.core.current == world.pointer($0) } && timer == now + Quantum.length, "two take turns")
    let last = world.core.current == world.pointer(others[0]) ? others[1] : others[0]
    world.receive(last == others[0] ? others[1] : others[0], from: .none)
    world.wait(Quantum.length)
    #expect(world.core.current == world.pointer(last) && timer == nil, "one is left")
    #expect(world.statistics().timers == before + 2, "each is counted")
  }

  @Test("the far future is far away")
  func far() {
    try! world.kernel(a, Kernel.Alarm(deadline: .max))
    world.receive(b, deadline: .max)
    world.wait(1 << 60)
    #expect(world[a].events == 0 && world.blocked(b))
  }
}
