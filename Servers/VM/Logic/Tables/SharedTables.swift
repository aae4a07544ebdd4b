import PageTable

// Fork gives the child the parent's tables, not copies of what is in them: it costs the same for few pages and for
// many (V94). The MMU takes the right to write from all levels, so a directory entry that lacks it guards all pages
// below; the entries of a shared table stay as they are. Whoever changes one first gets a copy of the tables on the
// way to it, and of no others.
//
// What holds at all times:
// - The count of a table is the number of directory entries that lead to it; that of a frame is the number of leaf
//   entries in distinct tables, and one for an object. So what a shared table leads to counts once.
// - A directory entry allows writing only if its table's count is 1. It may lack the right though it could have it:
//   the others are gone, and the next write through it brings it back.
// - A leaf entry of private memory allows writing only if its frame's count is 1.

enum DirectoryEntry {
  /// Of a table that this space alone shows: leaf entries decide.
  static var own: UInt64 { PageEntry.present | PageEntry.writable | PageEntry.user }

  /// The end of a range as directories see it: nothing is above the last user page, so a range that ends there covers
  /// its tables to their ends.
  static func end(_ range: PageRange) -> UInt64 { range.end == AddressSpace.userEnd ? AddressSpace.userEnd &+ Page.size : range.end }
}

extension VirtualMemory {
  /// Whether more than one directory entry leads to a table.
  @inline(__always) mutating func isShared(_ table: Frame) -> Bool { frames.owned(table).pointee.count > 1 }

  /// Shows in `child`, which is empty, all that `parent` shows, and takes from both the right to write until they ask
  /// for it. Returns whether the parent had it. Its cost follows the top table, 512 GiB an entry.
  mutating func shareTables(_ parent: Space.Pointer, _ child: Space.Pointer) -> Bool {
    let from = frames.words(parent.pointee.root)
    let to = frames.words(child.pointee.root)
    var seen = false
    var index = nextUsed(parent.pointee.root, 0)
    while index < Page.entries {
      let entry = PageEntry(raw: from[index])
      frames.owned(Frame(address: entry.frame)).pointee.count &+= 1
      if entry.isWritable { seen = true }
      from[index] = entry.raw & ~PageEntry.writable
      to[index] = from[index]
      index = nextUsed(parent.pointee.root, index &+ 1)
    }
    let record = frames.owned(parent.pointee.root).pointee
    let copy = frames.owned(child.pointee.root)
    copy.pointee.entries = record.entries
    copy.pointee.lines = record.lines
    return seen
  }

  /// Makes the table that a directory entry leads to the space's own; if it is shared, by a copy in a reserved frame. The
  /// table that the entry is in must be the space's own.
  @inline(__always) mutating func own(_ slot: UnsafeMutablePointer<UInt64>) -> Frame {
    let entry = PageEntry(raw: slot.pointee)
    if entry.isWritable { return Frame(address: entry.frame) }
    return regain(slot, Frame(address: entry.frame))
  }

  @inline(never) private mutating func regain(_ slot: UnsafeMutablePointer<UInt64>, _ table: Frame) -> Frame {
    let own = isShared(table) ? copyTable(table) : table
    slot.pointee = PageEntry(frame: own.address, flags: DirectoryEntry.own).raw
    return own
  }

  /// Takes a share of a table and makes a table of it. All that the entries lead to has one owner more, so private
  /// pages and tables are writable in neither; nobody could write through the shared one, so nothing is to be flushed
  /// for that.
  private mutating func copyTable(_ table: Frame) -> Frame {
    let copy = frames.take(.table)
    frames.bytes(copy).copyMemory(from: frames.bytes(table), byteCount: 4096)
    let record = frames.owned(table)
    record.pointee.count &-= 1
    var lines = record.pointee.lines
    frames.owned(copy).pointee.count = 1
    frames.owned(copy).pointee.entries = record.pointee.entries
    frames.owned(copy).pointee.lines = lines
    let from = frames.words(table)
    let to = frames.words(copy)
    while lines != 0 {
      let first = lines.trailingZeroBitCount &<< 3
      lines &= lines &- 1
      for index in first..<first &+ 8 where from[index] != 0 {
        guard let target = frames.record(Frame(address: PageEntry(raw: from[index]).frame)) else { continue }
        target.pointee.count &+= 1
        if target.pointee.shared == 0 {
          from[index] &= ~PageEntry.writable
          to[index] = from[index]
        }
      }
    }
    return copy
  }

  // MARK: Ranges

  /// The usual case in one walk: the range is below one leaf table, and all tables on the way to it are the space's own.
  @inline(__always) private func isOwn(_ space: Space.Pointer, _ range: PageRange) -> Bool {
    range.isInOneTable && place(of: range.start, in: space).isOwn
  }

  /// Makes all tables in `range` the space's own. Returns whether any was not. `sharedTables` are reserved.
  mutating func own(_ space: Space.Pointer, _ range: PageRange) -> Bool {
    own(space.pointee.root, level: 4, range)
  }

  private mutating func own(_ table: Frame, level: UInt64, _ range: PageRange) -> Bool {
    var changed = false
    var walk = DirectoryWalk(range, level: level)
    while let index = next(&walk, table) {
      let slot = frames.words(table) + index
      if !PageEntry(raw: slot.pointee).isWritable { changed = true }
      let frame = own(slot)
      if level > 2, own(frame, level: level &- 1, walk.part(index)) { changed = true }
    }
    return changed
  }

  /// How many tables in `range` others show too.
  mutating func sharedTables(_ space: Space.Pointer, _ range: PageRange) -> UInt64 {
    if isOwn(space, range) { return 0 }
    return sharedTables(space.pointee.root, level: 4, range, false)
  }

  private mutating func sharedTables(_ table: Frame, level: UInt64, _ range: PageRange, _ above: Bool) -> UInt64 {
    var count: UInt64 = 0
    var walk = DirectoryWalk(range, level: level)
    while let index = next(&walk, table) {
      let frame = Frame(address: PageEntry(raw: frames.words(table)[index]).frame)
      let shared = above || isShared(frame)
      if shared { count &+= 1 }
      if level > 2 { count &+= sharedTables(frame, level: level &- 1, walk.part(index), shared) }
    }
    return count
  }

  /// How many frames `clear` takes: it copies shared tables of which it empties a part, at most the three on the way to
  /// either end of the range.
  mutating func cost(ofClearing range: PageRange, in space: Space.Pointer) -> UInt64 {
    if isOwn(space, range) { return 0 }
    return costOfClearing(PageRange(start: range.start, end: DirectoryEntry.end(range)), space.pointee.root, level: 4, false)
  }

  private mutating func costOfClearing(_ range: PageRange, _ table: Frame, level: UInt64, _ above: Bool) -> UInt64 {
    var count: UInt64 = 0
    let walk = DirectoryWalk(range, level: level)
    var index = walk.index
    while true {
      let entry = PageEntry(raw: frames.words(table)[index])
      let part = walk.part(index)
      let frame = Frame(address: entry.frame)
      if entry.raw != 0, part.end &- part.start != walk.span {
        let shared = above || isShared(frame)
        if !shared || hasPages(frame, level: level &- 1, part) {
          if shared { count &+= 1 }
          if level > 2 { count &+= costOfClearing(part, frame, level: level &- 1, shared) }
        }
      }
      if index == walk.last { return count }
      index = walk.last
    }
  }

  /// Whether a table leads to any page in `range`.
  mutating func hasPages(_ table: Frame, level: UInt64, _ range: PageRange) -> Bool {
    var walk = DirectoryWalk(range, level: level)
    while let index = next(&walk, table) {
      if level == 1 { return true }
      if hasPages(Frame(address: PageEntry(raw: frames.words(table)[index]).frame), level: level &- 1, walk.part(index)) { return true }
    }
    return false
  }

  private mutating func next(_ walk: inout DirectoryWalk, _ table: Frame) -> Int? {
    let index = nextUsed(table, walk.index)
    walk.index = index &+ 1
    return index <= walk.last ? index : nil
  }
}

extension PageRange {
  /// Whether one leaf table has all of it.
  var isInOneTable: Bool { (start ^ (end &- 1)) < Page.large }
}

/// The entries of a directory that a range touches, and how much of the range is in each.
private struct DirectoryWalk {
  let range: PageRange
  let base: UInt64
  /// Bytes that an entry covers.
  let span: UInt64
  var index: Int
  let last: Int

  init(_ range: PageRange, level: UInt64) {
    self.range = range
    span = 1 &<< (3 &+ 9 &* level)
    base = range.start & ~(span &<< 9 &- 1)
    index = Page.index(range.start, level: level)
    last = Page.index(range.end &- 1, level: level)
  }

  func part(_ index: Int) -> PageRange {
    let from = base &+ UInt64(index) &* span
    return PageRange(start: max(from, range.start), end: min(from &+ span, range.end))
  }
}
