import Protocols

/// Sums over the regions of a tree, in pages, so that limits cost no walk.
struct RegionTotals: BitwiseCopyable, Equatable {
  /// All but what is only kept free: RLIMIT_AS.
  var all: UInt64 = 0
  /// Private and writable, but no stack: RLIMIT_DATA.
  var data: UInt64 = 0
  /// RLIMIT_MEMLOCK.
  var locked: UInt64 = 0

  mutating func add(_ region: Region.Pointer) {
    let pages = region.pointee.pages
    if region.pointee.isCounted { all &+= pages }
    if region.pointee.isData { data &+= pages }
    if region.pointee.has(Region.locked) { locked &+= pages }
  }

  mutating func subtract(_ region: Region.Pointer) {
    let pages = region.pointee.pages
    if region.pointee.isCounted { all &-= pages }
    if region.pointee.isData { data &-= pages }
    if region.pointee.has(Region.locked) { locked &-= pages }
  }
}

extension Region {
  var isCounted: Bool { type != .unbacked }
  var isData: Bool {
    isCounted && type.isPrivate && UInt32(protection) & VM.Protection.write != 0 && kind != VM.RegionKind.stack
  }
}

extension RegionTree {
  /// Changes what a region allows or is marked as, not where it is.
  @inline(__always) mutating func change(_ node: Region.Pointer, _ body: (inout Region) -> Void) {
    totals.subtract(node)
    body(&node.pointee)
    totals.add(node)
  }

  /// Moves a region's borders within its gap. `first` stays.
  mutating func resize(_ node: Region.Pointer, start: UInt64, end: UInt64) {
    totals.subtract(node)
    node.pointee.start = start
    node.pointee.end = end
    totals.add(node)
    resized(node)
  }
}
