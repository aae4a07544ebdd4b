import IPC
import PageTable
import Protocols

// Private memory that is lent. Its pages move into an object, where lender and borrowers find them and write in place; when nobody
// else has them any more, they are the lender's alone again. Lending, like fork, changes what becomes of a page when it is
// written, so pages that a fork shares are copied first (V67).
extension VirtualMemory {
  // MARK: Lending

  /// Gives the private zeroed memory in `range`, part of one region, an object of its own. Returns the region, which is exactly the
  /// range now. Whole or not at all.
  mutating func makeLent<K: Transport>(_ space: Space.Pointer, _ range: PageRange, _ ipc: inout K) throws(Errno) -> Region.Pointer {
    guard range.pages <= VM.Loan.limit >> 12 else { throw .invalidArgument }
    let claim = space.pointee.claim
    var resident: UInt64 = 0
    var copies: UInt64 = 0
    var cursor = LeafCursor(range)
    while let slot = next(&cursor, space) {
      resident &+= 1
      if cursor.isShared || !isSoleOwner(of: Frame(address: PageEntry(raw: slot.pointee).frame)) { copies &+= 1 }
    }
    try regions.reserve(2, &frames, claim)
    try objects.reserve(1, &frames, claim)
    let nodes = resident == 0 ? 0 : range.pages >> 9 &+ 2
    try frames.reserve(copies &+ nodes &+ sharedTables(space, range), claim)

    // Nothing fails from here on.
    split(space, range)
    let region = space.pointee.regions.find(range.start).unsafelyUnwrapped
    let object = objects.take(MemoryObject(pages: range.pages, root: Frame(number: 0)))
    object.pointee.mapped = 1
    space.pointee.hasLent = true
    space.pointee.regions.change(region) {
      $0.type = .lent
      $0.object = object
      $0.first = 0
    }
    var changed = own(space, range)
    cursor = LeafCursor(range)
    while let slot = next(&cursor, space) {
      var frame = Frame(address: PageEntry(raw: slot.pointee).frame)
      if !isSoleOwner(of: frame) {
        let old = frame
        frame = copy(of: old)
        slot.pointee = PageEntry(frame: frame.address, flags: slot.pointee & ~PageEntry.frameMask).raw
        frames.retain(frame)
        frames.release(old)
        changed = true
      }
      frames.owned(frame).pointee.shared = 1
      frames.retain(frame)  // the object's own
      frames.store(object, region.pointee.page(at: cursor.address), frame)
    }
    if changed { flush(space, range, &ipc) }
    return region
  }

  /// Makes private again what is lent in `range` and nobody else has any more. `.noMemory`: some of it stays as it is.
  mutating func takeBack<K: Transport>(_ space: Space.Pointer, _ range: PageRange, _ ipc: inout K) throws(Errno) {
    guard space.pointee.hasLent else { return }
    // What became private, as far as it reaches.
    var changed = PageRange(start: range.end, end: range.start)
    var link = space.pointee.regions.first(in: range)
    while let region = link {
      link = space.pointee.regions.next(region, in: range)
      guard region.pointee.type == .lent, let object = region.pointee.object, object.pointee.references == object.pointee.mapped else { continue }
      try takeBack(space, region, object, &ipc)
      changed = PageRange(start: min(changed.start, region.pointee.start), end: max(changed.end, region.pointee.end))
    }
    if !changed.isEmpty { merge(space, changed) }
  }

  private mutating func takeBack<K: Transport>(
    _ space: Space.Pointer, _ region: Region.Pointer, _ object: MemoryObject.Pointer, _ ipc: inout K
  ) throws(Errno) {
    // Pages that only borrowers touched have no entry here.
    let range = region.pointee.range
    var missing = false
    var address = range.start
    while address < range.end, !missing {
      missing = frames.load(object, region.pointee.page(at: address)) != nil && isEmpty(space, address)
      address &+= Page.size
    }
    if missing { try frames.reserve(range.mostTables, space.pointee.claim) }

    // Nothing fails from here on.
    let flags = LeafEntry.flags(region) | (LeafEntry.isWritable(region) ? PageEntry.writable : 0)
    address = range.start
    while address < range.end {
      let page = region.pointee.page(at: address)
      if let frame = frames.load(object, page) {
        if isEmpty(space, address) { set(makeLeaf(space, address), frame, flags) }
        frames.forget(object, page)
        frames.owned(frame).pointee.shared = 0
        frames.release(frame)  // the object's own
      }
      address &+= Page.size
    }
    // A table that others show too may have been replaced by a copy.
    if missing { flush(space, range, &ipc) }
    space.pointee.regions.change(region) {
      $0.type = .anonymous
      $0.object = nil
      $0.first = 0
    }
    release(object, .lent)
  }

  private func isEmpty(_ space: Space.Pointer, _ address: UInt64) -> Bool { leaf(space, address).map { $0.pointee == 0 } ?? true }

  // MARK: Fork

  /// Before a fork: what is lent becomes private again where it can, and for the rest the frames of `copyLent` are reserved.
  mutating func prepareLent<K: Transport>(_ parent: Space.Pointer, _ ipc: inout K) throws(Errno) {
    guard parent.pointee.hasLent else { return }
    try takeBack(parent, PageRange(start: 0, end: AddressSpace.userEnd), &ipc)
    parent.pointee.hasLent = false
    var link = parent.pointee.regions.lowest(above: 0)
    while let region = link {
      link = parent.pointee.regions.next(region)
      guard region.pointee.type == .lent, let object = region.pointee.object else { continue }
      parent.pointee.hasLent = true
      var pages: UInt64 = 0
      for page in region.pointee.first..<region.pointee.first &+ region.pointee.pages where frames.load(object, page) != nil { pages &+= 1 }
      // Tables: three on the way to either end, which `clear` copies, and those that the copies need.
      try frames.reserve(pages &+ 6 &+ region.pointee.range.mostTables, .user)
    }
  }

  /// Gives the child of a fork, which shows the parent's tables, pages of its own where the parent's are lent: others write
  /// to those. What `prepareLent` says is reserved.
  mutating func copyLent(_ parent: Space.Pointer, _ child: Space.Pointer) {
    guard parent.pointee.hasLent else { return }
    var link = parent.pointee.regions.lowest(above: 0)
    while let region = link {
      link = parent.pointee.regions.next(region)
      guard region.pointee.type == .lent, let object = region.pointee.object else { continue }
      // Nobody has run with the child's tables yet: nothing is to be flushed.
      _ = clear(child, region.pointee.range)
      let flags = LeafEntry.flags(region) | (LeafEntry.isWritable(region) ? PageEntry.writable : 0)
      var address = region.pointee.start
      while address < region.pointee.end {
        if let frame = frames.load(object, region.pointee.page(at: address)) { set(makeLeaf(child, address), copy(of: frame), flags) }
        address &+= Page.size
      }
    }
  }
}
