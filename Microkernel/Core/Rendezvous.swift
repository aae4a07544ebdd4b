import IPC
import Protocols

// Send, receive, sendRec, reply: who waits for whom. A message goes from registers to registers; user memory is
// never read or written.
extension Core where M: ~Copyable {
  /// Whether `thread` waits for a message and would take one of `sender`.
  mutating func accepts(_ thread: ThreadPointer, from sender: Endpoint) -> Bool {
    thread.pointee.state == .receiving && (thread.pointee.source == .any || thread.pointee.source == sender)
  }

  /// The service that `me` names, if it may send to it. Answers need no such leave.
  mutating func destination(_ endpoint: Endpoint, for me: ThreadPointer) throws(Errno) -> ThreadPointer {
    guard let thread = lookup(endpoint) else { throw .deadEndpoint }
    guard endpoint.isService, me.pointee.privileges.sendTo & (1 << UInt64(endpoint.slot)) != 0 else { throw .notPermitted }
    return thread
  }

  mutating func send(_ me: ThreadPointer) throws(Errno) {
    guard me.pointee.endpoint.isService else { throw .notPermitted }
    let receiver = try destination(me.pointee.context.destination, for: me)
    if accepts(receiver, from: me.pointee.endpoint) {
      stopReceiving(receiver)
      receiver.pointee.context.message = stamped(me.pointee.context.message, me)
      receiver.pointee.context.setResult(status: 0, flags: 0)
      traceDelivery(TraceRecord.Kind.send, from: me.pointee.endpoint, to: receiver)
      me.pointee.messages &+= 1
      me.pointee.context.setResult(status: 0, flags: 0)
      wake(receiver)
      return
    }
    try refuseCycle(me, receiver)
    me.pointee.deliveries = 0
    queue(me, at: receiver, .send)
  }

  mutating func sendRec(_ me: ThreadPointer) throws(Errno) {
    let receiver = try destination(me.pointee.context.destination, for: me)
    if accepts(receiver, from: me.pointee.endpoint) {
      begin(me)
      stopReceiving(receiver)
      me.pointee.purpose = .request
      hand(me, to: receiver)
      wake(receiver)
      return
    }
    try refuseCycle(me, receiver)
    begin(me)
    queue(me, at: receiver, .request)
  }

  private mutating func begin(_ me: ThreadPointer) {
    me.pointee.deliveries = 0
    me.pointee.suspicion = 0
    me.pointee.serial &+= 1
  }

  mutating func queue(_ me: ThreadPointer, at receiver: ThreadPointer, _ purpose: Purpose) {
    me.pointee.purpose = purpose
    me.pointee.state = .sending
    me.pointee.peer = receiver
    receiver.pointee.callers.append(me)
  }

  /// Takes what there is, or waits. Notifications first, then asynchronous messages, then callers in order.
  mutating func receive(_ me: ThreadPointer) throws(Errno) {
    let source = me.pointee.context.source
    let deadline = me.pointee.context.deadline
    var peer: ThreadPointer? = nil
    if source != .any, source != .none, source != .kernel {
      guard let thread = lookup(source) else { throw .deadEndpoint }
      guard thread != me else { throw .wouldDeadlock }
      peer = thread
    }
    if source != .none {
      me.pointee.source = source
      if me.pointee.notifications != 0, takeNotification(me) { return }
      if me.pointee.inbox.first != nil, takeEnvelope(me) { return }
      if me.pointee.callers.first != nil, takeCaller(me, peer) { return }
    }
    if deadline != 0 {
      if deadline <= machine.now { throw .timedOut }
    } else if let peer {
      try refuseCycle(me, peer)
    }
    me.pointee.source = source
    me.pointee.state = .receiving
    me.pointee.shortcut = source == .any && deadline == 0 && me.pointee.context.isFast ? .open : .none
    me.pointee.peer = peer
    if let peer { peer.pointee.waiters.append(me) }
    if deadline != 0 {
      me.pointee.deadline = deadline
      updateTimer(me)
    }
  }

  /// The first caller in line, or the one that is wanted if it is in line.
  private mutating func takeCaller(_ me: ThreadPointer, _ wanted: ThreadPointer?) -> Bool {
    let caller: ThreadPointer
    if let wanted {
      guard wanted.pointee.state == .sending, wanted.pointee.peer == me else { return false }
      caller = wanted
    } else {
      guard me.pointee.source == .any, let first = me.pointee.callers.first else { return false }
      caller = first
    }
    me.pointee.callers.remove(caller)
    hand(caller, to: me)
    return true
  }

  /// What `caller` has sent goes into the registers of `receiver`. The caller is in no queue; if it has asked for an
  /// answer it now waits for it, else it may go on.
  mutating func hand(_ caller: ThreadPointer, to receiver: ThreadPointer) {
    switch caller.pointee.purpose {
    case .send:
      receiver.pointee.context.message = stamped(caller.pointee.context.message, caller)
      receiver.pointee.context.setResult(status: 0, flags: 0)
      traceDelivery(TraceRecord.Kind.send, from: caller.pointee.endpoint, to: receiver)
      caller.pointee.messages &+= 1
      caller.pointee.context.setResult(status: 0, flags: 0)
      wake(caller)
      return
    case .request:
      receiver.pointee.context.message = stamped(caller.pointee.context.message, caller)
      let flags: Delivery.Flags = caller.pointee.deliveries == 0 ? .request : .request | .again
      receiver.pointee.context.setResult(status: 0, flags: flags.raw)
      traceDelivery(TraceRecord.Kind.request, from: caller.pointee.endpoint, to: receiver, flags)
    case .fault, .copy, .signal, .stack:
      receiver.pointee.context.message = stamped(caller.pointee.fault, caller)
      let flags: Delivery.Flags = caller.pointee.deliveries == 0 ? .request | .fromKernel : .request | .fromKernel | .again
      receiver.pointee.context.setResult(status: 0, flags: flags.raw)
      traceDelivery(TraceRecord.Kind.fault, from: caller.pointee.endpoint, to: receiver, flags)
    }
    if caller.pointee.deliveries < UInt8.max { caller.pointee.deliveries += 1 }
    caller.pointee.state = .waiting
    caller.pointee.shortcut = caller.pointee.purpose == .request && caller.pointee.context.isFast ? .asked : .none
    caller.pointee.peer = receiver
    caller.pointee.heardAt = hearing(machine.ticks)
  }

  /// A number for a request that is heard now: larger than all before, in the machine's ticks as long as these go on.
  @inline(__always)
  mutating func hearing(_ ticks: UInt64) -> UInt64 {
    lastHearing = max(ticks, lastHearing &+ 1)
    return lastHearing
  }

  /// The message as its receiver gets it: whatever the sender wrote there, the source is who it is.
  @inline(__always)
  mutating func stamped(_ message: Message, _ sender: ThreadPointer) -> Message {
    Message(header: message.header & 0xFFFF_FFFF | UInt64(sender.pointee.endpoint.raw) << 32, payload: message.payload)
  }

  /// Answers a thread that waits for us.
  mutating func reply(_ me: ThreadPointer) throws(Errno) {
    guard let caller = lookup(me.pointee.context.destination) else { throw .deadEndpoint }
    guard caller.pointee.state == .waiting, caller.pointee.peer == me else { throw .notReady }
    let message = me.pointee.context.message
    if caller.pointee.purpose == .request {
      caller.pointee.context.message = stamped(message, me)
      caller.pointee.context.setResult(status: 0, flags: 0)
      traceDelivery(TraceRecord.Kind.reply, from: me.pointee.endpoint, to: caller)
      me.pointee.messages &+= 1
      wake(caller)
    } else {
      traceEvent(TraceRecord.Kind.faultReply, from: me.pointee.endpoint, to: caller.pointee.endpoint, type: message.type)
      pageDecided(caller, resolved: message.type == 0)
    }
  }

  /// Refuses to let `me` wait for `peer` if that waits for `me`, over however many links (SEC33). A wait with a
  /// deadline ends by itself.
  mutating func refuseCycle(_ me: ThreadPointer, _ peer: ThreadPointer) throws(Errno) {
    var thread = peer
    var links = 0
    while thread != me {
      guard thread.pointee.state != .runnable, thread.pointee.deadline == 0, let next = thread.pointee.peer else { return }
      thread = next
      links += 1
      // Two threads that wait for each other's pages can be a circle without `me`.
      if links > limits.threads { break }
    }
    throw .wouldDeadlock
  }

  // MARK: Ends of waiting

  /// It has what it waited for, or never will.
  mutating func wake(_ thread: ThreadPointer) {
    thread.pointee.state = .runnable
    thread.pointee.peer = nil
    if thread.pointee.hasSignal { return wakeToSignal(thread) }
    settle(thread)
  }

  @inline(never)
  private mutating func wakeToSignal(_ thread: ThreadPointer) {
    // Its call is not over.
    if !thread.pointee.rerun { deliverPendingSignal(thread) }
    settle(thread)
  }

  /// Out of the state `receiving`, to be given a message and woken by the caller.
  mutating func stopReceiving(_ thread: ThreadPointer) {
    if let peer = thread.pointee.peer {
      peer.pointee.waiters.remove(thread)
      thread.pointee.peer = nil
    }
    if thread.pointee.deadline != 0 {
      thread.pointee.deadline = 0
      updateTimer(thread)
    }
  }

  /// A receive that ends without a message.
  mutating func endReceive(_ thread: ThreadPointer, _ error: Errno) {
    stopReceiving(thread)
    thread.pointee.context.setResult(status: -Int64(error.rawValue), flags: 0)
    wake(thread)
  }
}
