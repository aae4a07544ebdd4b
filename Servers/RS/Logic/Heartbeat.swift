import IPC
import Protocols

/// How long silence is patience and from when on it is death.
public enum Rhythm {
  /// One alarm for all services; each gets one notification a period.
  public static var period: UInt64 { 100_000_000 }
  /// Periods of work without any message in or out before a service counts as hung.
  public static var restartLimit: UInt32 { 2 }
  /// The same for what ends the machine with it, and while a service starts: probing devices may take a while.
  public static var patientLimit: UInt32 { 20 }
  /// Periods in which it may sleep, or wait for one that is not its business to name.
  public static var sleepLimit: UInt32 { 50 }
}

/// What is known of a service's heart. Silence alone proves nothing: it may wait for a reply from a service that
/// is dead itself, or the machine may have been too busy to run it. So the kernel's record of the thread
/// decides: hung is who used the processor over several periods and neither sent nor received.
public struct Pulse: BitwiseCopyable {
  /// A ping is under way.
  var asked = false
  /// This life has answered a ping.
  public var answered = false
  /// Periods of silence in which nothing excused it, in a row.
  var missed: UInt32 = 0
  var seenTime: UInt64 = 0
  var seenMessages: UInt64 = 0

  enum Verdict { case alive, dead, hung }

  mutating func answer() {
    asked = false
    answered = true
    missed = 0
  }

  /// A period went by without an answer: `thread` is what the kernel says of the silent one.
  mutating func silence(_ thread: Kernel.ThreadInfo.Reply, limit: UInt32) -> Verdict {
    let worked = thread.time != seenTime
    let talked = thread.messages != seenMessages
    seenTime = thread.time
    seenMessages = thread.messages
    switch thread.state {
    case Kernel.ThreadState.stopped:
      // Its exception is on the way to us; if it got lost, we know now.
      missed += 1
      return missed > 2 ? .dead : .alive
    case Kernel.ThreadState.waitingForReply, Kernel.ThreadState.sending, Kernel.ThreadState.faulted:
      // Judged by the one that it waits for; a page fault by VM.
      missed = 0
      return .alive
    case Kernel.ThreadState.receiving:
      // For anybody: then our ping waits for the processor only. For one, or asleep: not for ever.
      missed += 1
      return missed > Rhythm.sleepLimit ? .hung : .alive
    default:
      // Ready or running. Who talks makes progress, who got no processor time could not answer.
      if talked || !worked {
        missed = 0
        return .alive
      }
      missed += 1
      return missed >= limit ? .hung : .alive
    }
  }
}
