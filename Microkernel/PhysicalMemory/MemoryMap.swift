import BootImage
import PageTable

/// Ranges of RAM: page-aligned, sorted, disjoint, not touching one another, at most 64. Any input gives such a map:
/// what a loader reports is repaired, never believed (V1).
public struct MemoryMap: BitwiseCopyable {
  /// One top-level entry of the linear map: 512 GiB. RAM beyond is not used.
  public static var limit: UInt64 { 1 << 39 }
  public static var capacity: Int { BootInformation.rangeLimit }

  var ranges: InlineArray<64, PhysicalRange>
  public private(set) var count = 0

  public init() { ranges = InlineArray(repeating: PhysicalRange(base: 0, length: 0)) }

  /// Range `index`, 0 ..< count.
  public subscript(index: Int) -> PhysicalRange { ranges[index] }

  /// Bytes in all ranges.
  public var total: UInt64 {
    var sum: UInt64 = 0
    for index in 0..<count { sum &+= ranges[index].length }
    return sum
  }

  /// The first address above all ranges.
  public var end: UInt64 { count == 0 ? 0 : ranges[count - 1].end }

  public func contains(_ base: UInt64, length: UInt64) -> Bool {
    for index in 0..<count where base >= ranges[index].base && base < ranges[index].end { return length <= ranges[index].end - base }
    return false
  }

  /// What had to be done to an input range.
  public struct Repair: BitwiseCopyable, Equatable {
    public var raw: UInt8
    public static var none: Repair { Repair(raw: 0) }
    /// Start rounded up, end rounded down to whole pages.
    public static var rounded: Repair { Repair(raw: 1) }
    /// Less than one page was left.
    public static var dropped: Repair { Repair(raw: 2) }
    /// It overlapped another one.
    public static var merged: Repair { Repair(raw: 4) }
    /// It reached beyond `limit`, or wrapped around.
    public static var clipped: Repair { Repair(raw: 8) }
    /// The table was full: the smallest range gave way.
    public static var displaced: Repair { Repair(raw: 16) }

    public func contains(_ other: Repair) -> Bool { raw & other.raw != 0 }
    mutating func insert(_ other: Repair) { raw |= other.raw }
    public static func == (a: Repair, b: Repair) -> Bool { a.raw == b.raw }
  }

  /// Takes in a range as a loader reports it.
  public mutating func add(base: UInt64, length: UInt64) -> Repair {
    var repair = Repair.none
    var (end, wraps) = base.addingReportingOverflow(length)
    if wraps || end > Self.limit {
      end = Self.limit
      repair.insert(.clipped)
    }
    if base >= end {
      repair.insert(.dropped)
      return repair
    }
    var start = Page.up(base)
    let last = Page.down(end)
    if start != base || last != end { repair.insert(.rounded) }
    if start >= last {
      repair.insert(.dropped)
      return repair
    }
    // Everything that it touches becomes part of it.
    end = last
    var index = 0
    while index < count {
      let other = ranges[index]
      if other.base > end || other.end < start {
        index += 1
        continue
      }
      if other.base < end && start < other.end { repair.insert(.merged) }
      start = min(start, other.base)
      end = max(end, other.end)
      delete(index)
    }
    if !insert(PhysicalRange(base: start, length: end - start)) { repair.insert(.displaced) }
    return repair
  }

  /// Takes out all pages that `base`, `length` touches. False if a range had to be given up for want of room.
  @discardableResult
  public mutating func remove(base: UInt64, length: UInt64) -> Bool {
    guard length > 0 else { return true }
    let start = Page.down(base)
    let (sum, wraps) = base.addingReportingOverflow(length)
    let end = wraps || sum > Self.limit ? Self.limit : Page.up(sum)
    var whole = true
    var index = 0
    while index < count {
      let range = ranges[index]
      if range.base >= end || range.end <= start {
        index += 1
        continue
      }
      delete(index)
      if range.base < start {
        if insert(PhysicalRange(base: range.base, length: start - range.base)) { index += 1 } else { whole = false }
      }
      if range.end > end {
        if insert(PhysicalRange(base: end, length: range.end - end)) { index += 1 } else { whole = false }
      }
    }
    return whole
  }

  /// Takes `length` bytes, whole pages, aligned to `alignment` (a power of two, at least a page), as low as possible
  /// but not below `lowest`. Nil if no range has them.
  public mutating func take(_ length: UInt64, alignment: UInt64 = 4096, lowest: UInt64 = 0) -> UInt64? {
    let size = Page.up(length)
    for index in 0..<count {
      let range = ranges[index]
      let start = (max(range.base, lowest) &+ alignment &- 1) & ~(alignment &- 1)
      guard start >= range.base, start < range.end, range.end - start >= size else { continue }
      return remove(base: start, length: size) ? start : nil
    }
    return nil
  }

  /// Takes the frames of something that a loader put somewhere, so that they are whole pages of its own: where it is,
  /// or elsewhere if it shares a page with others; then the caller moves it there. Nil if there is no room.
  /// - Parameter scratch: overwritten.
  public mutating func takeInPlace(_ range: PhysicalRange, scratch: inout MemoryMap) -> UInt64? {
    let length = Page.up(range.length)
    if range.base & (Page.size - 1) == 0 && contains(range.base, length: length) { return remove(base: range.base, length: length) ? range.base : nil }
    scratch = self
    scratch.remove(base: range.base, length: range.length)
    guard let place = scratch.take(length) else { return nil }
    return remove(base: place, length: length) ? place : nil
  }

  private mutating func delete(_ index: Int) {
    count -= 1
    for place in index..<count { ranges[place] = ranges[place + 1] }
  }

  /// Puts a range in its place. False if one was lost: the smallest of all.
  private mutating func insert(_ range: PhysicalRange) -> Bool {
    var fits = true
    if count == Self.capacity {
      fits = false
      var smallest = 0
      for index in 1..<count where ranges[index].length < ranges[smallest].length { smallest = index }
      if range.length <= ranges[smallest].length { return false }
      delete(smallest)
    }
    var place = count
    while place > 0 && ranges[place - 1].base > range.base {
      ranges[place] = ranges[place - 1]
      place -= 1
    }
    ranges[place] = range
    count += 1
    return fits
  }
}
