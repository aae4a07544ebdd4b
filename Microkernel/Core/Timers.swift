import IPC
import Protocols

// Alarms and deadlines: a binary heap of threads by the earlier of the two, so that no call looks at more than
// some ten of them.
extension Core where M: ~Copyable {
  /// After a change of `alarm` or `deadline`.
  mutating func updateTimer(_ thread: ThreadPointer) {
    let alarm = thread.pointee.alarm
    let deadline = thread.pointee.deadline
    let key = alarm == 0 ? deadline : deadline == 0 ? alarm : min(alarm, deadline)
    let index = Int(thread.pointee.timerIndex)
    if key == 0 {
      if index >= 0 { removeTimer(at: index) }
      return
    }
    if index < 0 {
      thread.pointee.timerKey = key
      timerCount += 1
      rise(thread, from: timerCount - 1)
    } else if key < thread.pointee.timerKey {
      thread.pointee.timerKey = key
      rise(thread, from: index)
    } else {
      thread.pointee.timerKey = key
      sink(thread, from: index)
    }
  }

  private mutating func removeTimer(at index: Int) {
    timers[index].pointee.timerIndex = -1
    timerCount -= 1
    if index == timerCount { return }
    let last = timers[timerCount]
    if index > 0, timers[(index - 1) / 2].pointee.timerKey > last.pointee.timerKey {
      rise(last, from: index)
    } else {
      sink(last, from: index)
    }
  }

  private mutating func rise(_ thread: ThreadPointer, from start: Int) {
    var index = start
    while index > 0 {
      let parent = (index - 1) / 2
      let above = timers[parent]
      if above.pointee.timerKey <= thread.pointee.timerKey { break }
      place(above, at: index)
      index = parent
    }
    place(thread, at: index)
  }

  private mutating func sink(_ thread: ThreadPointer, from start: Int) {
    var index = start
    while true {
      var child = 2 * index + 1
      if child >= timerCount { break }
      if child + 1 < timerCount, timers[child + 1].pointee.timerKey < timers[child].pointee.timerKey { child += 1 }
      let below = timers[child]
      if thread.pointee.timerKey <= below.pointee.timerKey { break }
      place(below, at: index)
      index = child
    }
    place(thread, at: index)
  }

  private mutating func place(_ thread: ThreadPointer, at index: Int) {
    timers[index] = thread
    thread.pointee.timerIndex = Int32(truncatingIfNeeded: index)
  }

  /// Alarms and deadlines that are due, at most so many at once: the timer is set again for the rest.
  mutating func expireTimers(_ now: UInt64) {
    for _ in 0..<64 {
      guard timerCount > 0 else { return }
      let thread = timers[0]
      guard thread.pointee.timerKey <= now else { return }
      let alarm = thread.pointee.alarm
      if alarm != 0, alarm <= now {
        thread.pointee.alarm = 0
        updateTimer(thread)
        post(KernelEvent.alarm, to: thread)
      }
      // The alarm may have ended the wait.
      let deadline = thread.pointee.deadline
      if deadline != 0, deadline <= now { endReceive(thread, .timedOut) }
    }
  }
}
