import IPC
import PageTable

// Clean pages of files that processes show could be brought again: when nothing else is left they are taken out of the
// processes, a few at a time, one file after the other. Then they are idle, and who touches them soon enough has them back without
// the disk. Never out of locked memory (V91).
extension VirtualMemory {
  /// The most pages that one call looks at.
  private static var batch: UInt64 { 64 }

  /// False if there was nothing to take. Between operations only: what it takes is flushed, but no region or table may be in use.
  mutating func unmapClean<K: Transport>(_ ipc: inout K) -> Bool {
    let before = frames.idle
    var left = files.limit &+ 1
    // Pages that only changes keep from being idle are none to take.
    while left > 0, frames.cache &- frames.nodes > frames.idle {
      let file = files[pressure.hand]
      if file.pointee.object != nil, let window = nextWindow(file) {
        unmapClean(file, window.from, window.to, &ipc)
        pressure.handPage = window.to
        if frames.idle > before { break }
      } else {
        pressure.hand = (pressure.hand &+ 1) & (files.limit &- 1)
        pressure.handPage = 0
        left &-= 1
      }
    }
    pressure.unmapped &+= frames.idle &- before
    return frames.idle > before
  }

  /// The next pages of the file with some among them that somebody shows and that are clean.
  private mutating func nextWindow(_ file: FilePages.Pointer) -> (from: UInt64, to: UInt64)? {
    var at = pressure.handPage
    var from: UInt64 = 0
    var count: UInt64 = 0
    while count < Self.batch, let page = frames.firstCached(file, from: at) {
      let record = frames.owned(frames.cached(file, page).unsafelyUnwrapped).pointee
      if record.count > 1, !record.isChanged {
        if count == 0 { from = page }
        count &+= 1
      }
      at = page &+ 1
    }
    return count > 0 ? (from, at) : nil
  }

  private mutating func unmapClean<K: Transport>(_ file: FilePages.Pointer, _ from: UInt64, _ to: UInt64, _ ipc: inout K) {
    // A table that two show may serve a locked region of one of them.
    var isLocked = false
    everyRegion(of: file) { _, _, region in if region.pointee.has(Region.locked) { isLocked = true } }
    everyRegion(of: file) { vm, space, region in
      guard !region.pointee.has(Region.locked), let range = region.pointee.range(from, to) else { return }
      var cursor = LeafCursor(range)
      while let slot = vm.next(&cursor, space) {
        let frame = Frame(address: PageEntry(raw: slot.pointee).frame)
        guard let record = vm.frames.record(frame), record.pointee.kind == .cache, !record.pointee.isChanged else { continue }
        if cursor.isShared {
          if !isLocked { vm.clearShared(slot) }
        } else {
          _ = vm.clear(space, PageRange(start: cursor.address, end: cursor.address &+ Page.size))
          cursor.table = nil
        }
      }
    }
    // Who shares a table may have been visited before.
    everyRegion(of: file) { vm, space, region in
      guard let range = region.pointee.range(from, to) else { return }
      vm.flush(space, range, &ipc)
    }
  }

  /// All regions of all spaces that show a file.
  private mutating func everyRegion(of file: FilePages.Pointer, _ body: (inout VirtualMemory, Space.Pointer, Region.Pointer) -> Void) {
    guard let object = file.pointee.object else { return }
    for index in 0..<Spaces.limit {
      guard let space = spaces[index: index] else { continue }
      var link = space.pointee.regions.lowest(above: 0)
      while let region = link {
        if region.pointee.object == object { body(&self, space, region) }
        link = space.pointee.regions.next(region)
      }
    }
  }
}

extension Region {
  /// The addresses that show the file's pages `from` to `to`.
  fileprivate func range(_ from: UInt64, _ to: UInt64) -> PageRange? {
    let low = max(from, first)
    let high = min(to, first &+ pages)
    guard low < high else { return nil }
    return PageRange(start: start &+ (low &- first) << 12, end: start &+ (high &- first) << 12)
  }
}
