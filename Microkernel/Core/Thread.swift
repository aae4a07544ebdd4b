import IPC
import Protocols

/// One row of the thread table. The machine's entry code saves the registers of the thread that traps into
/// `context`, which therefore comes first; nothing else here is the machine's business but `root`.
///
/// A thread hangs in at most one queue at a time: a ready queue, the free list, or one of the two queues of the peer that
/// it waits for (`callers`: has not been heard yet; `waiters`: waits for a message from just this peer). Who waits for
/// an answer hangs in none: that is the fast path's saving, and when a service dies all threads are looked at.
public struct Thread<Context: ThreadContext>: BitwiseCopyable {
  public typealias Pointer = UnsafeMutablePointer<Thread<Context>>

  public var context: Context

  // From here to `messages`: what a fast path in assembly reads and writes. Its offsets are in the machine's layout, and a
  // test of the machine's compares.

  /// Physical address of the top page table.
  public internal(set) var root: UInt64 = 0
  /// Always 0: with `endpoint` behind it these are the eight bytes that mark a message's source in its header.
  let zero: UInt32 = 0
  /// Slot and generation; also kept while the slot is free, for the next life.
  public internal(set) var endpoint: Endpoint
  var state = ThreadState.free
  var holds = Hold.none
  /// `signal` waits for the end of the call that it is in.
  var hasSignal = false
  /// What makes `state` one that a fast path can deal with, so that one comparison of four bytes tells.
  var shortcut = Shortcut.none
  /// Why it waits, if it is `sending` or `waiting`.
  var purpose = Purpose.request
  /// How often its present request was handed to a server.
  var deliveries: UInt8 = 0
  /// How much speaks for it that servers died of this request: see `Suspicion`.
  var suspicion: UInt8 = 0
  /// Its trap is to be done again when it runs next: the page that was missing is there.
  var rerun = false
  /// Counts its requests, so that a grant of caller memory ends with the request it was made for.
  var serial: UInt32 = 0
  /// Bit n: priority n is at least as important as its own.
  private(set) var urgent: UInt32 = 0xFF
  /// Whom it waits for in `sending`, `waiting`, and in `receiving` if only one will do.
  var peer: Pointer?
  /// Processor time in the machine's ticks; while it runs, less the ticks at which it was switched to.
  var time: UInt64 = 0
  /// Messages that others have taken from us, but requests: `serial` counts these.
  var messages: UInt64 = 0
  /// Bit n: service slot n has notified us; bit 0: the kernel, and `events` says of what.
  var notifications: UInt64 = 0
  /// In `receiving`: from whom.
  var source = Endpoint.none
  /// 0 (highest) ... 7.
  private(set) var priority: UInt8 = 7
  /// Where the machine keeps what is not in `context`: FPU registers. The slot's for ever.
  public let extendedState: UInt64
  /// When its request was heard: see `hearing`.
  var heardAt: UInt64 = 0
  /// Where its stack pointer may be when it traps: here, and up to `stackSize` bytes above; anywhere unless VM has said (V50).
  var stackLow: UInt64 = 0
  var stackSize: UInt64 = .max
  /// VM's name of the space.
  public internal(set) var space: UInt32 = 0
  var next: Pointer?
  var previous: Pointer?
  var callers = ThreadQueue<Context>()
  var waiters = ThreadQueue<Context>()

  var events: UInt64 = 0
  /// Asynchronous messages for us.
  var inbox = EnvelopeQueue<Context>()
  /// Asynchronous messages of ours that nobody has received yet.
  var queued: UInt32 = 0
  var grantCount: UInt32 = 0
  var grants: UnsafeMutablePointer<Grant<Context>>?

  var privileges = Privileges(kernelCalls: 0, sendTo: 0)
  var ports = (PortRange(), PortRange(), PortRange(), PortRange())
  var supervisor = Endpoint.none

  /// 0: none. Both hang in the timer heap under the earlier of the two.
  var alarm: UInt64 = 0
  var deadline: UInt64 = 0
  var timerKey: UInt64 = 0
  /// Place in the timer heap, -1 outside.
  var timerIndex: Int32 = -1

  /// Bytes of the present kernel call that are already copied.
  var copied: UInt64 = 0
  /// What is left of its quantum when somebody more important ran instead.
  var quantum: UInt64 = Quantum.length
  /// The request to VM for a missing page.
  var fault = Message()
  var signal = PendingSignal()

  init(endpoint: Endpoint, extendedState: UInt64) {
    self.endpoint = endpoint
    self.extendedState = extendedState
    context = Context(entry: 0, stack: 0)
  }

  mutating func setPriority(_ priority: UInt8) {
    self.priority = priority
    urgent = 2 &<< UInt32(priority) &- 1
  }

  /// Whether VM has said of the place where its stack pointer is that it is a stack.
  @inline(__always) var isOnStack: Bool { context.stack &- stackLow <= stackSize }
  var slot: Int { endpoint.slot }
  var isAlive: Bool { state != .free }
  /// Nothing keeps it from running.
  var canRun: Bool { state == .runnable && holds == .none }
}

enum ThreadState: BitwiseCopyable {
  case free, runnable
  /// In `callers` of `peer`.
  case sending
  /// For a message from `source`; in `waiters` of `peer` if that is one thread.
  case receiving
  /// For the answer to what `peer` has received; in no queue.
  case waiting
}

/// What the machine's fast path need not look up, kept right wherever `state` becomes `receiving` or `waiting`. None for a
/// thread that has not come by the entry that the fast path serves.
enum Shortcut: BitwiseCopyable {
  case none
  /// `receiving` from anybody, without a deadline.
  case open
  /// `waiting` for the answer to a request of its own.
  case asked
}

/// What a thread that waits has sent. The message of `send` and `request` is still in its registers, which is how
/// the kernel keeps a request until it is answered.
enum Purpose: BitwiseCopyable {
  case send, request
  /// Runs into a missing page itself; the message is in `fault`. So in the next three.
  case fault
  /// A kernel call of its needs a page.
  case copy
  /// A signal is to be put on its stack.
  case signal
  /// Has trapped with its stack pointer where the kernel knows no stack.
  case stack
}

/// Why a thread must not run although it waits for nobody.
struct Hold: Equatable, BitwiseCopyable {
  var raw: UInt8
  static var none: Hold { Hold(raw: 0) }
  /// By `ThreadStop`, or not started yet.
  static var stopped: Hold { Hold(raw: 1) }
  /// By an exception or a bad memory access, until its supervisor has decided.
  static var exception: Hold { Hold(raw: 2) }
  /// By `Exit`: for good.
  static var ended: Hold { Hold(raw: 4) }

  mutating func insert(_ other: Hold) { raw |= other.raw }
  mutating func remove(_ other: Hold) { raw &= ~other.raw }
  func contains(_ other: Hold) -> Bool { raw & other.raw != 0 }
}

/// What `Kernel.Signal` asked for, kept until the thread can take it.
struct PendingSignal: BitwiseCopyable {
  var number: UInt32 = 0
  var handler: UInt64 = 0
  var restorer: UInt64 = 0
  var mask: UInt64 = 0
  /// The end of the alternate stack that its frame goes on; 0: where the stack pointer is.
  var stackTop: UInt64 = 0
}

/// I/O ports that a service may use; `count` 0: unused.
struct PortRange: BitwiseCopyable {
  var first: UInt32 = 0
  var count: UInt32 = 0
}

/// A service that dies by a fault of its own may have died of any request that it had not answered, most likely of the
/// last that it heard. (Requests come to its next life in the same order.) So what kills the service at once is found
/// at its second death, and what others have in flight at that time goes on; what kills it later, at the fourth.
enum Suspicion {
  static var heard: UInt8 { 1 }
  static var heardLast: UInt8 { 2 }
  /// With so much the request is given up.
  static var limit: UInt8 { 4 }
}

enum Quantum {
  /// Nanoseconds that a thread runs before another of the same priority gets its turn.
  static var length: UInt64 { 10_000_000 }
}
