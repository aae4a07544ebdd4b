import IPC
import PageTable
import Protocols

// madvise, msync, and marks that only people and VM itself read: names and immutability. As everywhere a hole in the range
// changes nothing at all.
extension VirtualMemory {
  /// The most pages that one call fetches ahead: VM does one thing at a time, and advice is no promise.
  static var aheadLimit: UInt64 { 1024 }

  mutating func madvise<K: Transport>(_ space: Space.Pointer, _ call: VM.MAdvise, _ ipc: inout K) throws(Errno) {
    guard call.address & (Page.size &- 1) == 0 else { throw .invalidArgument }
    let advice = call.advice
    switch advice {
    case VM.Advice.normal, VM.Advice.random, VM.Advice.sequential, VM.Advice.willNeed, VM.Advice.dontNeed, VM.Advice.free: break
    default: throw .invalidArgument
    }
    guard let range = try Self.touched(call.address, call.length) else { return }
    if advice == VM.Advice.dontNeed || advice == VM.Advice.free { try takeBack(space, range, &ipc) }
    // What memory refuses to be advised comes before what is not there, as on Linux.
    var link = space.pointee.regions.first(in: range)
    while let region = link {
      guard !region.pointee.has(Region.immutable) else { throw .notPermitted }
      if advice == VM.Advice.dontNeed || advice == VM.Advice.free {
        guard region.pointee.type == .unbacked || region.pointee.canForget(byFree: advice == VM.Advice.free) else { throw .invalidArgument }
      }
      link = space.pointee.regions.next(region, in: range)
    }
    try checkCovered(space, range)
    switch advice {
    case VM.Advice.willNeed:
      populate(space, PageRange(start: range.start, end: min(range.end, range.start &+ Self.aheadLimit << 12)), &ipc)
    case VM.Advice.dontNeed, VM.Advice.free:
      // Private pages are gone and come back as they were mapped; of shared ones only our entries are. What FREE allows
      // to be lost is lost at once: a write after it stays, as it must.
      try reserveClearing(space, range)
      if clear(space, range) { flush(space, range, &ipc) }
    default:
      try regions.reserve(2, &frames, space.pointee.claim)
      let new: RegionAdvice = advice == VM.Advice.random ? .random : advice == VM.Advice.sequential ? .sequential : .normal
      split(space, range)
      link = space.pointee.regions.first(in: range)
      while let region = link {
        region.pointee.advice = new
        link = space.pointee.regions.next(region, in: range)
      }
      merge(space, range)
    }
  }

  // MARK: msync

  /// The checks of msync(2). Anonymous and shared memory are nobody else's; what was changed in pages of files goes to their
  /// file systems by VFS, which the library asks next (`VFS.SyncMemory`), since VM waits for nobody.
  func msync(_ space: Space.Pointer, _ call: VM.MSync) throws(Errno) {
    let all = VM.Synchronize.asynchronously | VM.Synchronize.invalidate | VM.Synchronize.now
    let both = VM.Synchronize.asynchronously | VM.Synchronize.now
    guard call.flags & ~all == 0, call.flags & both != both, call.address & (Page.size &- 1) == 0 else { throw .invalidArgument }
    if call.length == 0 { return }
    // The length need not be a multiple of a page (S5).
    guard let range = PageRange(covering: call.address, call.length) else { throw .noMemory }
    var link = space.pointee.regions.first(in: range)
    while let region = link {
      if call.flags & VM.Synchronize.invalidate != 0 { guard !region.pointee.has(Region.locked) else { throw .busy } }
      link = space.pointee.regions.next(region, in: range)
    }
    try checkCovered(space, range)
  }

  // MARK: Marks

  mutating func makeImmutable(_ space: Space.Pointer, _ call: VM.MImmutable) throws(Errno) {
    let range = try Self.range(call.address, call.length)
    try checkCovered(space, range)
    try checkMapped(space, range)
    try regions.reserve(2, &frames, space.pointee.claim)
    mark(space, range, set: Region.immutable)
  }

  mutating func nameRegion(_ space: Space.Pointer, _ call: VM.NameRegion) throws(Errno) {
    guard call.address & (Page.size &- 1) == 0, Self.isName(call.name) else { throw .invalidArgument }
    guard let range = try Self.touched(call.address, call.length) else { return }
    try checkCovered(space, range)
    var link = space.pointee.regions.first(in: range)
    while let region = link {
      guard !region.pointee.has(Region.immutable) else { throw .notPermitted }
      link = space.pointee.regions.next(region, in: range)
    }
    try regions.reserve(2, &frames, space.pointee.claim)
    split(space, range)
    link = space.pointee.regions.first(in: range)
    while let region = link {
      region.pointee.name = call.name
      link = space.pointee.regions.next(region, in: range)
    }
    merge(space, range)
  }

  /// Up to 15 printable bytes and then zero bytes; no `[]\$` and backquote, which the listing and shells need (prctl(2)).
  private static func isName(_ name: RS.Name) -> Bool {
    var ended = false
    var good = true
    withUnsafeBytes(of: name) { bytes in
      for byte in bytes {
        if byte == 0 {
          ended = true
        } else if ended || byte < 0x20 || byte > 0x7E || byte == 0x5B || byte == 0x5C || byte == 0x5D || byte == 0x24 || byte == 0x60 {
          good = false
        }
      }
    }
    return good && ended
  }
}

extension Region {
  /// Whether madvise may drop its pages: those that come back as they were mapped, or as all see them.
  fileprivate func canForget(byFree: Bool) -> Bool {
    if flags & (Region.locked | Region.pinned) != 0 { return false }
    switch type {
    // What exec wrote there is nowhere else: it would come back as zeros, not as it was.
    case .anonymous: return kind != VM.RegionKind.image
    case .shared, .image, .filePrivate, .fileShared, .borrowed: return !byFree
    // What is lent is not the lender's alone to forget.
    case .physical, .contiguous, .lent, .unbacked: return false
    }
  }
}
