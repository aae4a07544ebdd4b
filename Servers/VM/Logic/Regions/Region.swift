import PageTable
import Protocols

/// Virtual pages from `start` up to, not including, `end`; both in bytes and page-aligned.
struct PageRange: BitwiseCopyable, Equatable {
  var start, end: UInt64
  var isEmpty: Bool { start >= end }
  var pages: UInt64 { (end &- start) >> 12 }

  /// The pages that `length` bytes from `address` touch; nil if they are not all user memory.
  init?(covering address: UInt64, _ length: UInt64) {
    let (last, wraps) = address.addingReportingOverflow(length)
    guard !wraps, address >= AddressSpace.userStart, last <= AddressSpace.userEnd else { return nil }
    start = Page.down(address)
    end = Page.up(last)
  }

  init(start: UInt64, end: UInt64) {
    self.start = start
    self.end = end
  }

  func overlaps(_ other: PageRange) -> Bool { start < other.end && other.start < end }
  /// The stub's own: see `AddressSpace.stubEnd`.
  static var stub: PageRange { PageRange(start: AddressSpace.stub, end: AddressSpace.stubEnd) }

  static func == (a: PageRange, b: PageRange) -> Bool { a.start == b.start && a.end == b.end }
}

/// A window onto an object: which addresses, which of the object's pages first, and what may be done there. Its
/// owner is the space whose tree it is in (V39). 120 bytes.
struct Region: BitwiseCopyable {
  typealias Pointer = UnsafeMutablePointer<Region>

  var start, end: UInt64
  /// The object's page that `start` shows (V34). Where there is no object but physical memory: its frame number.
  var first: UInt64
  var object: MemoryObject.Pointer?
  /// Borrowed: by which loan.
  var loan: Loan.Pointer?

  // The tree: links, and of the whole subtree its bounds and the widest room between two neighbours.
  var left, right, parent: Pointer?
  var subtreeStart, subtreeEnd, subtreeGap: UInt64
  var height: UInt8 = 1

  var type: MemoryType
  /// `VM.RegionKind`: what people call it.
  var kind: UInt8
  /// `VM.Protection`, and the most that mprotect may make of it.
  var protection, allowed: UInt8
  /// `VM.MemoryType` of the mapping.
  var cache: UInt8 = 0
  /// Bits: `mapped`, `stack`, `immutable`, `locked`, `pinned`. They go with every part of a region that is split, and to the child
  /// of a fork (S3), but for the last two.
  var flags: UInt8 = 0
  /// How it will be used: `RegionAdvice`. What is fetched beside a page that is touched may depend on it.
  var advice: RegionAdvice = .normal
  /// How many pages the last fault was to bring (V87), and the number of the page behind the last that came, its low 32 bits.
  var window: UInt8 = 0
  var expected: UInt32 = 0
  /// What its owner calls it: up to 15 bytes, then zero bytes.
  var name: RS.Name = (0, 0)

  /// Made by mmap: only these obey munmap, mprotect and MAP_FIXED (V37).
  static var mapped: UInt8 { 1 }
  /// May be a stack (V50).
  static var stack: UInt8 { 2 }
  /// Stays as it is until the space ends (V52).
  static var immutable: UInt8 { 4 }
  /// Its pages are resident and stay so (V91).
  static var locked: UInt8 { 8 }
  /// Borrowed, and its lender has to leave it as it is.
  static var pinned: UInt8 { 16 }

  init(_ range: PageRange, _ type: MemoryType, kind: UInt8, protection: UInt32, allowed: UInt32, first: UInt64 = 0, object: MemoryObject.Pointer? = nil) {
    start = range.start
    end = range.end
    self.first = first
    self.object = object
    subtreeStart = start
    subtreeEnd = end
    subtreeGap = 0
    self.type = type
    self.kind = kind
    self.protection = UInt8(truncatingIfNeeded: protection)
    self.allowed = UInt8(truncatingIfNeeded: allowed)
  }

  var range: PageRange { PageRange(start: start, end: end) }
  var pages: UInt64 { (end &- start) >> 12 }
  /// The object's page at `address`.
  func page(at address: UInt64) -> UInt64 { first &+ (address &- start) >> 12 }
  func allows(_ access: UInt32) -> Bool { UInt32(protection) & access == access }
  func has(_ flag: UInt8) -> Bool { flags & flag != 0 }
  /// Obeys munmap and its like.
  var isMovable: Bool { flags & (Region.mapped | Region.immutable) == Region.mapped }

  /// Whether nobody can tell this and `next`, which begins where this ends, from one region.
  func continues(in next: Region) -> Bool {
    end == next.start && type == next.type && kind == next.kind && protection == next.protection && allowed == next.allowed
      && cache == next.cache && flags == next.flags && advice == next.advice && name == next.name && object == next.object && loan == next.loan
      && (type == .anonymous || first &+ pages == next.first)
  }
}

/// What madvise said of a region's use.
enum RegionAdvice: UInt8, BitwiseCopyable {
  case normal
  /// From low to high, each page once.
  case sequential
  /// In no order: what lies beside a touched page is as good as any other.
  case random
}
