import IPC
import Protocols

// What a thread asks for itself: time, an alarm, text for the log, its turn, its end.
extension Core where M: ~Copyable {
  mutating func log(_ call: Kernel.Log) throws(Errno) -> Done {
    guard call.count <= 48 else { throw .invalidArgument }
    withUnsafeBytes(of: call.text) { machine.log(UnsafeRawBufferPointer(rebasing: $0[..<Int(call.count)])) }
    return Done()
  }

  mutating func clock(_ me: ThreadPointer) -> Kernel.Clock.Reply {
    let ticks = machine.ticks
    return Kernel.Clock.Reply(
      now: machine.nanoseconds(ticks: ticks), threadTime: machine.nanoseconds(ticks: me.pointee.time &+ ticks), idle: machine.nanoseconds(ticks: idle))
  }

  mutating func setAlarm(_ call: Kernel.Alarm, _ me: ThreadPointer) -> Done {
    me.pointee.alarm = call.deadline
    updateTimer(me)
    return Done()
  }

  /// Not answered. Its supervisor decides what becomes of the rest of it.
  mutating func exit(_ call: Kernel.Exit, _ me: ThreadPointer) {
    me.pointee.holds.insert(.ended)
    report(me, KernelEvent.Exception(
      thread: me.pointee.endpoint, signal: 0, address: call.status, instruction: me.pointee.context.instruction, vector: 0))
  }

  mutating func shutdown(_ call: Kernel.Shutdown) -> Done {
    machine.shutdown(status: call.status)
    return Done()
  }
}
