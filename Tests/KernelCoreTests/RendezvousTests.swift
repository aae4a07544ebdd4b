import IPC
import Protocols
import Testing

@testable import KernelCore

@Suite struct RendezvousTests {
  let world = World()
  let a: Endpoint, b: Endpoint, c: Endpoint, user: Endpoint

  init() {
    a = world.spawn(slot: 10)
    b = world.spawn(slot: 11)
    c = world.spawn(slot: 12)
    user = world.spawn()
  }

  @Test("send waits until the message is taken, and carries all eight words")
  func sendThenReceive() {
    let message = Message(header: 42, payload: (1, 2, 3, 4, 5, 6, 7))
    #expect(world.send(a, b, message) == nil)
    let delivery = world.receive(b)!
    #expect(delivery.message.source == a && delivery.message.type == 42)
    #expect(delivery.message.payload.0 == 1 && delivery.message.payload.6 == 7)
    #expect(delivery.flags == Delivery.Flags(raw: 0))
    #expect(world.status(a) == .done)
  }

  @Test("receive waits until a message is sent; the sender does not wait then")
  func receiveThenSend() {
    #expect(world.receive(b) == nil && world.blocked(b))
    #expect(world.send(a, b, Message(type: 5, 99)) == .done)
    #expect(world.delivery(b)!.message.payload.0 == 99)
  }

  @Test("M-N5 the source is who sent it, whatever it wrote there")
  func sourceCannotBeForged() {
    var message = Message(type: 5)
    message.source = .vm
    world.send(a, b, message)
    #expect(world.receive(b)!.message.source == a)
    world.sendAsync(a, b, message)
    #expect(world.receive(b)!.message.source == a)
    world.receive(b)
    world.sendRec(a, b, message)
    #expect(world.delivery(b)!.message.source == a)
    message.source = .rs
    world.reply(b, a, message)
    #expect(world.delivery(a)!.message.source == b)
  }

  @Test("M-N5 a page fault or exception that a user makes up is not from the kernel")
  func kernelMessagesCannotBeForged() {
    let fault = Message(KernelEvent.PageFault(address: 0x1000, access: 2, space: 1, instruction: 0, stack: 0))
    world.receive(.vm)
    world.sendRec(user, .vm, fault)
    let delivery = world.delivery(.vm)!
    #expect(delivery.flags == .request && !delivery.isFromKernel && delivery.message.source == user)
    world.reply(.vm, user, Message(type: 1))
    #expect(world.status(user) == .done && world.delivery(user)!.message.type == 1)
    world.sendAsync(a, b, Message(KernelEvent.Exception(thread: user, signal: 11, address: 0, instruction: 0, vector: 14)))
    #expect(world.receive(b)!.flags == .asynchronous)
    world.send(a, b, Message(type: KernelEvent.notification, KernelEvent.alarm))
    #expect(world.blocked(a))
    #expect(world.receive(b)!.flags == Delivery.Flags(raw: 0))
  }

  @Test("sendRec waits for the answer, server first")
  func callWithServerWaiting() {
    world.receive(b)
    #expect(world.sendRec(user, .vm) == nil)
    world.receive(.vm)
    #expect(world.sendRec(a, b, Message(type: 9, 1)) == nil)
    #expect(world.delivery(b)!.flags == .request)
    #expect(world.reply(b, a, Message(type: 0, 77)) == .done)
    let answer = world.delivery(a)!
    #expect(answer.message.payload.0 == 77 && answer.message.source == b && answer.flags == Delivery.Flags(raw: 0))
  }

  @Test("sendRec waits for the answer, caller first")
  func callWithCallerWaiting() {
    #expect(world.sendRec(a, b, Message(type: 9, 5)) == nil)
    #expect(world.info(a).state == Kernel.ThreadState.sending)
    #expect(world.receive(b)!.message.payload.0 == 5)
    #expect(world.info(a).state == Kernel.ThreadState.waitingForReply && world.info(a).peer == b)
    world.reply(b, a)
    #expect(world.status(a) == .done)
  }

  @Test("replyReceive answers and takes the next caller in one trap")
  func replyAndReceive() {
    world.sendRec(a, b, Message(type: 1, 1))
    world.sendRec(c, b, Message(type: 1, 2))
    #expect(world.receive(b)!.message.source == a)
    let next = world.replyReceive(b, a, Message(type: 0, 10))!
    #expect(next.message.source == c && next.message.payload.0 == 2)
    #expect(world.delivery(a)!.message.payload.0 == 10)
    #expect(world.replyReceive(b, c) == nil && world.blocked(b))
  }

  @Test("replyReceive drops an answer that nobody waits for")
  func replyToNobody() {
    world.sendRec(a, b)
    #expect(world.replyReceive(b, c)!.message.source == a)
    #expect(world.replyReceive(b, Endpoint(slot: 30, generation: 5)) == nil)
    #expect(world.blocked(a))
  }

  @Test("reply tells a caller that does not wait from one that is dead")
  func replyErrors() {
    #expect(world.reply(b, a) == .notReady)
    world.sendRec(a, b)
    #expect(world.reply(b, a) == .notReady, "not received yet")
    world.receive(b)
    #expect(world.reply(c, a) == .notReady, "waits for somebody else")
    #expect(world.reply(b, Endpoint(slot: 40, generation: 0)) == .deadEndpoint)
    #expect(world.reply(b, .any) == .deadEndpoint)
    #expect(world.reply(b, a) == .done)
    #expect(world.reply(b, a) == .notReady, "M-F11 a second answer")
  }

  @Test("receive order: notifications, then asynchronous messages, then callers in order")
  func receiveOrder() {
    world.sendRec(a, b, Message(type: 1, 1))
    world.sendRec(user, .vm)
    world.sendAsync(c, b, Message(type: 2, 2))
    world.sendAsync(.vm, b, Message(type: 2, 3))
    world.notify(c, b)
    world.notify(.vm, b)
    let first = world.receive(b)!
    #expect(first.isNotification && first.message.source == .vm)
    #expect(world.receive(b)!.message.source == c)
    #expect(world.receive(b)!.message.payload.0 == 2)
    #expect(world.receive(b)!.message.payload.0 == 3)
    #expect(world.receive(b)!.message.payload.0 == 1)
    #expect(world.receive(b) == nil)
  }

  @Test("callers are served in the order in which they came")
  func callersInOrder() {
    let callers = (20..<40).map { world.spawn(slot: UInt32($0)) }
    for caller in callers { world.sendRec(caller, b) }
    for caller in callers { #expect(world.receive(b)!.message.source == caller) }
  }

  @Test("M-N1 a receiver that waits for one source gets its notification, and nobody else's")
  func notifyForOneSource() {
    // Pending ones lie in the order of slots: the wanted one is the first of them, then the last.
    for (wanted, other) in [(a, c), (c, a)] {
      #expect(world.receive(b, from: wanted) == nil)
      world.notify(other, b)
      #expect(world.blocked(b))
      world.notify(wanted, b)
      #expect(world.delivery(b)?.isNotification == true && world.delivery(b)?.message.source == wanted)
      #expect(world.receive(b)?.message.source == other, "the other one is still there")
    }
  }

  @Test("receive from one source takes only its messages, at whatever place in line")
  func receiveFromOne() {
    world.sendRec(c, b)
    world.sendAsync(.vm, b)
    #expect(world.receive(b, from: a) == nil && world.blocked(b))
    world.sendRec(a, b, Message(type: 3, 3))
    #expect(world.delivery(b)!.message.source == a)
    world.reply(b, a)
    world.sendRec(a, b, Message(type: 4, 4))
    #expect(world.receive(b, from: a)!.message.payload.0 == 4)
    #expect(world.receive(b, from: .vm)!.isAsynchronous)
    #expect(world.receive(b, from: c)!.message.source == c)
  }

  @Test("receive from an endpoint that is dead or never was")
  func receiveFromDead() {
    world.trap(b, .receive, from: Endpoint(slot: 50, generation: 0))
    #expect(world.status(b) == .deadEndpoint)
    world.trap(b, .receive, from: Endpoint(slot: 4000, generation: 0))
    #expect(world.status(b) == .deadEndpoint)
    world.trap(b, .receive, from: Endpoint(slot: Int(a.slot), generation: 1))
    #expect(world.status(b) == .deadEndpoint)
  }

  @Test("receive from the kernel alone: alarms and lines")
  func receiveFromKernel() {
    world.sendRec(a, b)
    world.notify(c, b)
    try! world.kernel(b, Kernel.Alarm(deadline: world.core.machine.clock + 10))
    #expect(world.receive(b, from: .kernel) == nil && world.blocked(b))
    world.wait(20)
    let delivery = world.delivery(b)!
    #expect(delivery.isNotification && delivery.isFromKernel && delivery.message.payload.0 == KernelEvent.alarm)
  }

  @Test("a receive with a deadline ends with timedOut, not before it and not if a message came")
  func deadline() {
    let start = world.core.machine.clock
    #expect(world.receive(b, deadline: start + 100) == nil)
    world.wait(99)
    #expect(world.blocked(b))
    world.wait(1)
    #expect(world.status(b) == .timedOut)
    world.receive(b, deadline: start + 1000)
    world.send(a, b)
    #expect(world.delivery(b) != nil)
    world.wait(5000)
    #expect(world.delivery(b) != nil)
  }

  @Test("a deadline that has passed still takes what is there: a poll")
  func poll() {
    world.trap(b, .receive, from: .any, deadline: 1)
    #expect(world.status(b) == .timedOut)
    world.sendRec(a, b)
    #expect(world.receive(b, deadline: 1)!.message.source == a)
  }

  @Test("receive from none sleeps: no message ends it")
  func sleep() {
    world.receive(b, from: .none, deadline: world.core.machine.clock + 50)
    world.notify(a, b)
    world.sendAsync(a, b)
    world.sendRec(c, b)
    #expect(world.blocked(b))
    world.wait(50)
    #expect(world.status(b) == .timedOut)
    #expect(world.receive(b)!.isNotification)
  }

  @Test("a process may call its servers and nothing else: no send, no notify, no queueing, no peers")
  func userIsConfined() {
    world.spawn(slot: 3)
    #expect(world.send(user, .pm) == .notPermitted)
    #expect(world.notify(user, .pm) == .notPermitted)
    #expect(world.sendAsync(user, .pm) == .notPermitted)
    #expect(world.sendRec(user, a) == .notPermitted)
    let other = world.spawn()
    #expect(world.sendRec(user, other) == .notPermitted)
    #expect(world.reply(user, .pm) == .notReady)
    #expect(world.sendRec(user, .pm) == nil)
    #expect(world.receive(.pm)!.message.source == user)
  }

  @Test("nobody can send to a process, only answer it")
  func processesAreNotServers() {
    #expect(world.send(a, user) == .notPermitted)
    #expect(world.sendRec(a, user) == .notPermitted)
    #expect(world.notify(a, user) == .notPermitted)
    #expect(world.sendAsync(a, user) == .notPermitted)
  }

  @Test("SEC8 unknown operations are refused and change nothing", arguments: [8, 9, 255, 1 << 31, 1 << 32, 1 << 63, UInt64.max])
  func unknownOperation(number: UInt64) {
    world.run(a)
    world.pointer(a).pointee.context.rax = number
    world.pointer(a).pointee.context.message = Message(type: 3, 3)
    world.core.trap()
    #expect(world.status(a) == .noSuchCall)
    #expect(world[a].context.message.payload.0 == 3)
    world.check()
  }

  @Test("a failed call leaves the message registers alone")
  func failureKeepsMessage() {
    #expect(world.sendRec(a, Endpoint(slot: 50, generation: 0), Message(type: 3, 1234)) == .deadEndpoint)
    #expect(world[a].context.message.payload.0 == 1234)
  }

  @Test("the names any, none and kernel are nobody to send to", arguments: [Endpoint.any, .none, .kernel])
  func sendToNobody(name: Endpoint) {
    #expect(world.send(a, name) == .deadEndpoint)
    #expect(world.sendRec(a, name) == .deadEndpoint)
    #expect(world.notify(a, name) == .deadEndpoint)
    #expect(world.sendAsync(a, name) == .deadEndpoint)
    #expect(world.reply(a, name) == .deadEndpoint)
  }

  @Test("M-E9 a message is never in memory: threads without a single page, stack pointers anywhere, exchange all eight words")
  func noMemory() {
    let message = Message(header: 9, payload: (1, 2, 3, 4, 5, 6, 7))
    for stack in [0, 1, 0x7FFF_FFFF_F000, 1 << 63, .max] as [UInt64] {
      for thread in [a, b] { world.pointer(thread).pointee.context.stack = stack }
      world.sendRec(a, b, message)
      #expect(world.receive(b)!.message.payload.6 == 7)
      world.reply(b, a, Message(type: 0, stack))
      #expect(world.delivery(a)!.message.payload.0 == stack)
    }
    #expect(world.statistics().faults == 0)
  }
}
