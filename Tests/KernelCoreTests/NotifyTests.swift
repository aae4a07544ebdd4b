import IPC
import Protocols
import Testing

@testable import KernelCore

@Suite struct NotifyTests {
  let world = World()
  let a: Endpoint, b: Endpoint, c: Endpoint

  init() {
    a = world.spawn(slot: 10)
    b = world.spawn(slot: 11)
    c = world.spawn(slot: 12)
  }

  @Test("SEC34 notifications merge: a million cost one bit, and none is lost for another")
  func merge() {
    for _ in 0..<1000 {
      world.run(a)
      world.pointer(a).pointee.context.rax = TrapOperation.notify.rawValue
      world.pointer(a).pointee.context.rdi = UInt64(b.raw)
      world.core.trap()
    }
    world.notify(c, b)
    #expect(world.receive(b)!.message.source == a)
    #expect(world.receive(b)!.message.source == c)
    #expect(world.receive(b) == nil)
    #expect(world.statistics().asynchronous == 0)
  }

  @Test("a notification says who, and nothing that the sender could choose")
  func notificationIsPlain() {
    world.trap(a, .notify, to: b, Message(type: 77, ~0))
    let delivery = world.receive(b)!
    #expect(delivery.flags == .notification && delivery.message.type == KernelEvent.notification)
    #expect(delivery.message.payload.0 == 0 && delivery.message.source == a)
  }

  @Test("SEC20 a kernel message holds nothing but what it says")
  func nothingLeaks() {
    world.trap(b, .receive, from: .any, Message(header: ~0, payload: (~0, ~0, ~0, ~0, ~0, ~0, ~0)))
    world.notify(a, b)
    let payload = world.delivery(b)!.message.payload
    #expect(payload.0 | payload.1 | payload.2 | payload.3 | payload.4 | payload.5 | payload.6 == 0)
    world.trap(b, .kernelCall, Message(header: 0, payload: (~0, ~0, ~0, ~0, ~0, ~0, ~0)))
    let answer = world[b].context.message
    #expect(answer.header == 0 && answer.payload.0 == 0 && answer.payload.6 == 0)
  }

  @Test("asynchronous messages do not wait, and come in order")
  func asynchronousInOrder() {
    for number in 0..<5 { #expect(world.sendAsync(a, b, Message(type: 1, UInt64(number))) == .done) }
    for number in 0..<5 {
      let delivery = world.receive(b)!
      #expect(delivery.flags == .asynchronous && delivery.message.payload.0 == UInt64(number))
    }
    #expect(world.statistics().asynchronous == 0)
  }

  @Test("SEC34 a full asynchronous queue is an error to its sender and to nobody else")
  func quota() {
    for _ in 0..<8 { #expect(world.sendAsync(a, b) == .done) }
    #expect(world.sendAsync(a, b) == .wouldBlock)
    #expect(world.sendAsync(a, c) == .wouldBlock, "the quota is the sender's, not the receiver's")
    #expect(world.sendAsync(c, b) == .done)
    world.receive(b)
    #expect(world.sendAsync(a, b) == .done)
    #expect(world.sendAsync(a, b) == .wouldBlock)
  }

  @Test("SEC34 when the pool is used up everybody gets an error, and it comes back whole")
  func poolExhaustion() {
    let senders = (20..<25).map { world.spawn(slot: UInt32($0)) }
    for sender in senders.prefix(4) { for _ in 0..<8 { #expect(world.sendAsync(sender, b) == .done) } }
    #expect(world.sendAsync(senders[4], b) == .wouldBlock)
    #expect(world.statistics().asynchronous == 32 && world.statistics().asynchronousLimit == 32)
    for _ in 0..<32 { #expect(world.receive(b) != nil) }
    #expect(world.statistics().asynchronous == 0)
    #expect(world.sendAsync(senders[4], b) == .done)
  }

  @Test("without a quota a service cannot queue, but reaches a receiver that waits")
  func noQuota() {
    world.pointer(a).pointee.privileges.asynchronousQuota = 0
    #expect(world.sendAsync(a, b) == .wouldBlock)
    world.receive(b)
    #expect(world.sendAsync(a, b) == .done)
    #expect(world.delivery(b)!.isAsynchronous)
  }

  @Test("M-N2 an asynchronous message to a receiver that waits is delivered once")
  func asynchronousOnce() {
    world.receive(b)
    world.sendAsync(a, b)
    #expect(world.delivery(b)!.isAsynchronous)
    #expect(world.receive(b) == nil)
  }

  @Test("M-F14 an asynchronous message never satisfies somebody's sendRec")
  func asynchronousIsNoAnswer() {
    world.sendRec(a, b)
    world.receive(b)
    world.sendAsync(b, a, Message(type: 0, 1))
    world.notify(b, a)
    #expect(world.blocked(a))
    world.reply(b, a, Message(type: 0, 2))
    #expect(world.delivery(a)!.message.payload.0 == 2)
    #expect(world.receive(a)!.isNotification)
    #expect(world.receive(a)!.message.payload.0 == 1)
  }

  @Test("M-N1 notifications do not disturb a sendRec, in line or heard; they are there afterwards, one from each")
  func notificationsDoNotDisturb() {
    let c = world.spawn(slot: 15)
    // In the second round `a` has received from anybody before, and nothing of that is left over.
    for _ in 0..<2 {
      world.sendRec(a, b, Message(type: 7, 70))
      for _ in 0..<3 { for sender in [b, c] { world.notify(sender, a) } }
      world.core.post(KernelEvent.alarm, to: world.pointer(a))
      #expect(world.blocked(a) && world[a].state == .sending)
      #expect(world.receive(b)!.message.payload.0 == 70, "the request is as it was")
      world.notify(c, a)
      #expect(world.blocked(a) && world[a].state == .waiting)
      world.reply(b, a, Message(type: 0, 2))
      #expect(world.delivery(a)!.message.source == b && world.delivery(a)!.message.payload.0 == 2 && !world.delivery(a)!.isNotification)
      #expect(world.receive(a)!.message.payload.0 == KernelEvent.alarm)
      let senders = [world.receive(a)!, world.receive(a)!].map(\.message.source)
      #expect(senders == [b, c].sorted { $0.slot < $1.slot })
      #expect(world.receive(a, deadline: 1) == nil, "merged")
    }
  }

  @Test("a message to oneself: notifications and queued messages arrive, calls are refused")
  func toOneself() {
    #expect(world.notify(a, a) == .done)
    #expect(world.sendAsync(a, a) == .done)
    #expect(world.receive(a)!.isNotification)
    #expect(world.receive(a)!.message.source == a)
    #expect(world.send(a, a) == .wouldDeadlock)
    #expect(world.sendRec(a, a) == .wouldDeadlock)
    world.trap(a, .receive, from: a)
    #expect(world.status(a) == .wouldDeadlock)
  }
}
