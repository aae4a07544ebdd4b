import IPC
import PageTable
import Protocols

extension VirtualMemory {
  /// An empty space without a thread: a root with the kernel's half, and the stub page. Whole or not at all.
  mutating func makeSpace<K: Transport>(_ claim: Claim, _ ipc: inout K) throws(Errno) -> Space.Pointer {
    guard let id = spaces.freeID() else { throw .noMemory }
    try spaceRecords.reserve(1, &frames, claim)
    let root = try makeRoot(claim, &ipc)
    let space = spaceRecords.take(Space(id: id, root: root, claim: claim))
    pressure.births &+= 1
    space.pointee.born = pressure.births
    spaces.add(space)
    return space
  }

  /// A frame with the kernel's half of a top table, the user half empty.
  private mutating func makeRoot<K: Transport>(_ claim: Claim, _ ipc: inout K) throws(Errno) -> Frame {
    try frames.reserve(1, claim)
    let root = frames.take(.table)
    do throws(Errno) {
      try ipc.kernel(Kernel.SpacePrepare(root: root.address))
    } catch {
      frames.retire(root)
      throw error
    }
    return root
  }

  /// The stub page, which every program needs and nobody can change (V96).
  mutating func mapStub(_ space: Space.Pointer) throws(Errno) {
    try regions.reserve(1, &frames, space.pointee.claim)
    try frames.reserve(missingTables(space, AddressSpace.stub), space.pointee.claim)
    let range = PageRange(start: AddressSpace.stub, end: AddressSpace.stub &+ Page.size)
    let access = VM.Protection.read | VM.Protection.execute
    let region = regions.take(Region(range, .physical, kind: VM.RegionKind.stub, protection: access, allowed: access, first: stub.number))
    space.pointee.regions.insert(region)
    set(makeLeaf(space, range.start), stub, LeafEntry.flags(region))
  }

  /// Everything of a space goes: pages, tables, regions, record. Its thread must be gone or run in another; so the
  /// root dies at once and nothing is flushed (V48). Cannot fail.
  mutating func destroy(_ space: Space.Pointer) {
    if let building = space.pointee.building {
      space.pointee.building = nil
      destroy(building)
    }
    _ = clear(space, PageRange(start: 0, end: AddressSpace.userEnd))
    while let region = space.pointee.regions.root {
      space.pointee.regions.remove(region)
      drop(region)
    }
    endLoans(of: space)
    releaseContiguous(space)
    if space.pointee.hasPendingSignal != 0 { pendingSignals &-= 1 }
    frames.retire(space.pointee.root)
    relieved(space)
    spaces.remove(space)
    spaceRecords.give(space)
  }

  /// Lets go of contiguous memory that the space kept for its next life.
  mutating func releaseContiguous(_ space: Space.Pointer) {
    while let object = space.pointee.contiguous {
      space.pointee.contiguous = object.pointee.next
      release(object, .contiguous)
    }
  }

  /// A region that is in no tree any more.
  mutating func drop(_ region: Region.Pointer) {
    release(region.pointee.object, region.pointee.type)
    if let loan = region.pointee.loan { returned(loan, pinned: region.pointee.has(Region.pinned)) }
    regions.give(region)
  }
}
