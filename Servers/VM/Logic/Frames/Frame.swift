/// A page of physical memory: of RAM that VM hands out, or of something that it only maps (devices, the archive).
public struct Frame: BitwiseCopyable, Equatable {
  public var number: UInt64
  @inlinable public init(number: UInt64) { self.number = number }
  @inlinable public init(address: UInt64) { number = address >> 12 }
  @inlinable public var address: UInt64 { number << 12 }
  @inlinable public static func == (a: Frame, b: Frame) -> Bool { a.number == b.number }
}

/// What VM keeps for each frame that it owns: 24 bytes. Frames without a record (devices, the boot archive, the
/// kernel's) are mapped but never counted and never freed.
struct FrameRecord: BitwiseCopyable {
  /// Of a page of a file, or a node of the tree that finds it: the word that points here, so that the frame can be given
  /// up without a search.
  var slot: UnsafeMutablePointer<UInt64>?
  /// Neighbours in the list of free or of idle frames; frame numbers. Frame 0 is a real frame, so "none" is not 0 (V8, M-C1).
  var next: UInt32 = FrameRecord.none
  var previous: UInt32 = FrameRecord.none
  /// Leaf entries in distinct tables that point here, plus one for an object that holds the frame (V67, V68). Of a page
  /// table: the directory entries that do; a root has none.
  var count: UInt32 = 0
  var kind: FrameKind = .free
  /// 1: all who map it see each other's writes. 0: whoever writes while `count` > 1 gets a copy.
  var shared: UInt8 = 0
  /// Of a page table, or a node of a file's tree: its entries in use.
  var entries: UInt16 = 0

  /// Of a page of a file: processes have changed it, and the file system does not know.
  var isChanged: Bool {
    get { shared & 2 != 0 }
    set { shared = newValue ? shared | 2 : shared & ~2 }
  }
  /// Of a page of a file: used since it was last first in line to be given up.
  var isRecent: Bool {
    get { shared & 4 != 0 }
    set { shared = newValue ? shared | 4 : shared & ~4 }
  }
  /// Of a page of a file: nobody maps it, and it could be brought again.
  var isIdle: Bool { count == 1 && shared & 2 == 0 }

  static var none: UInt32 { UInt32.max }

  /// Of a page table: bit n says that an entry of the n-th eight may be in use; a table is in no list. So a sparse
  /// table is walked in a few steps.
  var lines: UInt64 {
    get { UInt64(previous) << 32 | UInt64(next) }
    set {
      next = UInt32(truncatingIfNeeded: newValue)
      previous = UInt32(truncatingIfNeeded: newValue >> 32)
    }
  }

  /// The record of a frame that was just taken.
  static func taken(_ kind: FrameKind, _ count: UInt32) -> FrameRecord {
    FrameRecord(slot: nil, next: 0, previous: 0, count: count, kind: kind)
  }
}

/// Whose a frame is; each has a total (V80).
enum FrameKind: UInt8, BitwiseCopyable {
  case free, user, table, metadata
  /// A page of a file, or a node of a file's tree.
  case cache
}

/// Who wants memory: users leave the rest a reserve, so that services are restarted and signals are delivered when
/// a program has used up everything (V93).
enum Claim: UInt8, BitwiseCopyable {
  case user, service
}
