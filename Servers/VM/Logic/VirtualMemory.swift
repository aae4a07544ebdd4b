import BootImage
import IPC
import PageTable
import Protocols

/// All that VM knows, in plain tables: frames, spaces, regions, objects. Its operations need nothing from below but
/// the window on memory and a `Transport` for kernel calls, so that a test runs them on an array of frames.
public struct VirtualMemory: BitwiseCopyable {
  var frames: FrameTable
  var spaces: Spaces
  var spaceRecords: RecordPool<Space>
  var regions: RecordPool<Region>
  var objects: RecordPool<MemoryObject>
  var loans: RecordPool<Loan>
  /// The name of the next loan.
  var nextLoan: UInt64 = 1
  /// The page cache.
  var files: FileTable

  /// What the kernel said; it stays mapped.
  let boot: UnsafePointer<BootInformation>
  /// The boot archive, which stays where the boot loader put it.
  let archive: PhysicalRange
  let stub: Frame
  /// RAM above 1 MiB lies below the first or between 4 GiB and the second (V74).
  let lowMemoryEnd: UInt64
  let memoryEnd: UInt64

  /// For what VM chooses itself: where memory lies (unless `isRandom` is false), and AT_RANDOM.
  var random: Randomness
  let isRandom: Bool

  /// Page faults since boot.
  var faults: UInt64 = 0
  /// Pages of files found for VFS, and brought by it.
  var hits: UInt64 = 0
  var fills: UInt64 = 0
  /// Faults that wait for VFS, newest first, and how many requests for their pages VFS's queue has not taken yet.
  var parked: ParkedFault.Pointer?
  var parkedFaults: RecordPool<ParkedFault>
  var unsent: UInt64 = 0
  /// VFS had no place for a request. What it has it answers, one by one, so the next word from it is the time to ask again.
  var isCrowded = false
  /// The page that `makeResident` met last and VFS has to bring, 0 for none; and the number of the last call that waited for one.
  var lacking: UInt64 = 0
  var lastCall: UInt32 = 0
  /// What is done about a shortage.
  var pressure = Pressure()
  /// Spaces whose supervisor has yet to hear of a signal.
  var pendingSignals: UInt64 = 0

  /// Nil if the memory cannot hold VM's own tables.
  /// - Parameter window: where physical address 0 is in our own space.
  public init?(_ boot: UnsafePointer<BootInformation>, window: UnsafeMutableRawPointer) {
    guard boot.pointee.magic == BootInformation.magic, var frames = FrameTable(boot, window: window) else { return nil }
    self.boot = boot
    archive = boot.pointee.archive
    stub = Frame(address: boot.pointee.stubFrame)
    memoryEnd = boot.pointee.memoryEnd
    let four: UInt64 = 4 << 30
    var lowEnd = max(archive.end <= four ? archive.end : 0, boot.pointee.stubFrame &+ Page.size)
    for index in 0..<frames.sectionCount where frames.sections[index].end << 12 <= four {
      lowEnd = max(lowEnd, frames.sections[index].end << 12)
    }
    lowMemoryEnd = lowEnd

    let limit = FileTable.limit(frames.managed)
    do throws(Errno) {
      spaces = Spaces(storage: try Self.table(Spaces.storage, &frames))
      files = FileTable(storage: try Self.table(FileTable.storage(limit), &frames), limit: limit)
    } catch { return nil }
    self.frames = frames
    spaceRecords = RecordPool()
    regions = RecordPool()
    objects = RecordPool()
    loans = RecordPool()
    parkedFaults = RecordPool()
    let seed = Self.seed(boot)
    random = Randomness(seed: seed.seed)
    isRandom = seed.isRandom
  }

  /// Zeroed memory for good, for a table of fixed size.
  private static func table(_ bytes: UInt64, _ frames: inout FrameTable) throws(Errno) -> UnsafeMutableRawPointer {
    let pages = Page.up(bytes) >> 12
    let first = try frames.takeRun(pages, .metadata, .service)
    for page in 0..<pages { frames.zero(Frame(number: first.number &+ page)) }
    return frames.bytes(first)
  }

  /// Fault injection: the `count`-th reservation of frames from now on finds none.
  public mutating func failReservation(after count: UInt64) { frames.failing = count }

  /// At the end of each operation: what was reserved and not needed, and what nobody can reach any more, is free.
  mutating func settle() {
    frames.reserved = 0
    if regions.slab.empty != nil { regions.slab.trim(&frames) }
    if objects.slab.empty != nil { objects.slab.trim(&frames) }
    if loans.slab.empty != nil { loans.slab.trim(&frames) }
    if parkedFaults.slab.empty != nil { parkedFaults.slab.trim(&frames) }
    if spaceRecords.slab.empty != nil { spaceRecords.slab.trim(&frames) }
    frames.settle()
  }

  /// Drops what the MMU remembers of a range. A space without a thread has never been seen by any MMU.
  func flush<K: Transport>(_ space: Space.Pointer, _ range: PageRange, _ ipc: inout K) {
    guard space.pointee.thread != .none else { return }
    let call = Kernel.SpaceFlush(root: space.pointee.root.address, address: range.start, count: range.pages)
    _ = ipc.kernel(Message(call))
  }
}

/// A slab with a type: records by pointer.
struct RecordPool<Record: BitwiseCopyable>: BitwiseCopyable {
  var slab = Slab(size: MemoryLayout<Record>.stride)

  mutating func reserve(_ count: UInt64, _ frames: inout FrameTable, _ claim: Claim) throws(Errno) {
    if slab.room < count { try slab.reserve(count, &frames, claim) }
  }

  /// A reserved record.
  mutating func take(_ value: Record) -> UnsafeMutablePointer<Record> {
    let record = slab.take().bindMemory(to: Record.self, capacity: 1)
    record.initialize(to: value)
    return record
  }

  mutating func give(_ record: UnsafeMutablePointer<Record>) { slab.give(UnsafeMutableRawPointer(record)) }
}
