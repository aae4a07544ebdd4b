import IPC
import PageTable
import Protocols

extension VirtualMemory {
  /// The one entry for page faults: find the region, then the region decides (V17). A reply of type 0 lets the
  /// thread run on. After any other it stays stopped and its supervisor has been told.
  mutating func pageFault<K: Transport>(_ message: Message, _ ipc: inout K) -> Message? {
    let fault: KernelEvent.PageFault = message.body()
    if fault.access & KernelEvent.PageFault.stack != 0 { return admitTrap(fault, of: message.source, &ipc) }
    faults &+= 1
    return decide(fault, of: message.source, &ipc)
  }

  /// Nil: the fault is parked until VFS has brought the page, or there is memory for it.
  mutating func decide<K: Transport>(_ fault: KernelEvent.PageFault, of source: Endpoint, _ ipc: inout K) -> Message? {
    let copying = fault.access & KernelEvent.PageFault.kernelCopy != 0
    guard let space = spaces[id: fault.space] else {
      // Whose space is gone: a supervisor can only end it.
      if !copying { tell(source.isService ? .rs : .pm, of: source, Signal.memory, fault, &ipc) }
      return Message(error: .badAddress)
    }
    while true {
      do throws(Errno) {
        try access(fault, space, copying, &ipc)
        return Message(type: 0)
      } catch {
        if error == .wouldBlock { return park(fault, of: source, space, &ipc) }
        guard error == .noMemory else { return refuse(fault, of: source, error, &ipc) }
        if unmapClean(&ipc) { continue }
        if space.pointee.claim == .user, !copying { return starve(fault, of: source, space, &ipc) }
        _ = writesBack(&ipc)
        return refuse(fault, of: source, error, &ipc)
      }
    }
  }

  @inline(__always) private mutating func access<K: Transport>(
    _ fault: KernelEvent.PageFault, _ space: Space.Pointer, _ copying: Bool, _ ipc: inout K
  ) throws(Errno) {
    guard copying || space.pointee.claim == .service || isStack(space, fault.stack) else { throw .badAddress }
    try resolve(space, fault.address, fault.access, &ipc)
  }

  /// The access cannot be: the supervisor hears of it, unless a server's copy met it, which fails.
  mutating func refuse<K: Transport>(_ fault: KernelEvent.PageFault, of source: Endpoint, _ error: Errno, _ ipc: inout K) -> Message {
    if fault.access & KernelEvent.PageFault.kernelCopy == 0, let space = spaces[id: fault.space] {
      // No memory for a page that was promised: the same end for all kinds of fault (V93).
      let signal = error == .noMemory ? Signal.kill : error == .ioError ? Signal.bus : Signal.memory
      if !tell(space.pointee.supervisor, of: source, signal, fault, &ipc), spaces[source] == space {
        space.pointee.pending = PendingSignal(signal: signal, address: fault.address, instruction: fault.instruction)
        if space.pointee.hasPendingSignal == 0 { pendingSignals &+= 1 }
        space.pointee.hasPendingSignal = 1
      }
    }
    return Message(error: error)
  }

  enum Signal {
    static var memory: UInt32 { 11 }
    /// The region is right, but what it shows has no such page.
    static var bus: UInt32 { 7 }
    static var kill: UInt32 { 9 }
  }

  /// Puts the page for `address` there, fit for `access`. `.badAddress`: no such access is allowed there; `.ioError`: nothing
  /// is there to be accessed.
  mutating func resolve<K: Transport>(_ space: Space.Pointer, _ address: UInt64, _ access: UInt32, _ ipc: inout K) throws(Errno) {
    guard let region = space.pointee.regions.find(address) else { throw .badAddress }
    let writing = access & KernelEvent.PageFault.write != 0
    let wanted = access & KernelEvent.PageFault.execute != 0 ? VM.Protection.execute
      : writing ? VM.Protection.write : VM.Protection.read
    guard region.pointee.allows(wanted) else { throw .badAddress }
    let page = Page.down(address)
    let place = place(of: page, in: space)
    let entry = PageEntry(raw: place.slot?.pointee ?? 0)
    if entry.raw == 0 {
      try fill(space, region, page, writing: writing, at: place)
      fetchNeighbours(space, region, page)
      // A table that others show too was replaced by a copy.
      if !place.isOwn { flush(space, PageRange(start: page, end: page &+ Page.size), &ipc) }
    } else if writing, !(entry.isWritable && place.isOwn) {
      try makeWritable(space, region, page, place)
      flush(space, PageRange(start: page, end: page &+ Page.size), &ipc)
    }
    // Else somebody has been here before: the thread looks again and finds it (V66, M-A5).
  }

  /// An empty leaf entry gets the page that the region's type supplies.
  mutating func fill(_ space: Space.Pointer, _ region: Region.Pointer, _ page: UInt64, writing: Bool) throws(Errno) {
    try fill(space, region, page, writing: writing, at: place(of: page, in: space))
  }

  /// The same with the entry known.
  @inline(__always) private mutating func fill(
    _ space: Space.Pointer, _ region: Region.Pointer, _ page: UInt64, writing: Bool, at place: LeafPlace
  ) throws(Errno) {
    let index = region.pointee.page(at: page)
    // Check and reserve; then nothing fails.
    let known = place.isOwn ? place.slot : nil
    let tables = known == nil ? missingTables(space, page) : 0
    let needed = try cost(region, index, writing: writing) &+ tables
    // What is reserved must not come from the page itself.
    let pinned = region.pointee.type.isFile ? file(region).flatMap { frames.cached($0, index) } : nil
    if let pinned { frames.retain(pinned) }
    defer { if let pinned { frames.release(pinned) } }
    try frames.reserve(needed, space.pointee.claim)
    let supplied = supply(region, index, writing: writing)
    let writable = supplied.writable && LeafEntry.isWritable(region) ? PageEntry.writable : 0
    set(known ?? makeLeaf(space, page), supplied.frame, LeafEntry.flags(region) | writable)
    switch region.pointee.type {
    case .anonymous, .shared, .lent, .borrowed: space.pointee.zeroFaults &+= 1
    case .image where writing: space.pointee.copyFaults &+= 1
    case .filePrivate, .fileShared: space.pointee.fileFaults &+= 1
    default: break
    }
  }

  /// A write to a page that is there but not writable: the last owner of a frame writes in place (V59), others get
  /// a copy of their own (V57), and before that of the tables on the way (V94). The caller flushes.
  mutating func makeWritable(_ space: Space.Pointer, _ region: Region.Pointer, _ page: UInt64, _ place: LeafPlace) throws(Errno) {
    guard let seen = place.slot else { return }
    let old = Frame(address: PageEntry(raw: seen.pointee).frame)
    let flags = LeafEntry.flags(region) | (LeafEntry.isWritable(region) ? PageEntry.writable : 0)
    let tables = place.isOwn ? 0 : missingTables(space, page)
    let stays = region.pointee.type.writesInPlace || tables == 0 && isSoleOwner(of: old)
    try frames.reserve(stays ? tables : tables &+ 1, space.pointee.claim)
    let slot = place.isOwn ? seen : makeLeaf(space, page)
    if stays {
      if region.pointee.type.tellsWrites, let file = file(region) { change(file, old) }
      slot.pointee = PageEntry(frame: old.address, flags: flags).raw
      return
    }
    let new = copy(of: old)
    slot.pointee = PageEntry(frame: new.address, flags: flags).raw
    frames.retain(new)
    frames.release(old)
    space.pointee.copyFaults &+= 1
  }

  /// Whether a frame is VM's and no other table or object has it. Of a frame in a table that is the space's own.
  mutating func isSoleOwner(of frame: Frame) -> Bool {
    guard let record = frames.record(frame) else { return false }
    return record.pointee.count == 1
  }

  // MARK: Telling the supervisor

  /// False if its queue is full.
  @discardableResult
  func tell<K: Transport>(
    _ supervisor: Endpoint, of thread: Endpoint, _ signal: UInt32, _ fault: KernelEvent.PageFault, _ ipc: inout K
  ) -> Bool {
    let event = KernelEvent.Exception(
      thread: thread, signal: signal, address: fault.address, instruction: fault.instruction, vector: 14)
    do throws(Errno) {
      try ipc.sendAsync(Message(event), to: supervisor)
      return true
    } catch { return error != .wouldBlock }  // a supervisor that is gone has nobody to hear
  }

  /// Tries again what a full queue refused.
  mutating func tellPending<K: Transport>(_ ipc: inout K) {
    for index in 0..<Spaces.limit {
      guard let space = spaces[index: index], space.pointee.hasPendingSignal != 0 else { continue }
      let pending = space.pointee.pending
      let fault = KernelEvent.PageFault(address: pending.address, access: 0, space: 0, instruction: pending.instruction, stack: 0)
      guard tell(space.pointee.supervisor, of: space.pointee.thread, pending.signal, fault, &ipc) else { return }
      space.pointee.hasPendingSignal = 0
      pendingSignals &-= 1
    }
  }
}
