import BootImage
import IPC
import PageTable
import Protocols

// Memory for drivers.
extension VirtualMemory {
  /// The most contiguous memory of one service, over all its lives, in pages.
  static var contiguousLimit: UInt32 { 4096 }
  /// The most that one call gives, in pages.
  static var contiguousCallLimit: UInt64 { 1024 }

  mutating func allowPhysical(_ call: VM.AllowPhysical) throws(Errno) {
    let space = try service(call.service)
    let range = try Self.physicalRange(call.base, call.length)
    guard !isMemory(range) else { throw .notPermitted }
    for index in 0..<space.pointee.physicalCount where space.pointee.physical[index] == range { return }
    guard space.pointee.physicalCount < 8 else { throw .noSpace }
    space.pointee.physical[space.pointee.physicalCount] = range
    space.pointee.physicalCount &+= 1
  }

  mutating func mapPhysical(_ space: Space.Pointer, _ call: VM.MapPhysical) throws(Errno) -> UInt64 {
    let access = try Self.access(call.protection)
    let range = try Self.physicalRange(call.base, call.length)
    guard call.base & (Page.size &- 1) == 0, access != 0, call.type <= VM.MemoryType.writeCombining else { throw .invalidArgument }
    // What is no driver's right, whatever RS once allowed: frames with an owner (V74, V79).
    guard !isMemory(range), isAllowed(space, range), access & VM.Protection.execute == 0 else { throw .notPermitted }
    let place = try freeRoom(space, range.length)
    try regions.reserve(1, &frames, space.pointee.claim)
    var region = Region(place, .physical, kind: VM.RegionKind.physical, protection: access, allowed: access, first: range.base >> 12)
    region.cache = UInt8(call.type)
    region.flags = Region.mapped
    space.pointee.regions.insert(regions.take(region))
    return place.start
  }

  /// Page-aligned, no wrap, within what an entry can hold.
  private static func physicalRange(_ base: UInt64, _ length: UInt64) throws(Errno) -> PhysicalRange {
    let (end, wraps) = base.addingReportingOverflow(length)
    guard length > 0, !wraps, end <= PageEntry.frameMask else { throw .invalidArgument }
    let start = Page.down(base)
    return PhysicalRange(base: start, length: Page.up(end) &- start)
  }

  /// Whether a range touches RAM that has an owner: VM's frames, the kernel's, the archive. Below 1 MiB nobody owns
  /// any: frame 0 can be mapped like a device (V8, M-C1).
  func isMemory(_ range: PhysicalRange) -> Bool {
    let four: UInt64 = 4 << 30
    let low = range.base < lowMemoryEnd && range.end > 1 << 20
    let high = range.base < memoryEnd && range.end > four
    let boot = range.base < archive.end && range.end > archive.base
    return low || high || boot || overlapsFrames(range)
  }

  private func overlapsFrames(_ range: PhysicalRange) -> Bool {
    for index in 0..<frames.sectionCount {
      let section = frames.sections[index]
      if range.base >> 12 < section.end, range.end >> 12 > section.first { return true }
    }
    return false
  }

  private func isAllowed(_ space: Space.Pointer, _ range: PhysicalRange) -> Bool {
    for index in 0..<space.pointee.physicalCount {
      let allowed = space.pointee.physical[index]
      if range.base >= allowed.base, range.end <= allowed.end { return true }
    }
    return false
  }

  // MARK: Contiguous memory

  mutating func mapContiguous(_ space: Space.Pointer, _ length: UInt64) throws(Errno) -> VM.MapContiguous.Reply {
    guard length > 0, length <= Self.contiguousCallLimit << 12 else { throw .invalidArgument }
    let pages = Page.up(length) >> 12
    let place = try freeRoom(space, length)
    try regions.reserve(1, &frames, space.pointee.claim)
    // A run of pages can cross a border of tables at each level.
    let tables = missingTables(space, place.start) &+ 3 &+ pages >> 9
    let object: MemoryObject.Pointer
    if let kept = keptObject(space, pages) {
      try frames.reserve(tables, space.pointee.claim)
      object = kept
    } else {
      object = try newContiguous(space, pages, tables: tables)
    }
    dropOlder(space, object)

    // Nothing fails from here on.
    object.pointee.mapped = 1
    object.pointee.references &+= 1
    space.pointee.contiguousCalls &+= 1
    let access = VM.Protection.read | VM.Protection.write
    let region = regions.take(Region(place, .contiguous, kind: VM.RegionKind.contiguous, protection: access, allowed: access, object: object))
    space.pointee.regions.insert(region)
    for page in 0..<pages {
      let frame = Frame(number: object.pointee.root.number &+ page)
      frames.zero(frame)
      set(makeLeaf(space, place.start &+ page << 12), frame, LeafEntry.flags(region) | PageEntry.writable)
    }
    return VM.MapContiguous.Reply(address: place.start, physical: object.pointee.root.address)
  }

  /// What the last life had from the same call.
  private func keptObject(_ space: Space.Pointer, _ pages: UInt64) -> MemoryObject.Pointer? {
    var link = space.pointee.contiguous
    while let object = link {
      if object.pointee.call == space.pointee.contiguousCalls, object.pointee.pages == pages, object.pointee.mapped == 0 { return object }
      link = object.pointee.next
    }
    return nil
  }

  /// When a life began while memory of the last one was borrowed, the same call got other frames. The next life has those, and
  /// the older ones are nobody's.
  private mutating func dropOlder(_ space: Space.Pointer, _ kept: MemoryObject.Pointer) {
    var last = kept
    while let object = last.pointee.next {
      if object.pointee.call == kept.pointee.call, object.pointee.pages == kept.pointee.pages, object.pointee.mapped == 0 {
        last.pointee.next = object.pointee.next
        space.pointee.contiguousPages &-= UInt32(object.pointee.pages)
        release(object, .contiguous)
      } else {
        last = object
      }
    }
  }

  private mutating func newContiguous(_ space: Space.Pointer, _ pages: UInt64, tables: UInt64) throws(Errno) -> MemoryObject.Pointer {
    guard pages <= UInt64(Self.contiguousLimit &- space.pointee.contiguousPages) else { throw .noMemory }
    try objects.reserve(1, &frames, space.pointee.claim)
    try frames.reserve(tables, space.pointee.claim)
    let first = try frames.takeRun(pages, .user, space.pointee.claim)
    for page in 0..<pages {
      let record = frames.owned(Frame(number: first.number &+ page))
      record.pointee.count = 1
      record.pointee.shared = 1
    }
    var object = MemoryObject(pages: pages, root: first)
    object.call = space.pointee.contiguousCalls
    object.next = space.pointee.contiguous
    let new = objects.take(object)
    space.pointee.contiguous = new
    space.pointee.contiguousPages &+= UInt32(pages)
    return new
  }

  /// A module of the archive, shared and writable. An executable is refused: its pages are the text of services.
  mutating func mapModule(_ space: Space.Pointer, _ name: RS.Name) throws(Errno) -> VM.MapModule.Reply {
    guard let module = findModule(name), module.length > 0 else { throw .noSuchFile }
    let bytes = contents(module)
    guard bytes.count < 4 || bytes.loadUnaligned(as: UInt32.self) != 0x464C_457F else { throw .notPermitted }
    let place = try freeRoom(space, module.length)
    try regions.reserve(1, &frames, space.pointee.claim)
    let access = VM.Protection.read | VM.Protection.write
    let region = Region(place, .physical, kind: VM.RegionKind.module, protection: access, allowed: access, first: module.base >> 12)
    space.pointee.regions.insert(regions.take(region))
    return VM.MapModule.Reply(address: place.start, length: module.length)
  }
}
