import PageTable

// A program that touches its memory from low to high gets several pages with one fault (V87). How many depends on what
// it did last: the first fault that comes right behind what the last one brought doubles the number, up to 16; any other
// begins again with one page. So memory that is touched here and there costs what is touched.
extension VirtualMemory {
  /// The most pages that one fault brings.
  static var aroundLimit: UInt64 { 16 }

  /// After a fault brought the page at `page`: those behind it that are likely to be touched next. Never beyond the region, the leaf
  /// table or a page that is there already, and only of memory that nobody will miss. It is one fault and counts as one (V25).
  @inline(__always) mutating func fetchNeighbours(_ space: Space.Pointer, _ region: Region.Pointer, _ page: UInt64) {
    if region.pointee.type.isFile { return showNeighbours(space, region, page) }
    guard region.pointee.type == .anonymous else { return }
    let number = UInt32(truncatingIfNeeded: page >> Page.shift)
    var window: UInt64 = 1
    if region.pointee.advice != .random {
      if number == region.pointee.expected {
        window = min(UInt64(region.pointee.window) &* 2, Self.aroundLimit)
      } else if region.pointee.advice == .sequential {
        window = Self.aroundLimit
      }
    }
    region.pointee.window = UInt8(truncatingIfNeeded: window)
    region.pointee.expected = number &+ 1
    if window > 1 { region.pointee.expected &+= fill(space, region, behind: page, window &- 1) }
  }

  /// Of a file those of the aligned 16 pages around the touched one that the cache has: a program that was read before costs few
  /// faults. Never beyond the region or the end of the file; nothing is read for it, and no memory needed. Nobody has written
  /// to them yet, so all are read-only.
  @inline(never) private mutating func showNeighbours(_ space: Space.Pointer, _ region: Region.Pointer, _ page: UInt64) {
    guard region.pointee.advice != .random, let file = file(region), let touched = leaf(space, page) else { return }
    // 16 pages lie in one leaf table.
    let low = page & ~(Self.aroundLimit << 12 &- 1)
    let start = max(low, region.pointee.start)
    let end = min(low &+ Self.aroundLimit << 12, region.pointee.end)
    let last = Page.up(file.pointee.size) >> 12
    let flags = LeafEntry.flags(region)
    var at = start
    while at < end {
      let index = region.pointee.page(at: at)
      guard index < last else { return }
      let slot = touched + (Int(truncatingIfNeeded: at >> 12) &- Int(truncatingIfNeeded: page >> 12))
      if slot.pointee == 0, let frame = frames.cached(file, index) { set(slot, frame, flags) }
      at &+= Page.size
    }
  }

  /// Returns how many pages came.
  @inline(never) private mutating func fill(_ space: Space.Pointer, _ region: Region.Pointer, behind page: UInt64, _ wanted: UInt64) -> UInt32 {
    let tableEnd = (page | (Page.large &- 1)) &+ 1
    let room = (min(region.pointee.end, tableEnd) &- page) >> Page.shift &- 1
    guard let first = leaf(space, page) else { return 0 }
    let flags = LeafEntry.flags(region) | (LeafEntry.isWritable(region) ? PageEntry.writable : 0)
    let count = Int(truncatingIfNeeded: frames.reserveSpare(min(wanted, room), space.pointee.claim))
    var index = 0
    while index < count, first[index &+ 1] == 0 { index &+= 1 }
    use(first + 1, index)
    for at in 1..<index &+ 1 {
      first[at] = PageEntry(frame: frames.takeZeroed(.user, count: 1).address, flags: flags).raw
    }
    return UInt32(truncatingIfNeeded: index)
  }
}
