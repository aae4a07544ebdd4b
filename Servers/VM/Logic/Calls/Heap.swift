import IPC
import PageTable
import Protocols

extension VirtualMemory {
  /// brk(2) as Linux answers it: the break after the call. The heap is one anonymous region that begins where the
  /// image ends; growing it costs no memory until it is touched.
  mutating func brk<K: Transport>(_ space: Space.Pointer, _ address: UInt64, _ ipc: inout K) -> UInt64 {
    let start = space.pointee.heapStart
    guard start > 0, address >= start, address <= AddressSpace.mmapStart else { return space.pointee.breakAddress }
    let end = Page.up(address)
    let oldEnd = Page.up(space.pointee.breakAddress)
    if end > oldEnd {
      guard grow(space, PageRange(start: oldEnd, end: end)) else { return space.pointee.breakAddress }
    } else if end < oldEnd {
      guard shrink(space, PageRange(start: end, end: oldEnd), &ipc) else { return space.pointee.breakAddress }
    }
    space.pointee.breakAddress = address
    return address
  }

  /// Adds pages to the heap; one page to the next region stays free. False if there is no room.
  private mutating func grow(_ space: Space.Pointer, _ more: PageRange) -> Bool {
    guard more.pages <= frames.managed,
      space.pointee.regions.first(in: PageRange(start: more.start, end: more.end &+ Page.size)) == nil
    else { return false }
    if let heap = space.pointee.heap {
      space.pointee.regions.resize(heap, start: heap.pointee.start, end: more.end)
      return true
    }
    do throws(Errno) { try regions.reserve(1, &frames, space.pointee.claim) } catch { return false }
    let access = VM.Protection.read | VM.Protection.write
    let heap = regions.take(Region(more, .anonymous, kind: VM.RegionKind.heap, protection: access, allowed: access))
    space.pointee.heap = heap
    space.pointee.regions.insert(heap)
    return true
  }

  /// False if a table that others show too cannot be copied.
  private mutating func shrink<K: Transport>(_ space: Space.Pointer, _ less: PageRange, _ ipc: inout K) -> Bool {
    guard let heap = space.pointee.heap else { return true }
    do throws(Errno) { try frames.reserve(cost(ofClearing: less, in: space), space.pointee.claim) } catch { return false }
    if less.start <= heap.pointee.start {
      space.pointee.heap = nil
      space.pointee.regions.remove(heap)
      drop(heap)
    } else {
      space.pointee.regions.resize(heap, start: heap.pointee.start, end: less.start)
    }
    if clear(space, less) { flush(space, less, &ipc) }
    return true
  }

  /// The heap of a new image begins at the first page above it.
  func placeHeap(_ space: Space.Pointer, imageEnd: UInt64) {
    space.pointee.heapStart = Page.up(imageEnd)
    space.pointee.breakAddress = space.pointee.heapStart
  }
}
