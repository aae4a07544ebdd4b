import IPC
import Protocols

// The machine's entry code calls these.
extension Core where M: ~Copyable {
  /// VM, in slot 1, ready to run.
  public mutating func createFirst(root: UInt64, space: UInt32, entry: UInt64, stack: UInt64) {}

  /// `current` has executed the trap instruction; its registers are in its context.
  public mutating func trap() {}

  /// `current` has touched memory that it cannot. `access` as in `KernelEvent.PageFault`, without `kernelCopy`.
  public mutating func pageFault(address: UInt64, access: UInt32) {}

  /// `current` has raised another exception; `signal` as POSIX numbers them.
  public mutating func exception(vector: UInt64, signal: UInt32, address: UInt64) {}

  /// The device on `line` wants attention.
  public mutating func interrupt(line: Int) {}

  /// The machine's timer went off. Early calls do no harm.
  public mutating func timer() {}

  /// Chooses `current`. The entries above have done so already; for the start.
  public mutating func schedule() {}
}
