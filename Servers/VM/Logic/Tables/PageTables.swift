import IPC
import PageTable
import Protocols

// Page tables in the MMU's own format (Intel SDM vol. 3, 4.5), edited through the window. A table counts its
// entries in use in its frame's record, so that the last one to go takes the table with it. Only user addresses
// come here: the upper half of a root is the kernel's (V46, V47). Spaces may show the same table (SharedTables.swift);
// whoever changes an entry makes sure first that the table is the space's own: `makeLeaf`, `clear` and `protect` do.

enum LeafEntry {
  /// A page of a region without any access: the frame is kept, the MMU does not see it. A bit that the MMU ignores.
  static var parked: UInt64 { 1 << 9 }

  /// All bits of a leaf but frame and `writable`.
  static func flags(_ region: Region.Pointer) -> UInt64 {
    let protection = UInt32(region.pointee.protection)
    var flags = protection == VM.Protection.none ? parked : PageEntry.present
    flags |= PageEntry.user
    if protection & VM.Protection.execute == 0 { flags |= PageEntry.noExecute }
    switch UInt32(region.pointee.cache) {
    case VM.MemoryType.uncacheable: flags |= PageEntry.cacheDisable | PageEntry.writeThrough
    case VM.MemoryType.writeCombining: flags |= PageEntry.pat  // slot 4 (V16)
    default: break
    }
    return flags
  }

  static func isWritable(_ region: Region.Pointer) -> Bool { UInt32(region.pointee.protection) & VM.Protection.write != 0 }
}

extension VirtualMemory {
  /// The leaf entry for `address`, to look at; nil if a table on the way is missing.
  @inline(__always) func leaf(_ space: Space.Pointer, _ address: UInt64) -> UnsafeMutablePointer<UInt64>? {
    place(of: address, in: space).slot
  }

  /// A leaf entry as the MMU comes to it.
  struct LeafPlace {
    /// Nil if a table on the way is missing.
    var slot: UnsafeMutablePointer<UInt64>?
    /// The directory entries on the way allow writing: then all these tables are the space's own.
    var isOwn: Bool
  }

  @inline(__always) func place(of address: UInt64, in space: Space.Pointer) -> LeafPlace {
    var table = frames.words(space.pointee.root)
    var rights = PageEntry.writable
    var level: UInt64 = 4
    while level > 1 {
      let entry = PageEntry(raw: table[Page.index(address, level: level)])
      guard entry.raw != 0 else { return LeafPlace(slot: nil, isOwn: rights != 0) }
      rights &= entry.raw
      table = frames.words(Frame(address: entry.frame))
      level &-= 1
    }
    return LeafPlace(slot: table + Page.index(address, level: 1), isOwn: rights != 0)
  }

  /// How many frames `makeLeaf` will take: for tables that are missing, and for copies of those that others show too.
  mutating func missingTables(_ space: Space.Pointer, _ address: UInt64) -> UInt64 {
    var table = frames.words(space.pointee.root)
    var level: UInt64 = 4
    while level > 1 {
      let entry = PageEntry(raw: table[Page.index(address, level: level)])
      // What a shared table leads to is shared as well.
      guard entry.raw != 0, entry.isWritable || !isShared(Frame(address: entry.frame)) else { return level &- 1 }
      table = frames.words(Frame(address: entry.frame))
      level &-= 1
    }
    return 0
  }

  /// The leaf entry for `address`, to be changed: missing tables are made, shared ones copied, of reserved frames.
  mutating func makeLeaf(_ space: Space.Pointer, _ address: UInt64) -> UnsafeMutablePointer<UInt64> {
    var frame = space.pointee.root
    var level: UInt64 = 4
    while level > 1 {
      let slot = frames.words(frame) + Page.index(address, level: level)
      if slot.pointee == 0 {
        let table = frames.takeZeroed(.table, count: 1)
        use(frame, slot)
        slot.pointee = PageEntry(frame: table.address, flags: DirectoryEntry.own).raw
        frame = table
      } else {
        frame = own(slot)
      }
      level &-= 1
    }
    return frames.words(frame) + Page.index(address, level: 1)
  }

  /// An entry of a table that was empty is about to be filled.
  @inline(__always) private mutating func use(_ table: Frame, _ slot: UnsafeMutablePointer<UInt64>) {
    let record = frames.owned(table)
    record.pointee.entries &+= 1
    record.pointee.lines |= 1 &<< ((UInt64(UInt(bitPattern: slot)) >> 6) & 63)
  }

  /// The same for `count` entries of a table from `slot` on.
  mutating func use(_ slot: UnsafeMutablePointer<UInt64>, _ count: Int) {
    guard count > 0 else { return }
    let record = frames.owned(frames.frame(of: slot))
    record.pointee.entries &+= UInt16(truncatingIfNeeded: count)
    let first = (UInt64(UInt(bitPattern: slot)) >> 6) & 63
    let last = (UInt64(UInt(bitPattern: slot + (count &- 1))) >> 6) & 63
    for line in first..<last &+ 1 { record.pointee.lines |= 1 &<< line }
  }

  /// Fills an empty leaf entry; the frame has a mapping more (V68).
  @inline(__always) mutating func set(_ slot: UnsafeMutablePointer<UInt64>, _ frame: Frame, _ flags: UInt64) {
    use(frames.frame(of: slot), slot)
    slot.pointee = PageEntry(frame: frame.address, flags: flags).raw
    frames.retain(frame)
  }

  /// The first entry in use from `index` on; 512 if there is none.
  @inline(__always) mutating func nextUsed(_ table: Frame, _ index: Int) -> Int {
    guard index < Page.entries else { return Page.entries }
    let entries = frames.words(table)
    var at = index
    var lines = frames.owned(table).pointee.lines &>> UInt64(at &>> 3)
    while lines != 0 {
      if lines & 1 != 0 {
        let end = (at | 7) &+ 1
        while at < end {
          if entries[at] != 0 { return at }
          at &+= 1
        }
      } else {
        at = (at | 7) &+ 1
      }
      lines &>>= 1
      let skip = lines.trailingZeroBitCount
      if skip < 64 {
        at &+= skip &<< 3
        lines &>>= UInt64(skip)
      }
    }
    return Page.entries
  }

  /// Takes all pages in `range` out, and tables that become empty. Returns whether the MMU could have seen any, so
  /// that the range must be flushed before `settle`. Cannot fail: what `cost(ofClearing:)` says is reserved.
  mutating func clear(_ space: Space.Pointer, _ range: PageRange) -> Bool {
    if range.isInOneTable {
      // Mostly a few pages of a table that stays: no need to come down through all levels.
      let place = place(of: range.start, in: space)
      guard let slot = place.slot else { return false }
      if place.isOwn {
        let table = frames.frame(of: slot)
        let seen = clear(table, level: 1, range)
        if frames.owned(table).pointee.entries != 0 { return seen }
        _ = clear(space.pointee.root, level: 4, range)
        return seen
      }
    }
    return clear(space.pointee.root, level: 4, PageRange(start: range.start, end: DirectoryEntry.end(range)))
  }

  private mutating func clear(_ table: Frame, level: UInt64, _ range: PageRange) -> Bool {
    let entries = frames.words(table)
    let shift = 3 &+ 9 &* level
    var seen = false
    var gone: UInt16 = 0
    let last = Int(truncatingIfNeeded: (range.end &- 1) &>> shift) & 511
    // What the table covers begins here; of its first and last entry only a part may be meant.
    let base = range.start & ~((1 &<< (shift &+ 9)) &- 1)
    var index = nextUsed(table, Int(truncatingIfNeeded: range.start &>> shift) & 511)
    while index <= last {
      let entry = PageEntry(raw: entries[index])
      let frame = Frame(address: entry.frame)
      if level == 1 {
        if entry.isPresent { seen = true }
        entries[index] = 0
        gone &+= 1
        frames.release(frame)
      } else {
        let from = base &+ UInt64(index) &<< shift
        let part = PageRange(start: max(from, range.start), end: min(from &+ 1 &<< shift, range.end))
        var isGone = false
        if entry.isWritable || !isShared(frame) || part.end &- part.start < 1 &<< shift && hasPages(frame, level: level &- 1, part) {
          if !entry.isWritable { seen = true }
          let own = own(entries + index)
          if clear(own, level: level &- 1, part) { seen = true }
          isGone = frames.owned(own).pointee.entries == 0
          if isGone { frames.retire(own) }
        } else if part.end &- part.start == 1 &<< shift {
          // Others show the table: only our share goes, whatever is in it (V94).
          frames.owned(frame).pointee.count &-= 1
          isGone = true
          seen = true
        }
        if isGone {
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
    return seen
  }

  /// Takes one page out of a table that several spaces show, for all of them; the last entry stays, since nobody could take the table
  /// from all. Who shows it must be flushed.
  mutating func clearShared(_ slot: UnsafeMutablePointer<UInt64>) {
    let table = frames.owned(frames.frame(of: slot))
    guard table.pointee.entries > 1 else { return }
    let frame = Frame(address: PageEntry(raw: slot.pointee).frame)
    slot.pointee = 0
    table.pointee.entries &-= 1
    frames.release(frame)
  }

  /// Gives the pages in `range` the access that `region` now allows. Returns whether a translation that the MMU may
  /// hold allows more than the table does now. What `sharedTables` says is reserved.
  mutating func protect(_ space: Space.Pointer, _ range: PageRange, _ region: Region.Pointer) -> Bool {
    let flags = LeafEntry.flags(region)
    let mayWrite = LeafEntry.isWritable(region)
    let inPlace = region.pointee.type.writesInPlace && !region.pointee.type.tellsWrites
    var seen = false
    var cursor = LeafCursor(range)
    let place = place(of: range.start, in: space)
    if range.isInOneTable, place.isOwn {
      guard let slot = place.slot else { return false }
      cursor.table = frames.frame(of: slot)
    } else {
      seen = own(space, range)
    }
    while let slot = next(&cursor, space) {
      let old = PageEntry(raw: slot.pointee)
      // A private page becomes writable at its next write fault, which knows whether it is shared.
      let writable = mayWrite && (inPlace || old.isWritable) ? PageEntry.writable : 0
      slot.pointee = PageEntry(frame: old.frame, flags: flags | writable).raw
      if old.isPresent, slot.pointee != old.raw { seen = true }
    }
    return seen
  }
}
