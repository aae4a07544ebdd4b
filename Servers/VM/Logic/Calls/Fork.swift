import IPC
import PageTable
import Protocols

extension VirtualMemory {
  /// A second space like that of `parent`, and its thread. Private pages are shared until one side writes. What the
  /// child needs is reserved before its thread exists; the rest cannot fail (M-A7). No page and no table below the top
  /// one is looked at (V94).
  mutating func fork<K: Transport>(_ parent: Space.Pointer, id: Int32 = 0, _ ipc: inout K) throws(Errno) -> Endpoint {
    let claim = Claim.user
    var link = parent.pointee.regions.lowest(above: 0)
    while let region = link {
      guard region.pointee.type.inheritance != .refuse || region.pointee.loan != nil else { throw .notPermitted }
      link = parent.pointee.regions.next(region)
    }
    let child = try makeSpace(claim, &ipc)
    do throws(Errno) {
      try regions.reserve(parent.pointee.regions.count, &frames, claim)
      try prepareLent(parent, &ipc)
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
    child.pointee.layout = parent.pointee.layout
    child.pointee.heapStart = parent.pointee.heapStart
    child.pointee.breakAddress = parent.pointee.breakAddress
    child.pointee.stackBottom = parent.pointee.stackBottom
    child.pointee.signalStack = parent.pointee.signalStack
    child.pointee.trapStack = parent.pointee.trapStack
    child.pointee.limits = parent.pointee.limits
    child.pointee.name = parent.pointee.name
    child.pointee.processID = id
    link = parent.pointee.regions.lowest(above: 0)
    while let region = link {
      let copy = regions.take(region.pointee)
      copy.pointee.flags &= ~(Region.locked | Region.pinned)  // locks are not inherited (POSIX)
      if copy.pointee.type == .lent {
        copy.pointee.type = .anonymous
        copy.pointee.object = nil
        copy.pointee.first = 0
      }
      retain(copy.pointee)
      child.pointee.regions.insert(copy)
      link = parent.pointee.regions.next(region)
    }
    if shareTables(parent, child) { flush(parent, PageRange(start: 0, end: AddressSpace.userEnd), &ipc) }
    copyLent(parent, child)
    return child.pointee.thread
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
