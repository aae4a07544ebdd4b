import BootImage
import IPC

/// A run of frames with records side by side; at most 32,768 of them (V69).
struct FrameSection: BitwiseCopyable {
  var first: UInt64
  var count: UInt32
  /// Frames below this have been handed out at least once; above it they are free and have no valid record yet, so
  /// that boot does not depend on the size of memory.
  var touched: UInt32
  var records: UnsafeMutablePointer<FrameRecord>

  static var limit: UInt64 { 32_768 }
  var end: UInt64 { first &+ UInt64(count) }
}

/// All frames that VM owns. Records and sections live in the frames themselves, reached through the window:
/// `window` + physical address.
struct FrameTable: BitwiseCopyable {
  let window: UnsafeMutableRawPointer
  let sections: UnsafeMutablePointer<FrameSection>
  let sectionCount: Int
  /// Where the last lookup ended: the next is mostly in the same section.
  var recent: UnsafeMutablePointer<FrameSection>
  /// Sections before this one are touched to the end.
  var fresh = 0

  var firstFree = FrameRecord.none
  /// Frames that are free once the translations to them are flushed (M-B9).
  var firstLimbo = FrameRecord.none
  var lastLimbo = FrameRecord.none
  var limbo: UInt64 = 0

  /// Totals in frames; `fixed` is what the kernel, VM's image and the archive keep.
  let fixed: UInt64
  let managed: UInt64
  var free: UInt64
  var user: UInt64 = 0
  var tables: UInt64 = 0
  var metadata: UInt64
  /// Pages and nodes of the page cache, and of these: pages that only the cache holds, and nodes.
  var cache: UInt64 = 0
  var idle: UInt64 = 0
  var nodes: UInt64 = 0
  /// Idle pages, longest unused first.
  var firstIdle = FrameRecord.none
  var lastIdle = FrameRecord.none
  var evictions: UInt64 = 0
  /// A reservation found too little.
  var isShort = false
  /// Of the free ones: promised to the running operation.
  var reserved: UInt64 = 0
  /// What each claimant leaves to the more important ones.
  var userFloor: UInt64
  var serviceFloor: UInt64
  /// Failure injection: the n-th reservation from now fails; 0 for none.
  var failing: UInt64 = 0

  /// Nil if no free range can hold the records.
  init?(_ boot: UnsafePointer<BootInformation>, window: UnsafeMutableRawPointer) {
    let rangeCount = Int(min(boot.pointee.freeCount, UInt64(BootInformation.rangeLimit)))
    guard rangeCount > 0 else { return nil }
    var frames: UInt64 = 0
    var sectionTotal = 0
    var largest = 0
    for index in 0..<rangeCount {
      let count = boot.pointee.free[index].length >> 12
      frames &+= count
      sectionTotal &+= Int((count &+ FrameSection.limit &- 1) / FrameSection.limit)
      if count > boot.pointee.free[largest].length >> 12 { largest = index }
    }
    let sectionBytes = UInt64(sectionTotal) &* UInt64(MemoryLayout<FrameSection>.stride)
    let bytes = sectionBytes &+ frames &* UInt64(MemoryLayout<FrameRecord>.stride)
    let own = (bytes &+ 4095) >> 12
    guard frames > 0, boot.pointee.free[largest].length >> 12 > own else { return nil }
    let storage = window + Int(boot.pointee.free[largest].base)
    self.window = window
    sections = storage.bindMemory(to: FrameSection.self, capacity: sectionTotal)
    sectionCount = sectionTotal
    recent = sections
    managed = frames
    fixed = max(boot.pointee.totalMemory >> 12, frames) &- frames
    free = frames &- own
    metadata = own
    userFloor = min(frames / 16, 1024)
    serviceFloor = min(frames / 256, 32)

    var records = (storage + Int(sectionBytes)).bindMemory(to: FrameRecord.self, capacity: Int(frames))
    var at = 0
    for index in 0..<rangeCount {
      var first = boot.pointee.free[index].base >> 12
      var left = boot.pointee.free[index].length >> 12
      var taken = index == largest ? own : 0
      while left > 0 {
        let count = min(left, FrameSection.limit)
        let used = min(count, taken)
        sections[at] = FrameSection(first: first, count: UInt32(count), touched: UInt32(used), records: records)
        for own in 0..<Int(used) { records[own] = FrameRecord(kind: .metadata) }
        taken &-= used
        first &+= count
        left &-= count
        records += Int(count)
        at &+= 1
      }
    }
  }

  /// The frame's bytes.
  @inline(__always) func bytes(_ frame: Frame) -> UnsafeMutableRawPointer { window + Int(truncatingIfNeeded: frame.address) }
  /// The frame as a page table.
  @inline(__always) func words(_ frame: Frame) -> UnsafeMutablePointer<UInt64> {
    bytes(frame).assumingMemoryBound(to: UInt64.self)
  }
  /// The frame that a pointer into the window lies in.
  @inline(__always) func frame(of pointer: UnsafeRawPointer) -> Frame {
    Frame(address: UInt64(UInt(bitPattern: pointer) &- UInt(bitPattern: window)))
  }

  /// The frame's record; nil if it is not VM's.
  @inline(__always) mutating func record(_ frame: Frame) -> UnsafeMutablePointer<FrameRecord>? {
    let offset = frame.number &- recent.pointee.first
    if offset < UInt64(recent.pointee.count) { return recent.pointee.records + Int(truncatingIfNeeded: offset) }
    return search(frame)
  }

  @inline(never) private mutating func search(_ frame: Frame) -> UnsafeMutablePointer<FrameRecord>? {
    var low = 0
    var high = sectionCount
    while low < high {
      let middle = (low &+ high) >> 1
      let section = sections + middle
      if frame.number < section.pointee.first {
        high = middle
      } else if frame.number >= section.pointee.end {
        low = middle &+ 1
      } else {
        recent = section
        return section.pointee.records + Int(truncatingIfNeeded: frame.number &- section.pointee.first)
      }
    }
    return nil
  }

  /// Of a frame that VM handed out itself.
  @inline(__always) mutating func owned(_ frame: Frame) -> UnsafeMutablePointer<FrameRecord> {
    record(frame).unsafelyUnwrapped
  }
}
