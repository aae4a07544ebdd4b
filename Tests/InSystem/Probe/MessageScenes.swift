import BootImage
import CProbe
import IPC
import Protocols
import Trap

// Scenes of messages: who hears what, when, and from whom.
extension Stage {
  /// Eight words, none like another; the type is `type`.
  private func words(_ type: Int32) -> Message { Message(header: UInt64(UInt32(bitPattern: type)), payload: (1, 2, 3, 4, 5, 6, 7)) }

  /// Whether all of `words(type)` has arrived as `sender`'s.
  private func isWhole(_ delivery: Delivery, _ type: Int32, from sender: Puppet) -> Bool {
    let payload = delivery.message.payload
    return delivery.message.type == type && delivery.message.source == sender.name && payload.0 == 1 && payload.1 == 2 && payload.2 == 3
      && payload.3 == 4 && payload.4 == 5 && payload.5 == 6 && payload.6 == 7
  }

  private func isNotification(_ delivery: Delivery, from sender: Endpoint) -> Bool {
    delivery.flags == .notification && delivery.message.type == KernelEvent.notification && delivery.message.source == sender
      && delivery.message.payload.0 == 0
  }

  /// M-N1: only the source that is waited for wakes the receiver; the others' notifications stay. Pending ones lie in the order of
  /// slots, so the wanted one is once the first of them, once the last.
  mutating func notifyOneSource() {
    for turn in 0..<2 {
      let wanted = turn == 0 ? a : c, other = turn == 0 ? c : a
      expect(receive(b, from: wanted.name) == nil)
      expect(notify(other, b.name) == .done)
      expect(status(b) == nil)
      expect(notify(wanted, b.name) == .done)
      expect(status(b) == .done && isNotification(heard(b), from: wanted.name))
      // And both are there already.
      expect(notify(wanted, b.name) == .done)
      expect(receive(b, from: wanted.name) == .done)
      expect(isNotification(heard(b), from: wanted.name))
      expect(receive(b) == .done)
      expect(isNotification(heard(b), from: other.name))
      expect(poll(b) == .timedOut)
    }
    // Who waits for anybody, and who hears of a less important one.
    expect(receive(b) == nil)
    expect(notify(a, b.name) == .done)
    expect(status(b) == .done && isNotification(heard(b), from: a.name))
    expect(receive(a) == nil)
    expect(notify(b, a.name) == .done)
    expect(status(a) == .done && isNotification(heard(a), from: b.name))
  }

  /// M-N1: a caller hears nothing but its answer, whether it stands in line or was heard, by either path; notifications are there
  /// afterwards, one from each, and what was queued too (M-F14).
  mutating func notifyCaller() {
    for waits in 0..<2 {
      if waits == 1 { expect(receive(b) == nil) }
      expect(sendRec(a, b.name, words(7)) == nil)
      if waits == 0 {
        expect(notify(c, a.name) == .done && notify(d, a.name) == .done && notify(c, a.name) == .done)
        expect(state(a) == Kernel.ThreadState.sending)
        expect(receive(b) == .done)
      }
      expect(heard(b).flags == .request && isWhole(heard(b), 7, from: a))
      expect(state(a) == Kernel.ThreadState.waitingForReply)
      for _ in 0..<3 { expect(notify(c, a.name) == .done && notify(d, a.name) == .done) }
      expect(sendAsync(b, a.name, words(0)) == .done)
      expect(status(a) == nil)
      expect(reply(b, a.name, Message(header: 0, payload: (9, 0, 0, 0, 0, 0, 0))) == .done)
      expect(status(a) == .done && heard(a).message.payload.0 == 9 && heard(a).flags == Delivery.Flags(raw: 0))
      expect(receive(a) == .done)
      expect(isNotification(heard(a), from: c.name))
      expect(receive(a) == .done)
      expect(isNotification(heard(a), from: d.name))
      expect(receive(a) == .done)
      expect(heard(a).isAsynchronous && isWhole(heard(a), 0, from: b))
      expect(poll(a) == .timedOut)
    }
  }

  /// M-N2: with us a message and its status are in registers, so there is nothing that cannot be written. A receiver whose stack is nowhere
  /// gets the message whole and once, from its sender's hands or from the queue; the sender's quota is free again.
  mutating func asynchronousOnce() {
    for stack in 0..<3 {
      for way in 1..<(probe_has_syscall() ? 3 : 2) {
        b.cell[Puppet.Place.way] = UInt64(way)
        b.cell[Puppet.Place.stack] = stack == 0 ? 0 : stack == 1 ? 0x8000_0000_0000 : 0xFFFF_FFFF_8010_0000
        expect(receive(b) == nil)
        expect(sendAsync(a, b.name, words(3)) == .done)
        expect(status(b) == .done && heard(b).flags == .asynchronous && isWhole(heard(b), 3, from: a))
        expect(poll(b) == .timedOut)
        expect(sendAsync(a, b.name, words(4)) == .done)
        expect(queued() == 1)
        expect(receive(b) == .done)
        expect(heard(b).flags == .asynchronous && isWhole(heard(b), 4, from: a))
        expect(poll(b) == .timedOut && queued() == 0)
      }
    }
  }

  /// M-N2: what is queued survives a new life of its receiver, once, and goes with its sender.
  mutating func asynchronousAndDeath() {
    expect(sendAsync(a, b.name, words(3)) == .done)
    restart(b)
    expect(receive(b) == .done)
    expect(heard(b).flags == .asynchronous && isWhole(heard(b), 3, from: a))
    expect(poll(b) == .timedOut)
    // The receiver dies while it waits for it.
    expect(receive(b, from: a.name) == nil)
    restart(b)
    expect(sendAsync(a, b.name, words(4)) == .done)
    expect(status(b) == .done && queued() == 1)
    restart(a)
    expect(poll(b) == .timedOut && queued() == 0)
    expect(sendAsync(a, b.name, words(5)) == .done)
    destroy(b)
    expect(queued() == 0)
    create(b)
    expect(poll(b) == .timedOut)
  }

  /// M-N4: a circle of senders is refused before it closes, in line or heard; who was refused can untangle them.
  mutating func circles() {
    for length in 2...4 {
      let first = actor(0), last = actor(length - 1)
      // In line.
      for index in 0..<length - 1 { expect(sendRec(actor(index), actor(index + 1).name, words(1)) == nil) }
      expect(sendRec(last, first.name) == .wouldDeadlock)
      expect(send(last, first.name) == .wouldDeadlock)
      expect(notify(last, first.name) == .done && sendAsync(last, first.name) == .done)
      // Heard.
      expect(receive(last) == .done)
      expect(isWhole(heard(last), 1, from: actor(length - 2)))
      expect(sendRec(last, first.name) == .wouldDeadlock)
      expect(receive(last, from: actor(length - 2).name) == .wouldDeadlock)
      var index = length - 1
      while index > 0 {
        expect(reply(actor(index), actor(index - 1).name, words(0)) == .done)
        expect(status(actor(index - 1)) == .done && isWhole(heard(actor(index - 1)), 0, from: actor(index)))
        index -= 1
        if index > 0 { expect(receive(actor(index)) == .done) }
      }
      // All by the path of servers that wait already.
      for index in 0..<length - 1 {
        expect(receive(actor(index + 1)) == nil)
        expect(sendRec(actor(index), actor(index + 1).name, words(1)) == nil)
        expect(status(actor(index + 1)) == .done)
      }
      expect(sendRec(last, first.name) == .wouldDeadlock)
      cast()
    }
    expect(sendRec(a, a.name) == .wouldDeadlock && send(a, a.name) == .wouldDeadlock && receive(a, from: a.name) == .wouldDeadlock)
    expect(receive(a, from: c.name) == nil)
    expect(receive(c, from: a.name) == .wouldDeadlock)
  }

  /// M-N5: the source is who sent it, whatever it wrote there, and nobody but the kernel sends page faults, exceptions and alarms.
  mutating func forgeries() {
    var fault = Message(KernelEvent.PageFault(address: 0x1000, access: 2, space: 1, instruction: 0, stack: 0))
    var answer = words(0)
    answer.source = .vm
    for waits in 0..<2 {
      if waits == 1 { expect(receive(b) == nil) }
      fault.source = waits == 0 ? .kernel : .any
      expect(sendRec(user, b.name, fault) == nil)
      if waits == 0 { expect(receive(b) == .done) }
      expect(status(b) == .done && heard(b).flags == .request && heard(b).message.source == user.name)
      expect(heard(b).message.type == KernelEvent.PageFault.number)
      if waits == 0 { expect(reply(b, user.name, answer) == .done) } else { expect(replyReceive(b, user.name, answer) == nil) }
      expect(status(user) == .done && isWhole(heard(user), 0, from: b))
    }
    // To a server that waits, then to one that does not.
    var news = Message(KernelEvent.Exception(thread: user.name, signal: 11, address: 0, instruction: 0, vector: 14))
    news.source = .kernel
    expect(sendAsync(a, b.name, news) == .done)
    expect(status(b) == .done && heard(b).flags == .asynchronous && heard(b).message.source == a.name)
    expect(sendAsync(a, b.name, news) == .done)
    expect(receive(b) == .done)
    expect(heard(b).flags == .asynchronous && heard(b).message.source == a.name)
    var alarm = Message(header: UInt64(UInt32(bitPattern: KernelEvent.notification)), payload: (KernelEvent.alarm, 0, 0, 0, 0, 0, 0))
    alarm.source = .kernel
    expect(send(a, b.name, alarm) == nil)
    expect(receive(b) == .done)
    expect(heard(b).flags == Delivery.Flags(raw: 0) && heard(b).message.source == a.name && status(a) == .done)
    expect(receive(b) == nil)
    expect(send(a, b.name, alarm) == .done)
    expect(heard(b).flags == Delivery.Flags(raw: 0) && heard(b).message.source == a.name)
    expect(order(a, .notify, to: b.name, alarm) == .done)
    expect(receive(b) == .done)
    expect(isNotification(heard(b), from: a.name))
    // VM itself, which is us: an answer that refuses a page is to this process an answer like any other.
    expect(sendRec(user, .vm, fault) == nil)
    let request = try? ipc.receive(from: user.name, deadline: 1)
    expect(request?.flags == .request && request?.message.source == user.name)
    expect((try? ipc.reply(Message(type: 1), to: user.name)) != nil)
    expect(status(user) == .done && heard(user).message.type == 1 && heard(user).message.source == .vm)
  }

  /// Notifications, the kernel's first and then by slot; asynchronous messages as they were sent; callers as they came.
  mutating func receiveOrder() {
    expect(sendRec(c, b.name, words(1)) == nil)
    expect(sendRec(a, b.name, words(2)) == nil)
    expect(sendRec(user, b.name, words(3)) == nil)
    expect(sendAsync(e, b.name, words(4)) == .done)
    expect(sendAsync(d, b.name, words(5)) == .done)
    expect(notify(e, b.name) == .done && notify(d, b.name) == .done)
    expect(kernel(b, Kernel.Alarm(deadline: 1)) == .done)
    sleep()
    // From one alone, at whatever place in line.
    expect(receive(b, from: a.name) == .done)
    expect(isWhole(heard(b), 2, from: a))
    expect(receive(b) == .done)
    expect(heard(b).flags == .notification | .fromKernel && heard(b).message.payload.0 == KernelEvent.alarm && heard(b).message.source == .kernel)
    expect(receive(b) == .done)
    expect(isNotification(heard(b), from: d.name))
    expect(receive(b) == .done)
    expect(isNotification(heard(b), from: e.name))
    expect(receive(b) == .done)
    expect(isWhole(heard(b), 4, from: e))
    expect(receive(b) == .done)
    expect(isWhole(heard(b), 5, from: d))
    // An answer, and who is in line by then is next.
    expect(replyReceive(b, a.name, words(0)) == .done)
    expect(isWhole(heard(b), 1, from: c) && status(a) == .done)
    expect(replyReceive(b, c.name, words(0)) == .done)
    expect(isWhole(heard(b), 3, from: user) && status(c) == .done)
    expect(reply(b, user.name) == .done && poll(b) == .timedOut)
    // Each of them alone keeps a server that answers from waiting.
    for kind in 0..<3 {
      expect(receive(b) == nil)
      expect(sendRec(a, b.name, words(1)) == nil)
      switch kind {
      case 0: expect(notify(d, b.name) == .done)
      case 1: expect(sendAsync(d, b.name, words(2)) == .done)
      default: expect(sendRec(d, b.name, words(2)) == nil)
      }
      expect(replyReceive(b, a.name, words(0)) == .done)
      expect(status(a) == .done && heard(b).message.source == d.name && (kind == 0) == heard(b).isNotification)
    }
    expect(reply(b, d.name) == .done)
    // Who waits for one hears no other.
    expect(receive(b, from: c.name) == nil)
    expect(sendRec(a, b.name, words(1)) == nil && sendAsync(d, b.name, words(2)) == .done && status(b) == nil)
    expect(sendRec(c, b.name, words(3)) == nil)
    expect(status(b) == .done && isWhole(heard(b), 3, from: c))
    expect(receive(b) == .done)
    expect(isWhole(heard(b), 2, from: d))
    expect(receive(b) == .done)
    expect(isWhole(heard(b), 1, from: a))
  }

  /// A full queue is an error to its sender and to nobody else, and nothing of it is lost.
  mutating func quota() {
    for number in 0..<8 { expect(sendAsync(a, b.name, words(Int32(number))) == .done) }
    expect(sendAsync(a, b.name) == .wouldBlock && sendAsync(a, c.name) == .wouldBlock)
    expect(sendAsync(d, b.name, words(8)) == .done && queued() == 9)
    expect(receive(b) == .done)
    expect(isWhole(heard(b), 0, from: a))
    expect(sendAsync(a, b.name, words(9)) == .done && sendAsync(a, b.name) == .wouldBlock)
    // Who waits can be reached all the same.
    expect(receive(c) == nil)
    expect(sendAsync(a, c.name, words(20)) == .done)
    expect(status(c) == .done && isWhole(heard(c), 20, from: a))
    for number in 1...9 {
      expect(receive(b) == .done)
      expect(isWhole(heard(b), Int32(number), from: number == 8 ? d : a))
    }
    expect(poll(b) == .timedOut && queued() == 0)
  }

  /// Every combination of who comes first and how the answer goes, from services and a process: all eight words, both ways, and an answer
  /// only to who waits for it.
  mutating func calls() {
    for way in 0..<8 {
      let caller = way & 4 == 0 ? a : user
      if way & 1 != 0 { expect(receive(b) == nil) }
      expect(sendRec(caller, b.name, words(0x7FFF_FFFF)) == nil)
      if way & 1 == 0 {
        expect(reply(b, caller.name) == .notReady)
        expect(receive(b) == .done)
      }
      expect(status(b) == .done && heard(b).flags == .request && isWhole(heard(b), 0x7FFF_FFFF, from: caller))
      // Only who it waits for can answer.
      expect(reply(c, caller.name) == .notReady && replyReceive(c, caller.name, words(5)) == nil)
      expect(status(caller) == nil && notify(d, c.name) == .done && status(c) == .done)
      if way & 2 == 0 {
        expect(reply(b, caller.name, words(-1)) == .done)
      } else {
        expect(replyReceive(b, caller.name, words(-1)) == nil)
        expect(send(c, b.name, words(6)) == .done)
        expect(status(b) == .done && heard(b).flags == Delivery.Flags(raw: 0) && isWhole(heard(b), 6, from: c))
      }
      expect(status(caller) == .done && heard(caller).flags == Delivery.Flags(raw: 0) && isWhole(heard(caller), -1, from: b))
      expect(reply(b, caller.name) == .notReady)
    }
  }
}
