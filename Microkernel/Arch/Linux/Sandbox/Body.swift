import CLinux
import CX86

/// Of the segments FS and GS.
public struct Bases: Equatable, Sendable {
  public var fs: UInt64 = 0, gs: UInt64 = 0
  public init(fs: UInt64 = 0, gs: UInt64 = 0) {
    self.fs = fs
    self.gs = gs
  }
}

/// What the broker knows of one slot's process.
struct Body {
  enum State: Equatable {
    case empty
    /// On its way to its first word.
    case starting
    /// Waits for the answer to this notification.
    case blocked(UInt64)
    case running
  }
  var state = State.empty
  var pid: Int32 = 0
  /// A descriptor of the process: readable when it is dead.
  var handle: Int32 = -1
  /// How the last process ended, as waitpid says it.
  var ending: Int32 = 0

  /// How the process goes on if nothing of its registers is to change.
  var leave = STUB_LEAVE_FULL
  var orders = Orders()
  /// Orders that the process has been given and has not yet carried out; in `published` from `done` on.
  var published: [sandbox_order] = []
  var done = 0
  /// What the process has been told to set: those of a new one are 0.
  var bases = Bases()
  /// Somebody wants the processor from it.
  var interrupting = false

  var owes: Bool { done < published.count }
}
