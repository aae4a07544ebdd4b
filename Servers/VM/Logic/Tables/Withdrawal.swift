import PageTable

// Truncation takes pages from all who map a file, and must not fail. So it does not make tables its own before it changes them, as
// everybody else does: an entry that is in use in a shared table shows the same page of the same file to all who share it,
// since whoever changed his mapping there has a table of his own. What is taken out of it is taken from all of them rightly.
// The caller comes to all of them, so each drops what has become empty, and flushes.
extension VirtualMemory {
  /// Takes the pages in `range`, which all show the file, out of the tables of `space`, also out of those that others show.
  /// Needs no memory.
  mutating func withdraw(_ space: Space.Pointer, _ range: PageRange) {
    withdraw(space.pointee.root, level: 4, range)
  }

  private mutating func withdraw(_ table: Frame, level: UInt64, _ range: PageRange) {
    let entries = frames.words(table)
    let shift = 3 &+ 9 &* level
    let base = range.start & ~((1 &<< (shift &+ 9)) &- 1)
    let last = Page.index(range.end &- 1, level: level)
    var gone: UInt16 = 0
    var index = nextUsed(table, Page.index(range.start, level: level))
    while index <= last {
      let frame = Frame(address: PageEntry(raw: entries[index]).frame)
      if level == 1 {
        frames.release(frame)
        entries[index] = 0
        gone &+= 1
      } else {
        let from = base &+ UInt64(index) &<< shift
        withdraw(frame, level: level &- 1, PageRange(start: max(from, range.start), end: min(from &+ 1 &<< shift, range.end)))
        let record = frames.owned(frame)
        // Empty for the others too; the last of them frees it.
        if record.pointee.entries == 0 {
          record.pointee.count &-= 1
          if record.pointee.count == 0 { frames.retire(frame) }
          entries[index] = 0
          gone &+= 1
        }
      }
      index = nextUsed(table, index &+ 1)
    }
    if gone > 0 {
      let record = frames.owned(table)
      record.pointee.entries &-= gone
      if record.pointee.entries == 0 { record.pointee.lines = 0 }
    }
  }
}
