import IPC
import Protocols

// Who runs: eight priorities, in turn within one. `current` is in no queue.
extension Core where M: ~Copyable {
  /// A thread that is alive; nil for an endpoint of the past, of the future or of nobody.
  mutating func lookup(_ endpoint: Endpoint) -> ThreadPointer? {
    let slot = endpoint.slot
    guard slot < limits.threads else { return nil }
    let thread = threads + slot
    return thread.pointee.endpoint == endpoint && thread.pointee.isAlive ? thread : nil
  }

  @inline(__always)
  mutating func enqueue(_ thread: ThreadPointer) {
    let priority = Int(thread.pointee.priority)
    ready[priority].append(thread)
    readyMask |= 1 &<< UInt32(truncatingIfNeeded: priority)
  }

  mutating func dequeue(_ thread: ThreadPointer) {
    let priority = Int(thread.pointee.priority)
    ready[priority].remove(thread)
    if ready[priority].isEmpty { readyMask &= ~(1 &<< UInt32(truncatingIfNeeded: priority)) }
  }

  /// After a change to a thread that is in no queue: into its ready queue if nothing keeps it from running.
  @inline(__always)
  mutating func settle(_ thread: ThreadPointer) {
    if thread.pointee.canRun, thread != current { enqueue(thread) }
  }

  /// Chooses `current`. The entries have done so already; for the start.
  public mutating func schedule() {
    if let thread = current, thread.pointee.canRun, readyMask & (1 &<< UInt32(truncatingIfNeeded: thread.pointee.priority) &- 1) == 0 {
      // Goes on.
    } else {
      choose()
    }
    if let thread = current, thread.pointee.rerun { finish() }
    setTimer()
  }

  /// Whoever is next has a kernel call to do again first, and that may change who is next.
  @inline(never)
  private mutating func finish() {
    while let thread = current, thread.pointee.rerun {
      thread.pointee.rerun = false
      perform(thread)
      if thread.pointee.hasSignal { endWithSignal(thread) }
      choose()
    }
  }

  /// A signal that came before the call was done again: after it, or instead of waiting for a message.
  private mutating func endWithSignal(_ thread: ThreadPointer) {
    switch thread.pointee.state {
    case .runnable: deliverPendingSignal(thread)
    case .receiving: endReceive(thread, .interrupted)
    case .free, .sending, .waiting: break
    }
  }

  @inline(__always)
  private mutating func choose() {
    // 32 when all queues are empty.
    let best = readyMask.trailingZeroBitCount
    if let thread = current {
      if thread.pointee.canRun {
        if best >= Int(thread.pointee.priority) { return }
        let ticks = machine.ticks
        let now = machine.nanoseconds(ticks: ticks)
        preempt(thread, at: now)
        guard let next = takeFirst(best) else { return }
        run(next, ticks, now: now)
        return
      } else if best >= Self.priorities {
        run(nil)
        return
      }
    } else if best >= Self.priorities {
      return
    }
    guard let next = takeFirst(best) else { return }
    run(next)
  }

  /// The first of the queue of the highest priority that is ready, which is `best`.
  @inline(__always)
  private mutating func takeFirst(_ best: Int) -> ThreadPointer? {
    guard let next = ready[best].removeFirst() else { return nil }
    if ready[best].isEmpty { readyMask &= readyMask &- 1 }
    return next
  }

  /// To the head of its queue with the rest of its quantum, or to the end with a new one if nothing is left.
  @inline(__always)
  mutating func preempt(_ thread: ThreadPointer, at now: UInt64) {
    let priority = Int(thread.pointee.priority)
    if now < sliceEnd {
      thread.pointee.quantum = sliceEnd - now
      ready[priority].prepend(thread)
    } else {
      thread.pointee.quantum = Quantum.length
      ready[priority].append(thread)
    }
    readyMask |= 1 &<< UInt32(truncatingIfNeeded: priority)
  }

  @inline(__always)
  mutating func run(_ next: ThreadPointer?) {
    let ticks = machine.ticks
    run(next, ticks, now: machine.nanoseconds(ticks: ticks))
  }

  /// Switches, and charges the time since the last switch to who had it. `ticks` and `now` are the same instant.
  @inline(__always)
  mutating func run(_ next: ThreadPointer?, _ ticks: UInt64, now: UInt64) {
    if let last = current { last.pointee.time &+= ticks } else { idle &+= ticks }
    current = next
    guard let next else {
      idle &-= ticks
      return
    }
    next.pointee.time &-= ticks
    sliceEnd = now &+ next.pointee.quantum
    next.pointee.quantum = Quantum.length
  }

  /// Its turn is over: somebody of the same priority is next. `current` stays if there is nobody.
  mutating func rotate() {
    guard let thread = current, thread.pointee.canRun else { return }
    let priority = Int(thread.pointee.priority)
    guard let next = ready[priority].first else {
      sliceEnd = machine.now &+ Quantum.length
      return
    }
    dequeue(next)
    thread.pointee.quantum = Quantum.length
    enqueue(thread)
    run(next)
  }

  /// The machine's timer for the next alarm, deadline or end of a quantum that anybody waits for. It may stand too
  /// early: then `timer` finds nothing to do, which is cheaper than setting it at every switch.
  @inline(__always)
  mutating func setTimer() {
    var next = timerCount > 0 ? timers[0].pointee.timerKey : UInt64.max
    if let thread = current, readyMask & (1 &<< UInt32(truncatingIfNeeded: thread.pointee.priority)) != 0 { next = min(next, sliceEnd) }
    if next < armed { arm(next) }
  }

  @inline(never)
  private mutating func arm(_ time: UInt64) {
    armed = time
    machine.setTimer(time)
  }
}
