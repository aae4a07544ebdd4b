import BootImage
import IPC
import Protocols
import ServerKit

/// Why a service lost its life.
public enum Cause: BitwiseCopyable {
  /// Asked for: `RS.Kill`, `RS.Restart`. Never counted against the service.
  case kill, restart
  /// By itself: a Swift trap or CPU exception, address 0, another bad address, its own end, no heartbeat, a
  /// complaint about its answers.
  case trap, null, fault, exit, hang, garbage

  public var text: StaticString {
    switch self {
    case .kill: "kill"
    case .restart: "restart"
    case .trap: "trap"
    case .null: "null"
    case .fault: "fault"
    case .exit: "exit"
    case .hang: "hang"
    case .garbage: "garbage"
    }
  }

  var isAsked: Bool {
    switch self {
    case .kill, .restart: true
    case .trap, .null, .fault, .exit, .hang, .garbage: false
    }
  }

  /// Whether one of the requests that the service had not answered may be what it died of. A complaint comes from one
  /// that was answered, however badly.
  var isFault: Bool {
    switch self {
    case .trap, .null, .fault, .exit, .hang: true
    case .kill, .restart, .garbage: false
    }
  }

  /// What an exception says; vector 14 is a memory access, 13 a general protection fault. SIGKILL without one comes from
  /// outside the system (`kill -9` of the Linux process that a service runs in): asked for, like any kill.
  init(_ exception: KernelEvent.Exception) {
    if exception.signal == 0 {
      self = .exit
    } else if exception.signal == 9, exception.vector == 0 {
      self = .kill
    } else if exception.vector == 14 {
      self = exception.address < 4096 ? .null : .fault
    } else {
      self = exception.vector == 13 ? .fault : .trap
    }
  }
}

/// One service: its row of the boot table and what has become of it. Plain data, so that the table of them
/// could be read by another RS.
public struct ServiceRecord: BitwiseCopyable {
  public enum State: BitwiseCopyable {
    /// Not wanted; no thread.
    case down
    /// Its thread runs but has not said `RS.Ready`.
    case starting
    case running
    /// Dead; its thread waits, stopped, for a new life at that time.
    case backingOff(until: UInt64)
    /// Given up; no thread.
    case failed
  }

  public var entry: BootEntry
  public var name: RS.Name
  public var state = State.down
  public var restarts: UInt32 = 0
  /// Of the restarts: asked for.
  public var kills: UInt32 = 0
  /// Deaths in a row that nobody asked for, of lives that never answered a heartbeat.
  public var strikes: UInt32 = 0
  public var cause = Cause.exit
  /// The last life ended by a fault that nobody asked for: the kernel is to suspect the requests that it had.
  public var isAtFault = false
  /// Harm that was asked for by `RS.Inject` and has not struck yet, as far as we know: so many faults are excused.
  public var injected: UInt32 = 0
  /// When the last life ended; 0 if there was none, or its recovery is over.
  public var died: UInt64 = 0
  public var lastRecovery: UInt64 = 0
  public var started: UInt64 = 0
  public var pulse = Pulse()

  init(_ entry: BootEntry) {
    self.entry = entry
    name = packName(entry.name)
  }

  var endpoint: Endpoint { entry.endpoint }

  var isAlive: Bool {
    switch state {
    case .starting, .running: true
    case .down, .backingOff, .failed: false
    }
  }

  public var status: RS.Status.Reply {
    let code = switch state {
    case .down: RS.State.down
    case .starting: RS.State.starting
    case .running: RS.State.running
    case .backingOff: RS.State.backingOff
    case .failed: RS.State.failed
    }
    return RS.Status.Reply(
      name: name, service: endpoint, state: code, restarts: restarts, kills: kills, lastRecovery: lastRecovery, started: started)
  }
}
