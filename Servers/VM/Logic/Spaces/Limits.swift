import IPC
import PageTable
import Protocols

/// What setrlimit has set: both in bytes.
struct Limit: BitwiseCopyable {
  var soft, hard: UInt64
  static var none: Limit { Limit(soft: VM.Resource.unlimited, hard: VM.Resource.unlimited) }
}

/// The limits of a space that VM keeps. A fork copies them, exec leaves them.
struct Limits: BitwiseCopyable {
  var addressSpace = Limit.none
  var data = Limit.none
  var stack = Limit(soft: StackLimits.size, hard: VM.Resource.unlimited)
  var locked = Limit.none

  /// Services have none but for their stacks; processes may lock as much as Linux lets them.
  init(_ claim: Claim) {
    if claim == .user { locked = Limit(soft: 8 << 20, hard: 8 << 20) }
  }

  subscript(_ resource: UInt32) -> Limit? {
    switch resource {
    case VM.Resource.addressSpace: addressSpace
    case VM.Resource.data: data
    case VM.Resource.stack: stack
    case VM.Resource.locked: locked
    default: nil
    }
  }
}

extension VirtualMemory {
  /// Whether a space may have `pages` more; of what lies in `replacing` they take the place. `.noMemory`: RLIMIT_AS,
  /// RLIMIT_DATA; `.wouldBlock`: RLIMIT_MEMLOCK, `.notPermitted` if it is 0.
  func admit(_ space: Space.Pointer, _ pages: UInt64, data: Bool, locked: Bool = false, replacing: PageRange? = nil) throws(Errno) {
    let limits = space.pointee.limits
    let bounded = limits.addressSpace.soft != VM.Resource.unlimited || (data && limits.data.soft != VM.Resource.unlimited)
    guard bounded || locked else { return }
    let totals = space.pointee.regions.totals
    var gone = RegionTotals()
    if let replacing {
      var link = space.pointee.regions.first(in: replacing)
      while let region = link {
        var part = region.pointee
        part.start = max(part.start, replacing.start)
        part.end = min(part.end, replacing.end)
        gone.add(&part)
        link = space.pointee.regions.next(region, in: replacing)
      }
    }
    guard totals.all &- gone.all &+ pages <= limits.addressSpace.soft >> 12 else { throw .noMemory }
    if data { guard totals.data &- gone.data &+ pages <= limits.data.soft >> 12 else { throw .noMemory } }
    if locked {
      guard limits.locked.soft > 0 else { throw .notPermitted }
      guard totals.locked &- gone.locked &+ pages <= limits.locked.soft >> 12 else { throw .wouldBlock }
    }
  }

  /// mprotect to writable makes data of what was none. `.noMemory`: RLIMIT_DATA.
  func admitWritable(_ space: Space.Pointer, _ range: PageRange) throws(Errno) {
    guard space.pointee.limits.data.soft != VM.Resource.unlimited else { return }
    var more: UInt64 = 0
    var link = space.pointee.regions.first(in: range)
    while let region = link {
      var part = region.pointee
      part.start = max(part.start, range.start)
      part.end = min(part.end, range.end)
      if !part.isData {
        part.protection |= UInt8(VM.Protection.write)
        if part.isData { more &+= part.pages }
      }
      link = space.pointee.regions.next(region, in: range)
    }
    guard more == 0 || space.pointee.regions.totals.data &+ more <= space.pointee.limits.data.soft >> 12 else { throw .noMemory }
  }
}
