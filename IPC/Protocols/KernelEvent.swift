import IPC

/// What a service may do; given by RS from the boot table, checked on every use (SEC26, SEC27).
public struct Privileges: Wire {
  /// Bit n: kernel call n.
  public var kernelCalls: UInt64
  /// Bit n: may send, notify and queue to service slot n. Answers to waiting callers need no bit.
  public var sendTo: UInt64
  /// Bit n: may own interrupt line n.
  public var lines: UInt32
  public var asynchronousQuota: UInt16
  public var grantQuota: UInt16

  @inlinable public init(kernelCalls: UInt64, sendTo: UInt64, lines: UInt32 = 0, asynchronousQuota: UInt16 = 0, grantQuota: UInt16 = 0) {
    self.kernelCalls = kernelCalls
    self.sendTo = sendTo
    self.lines = lines
    self.asynchronousQuota = asynchronousQuota
    self.grantQuota = grantQuota
  }

  /// What every process has: null, clock, yield, registers of its own; requests to VM, PM, VFS, DS, RS and the echo driver; no notifications (a
  /// thread outside the service slots can never notify or queue).
  public static var user: Privileges {
    let calls: UInt64 = 1 << UInt64(Kernel.Number.null.rawValue) | 1 << UInt64(Kernel.Number.clock.rawValue) | 1 << UInt64(Kernel.Number.yield.rawValue)
      | 1 << UInt64(Kernel.Number.threadBases.rawValue) | 1 << UInt64(Kernel.Number.threadWatch.rawValue)
    let peers: UInt64 = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 12
    return Privileges(kernelCalls: calls, sendTo: peers)
  }
}

/// Messages that the kernel composes. They carry `Delivery.fromKernel`; look at the flag, not at the source.
public enum KernelEvent {
  /// Type of every notification. From the kernel, payload word 0 holds the bits below; from others it is 0.
  @inlinable public static var notification: Int32 { 0x900 }
  /// The alarm went off.
  @inlinable public static var alarm: UInt64 { 1 << 32 }
  /// Interrupt lines that fired: bit n of the low 16.
  @inlinable public static var lines: UInt64 { 0xFFFF }

  /// To VM, a request whose `source` is the thread that waits: reply type 0 resumes it, anything else leaves
  /// it stopped for its supervisor (VM sends that `Exception` itself).
  public struct PageFault: Call {
    public static var number: Int32 { 0x901 }
    public var address: UInt64
    /// `present`, `write`, `execute`, `kernelCopy`; or `stack` alone.
    public var access: UInt32
    /// VM's name of the space in which the page is missing; not always that of the source (kernel copies).
    public var space: UInt32
    public var instruction, stack: UInt64
    public init(address: UInt64, access: UInt32, space: UInt32, instruction: UInt64, stack: UInt64) {
      self.address = address
      self.access = access
      self.space = space
      self.instruction = instruction
      self.stack = stack
    }
    @inlinable public static var present: UInt32 { 1 }
    @inlinable public static var write: UInt32 { 2 }
    @inlinable public static var execute: UInt32 { 4 }
    /// The kernel copies on behalf of the source; a refusal fails that call with `.badAddress`.
    @inlinable public static var kernelCopy: UInt32 { 8 }
    /// No page is missing: a thread has trapped with its stack pointer, `address`, where the kernel knows no stack of its
    /// (`Kernel.ThreadStack`). A refusal stops it like a bad access.
    @inlinable public static var stack: UInt32 { 16 }
  }

  /// To the supervisor, asynchronous: `thread` is stopped by an exception (`signal` as POSIX numbers them), by
  /// a bad memory access (from VM), or has ended by `Kernel.Exit` (`signal` 0).
  public struct Exception: Call {
    public static var number: Int32 { 0x902 }
    public var thread: Endpoint
    public var signal: UInt32
    /// Fault address; exit status; for vector 1 what DR6 says: bit n for debug register n, bit 14 for a single step.
    public var address: UInt64
    public var instruction: UInt64
    /// x86 vector, or 14 for a memory access.
    public var vector: UInt64
    public init(thread: Endpoint, signal: UInt32, address: UInt64, instruction: UInt64, vector: UInt64) {
      self.thread = thread
      self.signal = signal
      self.address = address
      self.instruction = instruction
      self.vector = vector
    }
  }
}
