import IPC
import Protocols

// How threads come to be, end, and begin again under the same name.
extension Core where M: ~Copyable {
  /// Fills the record of a free slot. It is runnable and in no queue; the caller holds or settles it.
  mutating func live(
    _ thread: ThreadPointer, root: UInt64, space: UInt32, context: M.Context, supervisor: Endpoint, priority: UInt8
  ) {
    if thread.pointee.endpoint.slot >= Endpoint.serviceSlots { freeThreads.remove(thread) }
    var record = Thread<M.Context>(endpoint: thread.pointee.endpoint, extendedState: thread.pointee.extendedState)
    record.context = context
    record.root = root
    record.space = space
    record.supervisor = supervisor
    record.setPriority(priority)
    record.state = .runnable
    if !record.endpoint.isService {
      record.privileges = .user
    } else if record.endpoint == .vm {
      record.privileges = bootPrivileges.0.privileges
    } else if record.endpoint == .rs {
      record.privileges = bootPrivileges.1.privileges
      bootPrivileges.1.privileges = BootPrivileges().privileges  // once: a second life has what RS's successor gives it
    }
    thread.pointee = record
    threadCount += 1
  }

  /// Out of whatever it waits for or stands in; then it is runnable, in no queue, and its call is forgotten.
  mutating func unlink(_ thread: ThreadPointer) {
    switch thread.pointee.state {
    case .free: return
    case .runnable: if thread.pointee.canRun, thread != current { dequeue(thread) }
    case .sending: thread.pointee.peer?.pointee.callers.remove(thread)
    case .waiting: break
    case .receiving: stopReceiving(thread)
    }
    thread.pointee.state = .runnable
    thread.pointee.peer = nil
    thread.pointee.rerun = false
    thread.pointee.copied = 0
    thread.pointee.hasSignal = false
    thread.pointee.quantum = Quantum.length
  }

  /// What a thread leaves behind when it ends, for whatever reason: all of it goes.
  mutating func release(_ thread: ThreadPointer) {
    unlink(thread)
    discard(events + thread.pointee.slot)
    if thread.pointee.queued > 0 { discardMessages(from: thread) }
    while let grant = thread.pointee.grants { revoke(grant) }
    for line in 0..<Self.lines where lineOwners[line] == thread {
      machine.maskLine(line)
      lineOwners[line] = nil
    }
    thread.pointee.alarm = 0
    updateTimer(thread)
    thread.pointee.events = 0
    thread.pointee.notifications &= ~1
  }

  private mutating func discardMessages(from thread: ThreadPointer) {
    for index in 0..<limits.envelopes where envelopes[index].sender == thread {
      discard(envelopes + index)
      if thread.pointee.queued == 0 { return }
    }
  }

  /// Everybody who waits for `thread` learns that it is gone. A process's name is never valid again; a service slot
  /// belongs to one service of the boot table for ever, so its next life bears the same name (`service down`, then `up`).
  mutating func destroy(_ thread: ThreadPointer) {
    release(thread)
    machine.ended(slot: thread.pointee.slot)
    while let envelope = thread.pointee.inbox.first { discard(envelope) }
    let endpoint = thread.pointee.endpoint
    let free = Thread<M.Context>(endpoint: endpoint.isService ? endpoint : endpoint.successor, extendedState: thread.pointee.extendedState)
    // From here on nobody can find it, so that no woken thread's signal can reach it either.
    thread.pointee.state = .free
    while let caller = thread.pointee.callers.first {
      thread.pointee.callers.remove(caller)
      bereave(caller, of: endpoint)
    }
    while let waiter = thread.pointee.waiters.first { endReceive(waiter, .deadEndpoint) }
    // Only services are asked.
    if endpoint.isService {
      for slot in 1..<limits.threads where isAsker(threads + slot, of: thread) { bereave(threads + slot, of: endpoint) }
      for slot in 1..<Endpoint.serviceSlots { threads[slot].notifications &= ~(1 << UInt64(endpoint.slot)) }
    }
    thread.pointee = free
    if !endpoint.isService { freeThreads.append(thread) }
    threadCount -= 1
  }

  /// Whether it waits for an answer of `thread`.
  private func isAsker(_ asker: ThreadPointer, of thread: ThreadPointer) -> Bool {
    asker.pointee.state == .waiting && asker.pointee.peer == thread
  }

  private mutating func bereave(_ thread: ThreadPointer, of peer: Endpoint) {
    thread.pointee.context.setResult(status: -Int64(Errno.deadEndpoint.rawValue), flags: 0)
    traceEvent(TraceRecord.Kind.bereaved, from: peer, to: thread.pointee.endpoint, type: -Errno.deadEndpoint.rawValue)
    wake(thread)
  }

  /// A new life for a service under its old name: who waits for its answer is heard again, before those that it had not
  /// heard yet. If the old life ended by a fault of its own they are suspected; one that has become too suspect gets an error.
  mutating func reincarnate(_ thread: ThreadPointer, root: UInt64, space: UInt32, context: M.Context, fault: Bool) {
    release(thread)
    machine.ended(slot: thread.pointee.slot)
    thread.pointee.context = context
    thread.pointee.root = root
    thread.pointee.space = space
    thread.pointee.holds = .stopped
    traceEvent(TraceRecord.Kind.restarted, from: .kernel, to: thread.pointee.endpoint)
    machine.resetExtendedState(slot: thread.pointee.slot)
    var last: ThreadPointer? = nil
    for slot in 1..<limits.threads where isAsker(threads + slot, of: thread) {
      if last.map({ $0.pointee.heardAt < threads[slot].heardAt }) ?? true { last = threads + slot }
    }
    if last == nil { return }
    for slot in 1..<limits.threads where isAsker(threads + slot, of: thread) {
      let caller = threads + slot
      if fault { caller.pointee.suspicion += caller == last ? Suspicion.heardLast : Suspicion.heard }
      if caller.pointee.suspicion >= Suspicion.limit {
        var answer = Message(error: .ioError)
        answer.source = thread.pointee.endpoint
        caller.pointee.context.message = answer
        caller.pointee.context.setResult(status: 0, flags: 0)
        traceDelivery(TraceRecord.Kind.reply, from: thread.pointee.endpoint, to: caller)
        wake(caller)
      } else {
        hearAgain(caller, by: thread)
      }
    }
  }
}

extension Core where M: ~Copyable {
  /// Puts `caller` in line: in front of those who were not heard yet, among the others in the order in which they were.
  private mutating func hearAgain(_ caller: ThreadPointer, by thread: ThreadPointer) {
    var next = thread.pointee.callers.first
    while let other = next, other.pointee.deliveries > 0, other.pointee.heardAt <= caller.pointee.heardAt { next = other.pointee.next }
    caller.pointee.state = .sending
    thread.pointee.callers.insert(caller, before: next)
  }
}

extension Endpoint {
  /// The name of the next thread in this slot. Skips the two names that are nobody's.
  var successor: Endpoint {
    let next = Endpoint(slot: slot, generation: generation &+ 1)
    return next == .any || next == .none ? Endpoint(slot: slot, generation: 0) : next
  }
}
