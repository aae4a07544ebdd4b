import IPC
import Protocols
import ServerKit

/// What sigaction(2) set for one signal.
public struct Action: BitwiseCopyable {
  /// 0 default, 1 ignore, else an address.
  var handler: UInt64 = 0
  var restorer: UInt64 = 0
  var mask: UInt64 = 0
  var flags: UInt32 = 0

  var isHandler: Bool { handler > 1 }
  var isIgnored: Bool { handler == 1 }
}

/// One process. Plain data in a table of fixed size; nothing of it lives on PM's stack between two messages.
public struct Process: BitwiseCopyable {
  public enum Life: BitwiseCopyable {
    case unused
    case alive
    /// Ended and not waited for: only identity, status and times are left.
    case zombie
  }

  /// What a process that has asked PM for something waits for.
  public enum Wait: BitwiseCopyable {
    case none
    case child(id: Int32, options: UInt32)
    case sleep
    case pause
    /// VFS loads its new image; answers carry the token.
    case exec(token: UInt64)
  }

  public var life = Life.unused
  public var endpoint = Endpoint.none
  public var id: Int32 = 0
  /// Index of the parent in the table; the first process is its own.
  var parent = 0
  public var group: Int32 = 0
  public var session: Int32 = 0
  public var name: (UInt64, UInt64, UInt64) = (0, 0, 0)
  /// Has run exec since it was forked: setpgid(2) asks.
  var hasExecuted = false

  public var wait = Wait.none
  /// The answer to `wait`, if it came from a caller at all.
  var requester: Requester? = nil
  /// The grant of the path, while it waits for exec.
  var grant: UInt64 = 0
  /// VFS brings a page for a signal's frame (`VFS.BringPage`), 0: none; and how many it has brought in a row.
  var pageToken: UInt64 = 0
  var pagesBrought: UInt32 = 0

  public var pending = SignalSet()
  public var blocked = SignalSet()
  var actions = InlineArray<64, Action>(repeating: Action())

  /// sigaltstack(2); size 0: none.
  var stackBase: UInt64 = 0
  var stackSize: UInt64 = 0

  /// By SIGSTOP and its like.
  public var isStopped = false
  /// A stop or a continuation that wait(2) has not told yet: its status, 0 if there is none.
  var news: Int32 = 0
  /// As wait(2) has it, once it is a zombie.
  var status: Int32 = 0
  /// Processor time of its own (kept when its thread is gone) and of children that were waited for.
  var time: UInt64 = 0
  var childrenTime: UInt64 = 0
  /// VFS has not been told of its end: the queue was full.
  var owesExit = false

  func action(_ signal: UInt32) -> Action {
    signal >= 1 && signal <= 64 ? actions[Int(signal) - 1] : Action()
  }

  var isLoading: Bool { if case .exec = wait { true } else { false } }
}
