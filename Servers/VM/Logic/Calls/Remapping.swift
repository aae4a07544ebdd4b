import IPC
import PageTable
import Protocols

// mremap(2), with Linux's errors. Pages change their place by their entries; none is copied. No sum here can wrap: both lengths
// are below `AddressSpace.userEnd` before anything is added to them (R7).
extension VirtualMemory {
  private struct Move {
    /// The old range, whole pages; empty: what is shared gets a second place.
    var source: PageRange
    var length: UInt64
    var flags: UInt32
    func has(_ flag: UInt32) -> Bool { flags & flag != 0 }
  }

  mutating func mremap<K: Transport>(_ space: Space.Pointer, _ call: VM.MRemap, _ ipc: inout K) throws(Errno) -> UInt64 {
    let known = VM.Remap.mayMove | VM.Remap.fixed
    guard call.flags & ~known == 0, call.flags != VM.Remap.fixed, call.address & (Page.size &- 1) == 0, call.newLength > 0,
      call.oldLength <= UInt64.max &- Page.size, call.newLength <= UInt64.max &- Page.size
    else { throw .invalidArgument }
    guard call.address >= AddressSpace.userStart, call.address < AddressSpace.userEnd,
      Page.up(call.oldLength) <= AddressSpace.userEnd &- call.address
    else { throw .badAddress }
    let source = PageRange(start: call.address, end: call.address &+ Page.up(call.oldLength))
    let move = Move(source: source, length: Page.up(call.newLength), flags: call.flags)
    if !source.isEmpty { try takeBack(space, source, &ipc) }
    guard let region = space.pointee.regions.find(source.start), region.pointee.type != .unbacked else { throw .badAddress }
    guard region.pointee.isMovable else { throw .notPermitted }
    if !source.isEmpty, move.length > source.end &- source.start {
      // Behind what a borrower or a driver may see there is somebody else's memory.
      guard region.pointee.loan == nil, region.pointee.type != .physical else { throw .badAddress }
      guard region.pointee.type != .lent else { throw .busy }
    }
    if move.has(VM.Remap.fixed) {
      guard call.newAddress & (Page.size &- 1) == 0, move.length <= AddressSpace.userEnd,
        call.newAddress <= AddressSpace.userEnd &- move.length
      else { throw .invalidArgument }
      let target = PageRange(start: call.newAddress, end: call.newAddress &+ move.length)
      guard !target.overlaps(source) else { throw .invalidArgument }
      guard target.start >= AddressSpace.userStart, !target.overlaps(.stub) else { throw .notPermitted }
      try checkRemovable(space, target)
      return try relocate(space, region, move, to: target, &ipc)
    }
    if !source.isEmpty, move.length <= source.pages << 12 {
      try cutTail(space, PageRange(start: source.start &+ move.length, end: source.end), &ipc)
      return source.start
    }
    guard move.length <= AddressSpace.userEnd else { throw .noMemory }
    guard source.end <= region.pointee.end else { throw .badAddress }
    if !source.isEmpty, try grow(space, region, move, &ipc) { return source.start }
    if source.isEmpty { guard region.pointee.canBeShownTwice else { throw .invalidArgument } }
    guard move.has(VM.Remap.mayMove) else { throw .noMemory }
    return try relocate(space, region, move, to: freeRoom(space, move.length), &ipc)
  }

  /// What a shorter length leaves: as munmap has it.
  private mutating func cutTail<K: Transport>(_ space: Space.Pointer, _ tail: PageRange, _ ipc: inout K) throws(Errno) {
    if tail.isEmpty { return }
    try checkRemovable(space, tail)
    try regions.reserve(pieces(space, tail), &frames, space.pointee.claim)
    try reserveClearing(space, tail)
    remove(space, tail, &ipc)
  }

  /// Makes a region longer where it is. False if there is no room; where VM may choose, the page after it stays free (V38).
  private mutating func grow<K: Transport>(_ space: Space.Pointer, _ region: Region.Pointer, _ move: Move, _ ipc: inout K) throws(Errno) -> Bool {
    guard region.pointee.end == move.source.end, move.length <= AddressSpace.userEnd &- move.source.start else { return false }
    let more = PageRange(start: move.source.end, end: move.source.start &+ move.length)
    let room = PageRange(start: more.start, end: move.has(VM.Remap.mayMove) ? more.end &+ Page.size : more.end)
    guard !more.overlaps(.stub), space.pointee.regions.first(in: room) == nil else { return false }
    let isLocked = region.pointee.has(Region.locked)
    try admitGrowth(space, region, more.pages)
    space.pointee.regions.resize(region, start: region.pointee.start, end: more.end)
    merge(space, more)
    if isLocked { populate(space, more, &ipc) }
    return true
  }

  private func admitGrowth(_ space: Space.Pointer, _ region: Region.Pointer, _ pages: UInt64, replacing: PageRange? = nil) throws(Errno) {
    if region.pointee.protection != 0 { guard pages <= frames.managed else { throw .noMemory } }
    try admit(space, pages, data: region.pointee.isData, locked: region.pointee.has(Region.locked), replacing: replacing)
  }

  /// Gives what is in the old range another place. What lies at the new one goes.
  private mutating func relocate<K: Transport>(
    _ space: Space.Pointer, _ region: Region.Pointer, _ move: Move, to target: PageRange, _ ipc: inout K
  ) throws(Errno) -> UInt64 {
    let source = move.source
    let claim = space.pointee.claim
    if source.isEmpty { guard region.pointee.canBeShownTwice else { throw .invalidArgument } }
    // Of a longer old range only the first pages move; the rest is unmapped.
    let kept = PageRange(start: source.start, end: min(source.end, source.start &+ target.pages << 12))
    guard kept.end <= region.pointee.end else { throw .badAddress }
    try checkRemovable(space, source)
    if target.pages > source.pages {
      try admitGrowth(space, region, target.pages &- source.pages, replacing: target)
    }
    let isFixed = move.has(VM.Remap.fixed)
    try regions.reserve(1 &+ pieces(space, source) &+ (isFixed ? pieces(space, target) : 0), &frames, claim)
    try frames.reserve(tables(space, for: kept, at: target.start), claim)
    if !kept.isEmpty { try frames.reserve(sharedTables(space, kept) &+ sharedTables(space, target), claim) }
    try reserveClearing(space, source)
    if isFixed { try reserveClearing(space, target) }

    // Nothing fails from here on.
    var moved = region.pointee
    moved.first = region.pointee.page(at: source.start)
    moved.start = target.start
    moved.end = target.end
    retain(moved)
    if isFixed { remove(space, target, &ipc) }
    if !kept.isEmpty {
      // In tables of our own, so that an entry says truly whether it may be written (V94).
      let wasShared = own(space, kept)
      let targetWasShared = own(space, target)
      moveEntries(space, kept, to: target.start)
      if wasShared { flush(space, kept, &ipc) }
      if targetWasShared { flush(space, target, &ipc) }
      remove(space, source, &ipc)
    }
    space.pointee.regions.insert(regions.take(moved))
    merge(space, target)
    if moved.has(Region.locked) { populate(space, target, &ipc) }
    return target.start
  }

  /// An upper bound of the tables that the entries of `range` need at `target`: where they are missing or will be.
  private mutating func tables(_ space: Space.Pointer, for range: PageRange, at target: UInt64) -> UInt64 {
    if range.isEmpty { return 0 }
    var count: UInt64 = 0
    var last: UInt64?
    var cursor = LeafCursor(range)
    while next(&cursor, space) != nil {
      let address = target &+ (cursor.address &- range.start)
      if let last, last >> 21 == address >> 21 { continue }
      let shared: UInt64 = if let last { last >> 30 == address >> 30 ? 2 : last >> 39 == address >> 39 ? 1 : 0 } else { 0 }
      count &+= 3 &- shared
      last = address
    }
    return count
  }

  /// Both places show the pages then, until the old one is cleared.
  private mutating func moveEntries(_ space: Space.Pointer, _ range: PageRange, to target: UInt64) {
    var cursor = LeafCursor(range)
    while let slot = next(&cursor, space) {
      let entry = PageEntry(raw: slot.pointee)
      let place = makeLeaf(space, target &+ (cursor.address &- range.start))
      set(place, Frame(address: entry.frame), entry.raw & ~PageEntry.frameMask)
    }
  }
}

extension Region {
  /// What an old length of 0 gives a second place.
  fileprivate var canBeShownTwice: Bool { (type == .shared || type == .fileShared) && loan == nil }
}
