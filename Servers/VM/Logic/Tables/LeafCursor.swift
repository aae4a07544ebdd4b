import PageTable

/// A walk over the leaf entries in use in a range of addresses, from low to high. It skips what is empty at every
/// level, so its cost follows the pages that are there.
struct LeafCursor {
  /// Of the entry that `next` found last.
  var address: UInt64
  let end: UInt64
  /// The leaf table that `address` is in, once found.
  var table: Frame?
  fileprivate var isFirst = true
  /// Whether other spaces show that table too: whoever changes the entry needs a table of the space's own first.
  fileprivate(set) var isShared = false

  init(_ range: PageRange) {
    address = range.start
    end = range.end
  }
}

extension VirtualMemory {
  mutating func next(_ cursor: inout LeafCursor, _ space: Space.Pointer) -> UnsafeMutablePointer<UInt64>? {
    if cursor.isFirst {
      cursor.isFirst = false
    } else {
      cursor.address &+= Page.size
      if cursor.address & (Page.large &- 1) == 0 { cursor.table = nil }
    }
    while cursor.address < cursor.end {
      guard let table = cursor.table ?? leafTable(&cursor, space) else { return nil }
      let index = nextUsed(table, Page.index(cursor.address, level: 1))
      let base = cursor.address & ~(Page.large &- 1)
      cursor.address = base &+ UInt64(index) &<< Page.shift
      if index < Page.entries {
        guard cursor.address < cursor.end else { return nil }
        cursor.table = table
        return frames.words(table) + index
      }
      cursor.table = nil
    }
    return nil
  }

  /// The leaf table for the cursor's address, or the next one there is; then the address moves there.
  private mutating func leafTable(_ cursor: inout LeafCursor, _ space: Space.Pointer) -> Frame? {
    var table = space.pointee.root
    var level: UInt64 = 4
    cursor.isShared = false
    while level > 1 {
      let shift = 3 &+ 9 &* level
      let index = Page.index(cursor.address, level: level)
      let used = nextUsed(table, index)
      if used != index {
        // To the next entry in use, or past this table and from the top again.
        let base = cursor.address & ~((1 &<< (shift &+ 9)) &- 1)
        cursor.address = base &+ UInt64(used) &<< shift
        if used == Page.entries {
          guard level < 4, cursor.address < cursor.end else { return nil }
          table = space.pointee.root
          level = 4
          cursor.isShared = false
          continue
        }
        guard cursor.address < cursor.end else { return nil }
      }
      let entry = PageEntry(raw: frames.words(table)[used])
      table = Frame(address: entry.frame)
      if !entry.isWritable, isShared(table) { cursor.isShared = true }
      level &-= 1
    }
    return table
  }
}
