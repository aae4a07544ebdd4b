import IPC
import Protocols

// What `ps`, `proc` and the leak oracles ask.
extension Core where M: ~Copyable {
  mutating func threadInfo(_ call: Kernel.ThreadInfo) throws(Errno) -> Kernel.ThreadInfo.Reply {
    guard call.slot < UInt64(limits.threads) else { throw .noSuchProcess }
    let thread = threads + Int(call.slot)
    guard thread.pointee.isAlive else { throw .noSuchProcess }
    var time = thread.pointee.time
    if thread == current { time &+= machine.ticks }
    time = machine.nanoseconds(ticks: time)
    return Kernel.ThreadInfo.Reply(
      thread: thread.pointee.endpoint, state: publicState(thread), peer: peerName(thread),
      priority: UInt32(thread.pointee.priority), time: time, messages: thread.pointee.messages &+ UInt64(thread.pointee.serial),
      instruction: thread.pointee.context.instruction, stack: thread.pointee.context.stack)
  }

  private mutating func publicState(_ thread: ThreadPointer) -> UInt32 {
    if thread.pointee.holds != .none { return Kernel.ThreadState.stopped }
    switch thread.pointee.state {
    case .free: return Kernel.ThreadState.stopped
    case .runnable: return thread == current ? Kernel.ThreadState.running : Kernel.ThreadState.ready
    case .receiving: return Kernel.ThreadState.receiving
    case .sending, .waiting:
      switch thread.pointee.purpose {
      case .fault, .copy, .signal, .stack: return Kernel.ThreadState.faulted
      case .send: return Kernel.ThreadState.sending
      case .request: return thread.pointee.state == .sending ? Kernel.ThreadState.sending : Kernel.ThreadState.waitingForReply
      }
    }
  }

  private mutating func peerName(_ thread: ThreadPointer) -> Endpoint {
    guard thread.pointee.state != .runnable, let peer = thread.pointee.peer else { return .none }
    return peer.pointee.endpoint
  }

  /// Whose answer the thread in `slot` waits for; nil if for nobody's.
  public func pendingRequest(slot: Int) -> Int? {
    guard slot >= 0, slot < limits.threads else { return nil }
    let thread = threads + slot
    guard thread.pointee.state == .waiting || thread.pointee.state == .sending, let peer = thread.pointee.peer else { return nil }
    return peer.pointee.slot
  }

  public mutating func statistics() -> Kernel.Statistics.Reply {
    Kernel.Statistics.Reply(
      threads: threadCount, threadLimit: UInt32(limits.threads), grants: grantCount, grantLimit: UInt32(limits.grants),
      asynchronous: UInt16(truncatingIfNeeded: envelopeCount), asynchronousLimit: UInt16(clamping: limits.envelopes), timers: timerInterrupts,
      fastPath: fastPath &+ machine.fastCalls, slowPath: slowPath,
      faults: faults, interrupts: interrupts)
  }
}
