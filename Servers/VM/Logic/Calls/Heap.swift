import IPC
import PageTable
import Protocols

extension VirtualMemory {
  /// brk(2) as Linux answers it: the break after the call. The heap is anonymous memory that begins where the
  /// image ends; growing it costs no memory until it is touched.
  mutating func brk<K: Transport>(_ space: Space.Pointer, _ address: UInt64, _ ipc: inout K) -> UInt64 {
    let start = space.pointee.heapStart
    guard start > 0, address >= start, address <= AddressSpace.mmapStart else { return space.pointee.breakAddress }
    let end = Page.up(address)
    let oldEnd = Page.up(space.pointee.breakAddress)
    if end > oldEnd {
      guard grow(space, PageRange(start: oldEnd, end: end), &ipc) else { return space.pointee.breakAddress }
    } else if end < oldEnd {
      // It ends where the heap ends: no region gets a hole, so none is reserved.
      let less = PageRange(start: end, end: oldEnd)
      do throws(Errno) {
        try checkUnpinned(space, less)
        try reserveClearing(space, less)
      } catch { return space.pointee.breakAddress }
      remove(space, less, &ipc)
    }
    space.pointee.breakAddress = address
    return address
  }

  /// Adds pages to the heap; one page to the next region stays free. False if there is no room.
  private mutating func grow<K: Transport>(_ space: Space.Pointer, _ more: PageRange, _ ipc: inout K) -> Bool {
    guard more.pages <= frames.managed,
      space.pointee.regions.first(in: PageRange(start: more.start, end: more.end &+ Page.size)) == nil
    else { return false }
    let access = VM.Protection.read | VM.Protection.write
    var region = Region(more, .anonymous, kind: VM.RegionKind.heap, protection: access, allowed: access)
    if space.pointee.locksFuture { region.flags = Region.locked }
    do throws(Errno) {
      try admit(space, more.pages, data: true, locked: space.pointee.locksFuture)
      // Of what is there only the part next to it matters: madvise and mlock may have split the heap.
      if let last = space.pointee.regions.find(more.start &- 1), last.pointee.continues(in: region) {
        space.pointee.regions.resize(last, start: last.pointee.start, end: more.end)
      } else {
        try regions.reserve(1, &frames, space.pointee.claim)
        space.pointee.regions.insert(regions.take(region))
      }
    } catch { return false }
    if space.pointee.locksFuture { populate(space, more, &ipc) }
    return true
  }

  /// The heap of a new image begins above it; of several parts the highest counts.
  func placeHeap(_ space: Space.Pointer, imageEnd: UInt64) {
    let start = Page.up(imageEnd) &+ space.pointee.layout.heapGap
    guard start > space.pointee.heapStart else { return }
    space.pointee.heapStart = start
    space.pointee.breakAddress = space.pointee.heapStart
  }
}
