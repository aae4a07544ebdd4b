import IPC

/// The registers of a thread as the kernel core sees them. The entry code saves them here before it calls the
/// core, and loads them from here; nothing of a message is ever in user memory.
public protocol ThreadContext: BitwiseCopyable {
  /// Registers of a thread that has never run: all zero but these two.
  init(entry: UInt64, stack: UInt64)

  /// The trap's arguments: see `TrapOperation`.
  var operation: UInt64 { get }
  var destination: Endpoint { get }
  var source: Endpoint { get }
  var deadline: UInt64 { get }
  var message: Message { get set }

  /// What the trap returns: 0 or a negated errno, and `Delivery.Flags`. Leaves the message alone.
  mutating func setResult(status: Int64, flags: UInt64)

  /// Whether it has entered the kernel in the way that the machine's own fast path serves.
  var isFast: Bool { get }
  /// From here on it does not look as if it had, and all its registers are loaded when it goes on.
  mutating func leaveFully()

  var instruction: UInt64 { get }
  var stack: UInt64 { get }

  /// Bytes to take from a user stack for `Kernel.Signal`, room for a red zone included; a multiple of 16.
  static var signalFrameSize: Int { get }
  /// Writes the frame for `address` (a multiple of 16): this context, `mask`, `signal`, and makes the context run
  /// `handler(signal)`, returning to `restorer`, which finds the frame's address on top of its stack.
  /// `Machine.saveExtendedState` adds the FPU's part of the same frame.
  mutating func enterSignal(_ frame: UnsafeMutableRawPointer, at address: UInt64, signal: UInt32, handler: UInt64, restorer: UInt64, mask: UInt64)
  /// Takes over a frame as the user left it: any bytes. Privileged flags, segments and non-canonical addresses
  /// are sanitised or refused (M-E6). Returns the mask, nil if refused (then nothing has changed).
  mutating func leaveSignal(_ frame: UnsafeRawPointer) -> UInt64?
}

/// What the kernel core needs from below. Metal implements it in `Arch/X86_64`, tests in `Arch/Simulated`.
public protocol Machine: ~Copyable {
  associatedtype Context: ThreadContext

  /// The byte at a physical address, through the linear map. Valid for RAM only.
  func memory(at physical: UInt64) -> UnsafeMutableRawPointer
  /// Whether `length` bytes from `physical` are RAM.
  func isMemory(_ physical: UInt64, length: UInt64) -> Bool
  /// Where an address is that the page tables of the thread in `slot` do not have: what `memory(at:)` turns into its place.
  /// For hosts on which services have memory that is not VM's; nil for good where a page is in the tables or nowhere.
  func native(slot: Int, address: UInt64) -> UInt64?

  /// Nanoseconds since boot.
  var now: UInt64 { get }
  /// The same in what is cheapest to read, and a number of them in nanoseconds: for processor times.
  var ticks: UInt64 { get }
  func nanoseconds(ticks: UInt64) -> UInt64
  /// Traps that the machine's own fast path has served.
  var fastCalls: UInt64 { get }
  /// One timer: `Core.timer()` is called at or after `deadline`; `UInt64.max` switches it off.
  mutating func setTimer(_ deadline: UInt64)

  mutating func prepareRoot(_ root: UInt64)
  mutating func flush(root: UInt64, address: UInt64, count: UInt64)

  mutating func maskLine(_ line: Int)
  mutating func unmaskLine(_ line: Int)
  mutating func readPort(_ port: UInt16, width: UInt32) -> UInt32
  mutating func writePort(_ port: UInt16, width: UInt32, value: UInt32)

  /// FPU state, which the machine keeps per slot: made new, or copied by fork.
  mutating func resetExtendedState(slot: Int)
  /// Where it is; 0 if that is nobody's business.
  func extendedState(slot: Int) -> UInt64
  mutating func copyExtendedState(from: Int, to: Int)
  /// The FPU's part of a signal frame, right after `enterSignal`, and after a `leaveSignal` that was not refused:
  /// a handler computes with the same registers as the code that it interrupts. Any bytes are acceptable.
  mutating func saveExtendedState(slot: Int, signalFrame: UnsafeMutableRawPointer)
  mutating func restoreExtendedState(slot: Int, signalFrame: UnsafeRawPointer)

  /// Registers that only the kernel can set, kept per slot beside FPU state: `resetExtendedState` clears them, `copyExtendedState` copies the
  /// bases only. A thread that has any must not be `isFast` when it enters again. Both bases are user addresses; of debug registers
  /// the machine judges itself, and tells what they have noticed since the last time.
  mutating func setBases(slot: Int, fs: UInt64, gs: UInt64) throws(Errno)
  mutating func setWatch(slot: Int, addresses: (UInt64, UInt64, UInt64, UInt64), control: UInt64) throws(Errno) -> UInt64

  /// The thread of `slot` has ended or begins a new life: what the machine keeps for it besides FPU state goes.
  mutating func ended(slot: Int)

  mutating func log(_ bytes: UnsafeRawBufferPointer)
  /// An event, if `Core.startTrace` has asked for them.
  mutating func traced(_ record: TraceRecord)
  mutating func shutdown(status: UInt64)
  /// The kernel cannot go on: `vital` is dead, or an invariant is broken.
  mutating func panic(_ reason: StaticString) -> Never
}

extension ThreadContext {
  // A machine without a fast path, or without registers that it does not know.
  public mutating func leaveFully() {}
}

extension Machine where Self: ~Copyable {
  // A machine without segments or debug registers.
  public mutating func setBases(slot: Int, fs: UInt64, gs: UInt64) throws(Errno) { throw .notSupported }
  public mutating func setWatch(slot: Int, addresses: (UInt64, UInt64, UInt64, UInt64), control: UInt64) throws(Errno) -> UInt64 { throw .notSupported }

  // A machine that keeps nothing for a thread.
  @inline(__always)
  public mutating func ended(slot: Int) {}
  // A machine that has no use for a trace.
  public mutating func traced(_ record: TraceRecord) {}

  @inlinable @inline(__always)
  public func native(slot: Int, address: UInt64) -> UInt64? { nil }

  // A machine without a fast path of its own.
  public var ticks: UInt64 { now }
  public func nanoseconds(ticks: UInt64) -> UInt64 { ticks }
  public var fastCalls: UInt64 { 0 }

  // A machine without an FPU.
  public func extendedState(slot: Int) -> UInt64 { 0 }
  public mutating func saveExtendedState(slot: Int, signalFrame: UnsafeMutableRawPointer) {}
  public mutating func restoreExtendedState(slot: Int, signalFrame: UnsafeRawPointer) {}
}
