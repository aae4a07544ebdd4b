import BootImage
import IPC
import PageTable
import Protocols

/// An address space: regions, the root of its page table, and whose it is. A process that runs exec has a second
/// one, `building`, until the commit.
struct Space: BitwiseCopyable {
  typealias Pointer = UnsafeMutablePointer<Space>

  /// VM's name for it, as the kernel has it: index into `Spaces` and a generation.
  var id: UInt32
  /// `.none` while it is being built.
  var thread = Endpoint.none
  /// Who hears of bad accesses.
  var supervisor = Endpoint.none
  var claim: Claim
  /// 1: signal `pendingSignal` still has to reach the supervisor.
  var hasPendingSignal: UInt8 = 0
  var pending = PendingSignal()
  var root: Frame
  var regions = RegionTree()
  var layout = Layout.fixed
  /// The heap begins where the image ends, or `Layout.heapGap` behind.
  var heapStart: UInt64 = 0
  var breakAddress: UInt64 = 0
  /// Where the first stack may grow down to.
  var stackBottom: UInt64 = 0
  /// A stack that signal handlers run on; empty if there is none.
  var signalStack = PageRange(start: 0, end: 0)
  /// The stack from which the kernel takes traps without a question; empty if it asks at the next.
  var trapStack = PageRange(start: 0, end: 0)
  var limits: Limits
  /// mlockall with `VM.LockAll.future`: what is mapped is locked.
  var locksFuture = false
  /// The space that exec builds.
  var building: Pointer?
  /// Contiguous memory of this life and earlier ones, in no order; it stays until the service is released.
  var contiguous: MemoryObject.Pointer?
  /// What it lends, newest first, and how much that is.
  var loans: Loan.Pointer?
  var loanCount = 0
  /// Whether any of its private memory may be `MemoryType.lent`.
  var hasLent = false
  /// Calls of `MapContiguous` in this life.
  var contiguousCalls: UInt32 = 0
  var contiguousPages: UInt32 = 0
  /// Device memory that RS allowed.
  var physical: InlineArray<8, PhysicalRange>
  var physicalCount = 0
  /// The program's name, cut short, its process id, and a number that grows with each space: for people, and to find the youngest.
  var name: RS.Name = (0, 0)
  var processID: Int32 = 0
  var born: UInt64 = 0
  /// Faults answered with a zeroed page, and with a copy (V25).
  var zeroFaults: UInt64 = 0
  var copyFaults: UInt64 = 0
  /// And with a page of a file.
  var fileFaults: UInt64 = 0
  /// The page of a file that a server's copy met and VM would not wait for, 0 for none: see `PageCache.Missing`.
  var refused: UInt64 = 0
  /// The call that waits for a page of a file, how it is numbered, 0 for none, and how often it was begun anew: see `goOn`.
  var waiting = Message()
  var waitingCall: UInt32 = 0
  var tries: UInt64 = 0

  init(id: UInt32, root: Frame, claim: Claim) {
    self.id = id
    self.root = root
    self.claim = claim
    limits = Limits(claim)
    physical = InlineArray(repeating: PhysicalRange(base: 0, length: 0))
  }
}

/// What a supervisor has to hear once its queue has room again.
struct PendingSignal: BitwiseCopyable {
  var signal: UInt32 = 0
  var address: UInt64 = 0
  var instruction: UInt64 = 0
}

/// Where spaces are found: by id, which comes with a fault, and by thread, which comes with a request. Both in
/// constant time, from tables of fixed size made at boot (V18).
struct Spaces: BitwiseCopyable {
  /// One page of pointers each for 512 spaces.
  private let byID: UnsafeMutablePointer<Space.Pointer?>
  private let generations: UnsafeMutablePointer<UInt32>
  private let byThread: UnsafeMutablePointer<Space.Pointer?>
  private var nextIndex = 1
  var count: UInt64 = 0

  static var limit: Int { Endpoint.slotLimit }
  /// Bytes of tables that `init` wants, zeroed.
  static var storage: UInt64 { UInt64(limit) &* 20 }

  init(storage: UnsafeMutableRawPointer) {
    byID = storage.bindMemory(to: Space.Pointer?.self, capacity: Self.limit)
    byThread = (storage + 8 * Self.limit).bindMemory(to: Space.Pointer?.self, capacity: Self.limit)
    generations = (storage + 16 * Self.limit).bindMemory(to: UInt32.self, capacity: Self.limit)
  }

  /// The space that the kernel means; nil if it is gone.
  @inline(__always) subscript(id id: UInt32) -> Space.Pointer? {
    guard let space = byID[Int(id & 0xFFF)], space.pointee.id == id else { return nil }
    return space
  }

  /// The space of a living thread; nil if there is no such thread (SEC25).
  @inline(__always) subscript(thread: Endpoint) -> Space.Pointer? {
    guard let space = byThread[thread.slot], space.pointee.thread == thread else { return nil }
    return space
  }

  /// The space at `index` of the table, for those who want to see them all.
  subscript(index index: Int) -> Space.Pointer? { byID[index] }
  subscript(slot slot: Int) -> Space.Pointer? { byThread[slot] }

  /// A free id; nil if 4,096 spaces exist. The caller fills it by `add`.
  mutating func freeID() -> UInt32? {
    guard count < UInt64(Self.limit &- 1) else { return nil }
    while byID[nextIndex] != nil { step() }
    let id = generations[nextIndex] &<< 12 | UInt32(truncatingIfNeeded: nextIndex)
    step()
    return id
  }

  /// Index 0 stays unused, so that no id is 0.
  private mutating func step() {
    nextIndex = (nextIndex &+ 1) & (Self.limit &- 1)
    if nextIndex == 0 { nextIndex = 1 }
  }

  mutating func add(_ space: Space.Pointer) {
    byID[Int(space.pointee.id & 0xFFF)] = space
    count &+= 1
  }

  mutating func remove(_ space: Space.Pointer) {
    let index = Int(space.pointee.id & 0xFFF)
    byID[index] = nil
    generations[index] &+= 1
    count &-= 1
    unbind(space)
  }

  mutating func bind(_ space: Space.Pointer, to thread: Endpoint) {
    space.pointee.thread = thread
    byThread[thread.slot] = space
  }

  mutating func unbind(_ space: Space.Pointer) {
    let slot = space.pointee.thread.slot
    if byThread[slot] == space { byThread[slot] = nil }
    space.pointee.thread = .none
  }
}
