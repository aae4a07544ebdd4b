import IPC
import PageTable

extension RegionTree {
  /// The region that `address` is in.
  func find(_ address: UInt64) -> Region.Pointer? {
    var at = root
    while let here = at {
      if address < here.pointee.start {
        at = here.pointee.left
      } else if address >= here.pointee.end {
        at = here.pointee.right
      } else {
        return here
      }
    }
    return nil
  }

  /// The lowest region that ends above `address`.
  func lowest(above address: UInt64) -> Region.Pointer? {
    var at = root
    var best: Link = nil
    while let here = at {
      if address < here.pointee.end {
        best = here
        at = here.pointee.left
      } else {
        at = here.pointee.right
      }
    }
    return best
  }

  /// The region after `node`.
  func next(_ node: Region.Pointer) -> Region.Pointer? {
    if var at = node.pointee.right {
      while let lower = at.pointee.left { at = lower }
      return at
    }
    var child = node
    while let parent = child.pointee.parent {
      if parent.pointee.left == child { return parent }
      child = parent
    }
    return nil
  }

  /// The first region that overlaps `range`.
  func first(in range: PageRange) -> Region.Pointer? {
    guard let region = lowest(above: range.start), region.pointee.start < range.end else { return nil }
    return region
  }

  /// The region after `node` if it overlaps `range` too.
  func next(_ node: Region.Pointer, in range: PageRange) -> Region.Pointer? {
    guard let region = next(node), region.pointee.start < range.end else { return nil }
    return region
  }

  // MARK: Placing

  /// The lowest free range of `length` bytes within `bounds`, with a free page on either side, at a multiple of
  /// `alignment`; chooses only, the caller inserts at once (V38, V41).
  func placeAnywhere(_ length: UInt64, alignment: UInt64 = Page.size, in bounds: PageRange) throws(Errno) -> PageRange {
    guard length > 0, alignment >= Page.size, alignment & (alignment &- 1) == 0 else { throw .invalidArgument }
    let (rounded, wraps) = length.addingReportingOverflow(Page.size &- 1)
    let size = Page.down(rounded)
    let guards = 2 &* Page.size
    let (needed, overflows) = size.addingReportingOverflow(guards &+ alignment &- Page.size)
    guard !wraps, !overflows else { throw .overflow }
    guard let gap = Self.gap(needed, root, low: 0, high: UInt64.max, bounds) else { throw .noMemory }
    let start = (gap &+ Page.size &+ alignment &- 1) & ~(alignment &- 1)
    return PageRange(start: start, end: start &+ size)
  }

  /// `length` bytes at exactly `address`: `.fileExists` if there is something.
  func placeSpecifically(_ address: UInt64, _ length: UInt64) throws(Errno) -> PageRange {
    guard length > 0, address & (Page.size &- 1) == 0 else { throw .invalidArgument }
    guard !address.addingReportingOverflow(length).overflow else { throw .overflow }
    guard let range = PageRange(covering: address, length) else { throw .noMemory }
    guard first(in: range) == nil else { throw .fileExists }
    return range
  }

  /// The start of the lowest gap of `size` bytes in `node`'s subtree, which lies between `low` and `high`, within
  /// `bounds`. Descends only where there is such a gap, but for the two paths along the bounds.
  private static func gap(_ size: UInt64, _ node: Link, low: UInt64, high: UInt64, _ bounds: PageRange) -> UInt64? {
    guard low < bounds.end, high > bounds.start else { return nil }
    guard let node else {
      let start = max(low, bounds.start)
      let end = min(high, bounds.end)
      return end > start && end &- start >= size ? start : nil
    }
    let widest = max(node.pointee.subtreeGap, max(node.pointee.subtreeStart &- low, high &- node.pointee.subtreeEnd))
    guard widest >= size else { return nil }
    return gap(size, node.pointee.left, low: low, high: node.pointee.start, bounds)
      ?? gap(size, node.pointee.right, low: node.pointee.end, high: high, bounds)
  }
}
