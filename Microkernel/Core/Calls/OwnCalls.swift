import IPC
import Protocols

// What a thread asks for itself: time, an alarm, text for the log, its turn, its end.
extension Core where M: ~Copyable {
  mutating func log(_ call: Kernel.Log) throws(Errno) -> Message? {
    guard call.count <= 48 else { throw .invalidArgument }
    withUnsafeBytes(of: call.text) { machine.log(UnsafeRawBufferPointer(rebasing: $0[..<Int(call.count)])) }
    return done
  }

  mutating func clock(_ me: ThreadPointer) -> Message? {
    let now = machine.now
    return Message(reply: Kernel.Clock.Reply(now: now, threadTime: me.pointee.time &+ (now &- switchedAt)))
  }

  mutating func setAlarm(_ call: Kernel.Alarm, _ me: ThreadPointer) -> Message? {
    me.pointee.alarm = call.deadline
    updateTimer(me)
    return done
  }

  /// Its supervisor decides what becomes of the rest of it.
  mutating func exit(_ call: Kernel.Exit, _ me: ThreadPointer) -> Message? {
    me.pointee.holds.insert(.ended)
    report(me, KernelEvent.Exception(
      thread: me.pointee.endpoint, signal: 0, address: call.status, instruction: me.pointee.context.instruction, vector: 0))
    return nil
  }

  /// The answer is there before the turn is over.
  mutating func yield(_ me: ThreadPointer) -> Message? {
    answerCall(me, done)
    rotate()
    return nil
  }

  mutating func shutdown(_ call: Kernel.Shutdown) -> Message? {
    machine.shutdown(status: call.status)
    return done
  }
}
