import BootImage
import IPC
import PageTable
import Protocols

extension VirtualMemory {
  func information() -> VM.Information.Reply {
    // What the cache gives up when asked is free: a reader of files takes no memory from anybody.
    let given = frames.idle &+ frames.nodes &- files.stores.total.nodes
    return VM.Information.Reply(
      total: frames.managed &+ frames.fixed, free: frames.free &+ given, user: frames.user &+ frames.cache &- given, tables: frames.tables,
      metadata: frames.metadata &+ frames.fixed, spaces: UInt32(truncatingIfNeeded: spaces.count),
      regions: UInt32(truncatingIfNeeded: regions.slab.used),
      objects: UInt32(truncatingIfNeeded: objects.slab.used), faults: UInt32(truncatingIfNeeded: faults))
  }

  /// A line of a space's map (V77).
  mutating func regionInformation(_ space: Space.Pointer, from address: UInt64) throws(Errno) -> VM.RegionInformation.Reply {
    guard let region = space.pointee.regions.lowest(above: address) else { throw .noSuchFile }
    var resident: UInt32 = 0
    var shared: UInt32 = 0
    var proportional: UInt64 = 0
    // An object's own hold of a page is no mapping.
    let held: UInt32 = region.pointee.object == nil ? 0 : 1
    // How many spaces show the leaf table that was looked at last.
    var table = UInt64.max
    var spaces: UInt64 = 1
    var cursor = LeafCursor(region.pointee.range)
    while let slot = next(&cursor, space) {
      resident &+= 1
      let frame = Frame(address: PageEntry(raw: slot.pointee).frame)
      if cursor.isShared || !isSoleOwner(of: frame) { shared &+= 1 }
      // The archive and devices are not VM's frames: whoever maps them has no memory of its own there.
      guard let record = frames.record(frame) else { continue }
      if cursor.address >> 21 != table { (table, spaces) = (cursor.address >> 21, spacesShowing(space, cursor.address)) }
      proportional &+= Page.size / (UInt64(max(record.pointee.count &- held, 1)) &* spaces)
    }
    return VM.RegionInformation.Reply(
      start: region.pointee.start, end: region.pointee.end, protection: region.pointee.protection, kind: region.pointee.kind,
      resident: resident, shared: shared, offset: region.pointee.hasOffset ? region.pointee.first << 12 : 0, name: region.pointee.name,
      flags: region.pointee.shownFlags, proportional: UInt32(truncatingIfNeeded: (proportional &+ 512) >> 10))
  }

  /// How many spaces show the leaf table for `address`: exact unless they share it by tables of several levels that some have
  /// copied since.
  private mutating func spacesShowing(_ space: Space.Pointer, _ address: UInt64) -> UInt64 {
    var table = frames.words(space.pointee.root)
    var level: UInt64 = 4
    var spaces: UInt64 = 1
    while level > 1 {
      let entry = PageEntry(raw: table[Page.index(address, level: level)])
      guard entry.raw != 0 else { return spaces }
      let frame = Frame(address: entry.frame)
      spaces &*= UInt64(max(frames.owned(frame).pointee.count, 1))
      table = frames.words(frame)
      level &-= 1
    }
    return spaces
  }

  /// 48 bytes of the kernel's command line from `offset` on.
  func commandLine(from offset: UInt64) -> VM.CommandLine.Reply {
    let length = min(boot.pointee.commandLineLength, UInt64(BootInformation.commandLineLimit))
    var text: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0)
    withUnsafeMutableBytes(of: &text) { bytes in
      for index in 0..<48 {
        let (at, wraps) = offset.addingReportingOverflow(UInt64(index))
        if !wraps, at < length { bytes[index] = boot.pointee.commandLine[Int(at)] }
      }
    }
    return VM.CommandLine.Reply(text: text)
  }
}

extension Region {
  /// Of private zeroed memory no page has a number.
  fileprivate var hasOffset: Bool { type != .anonymous && type != .lent && type != .unbacked }

  /// `VM.RegionFlags`.
  fileprivate var shownFlags: UInt16 {
    var shown: UInt16 = type.writesInPlace && !type.isPrivate ? VM.RegionFlags.shared : 0
    if has(Region.stack) { shown |= VM.RegionFlags.stack }
    if has(Region.immutable) { shown |= VM.RegionFlags.immutable }
    if has(Region.locked) { shown |= VM.RegionFlags.locked }
    if has(Region.mapped) { shown |= VM.RegionFlags.mapped }
    if type == .lent { shown |= VM.RegionFlags.lent }
    if has(Region.pinned) { shown |= VM.RegionFlags.pinned }
    if advice == .sequential { shown |= VM.RegionFlags.sequential }
    if advice == .random { shown |= VM.RegionFlags.random }
    return shown
  }
}
