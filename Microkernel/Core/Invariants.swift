import IPC
import Protocols

// What is true of the tables between any two entries into the kernel. For tests, which ask after every step, and
// for a debugger; the kernel itself does not ask.
extension Core where M: ~Copyable {
  /// The first rule that is broken; nil if all is well.
  public func brokenInvariant() -> StaticString? {
    brokenThread() ?? brokenReadyQueue() ?? brokenTimer() ?? brokenGrant() ?? brokenEnvelope() ?? brokenCount()
  }

  private func brokenThread() -> StaticString? {
    for slot in 0..<limits.threads {
      let thread = threads + slot
      if thread.pointee.endpoint.slot != slot { return "an endpoint is not that of its slot" }
      if thread.pointee.endpoint == .any || thread.pointee.endpoint == .none { return "a thread is called any or none" }
      if let broken = brokenState(thread) { return broken }
      if let broken = brokenQueue(thread.pointee.callers, { $0.pointee.state == .sending && $0.pointee.peer == thread }) { return broken }
      if let broken = brokenQueue(thread.pointee.waiters, {
        $0.pointee.state == .receiving && $0.pointee.peer == thread
      }) { return broken }
      if thread.pointee.notifications & 1 != 0, thread.pointee.events == 0 { return "a kernel notification says nothing" }
      if thread.pointee.notifications & 1 == 0, thread.pointee.events != 0 { return "a kernel event is not announced" }
    }
    return nil
  }

  private func brokenState(_ thread: ThreadPointer) -> StaticString? {
    let queue: ThreadQueue<M.Context>
    switch thread.pointee.state {
    case .free:
      if !thread.pointee.callers.isEmpty || !thread.pointee.waiters.isEmpty { return "somebody waits for a free slot" }
      if thread.pointee.grants != nil || thread.pointee.queued != 0 || thread.pointee.inbox.first != nil { return "a free slot owns something" }
      if thread.pointee.timerIndex >= 0 { return "a free slot has a timer" }
      return nil
    case .runnable:
      if thread.pointee.peer != nil { return "a runnable thread waits for somebody" }
      if thread.pointee.deadline != 0 { return "a runnable thread has a deadline" }
      if thread.pointee.hasSignal, !thread.pointee.rerun { return "a runnable thread has not got its signal" }
      if thread.pointee.copied != 0, !thread.pointee.rerun { return "a copy is half done and forgotten" }
      if !thread.pointee.canRun || thread == current { return thread == current && !thread.pointee.canRun ? "current cannot run" : nil }
      queue = ready[Int(thread.pointee.priority)]
    case .sending:
      guard let peer = thread.pointee.peer else { return "a sender sends to nobody" }
      queue = peer.pointee.callers
    case .waiting:
      guard let peer = thread.pointee.peer, peer.pointee.isAlive else { return "a caller waits for nobody" }
      if thread.pointee.purpose == .send { return "a plain sender waits for an answer" }
      if (thread.pointee.shortcut == .asked) != (thread.pointee.purpose == .request && thread.pointee.context.isFast) { return "a caller's shortcut is wrong" }
      return thread == current ? "current waits" : nil
    case .receiving:
      if thread.pointee.source == .any, thread.pointee.inbox.first != nil || thread.pointee.notifications != 0 || !thread.pointee.callers.isEmpty {
        return "a receiver does not see its messages"
      }
      let isOpen = thread.pointee.source == .any && thread.pointee.deadline == 0 && thread.pointee.context.isFast
      if (thread.pointee.shortcut == .open) != isOpen { return "a receiver's shortcut is wrong" }
      guard let peer = thread.pointee.peer else { return nil }
      if peer.pointee.endpoint != thread.pointee.source { return "a receiver waits for the wrong thread" }
      queue = peer.pointee.waiters
    }
    if thread == current { return "current waits" }
    return count(queue, of: thread) == 1 ? nil : "a thread is not in the queue of its state"
  }

  /// How often `thread` is in `queue`; looks at no more than all threads.
  private func count(_ queue: ThreadQueue<M.Context>, of thread: ThreadPointer) -> Int {
    var (next, found, steps) = (queue.first, 0, 0)
    while let member = next, steps <= limits.threads {
      if member == thread { found += 1 }
      next = member.pointee.next
      steps += 1
    }
    return found
  }

  private func brokenQueue(_ queue: ThreadQueue<M.Context>, _ belongs: (ThreadPointer) -> Bool) -> StaticString? {
    var (next, previous, steps): (ThreadPointer?, ThreadPointer?, Int) = (queue.first, nil, 0)
    while let thread = next {
      if thread.pointee.previous != previous { return "a queue is not linked backwards" }
      if !belongs(thread) { return "a thread is in a queue that is not its own" }
      steps += 1
      if steps > limits.threads { return "a queue is a circle" }
      previous = thread
      next = thread.pointee.next
    }
    return queue.last == previous ? nil : "a queue does not end at its last thread"
  }

  private func brokenReadyQueue() -> StaticString? {
    for priority in 0..<Self.priorities {
      let queue = ready[priority]
      if queue.isEmpty != (readyMask & (1 << UInt32(priority)) == 0) { return "the ready mask is wrong" }
      if let broken = brokenQueue(queue, { $0.pointee.canRun && $0 != current && Int($0.pointee.priority) == priority }) { return broken }
    }
    if let current, readyMask.trailingZeroBitCount < Int(current.pointee.priority) { return "somebody more important is ready" }
    if current == nil, readyMask != 0 { return "idle although somebody is ready" }
    return brokenQueue(freeThreads) { $0.pointee.state == .free && !$0.pointee.endpoint.isService }
  }

  private func brokenTimer() -> StaticString? {
    for index in 0..<timerCount {
      let thread = timers[index]
      if Int(thread.pointee.timerIndex) != index { return "a timer does not know its place" }
      let (alarm, deadline) = (thread.pointee.alarm, thread.pointee.deadline)
      let key = alarm == 0 ? deadline : deadline == 0 ? alarm : min(alarm, deadline)
      if key == 0 || key != thread.pointee.timerKey { return "a timer has the wrong key" }
      if index > 0, timers[(index - 1) / 2].pointee.timerKey > key { return "the timers are no heap" }
    }
    if timerCount > 0, armed > timers[0].pointee.timerKey { return "the machine's timer is too late" }
    for slot in 0..<limits.threads where threads[slot].timerIndex < 0 {
      if threads[slot].alarm != 0 || threads[slot].deadline != 0 { return "a timer is not in the heap" }
    }
    return nil
  }

  private func brokenGrant() -> StaticString? {
    var used: UInt32 = 0
    for index in 0..<limits.grants where grants[index].kind != .free {
      used += 1
      guard let owner = grants[index].owner, owner.pointee.isAlive else { return "a grant has no owner" }
    }
    if used != grantCount { return "the grants do not add up" }
    var free: UInt32 = 0
    var next = freeGrants
    while let grant = next, free <= UInt32(limits.grants) {
      if grant.pointee.kind != .free { return "a used grant is free" }
      free += 1
      next = grant.pointee.next
    }
    if free + used != UInt32(limits.grants) { return "grants are lost" }
    for slot in 0..<limits.threads {
      var (next, count) = (threads[slot].grants, UInt32(0))
      while let grant = next, count <= used {
        if grant.pointee.owner != threads + slot { return "a grant is in the wrong list" }
        count += 1
        next = grant.pointee.next
      }
      if count != threads[slot].grantCount { return "a thread's grants do not add up" }
    }
    return nil
  }

  private func brokenEnvelope() -> StaticString? {
    var (used, events): (UInt32, UInt32) = (0, 0)
    for slot in 0..<limits.threads {
      var previous: EnvelopePointer? = nil
      var next = threads[slot].inbox.first
      while let envelope = next {
        if envelope.pointee.receiver != threads + slot { return "an envelope is in the wrong inbox" }
        if envelope.pointee.previous != previous { return "an inbox is not linked backwards" }
        if envelope.pointee.sender == nil { events += 1 } else { used += 1 }
        if used + events > UInt32(limits.envelopes + limits.threads) { return "an inbox is a circle" }
        previous = envelope
        next = envelope.pointee.next
      }
      if threads[slot].inbox.last != previous { return "an inbox does not end at its last envelope" }
      var queued: UInt32 = 0
      if threads[slot].queued > 0 {
        for index in 0..<limits.envelopes where envelopes[index].sender == threads + slot { queued += 1 }
      }
      if queued != threads[slot].queued { return "a thread's envelopes do not add up" }
    }
    if used != envelopeCount { return "the envelopes do not add up" }
    var free: UInt32 = 0
    var next = freeEnvelopes
    while let envelope = next, free <= UInt32(limits.envelopes) {
      free += 1
      next = envelope.pointee.next
    }
    return free + used == UInt32(limits.envelopes) ? nil : "envelopes are lost"
  }

  private func brokenCount() -> StaticString? {
    var alive: UInt32 = 0
    for slot in 0..<limits.threads where threads[slot].isAlive { alive += 1 }
    if alive != threadCount { return "the threads do not add up" }
    for line in 0..<Self.lines {
      if let owner = lineOwners[line], !owner.pointee.isAlive { return "a free slot owns a line" }
    }
    return nil
  }
}
