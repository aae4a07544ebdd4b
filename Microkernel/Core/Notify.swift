import IPC
import Protocols

// Messages that need no partner: notifications, which merge, and asynchronous ones, which queue in the kernel at
// their sender's expense.
extension Core where M: ~Copyable {
  mutating func notify(_ me: ThreadPointer) throws(Errno) {
    guard me.pointee.endpoint.isService else { throw .notPermitted }
    let receiver = try destination(me.pointee.context.destination, for: me)
    receiver.pointee.notifications |= 1 << UInt64(me.pointee.slot)
    me.pointee.messages &+= 1
    me.pointee.context.setResult(status: 0, flags: 0)
    offerNotification(receiver, from: me.pointee.endpoint)
  }

  /// A notification of the kernel itself.
  mutating func post(_ events: UInt64, to receiver: ThreadPointer) {
    receiver.pointee.events |= events
    receiver.pointee.notifications |= 1
    offerNotification(receiver, from: .kernel)
  }

  private mutating func offerNotification(_ receiver: ThreadPointer, from sender: Endpoint) {
    guard accepts(receiver, from: sender), takeNotification(receiver) else { return }
    stopReceiving(receiver)
    wake(receiver)
  }

  /// Puts a pending notification that `source` allows into the registers: the kernel's first, then by slot.
  mutating func takeNotification(_ me: ThreadPointer) -> Bool {
    let bits = me.pointee.notifications
    if bits == 0 { return false }
    let source = me.pointee.source
    let slot = source == .any ? bits.trailingZeroBitCount : source.slot
    guard slot < Endpoint.serviceSlots, bits & (1 << UInt64(slot)) != 0 else { return false }
    // A source that is waited for is alive, and a service that ends takes its notifications with it.
    let sender = slot == 0 ? Endpoint.kernel : threads[slot].endpoint
    me.pointee.notifications = bits & ~(1 << UInt64(slot))
    var message = Message(type: KernelEvent.notification)
    message.source = sender
    var flags = Delivery.Flags.notification
    if slot == 0 {
      message.payload.0 = me.pointee.events
      me.pointee.events = 0
      flags = flags | .fromKernel
    }
    me.pointee.context.message = message
    me.pointee.context.setResult(status: 0, flags: flags.raw)
    traceDelivery(TraceRecord.Kind.notification, from: sender, to: me, flags)
    return true
  }

  mutating func sendAsync(_ me: ThreadPointer) throws(Errno) {
    guard me.pointee.endpoint.isService else { throw .notPermitted }
    let receiver = try destination(me.pointee.context.destination, for: me)
    let message = stamped(me.pointee.context.message, me)
    if accepts(receiver, from: me.pointee.endpoint) {
      stopReceiving(receiver)
      receiver.pointee.context.message = message
      receiver.pointee.context.setResult(status: 0, flags: Delivery.Flags.asynchronous.raw)
      traceDelivery(TraceRecord.Kind.asynchronous, from: me.pointee.endpoint, to: receiver, .asynchronous)
      wake(receiver)
    } else {
      guard me.pointee.queued < UInt32(me.pointee.privileges.asynchronousQuota), let envelope = freeEnvelopes else {
        throw .wouldBlock
      }
      freeEnvelopes = envelope.pointee.next
      envelopeCount += 1
      me.pointee.queued += 1
      envelope.pointee.message = message
      envelope.pointee.flags = .asynchronous
      envelope.pointee.sender = me
      envelope.pointee.receiver = receiver
      receiver.pointee.inbox.append(envelope)
    }
    me.pointee.messages &+= 1
    me.pointee.context.setResult(status: 0, flags: 0)
  }

  /// Puts the first asynchronous message that `source` allows into the registers.
  mutating func takeEnvelope(_ me: ThreadPointer) -> Bool {
    let source = me.pointee.source
    var next = me.pointee.inbox.first
    while let envelope = next {
      if source == .any || envelope.pointee.message.source == source {
        me.pointee.context.message = envelope.pointee.message
        me.pointee.context.setResult(status: 0, flags: envelope.pointee.flags.raw)
        traceDelivery(TraceRecord.Kind.asynchronous, from: envelope.pointee.message.source, to: me, envelope.pointee.flags)
        discard(envelope)
        return true
      }
      next = envelope.pointee.next
    }
    return false
  }

  /// Out of its inbox; back to the pool if it came from there.
  mutating func discard(_ envelope: EnvelopePointer) {
    guard let receiver = envelope.pointee.receiver else { return }
    receiver.pointee.inbox.remove(envelope)
    envelope.pointee.receiver = nil
    guard let sender = envelope.pointee.sender else { return }
    sender.pointee.queued -= 1
    envelope.pointee.sender = nil
    envelope.pointee.next = freeEnvelopes
    freeEnvelopes = envelope
    envelopeCount -= 1
  }

  /// The news that `thread` cannot go on, to its supervisor. Each thread has an envelope for that: newer news take
  /// the place of older ones that were not received.
  mutating func report(_ thread: ThreadPointer, _ event: KernelEvent.Exception) {
    if thread.pointee.slot == Endpoint.vm.slot { machine.panic("VM has died") }
    if thread.pointee.slot == Endpoint.rs.slot { machine.panic("RS has died") }
    traceEvent(TraceRecord.Kind.stopped, from: thread.pointee.endpoint, to: thread.pointee.supervisor, type: Int32(truncatingIfNeeded: event.signal))
    let envelope = events + thread.pointee.slot
    envelope.pointee.message = Message(event)
    envelope.pointee.flags = .asynchronous | .fromKernel
    guard envelope.pointee.receiver == nil, let supervisor = lookup(thread.pointee.supervisor) else { return }
    if accepts(supervisor, from: .kernel) {
      stopReceiving(supervisor)
      supervisor.pointee.context.message = envelope.pointee.message
      supervisor.pointee.context.setResult(status: 0, flags: envelope.pointee.flags.raw)
      traceDelivery(TraceRecord.Kind.asynchronous, from: .kernel, to: supervisor, envelope.pointee.flags)
      wake(supervisor)
    } else {
      envelope.pointee.receiver = supervisor
      supervisor.pointee.inbox.append(envelope)
    }
  }
}
