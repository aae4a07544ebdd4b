import IPC
import PageTable
import Protocols

extension VirtualMemory {
  /// A second space like that of `parent`, and its thread. Private pages are shared until one side writes. What the
  /// child needs is reserved before its thread exists; copying cannot fail (M-A7).
  ///
  /// Each leaf entry is copied here. Sharing whole leaf tables (V94) will be one step in `inherit`: a leaf table's
  /// record has a count like any frame's.
  mutating func fork<K: Transport>(_ parent: Space.Pointer, _ ipc: inout K) throws(Errno) -> Endpoint {
    let claim = Claim.user
    var link = parent.pointee.regions.lowest(above: 0)
    while let region = link {
      guard region.pointee.type.inheritance != .refuse else { throw .notPermitted }
      link = parent.pointee.regions.next(region)
    }
    let child = try makeSpace(claim, &ipc)
    do throws(Errno) {
      try regions.reserve(parent.pointee.regions.count, &frames, claim)
      try frames.reserve(parent.pointee.tables &- 1, claim)
      let reply = try ipc.kernel(Kernel.ThreadFork(
        parent: parent.pointee.thread, root: child.pointee.root.address, space: child.pointee.id))
      child.pointee.supervisor = parent.pointee.supervisor
      adopt(child, reply.thread)
    } catch {
      frames.reserved = 0
      destroy(child)
      throw error
    }

    // Nothing fails from here on.
    child.pointee.heapStart = parent.pointee.heapStart
    child.pointee.breakAddress = parent.pointee.breakAddress
    var seen = false
    link = parent.pointee.regions.lowest(above: 0)
    while let region = link {
      let copy = regions.take(region.pointee)
      copy.pointee.flags &= ~Region.locked  // locks are not inherited (POSIX)
      retain(copy.pointee.object)
      child.pointee.regions.insert(copy)
      if region == parent.pointee.heap { child.pointee.heap = copy }
      if inherit(parent, child, region) { seen = true }
      link = parent.pointee.regions.next(region)
    }
    if seen { flush(parent, PageRange(start: 0, end: AddressSpace.userEnd), &ipc) }
    return child.pointee.thread
  }

  /// Gives the child the pages of a region. Returns whether the parent lost the right to write to any of them.
  private mutating func inherit(_ parent: Space.Pointer, _ child: Space.Pointer, _ region: Region.Pointer) -> Bool {
    let keepsWritable = region.pointee.type.inheritance == .share
    var seen = false
    var cursor = LeafCursor(region.pointee.range)
    var target: UnsafeMutablePointer<UInt64>?
    var targetAddress: UInt64 = 0
    while let slot = next(&cursor, parent) {
      let address = cursor.address
      var entry = PageEntry(raw: slot.pointee)
      if entry.isWritable, !keepsWritable {
        entry.raw &= ~PageEntry.writable
        slot.pointee = entry.raw
        seen = true
      }
      let position: UnsafeMutablePointer<UInt64>
      if let known = target, (targetAddress ^ address) < Page.large {
        position = known + (Int(truncatingIfNeeded: address >> 12) & 511) - (Int(truncatingIfNeeded: targetAddress >> 12) & 511)
      } else {
        position = makeLeaf(child, address)
      }
      target = position
      targetAddress = address
      set(position, Frame(address: entry.frame), entry.raw & ~PageEntry.frameMask)
    }
    return seen
  }

  /// Binds a space to a thread that the kernel has just made; an older space in that slot belongs to a thread that
  /// is gone.
  mutating func adopt(_ space: Space.Pointer, _ thread: Endpoint) {
    if let stale = spaces[slot: thread.slot] { destroy(stale) }
    spaces.bind(space, to: thread)
  }

  /// Ends a process.
  mutating func exit<K: Transport>(_ endpoint: Endpoint, _ ipc: inout K) throws(Errno) {
    let space = try process(endpoint)
    _ = ipc.kernel(Message(Kernel.ThreadDestroy(thread: endpoint)))
    destroy(space)
  }
}
