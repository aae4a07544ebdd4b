import IPC
import Protocols

/// The kernel without a machine: threads, rendezvous, notifications, grants, ready queues, time, privileges. It
/// allocates nothing: its tables are memory that it is given at start.
///
/// The machine's entry code calls one of `trap`, `pageFault`, `exception`, `interrupt`, `timer` with interrupts off, on
/// one stack per CPU; afterwards `current` is the thread whose registers to load, nil for none. No thread ever
/// waits inside the kernel: a call that needs a page leaves no trace but its registers and is done again.
public struct Core<M: Machine & ~Copyable>: ~Copyable {
  public typealias ThreadPointer = Thread<M.Context>.Pointer
  typealias EnvelopePointer = Envelope<M.Context>.Pointer
  typealias GrantPointer = Grant<M.Context>.Pointer

  /// Bit n: `ready[n]` is not empty. First, so that a fast path in assembly finds it.
  var readyMask: UInt32 = 0
  public var machine: M
  /// The thread that runs on this CPU; it is in no queue.
  public internal(set) var current: ThreadPointer?

  let limits: Limits
  let threads: ThreadPointer
  let grants: GrantPointer
  let envelopes: EnvelopePointer
  /// One for each thread, for the news of its end: never lost for want of room.
  let events: EnvelopePointer
  /// One for each priority.
  let ready: UnsafeMutablePointer<ThreadQueue<M.Context>>
  /// A heap by `timerKey`.
  let timers: UnsafeMutablePointer<ThreadPointer>
  /// Owners of the interrupt lines.
  let lineOwners: UnsafeMutablePointer<ThreadPointer?>
  /// Room for one signal frame.
  let frameBuffer: UnsafeMutableRawPointer

  var timerCount = 0
  /// What the machine's timer is set to; it may be earlier than needed.
  var armed = UInt64.max
  /// When the quantum of `current` ends; a fast path hands the rest of it on.
  var sliceEnd: UInt64 = 0

  var freeThreads = ThreadQueue<M.Context>()
  var freeGrants: GrantPointer?
  var freeEnvelopes: EnvelopePointer?

  var threadCount: UInt32 = 0
  var grantCount: UInt32 = 0
  var envelopeCount: UInt32 = 0
  var fastPath: UInt64 = 0
  var slowPath: UInt64 = 0
  var faults: UInt64 = 0
  var interrupts: UInt64 = 0
  /// Ticks without a thread to run, as `Thread.time` counts: while there is none, less the ticks at which that began.
  var idle: UInt64 = 0

  /// For slot 1 and 2: what the boot table says of VM and RS, before there is an RS to say it.
  var bootPrivileges = (BootPrivileges(), BootPrivileges())

  /// Last, where nothing else moves for it.
  var lastHearing: UInt64 = 0
  var timerInterrupts: UInt32 = 0
  public internal(set) var tracing = Tracing.off
  /// Whether page faults may take the fast path, which leaves no record.
  var shortcuts = true
  var traceCount: UInt32 = 0

  /// - Parameter memory: `Limits.memoryNeeded` bytes, aligned to 64.
  public init(machine: consuming M, limits: Limits, memory: UnsafeMutableRawPointer) {
    self.machine = machine
    self.limits = limits
    var room = Room(next: memory)
    threads = room.take(limits.threads)
    grants = room.take(limits.grants)
    envelopes = room.take(limits.envelopes)
    events = room.take(limits.threads)
    ready = room.take(Self.priorities)
    timers = room.take(limits.threads)
    lineOwners = room.take(Self.lines)
    frameBuffer = room.next
    for slot in 0..<limits.threads {
      let thread = threads + slot
      thread.initialize(to: Thread(endpoint: Endpoint(slot: slot, generation: 0), extendedState: self.machine.extendedState(slot: slot)))
      (events + slot).initialize(to: Envelope())
      if slot >= Endpoint.serviceSlots { freeThreads.append(thread) }
    }
    for index in 0..<limits.grants {
      (grants + index).initialize(to: Grant())
      grants[index].next = freeGrants
      freeGrants = grants + index
    }
    for index in 0..<limits.envelopes {
      (envelopes + index).initialize(to: Envelope())
      envelopes[index].next = freeEnvelopes
      freeEnvelopes = envelopes + index
    }
    for priority in 0..<Self.priorities { (ready + priority).initialize(to: ThreadQueue()) }
    for line in 0..<Self.lines { (lineOwners + line).initialize(to: nil) }
  }

  static var priorities: Int { 8 }
  static var lines: Int { 16 }
}

/// Sizes of the tables.
public struct Limits: BitwiseCopyable {
  /// More than `Endpoint.serviceSlots`, at most `Endpoint.slotLimit`.
  public var threads: Int
  public var grants: Int
  /// Asynchronous messages.
  public var envelopes: Int

  public init(threads: Int = 1536, grants: Int = 4096, envelopes: Int = 2048) {
    self.threads = threads
    self.grants = grants
    self.envelopes = envelopes
  }
}

extension Core where M: ~Copyable {
  /// Bytes of memory that `init` wants.
  public static func memoryNeeded(_ limits: Limits) -> Int {
    Room.size(Thread<M.Context>.self, limits.threads) + Room.size(Grant<M.Context>.self, limits.grants)
      + Room.size(Envelope<M.Context>.self, limits.envelopes) + Room.size(Envelope<M.Context>.self, limits.threads)
      + Room.size(ThreadQueue<M.Context>.self, priorities)
      + Room.size(ThreadPointer.self, limits.threads) + Room.size(ThreadPointer?.self, lines)
      + Room.size(UInt8.self, M.Context.signalFrameSize)
  }

  /// What `slot` (1 VM, 2 RS) may do when it is created.
  public mutating func setBootPrivileges(slot: Int, _ privileges: Privileges, priority: UInt32) {
    let row = BootPrivileges(privileges: privileges, priority: UInt8(truncatingIfNeeded: priority & 7))
    if slot == Endpoint.vm.slot { bootPrivileges.0 = row }
    if slot == Endpoint.rs.slot { bootPrivileges.1 = row }
  }
}

struct BootPrivileges: BitwiseCopyable {
  var privileges = Privileges(kernelCalls: 0, sendTo: 0)
  var priority: UInt8 = 1
}

/// Cuts tables out of the memory given at start, each aligned to a cache line.
struct Room {
  var next: UnsafeMutableRawPointer

  static func size<T>(_: T.Type, _ count: Int) -> Int { (MemoryLayout<T>.stride * count + 63) & ~63 }

  mutating func take<T>(_ count: Int) -> UnsafeMutablePointer<T> {
    let table = next.bindMemory(to: T.self, capacity: count)
    next += Self.size(T.self, count)
    return table
  }
}
