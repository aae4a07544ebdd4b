import IPC
import PageTable
import Protocols

// mmap, munmap, mprotect. Each checks everything, reserves what it may need, and only then changes anything: a call
// happens whole or not at all (M-A7, V56; S4, R3, R4).
extension VirtualMemory {
  /// VM's form of PROT_*: what x86 can do, writing or executing includes reading. `.accessDenied` for memory that
  /// would be writable and executable (SEC14).
  static func access(_ protection: UInt32) throws(Errno) -> UInt32 {
    guard protection <= 7 else { throw .invalidArgument }
    let both = VM.Protection.write | VM.Protection.execute
    guard protection & both != both else { throw .accessDenied }
    return protection == 0 ? 0 : protection | VM.Protection.read
  }

  mutating func mmap<K: Transport>(_ space: Space.Pointer, _ call: VM.MMap, _ ipc: inout K) throws(Errno) -> UInt64 {
    let sharing = call.flags & (VM.Flags.shared | VM.Flags.private)
    guard call.length > 0, sharing == VM.Flags.shared || sharing == VM.Flags.private,
      call.flags & VM.Flags.anonymous != 0
    else { throw .invalidArgument }
    let access = try Self.access(call.protection)
    guard call.length <= AddressSpace.userEnd else { throw .noMemory }
    let length = Page.up(call.length)
    // What can never be there is refused now rather than by a signal later (M-C3).
    if access != 0 { guard length >> 12 <= frames.managed else { throw .noMemory } }

    let isShared = sharing == VM.Flags.shared
    let claim = space.pointee.claim
    let range = try range(for: call, in: space, length)
    let isLocked = space.pointee.locksFuture || call.flags & VM.Flags.locked != 0
    try admit(space, range.pages, data: !isShared && access & VM.Protection.write != 0, locked: isLocked, replacing: range)
    try regions.reserve(1 &+ pieces(space, range), &frames, claim)
    if isShared { try objects.reserve(1, &frames, claim) }

    // Nothing fails from here on.
    remove(space, range, &ipc)
    let all = VM.Protection.read | VM.Protection.write | VM.Protection.execute
    var region = Region(range, isShared ? .shared : .anonymous, kind: VM.RegionKind.anonymous, protection: access, allowed: all)
    region.flags = Region.mapped
    if call.flags & (VM.Flags.stack | VM.Flags.growsDown) != 0 { region.flags |= Region.stack }
    if isLocked { region.flags |= Region.locked }
    if isShared {
      region.object = objects.take(MemoryObject(pages: range.pages, root: Frame(number: 0)))
    }
    space.pointee.regions.insert(regions.take(region))
    merge(space, range)
    if isLocked || call.flags & VM.Flags.populate != 0 { populate(space, range, &ipc) }
    return range.start
  }

  /// Where a mapping goes.
  mutating func range(for call: VM.MMap, in space: Space.Pointer, _ length: UInt64) throws(Errno) -> PageRange {
    if call.flags & (VM.Flags.fixed | VM.Flags.fixedNoReplace) != 0 { return try fixedRange(space, call, length) }
    return try freeRange(space, hint: call.address, length)
  }

  /// The range that MAP_FIXED names; 0 is an address like any other, and refused like any below `userStart` (S6).
  private mutating func fixedRange(_ space: Space.Pointer, _ call: VM.MMap, _ length: UInt64) throws(Errno) -> PageRange {
    guard call.address & (Page.size &- 1) == 0 else { throw .invalidArgument }
    guard call.address >= AddressSpace.userStart else { throw .notPermitted }
    guard let range = PageRange(covering: call.address, length) else { throw .noMemory }
    guard !range.overlaps(.stub) else { throw .notPermitted }
    if call.flags & VM.Flags.fixedNoReplace != 0 {
      guard space.pointee.regions.first(in: range) == nil else { throw .fileExists }
    } else {
      try checkRemovable(space, range)
      try reserveClearing(space, range)
    }
    return range
  }

  /// The range at the hint if it is free with a page on either side, else anywhere (V38).
  private func freeRange(_ space: Space.Pointer, hint: UInt64, _ length: UInt64) throws(Errno) -> PageRange {
    let start = Page.down(hint)
    if start > AddressSpace.userStart, let wide = PageRange(covering: start &- Page.size, length &+ 2 &* Page.size),
      !wide.overlaps(.stub), space.pointee.regions.first(in: wide) == nil
    {
      return PageRange(start: start, end: start &+ length)
    }
    return try freeRoom(space, length)
  }

  mutating func munmap<K: Transport>(_ space: Space.Pointer, _ call: VM.MUnmap, _ ipc: inout K) throws(Errno) {
    let hole = try Self.range(call.address, call.length)
    try checkRemovable(space, hole)
    try regions.reserve(pieces(space, hole), &frames, space.pointee.claim)
    try reserveClearing(space, hole)
    remove(space, hole, &ipc)
  }

  mutating func mprotect<K: Transport>(_ space: Space.Pointer, _ call: VM.MProtect, _ ipc: inout K) throws(Errno) {
    guard call.address & (Page.size &- 1) == 0 else { throw .invalidArgument }
    if call.length == 0 { return }
    let access = try Self.access(call.protection)
    guard let range = PageRange(covering: call.address, call.length) else { throw .noMemory }
    // No hole, and each region lets itself be changed (V55); none changes unless all do (R3).
    var at = range.start
    var link = space.pointee.regions.first(in: range)
    while let region = link {
      guard region.pointee.start <= at else { throw .noMemory }
      guard region.pointee.isMovable else { throw .notPermitted }
      guard UInt32(region.pointee.allowed) & access == access else { throw .accessDenied }
      at = region.pointee.end
      link = space.pointee.regions.next(region, in: range)
    }
    guard at >= range.end else { throw .noMemory }
    try checkUnpinned(space, range)
    if access & VM.Protection.write != 0 { try admitWritable(space, range) }
    try regions.reserve(2, &frames, space.pointee.claim)
    try frames.reserve(sharedTables(space, range), space.pointee.claim)

    // Nothing fails from here on.
    var seen = false
    split(space, range)
    link = space.pointee.regions.first(in: range)
    while let region = link {
      link = space.pointee.regions.next(region, in: range)
      if UInt32(region.pointee.protection) == access { continue }
      space.pointee.regions.change(region) { $0.protection = UInt8(access) }
      if protect(space, region.pointee.range, region) { seen = true }
    }
    if seen { flush(space, range, &ipc) }
    merge(space, range)
  }

  // MARK: Parts

  /// The range of munmap: POSIX wants the address aligned and the length not zero (M-B1, M-B7).
  static func range(_ address: UInt64, _ length: UInt64) throws(Errno) -> PageRange {
    guard address & (Page.size &- 1) == 0, length > 0, let range = PageRange(covering: address, length) else {
      throw .invalidArgument
    }
    return range
  }

  /// `.notPermitted` if anything in `range` was not made by mmap (image, heap, first stack, stub: V37) or is
  /// immutable (V52).
  func checkMapped(_ space: Space.Pointer, _ range: PageRange) throws(Errno) {
    var link = space.pointee.regions.first(in: range)
    while let region = link {
      guard region.pointee.isMovable else { throw .notPermitted }
      link = space.pointee.regions.next(region, in: range)
    }
  }

  /// Whether what is in `range` may go: `.notPermitted` as above, `.busy` if a borrower has pinned any of it (R4).
  func checkRemovable(_ space: Space.Pointer, _ range: PageRange) throws(Errno) {
    try checkMapped(space, range)
    try checkUnpinned(space, range)
  }

  /// How many regions `remove` needs: one if the hole is inside a region.
  func pieces(_ space: Space.Pointer, _ hole: PageRange) -> UInt64 {
    guard let region = space.pointee.regions.find(hole.start) else { return 0 }
    return region.pointee.start < hole.start && region.pointee.end > hole.end ? 1 : 0
  }

  /// Frames for the tables that `remove` copies since a part of them stays.
  mutating func reserveClearing(_ space: Space.Pointer, _ hole: PageRange) throws(Errno) {
    try frames.reserve(cost(ofClearing: hole, in: space), space.pointee.claim)
  }

  /// Empties `hole`, whatever lies there: heads, tails, middles, several regions, nothing (M-B1, S7, S8). `pieces`
  /// and `reserveClearing` are reserved. Cannot fail.
  mutating func remove<K: Transport>(_ space: Space.Pointer, _ hole: PageRange, _ ipc: inout K) {
    var link = space.pointee.regions.first(in: hole)
    guard link != nil else { return }
    if space.pointee.trapStack.overlaps(hole) { forgetTrapStack(space, &ipc) }
    // Out of the tree first, then out of the tables; the frames are free only after the flush (V28, M-B9).
    while let region = link {
      link = space.pointee.regions.next(region, in: hole)
      let isHead = region.pointee.start < hole.start
      let isTail = region.pointee.end > hole.end
      if isHead {
        if isTail { cut(space, region, hole.end) }
        space.pointee.regions.resize(region, start: region.pointee.start, end: hole.start)
      } else if isTail {
        region.pointee.first = region.pointee.page(at: hole.end)
        space.pointee.regions.resize(region, start: hole.end, end: region.pointee.end)
      } else {
        space.pointee.regions.remove(region)
        drop(region)
      }
    }
    if clear(space, hole) { flush(space, hole, &ipc) }
  }

  /// Makes `range` begin and end at borders of regions. Two regions are reserved.
  mutating func split(_ space: Space.Pointer, _ range: PageRange) {
    if let region = space.pointee.regions.find(range.start), region.pointee.start < range.start { cut(space, region, range.start) }
    if let region = space.pointee.regions.find(range.end), region.pointee.start < range.end { cut(space, region, range.end) }
  }

  /// Divides a region: the upper part shows the object from its own page on (V34, V35).
  private mutating func cut(_ space: Space.Pointer, _ region: Region.Pointer, _ address: UInt64) {
    var upper = region.pointee
    upper.start = address
    upper.first = region.pointee.page(at: address)
    retain(upper)
    space.pointee.regions.resize(region, start: region.pointee.start, end: address)
    space.pointee.regions.insert(regions.take(upper))
  }

  /// Joins neighbours that nobody could tell apart, from just before `range` to just after it.
  mutating func merge(_ space: Space.Pointer, _ range: PageRange) {
    var link = space.pointee.regions.lowest(above: range.start &- 1)
    while let region = link, region.pointee.start <= range.end {
      guard let next = space.pointee.regions.next(region) else { return }
      if region.pointee.continues(in: next.pointee) {
        space.pointee.regions.remove(next)
        space.pointee.regions.resize(region, start: region.pointee.start, end: next.pointee.end)
        drop(next)
      } else {
        link = next
      }
    }
  }
}
