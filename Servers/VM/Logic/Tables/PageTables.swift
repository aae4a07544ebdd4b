import IPC
import PageTable
import Protocols

// Page tables in the MMU's own format (Intel SDM vol. 3, 4.5), edited through the window. A table counts its
// entries in use in its frame's record, so that the last one to go takes the table with it. Only user addresses
// come here: the upper half of a root is the kernel's (V46, V47).

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
  /// The leaf entry for `address`, nil if a table on the way is missing.
  @inline(__always) func leaf(_ space: Space.Pointer, _ address: UInt64) -> UnsafeMutablePointer<UInt64>? {
    var table = frames.words(space.pointee.root)
    var level: UInt64 = 4
    while level > 1 {
      let entry = PageEntry(raw: table[Page.index(address, level: level)])
      guard entry.raw != 0 else { return nil }
      table = frames.words(Frame(address: entry.frame))
      level &-= 1
    }
    return table + Page.index(address, level: 1)
  }

  /// How many tables `makeLeaf` will need.
  func missingTables(_ space: Space.Pointer, _ address: UInt64) -> UInt64 {
    var table = frames.words(space.pointee.root)
    var level: UInt64 = 4
    while level > 1 {
      let entry = PageEntry(raw: table[Page.index(address, level: level)])
      guard entry.raw != 0 else { return level &- 1 }
      table = frames.words(Frame(address: entry.frame))
      level &-= 1
    }
    return 0
  }

  /// The leaf entry for `address`; missing tables are made of reserved frames.
  mutating func makeLeaf(_ space: Space.Pointer, _ address: UInt64) -> UnsafeMutablePointer<UInt64> {
    var frame = space.pointee.root
    var level: UInt64 = 4
    while level > 1 {
      let slot = frames.words(frame) + Page.index(address, level: level)
      if slot.pointee == 0 {
        let table = frames.takeZeroed(.table)
        space.pointee.tables &+= 1
        frames.owned(frame).pointee.entries &+= 1
        slot.pointee = PageEntry(frame: table.address, flags: PageEntry.present | PageEntry.writable | PageEntry.user).raw
      }
      frame = Frame(address: PageEntry(raw: slot.pointee).frame)
      level &-= 1
    }
    return frames.words(frame) + Page.index(address, level: 1)
  }

  /// Fills an empty leaf entry; the frame has a mapping more (V68).
  @inline(__always) mutating func set(_ slot: UnsafeMutablePointer<UInt64>, _ frame: Frame, _ flags: UInt64) {
    frames.owned(frames.frame(of: slot)).pointee.entries &+= 1
    slot.pointee = PageEntry(frame: frame.address, flags: flags).raw
    frames.retain(frame)
  }

  /// Takes all pages in `range` out, and tables that become empty. Returns whether the MMU could have seen any, so
  /// that the range must be flushed before `settle`. Cannot fail.
  mutating func clear(_ space: Space.Pointer, _ range: PageRange) -> Bool {
    clear(space, space.pointee.root, level: 4, range)
  }

  private mutating func clear(_ space: Space.Pointer, _ table: Frame, level: UInt64, _ range: PageRange) -> Bool {
    let entries = frames.words(table)
    let shift = 3 &+ 9 &* level
    var seen = false
    var gone: UInt16 = 0
    var index = Int(truncatingIfNeeded: range.start &>> shift) & 511
    let last = Int(truncatingIfNeeded: (range.end &- 1) &>> shift) & 511
    // What the table covers begins here; of its first and last entry only a part may be meant.
    let base = range.start & ~((1 &<< (shift &+ 9)) &- 1)
    while index <= last {
      let entry = PageEntry(raw: entries[index])
      if entry.raw != 0 {
        let frame = Frame(address: entry.frame)
        if level == 1 {
          if entry.isPresent { seen = true }
          entries[index] = 0
          gone &+= 1
          frames.release(frame)
        } else {
          let from = base &+ UInt64(index) &<< shift
          let part = PageRange(start: max(from, range.start), end: min(from &+ 1 &<< shift, range.end))
          if clear(space, frame, level: level &- 1, part) { seen = true }
          if frames.owned(frame).pointee.entries == 0 {
            entries[index] = 0
            gone &+= 1
            space.pointee.tables &-= 1
            frames.retire(frame)
          }
        }
      }
      index &+= 1
    }
    if gone > 0 { frames.owned(table).pointee.entries &-= gone }
    return seen
  }

  /// The leaf entry at or above `address`, below `end`, that is in use; `address` moves there. Nil if there is none.
  func nextLeaf(_ space: Space.Pointer, _ address: inout UInt64, _ end: UInt64) -> UnsafeMutablePointer<UInt64>? {
    while address < end {
      var table = frames.words(space.pointee.root)
      var level: UInt64 = 4
      var entry = PageEntry(raw: table[Page.index(address, level: 4)])
      while level > 1, entry.raw != 0 {
        table = frames.words(Frame(address: entry.frame))
        level &-= 1
        entry = PageEntry(raw: table[Page.index(address, level: level)])
      }
      if level == 1 {
        // Stay in this leaf table as long as possible.
        var index = Page.index(address, level: 1)
        while index < Page.entries, address < end {
          if table[index] != 0 { return table + index }
          index &+= 1
          address &+= Page.size
        }
      } else {
        let span: UInt64 = 1 &<< (3 &+ 9 &* level)
        address = (address | (span &- 1)) &+ 1
      }
    }
    return nil
  }

  /// Gives the pages in `range` the access that `region` now allows. Returns whether a translation that the MMU may
  /// hold allows more than the table does now.
  mutating func protect(_ space: Space.Pointer, _ range: PageRange, _ region: Region.Pointer) -> Bool {
    let flags = LeafEntry.flags(region)
    let mayWrite = LeafEntry.isWritable(region)
    let inPlace = region.pointee.type.writesInPlace
    var seen = false
    var address = range.start
    while let slot = nextLeaf(space, &address, range.end) {
      let old = PageEntry(raw: slot.pointee)
      // A private page becomes writable at its next write fault, which knows whether it is shared.
      let writable = mayWrite && (inPlace || old.isWritable) ? PageEntry.writable : 0
      slot.pointee = PageEntry(frame: old.frame, flags: flags | writable).raw
      if old.isPresent, slot.pointee != old.raw { seen = true }
      address &+= Page.size
    }
    return seen
  }
}
