import IPC
import PageTable
import Protocols

// Which pages are there: mlock and its like, mincore, and having pages there before they are touched.
extension VirtualMemory {
  /// Has the pages of a range there, fit for what its regions allow: what may be written can be, so that no copy of a page or
  /// of a table is left to be made. Pages without access, and beyond the end of what is mapped, stay out. Throws the
  /// first error, with `lacking` if that is a page that VFS has to bring; what is done then stays, and no program can tell.
  mutating func makeResident<K: Transport>(_ space: Space.Pointer, _ range: PageRange, _ ipc: inout K) throws(Errno) {
    var link = space.pointee.regions.first(in: range)
    while let region = link {
      if region.pointee.protection != 0, region.pointee.type != .unbacked {
        let access = LeafEntry.isWritable(region) ? KernelEvent.PageFault.write : 0
        var page = max(region.pointee.start, range.start)
        let end = min(region.pointee.end, range.end)
        while page < end {
          do throws(Errno) { try resolve(space, page, access, &ipc) } catch {
            if error == .wouldBlock { lacking = page }
            throw error
          }
          page &+= Page.size
        }
      }
      link = space.pointee.regions.next(region, in: range)
    }
  }

  /// Pages of `range` that have no entry.
  mutating func missingPages(_ space: Space.Pointer, _ range: PageRange) -> UInt64 {
    var there: UInt64 = 0
    var cursor = LeafCursor(range)
    while next(&cursor, space) != nil { there &+= 1 }
    return range.pages &- there
  }

  /// `.noMemory` for a hole in `range`; what is only kept free is one.
  func checkCovered(_ space: Space.Pointer, _ range: PageRange) throws(Errno) {
    var at = range.start
    var link = space.pointee.regions.first(in: range)
    while let region = link {
      guard region.pointee.start <= at, region.pointee.type != .unbacked else { throw .noMemory }
      at = region.pointee.end
      link = space.pointee.regions.next(region, in: range)
    }
    guard at >= range.end else { throw .noMemory }
  }

  /// The pages that `length` bytes touch; nil for none. `.noMemory`: not all of them can be mapped; `.invalidArgument`: rounded
  /// up they end behind all that 64 bits can say.
  static func touched(_ address: UInt64, _ length: UInt64) throws(Errno) -> PageRange? {
    let (last, wraps) = address.addingReportingOverflow(length)
    guard !wraps, last <= UInt64.max &- (Page.size &- 1) else { throw .invalidArgument }
    if length == 0, address & (Page.size &- 1) == 0 { return nil }
    guard let range = PageRange(covering: address, length) else { throw .noMemory }
    return range
  }

  // MARK: Locking

  mutating func mlock<K: Transport>(_ space: Space.Pointer, _ call: VM.MLock, _ ipc: inout K) throws(Errno) {
    let limit = space.pointee.limits.locked.soft
    guard limit > 0 else { throw .notPermitted }
    // Before the range is looked at, as Linux does: what alone is more than the limit needs no sum.
    guard call.length <= limit || call.length > UInt64.max &- (Page.size &- 1) else { throw .noMemory }
    guard let range = try Self.touched(call.address, call.length) else { return }
    try checkCovered(space, range)
    var more: UInt64 = 0
    var link = space.pointee.regions.first(in: range)
    while let region = link {
      guard region.pointee.protection != 0 else { throw .noMemory }
      if !region.pointee.has(Region.locked) { more &+= min(region.pointee.end, range.end) &- max(region.pointee.start, range.start) }
      link = space.pointee.regions.next(region, in: range)
    }
    guard space.pointee.regions.totals.locked &+ more >> 12 <= limit >> 12 else { throw .noMemory }
    try lock(space, range, &ipc)
  }

  /// Pages first, which can fail or have to wait; then the mark. `.wouldBlock`: no frames, or `lacking`; `.noMemory`: a page behind the
  /// end of a file.
  private mutating func lock<K: Transport>(_ space: Space.Pointer, _ range: PageRange, _ ipc: inout K) throws(Errno) {
    do throws(Errno) {
      guard missingPages(space, range) <= frames.available(space.pointee.claim) else {
        frames.isShort = true
        throw .noMemory
      }
      try regions.reserve(2, &frames, space.pointee.claim)
      try makeResident(space, range, &ipc)
    } catch { throw error == .noMemory ? .wouldBlock : error == .ioError ? .noMemory : error }
    mark(space, range, set: Region.locked)
  }

  mutating func munlock(_ space: Space.Pointer, _ call: VM.MUnlock) throws(Errno) {
    guard let range = try Self.touched(call.address, call.length) else { return }
    try checkCovered(space, range)
    try regions.reserve(2, &frames, space.pointee.claim)
    mark(space, range, clear: Region.locked)
  }

  mutating func mlockall<K: Transport>(_ space: Space.Pointer, _ flags: UInt32, _ ipc: inout K) throws(Errno) {
    guard flags & ~(VM.LockAll.current | VM.LockAll.future) == 0 else { throw .invalidArgument }
    if flags == 0 {
      space.pointee.locksFuture = false
      var link = space.pointee.regions.lowest(above: 0)
      while let region = link {
        link = space.pointee.regions.next(region)
        if region.pointee.has(Region.locked) { space.pointee.regions.change(region) { $0.flags &= ~Region.locked } }
      }
      merge(space, PageRange(start: Page.size, end: AddressSpace.userEnd))
      return
    }
    guard space.pointee.limits.locked.soft > 0 else { throw .notPermitted }
    if flags & VM.LockAll.current != 0 {
      // Of the first stack what has been touched: it is there in full only as room to grow.
      let bottom = space.pointee.stackBottom
      var cursor = LeafCursor(PageRange(start: bottom, end: space.pointee.layout.stackTop))
      let lowest = next(&cursor, space) == nil ? space.pointee.layout.stackTop : cursor.address
      let unused = (lowest &- bottom) >> 12
      guard space.pointee.regions.totals.all &- unused <= space.pointee.limits.locked.soft >> 12 else { throw .noMemory }
      let low = PageRange(start: AddressSpace.userStart, end: bottom)
      try regions.reserve(4, &frames, space.pointee.claim)
      do throws(Errno) {
        try makeResident(space, low, &ipc)
        try makeResident(space, PageRange(start: lowest, end: space.pointee.layout.stackTop), &ipc)
      } catch { throw error == .noMemory ? .wouldBlock : error }
      mark(space, low, set: Region.locked)
      if lowest < space.pointee.layout.stackTop { mark(space, PageRange(start: lowest, end: space.pointee.layout.stackTop), set: Region.locked) }
    }
    space.pointee.locksFuture = flags & VM.LockAll.future != 0
  }

  /// Sets and clears bits of `Region.flags` in `range`. Two regions are reserved. Cannot fail.
  mutating func mark(_ space: Space.Pointer, _ range: PageRange, set: UInt8 = 0, clear: UInt8 = 0) {
    split(space, range)
    var link = space.pointee.regions.first(in: range)
    while let region = link {
      if region.pointee.type != .unbacked { space.pointee.regions.change(region) { $0.flags = $0.flags & ~clear | set } }
      link = space.pointee.regions.next(region, in: range)
    }
    merge(space, range)
  }

  // MARK: Asking

  /// Pages of shared memory and of files count if anybody has them there, as on Linux.
  mutating func mincore(_ space: Space.Pointer, _ call: VM.MInCore) throws(Errno) -> VM.MInCore.Reply {
    guard call.address & (Page.size &- 1) == 0, call.pages <= VM.MInCore.limit else { throw .invalidArgument }
    guard call.address <= AddressSpace.userEnd else { throw .noMemory }
    var bits: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0)
    guard call.pages > 0 else { return VM.MInCore.Reply(bits: bits) }
    guard let range = PageRange(covering: call.address, call.pages << 12) else { throw .noMemory }
    try checkCovered(space, range)
    var cursor = LeafCursor(range)
    while next(&cursor, space) != nil { Self.set(&bits, (cursor.address &- range.start) >> 12) }
    var link = space.pointee.regions.first(in: range)
    while let region = link {
      var page = max(region.pointee.start, range.start)
      while page < min(region.pointee.end, range.end) {
        if isHeld(region, region.pointee.page(at: page)) { Self.set(&bits, (page &- range.start) >> 12) }
        page &+= Page.size
      }
      link = space.pointee.regions.next(region, in: range)
    }
    return VM.MInCore.Reply(bits: bits)
  }

  /// Whether a page of what the region shows is in memory, whoever maps it.
  private func isHeld(_ region: Region.Pointer, _ page: UInt64) -> Bool {
    if let file = file(region) { return frames.cached(file, page) != nil }
    guard region.pointee.type.isTree, let object = region.pointee.object else { return false }
    return frames.load(object, page) != nil
  }

  private static func set(_ bits: inout (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64), _ index: UInt64) {
    let bit: UInt64 = 1 &<< (index & 63)
    switch index >> 6 {
    case 0: bits.0 |= bit
    case 1: bits.1 |= bit
    case 2: bits.2 |= bit
    case 3: bits.3 |= bit
    case 4: bits.4 |= bit
    default: bits.5 |= bit
    }
  }
}
