import IPC
import Protocols
import Testing

@testable import KernelCore

@Suite struct DeadlockTests {
  let world = World()

  @Test("SEC33 M-N4 a cycle of senders of any length is refused before it closes", arguments: [2, 3, 4, 5, 17, 40])
  func cycle(length: Int) {
    let ring = (0..<length).map { world.spawn(slot: UInt32(10 + $0)) }
    for index in 0..<length - 1 { #expect(world.sendRec(ring[index], ring[index + 1]) == nil) }
    #expect(world.sendRec(ring[length - 1], ring[0]) == .wouldDeadlock)
    #expect(world.send(ring[length - 1], ring[0]) == .wouldDeadlock)
    // The last is not blocked: it can untangle them.
    #expect(world.receive(ring[length - 1])!.message.source == ring[length - 2])
  }

  @Test("SEC33 callers that were received and wait for the answer are links as well")
  func waitingCycle() {
    let (a, b, c) = (world.spawn(slot: 10), world.spawn(slot: 11), world.spawn(slot: 12))
    world.engage(a, b)
    world.engage(b, c)
    #expect(world.sendRec(c, a) == .wouldDeadlock)
    #expect(world.notify(c, a) == .done, "what does not wait cannot deadlock")
    #expect(world.sendAsync(c, a) == .done)
    world.reply(c, b)
    world.reply(b, a)
    #expect(world.status(a) == .done)
  }

  @Test("two receivers that wait only for each other are refused")
  func receivers() {
    let (a, b) = (world.spawn(slot: 10), world.spawn(slot: 11))
    #expect(world.receive(a, from: b) == nil && world.blocked(a))
    world.trap(b, .receive, from: a)
    #expect(world.status(b) == .wouldDeadlock)
    #expect(world.send(b, a) == .done, "the way out")
  }

  @Test("a receiver that waits for a caller of its own is refused")
  func receiverAndCaller() {
    let (a, b) = (world.spawn(slot: 10), world.spawn(slot: 11))
    world.engage(a, b)
    world.trap(b, .receive, from: a)
    #expect(world.status(b) == .wouldDeadlock)
  }

  @Test("a receive with a deadline is no deadlock: it ends by itself")
  func deadlineIsNoDeadlock() {
    let (a, b, c) = (world.spawn(slot: 10), world.spawn(slot: 11), world.spawn(slot: 12))
    let end = world.core.machine.clock + 100
    world.receive(a, from: b, deadline: end)
    #expect(world.receive(b, from: a, deadline: end) == nil && world.blocked(b))
    // A walk over the circle of the two must end.
    #expect(world.sendRec(c, a) == nil && world.blocked(c))
    world.wait(100)
    #expect(world.status(a) == .timedOut && world.status(b) == .timedOut)
  }

  @Test("a line is no cycle")
  func chain() {
    let line = (0..<30).map { world.spawn(slot: UInt32(10 + $0)) }
    for index in (0..<29).reversed() { #expect(world.sendRec(line[index], line[index + 1]) == nil) }
    #expect(world.receive(line[29])!.message.source == line[28])
  }

  @Test("a service that faults while it waits in line for VM's caller does not hang the walk")
  func faultCycle() {
    let (a, b) = (world.spawn(slot: 10), world.spawn(slot: 11))
    world.spawn(slot: 2)
    // VM sends to RS, RS faults: each waits for the other, by no fault of a third.
    #expect(world.sendRec(.vm, .rs) == nil)
    world.run(.rs)
    world.core.pageFault(address: 0x1000, access: 0)
    world.check()
    #expect(world.sendRec(a, .rs) == .wouldDeadlock)
    #expect(world.notify(b, .rs) == .done)
  }
}
