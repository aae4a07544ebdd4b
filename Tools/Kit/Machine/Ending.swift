/// How a machine ended.
public enum Ending: Equatable, Sendable {
  /// By itself, with the shell's status.
  case shutdown(Int)
  case panic
  /// The processor reset: a triple fault.
  case reset
  case timeout
  /// QEMU or the broker ended for a reason of its own, with this status.
  case qemu(Int)

  /// From QEMU's exit status and the kernel's log. isa-debug-exit gives 2 * value + 1: 33 for an orderly end, 35 for
  /// a panic.
  public init(status: Int, log: String) {
    switch status {
    case 33: self = .shutdown(KernelLog.shutdownStatus(log) ?? 0)
    case 35: self = .panic
    case 0: self = .reset
    case 124, 137, 143: self = .timeout
    default: self = .qemu(status)
    }
  }

  /// For the command that ran the machine: the shell's status, or what cannot be one.
  public var exitStatus: Int32 {
    switch self {
    case .shutdown(let status): Int32(truncatingIfNeeded: status & 0xFF)
    case .panic: 35
    case .reset: 36
    case .timeout: 124
    case .qemu(let status): status == 0 ? 1 : Int32(truncatingIfNeeded: status)
    }
  }

  /// Nil for an orderly end.
  public var complaint: String? {
    switch self {
    case .shutdown: nil
    case .panic: "the kernel panicked"
    case .reset: "the machine reset itself (a triple fault), or was asked to quit"
    case .timeout: "the machine did not end in its time and was stopped"
    case .qemu(let status): "what ran the machine ended with status \(status)"
    }
  }
}
