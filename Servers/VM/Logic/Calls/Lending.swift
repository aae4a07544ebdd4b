import IPC
import PageTable
import Protocols

// Lending and borrowing. Both name an object, and pages of it; whose region they came from matters no more. Private memory gets
// an object when it is lent (LentMemory.swift).
extension VirtualMemory {
  mutating func lend<K: Transport>(_ space: Space.Pointer, _ call: VM.Lend, _ ipc: inout K) throws(Errno) -> UInt64 {
    let range = try Self.range(call.address, call.length)
    let access = try Self.access(call.access)
    guard call.length & (Page.size &- 1) == 0, access != 0, access & VM.Protection.execute == 0, call.borrower != space.pointee.thread else {
      throw .invalidArgument
    }
    guard spaces[call.borrower] != nil else { throw .noSuchProcess }
    guard space.pointee.loanCount < VM.Loan.count else { throw .noSpace }
    // What came back from an earlier loan may be one region with its neighbours again.
    try takeBack(space, range, &ipc)
    guard let region = space.pointee.regions.find(range.start), range.end <= region.pointee.end else { throw .badAddress }
    guard region.pointee.canBeLent else { throw .notPermitted }
    guard region.pointee.allows(access) else { throw .accessDenied }
    if region.pointee.type != .anonymous, !region.pointee.type.isFile, let object = region.pointee.object {
      // mremap made it longer than what it shows.
      guard region.pointee.page(at: range.end) <= object.pointee.pages else { throw .badAddress }
    }
    try loans.reserve(1, &frames, space.pointee.claim)
    let shown = region.pointee.type == .anonymous ? try makeLent(space, range, &ipc) : region

    // Nothing fails from here on.
    let type: MemoryType = shown.pointee.type == .lent ? .borrowed : shown.pointee.type
    if let object = shown.pointee.object { object.pointee.references &+= 1 }
    let loan = loans.take(Loan(
      id: nextLoan, borrower: call.borrower, access: UInt8(access), type: type, cache: shown.pointee.cache,
      first: shown.pointee.page(at: range.start), pages: range.pages, object: shown.pointee.object, lender: space,
      next: space.pointee.loans))
    space.pointee.loans = loan
    space.pointee.loanCount &+= 1
    nextLoan &+= 1
    return loan.pointee.id
  }

  mutating func endLoan(_ space: Space.Pointer, _ id: UInt64) throws(Errno) {
    guard let loan = findLoan(space, id) else { throw .invalidArgument }
    end(loan)
  }

  mutating func borrow(_ space: Space.Pointer, _ call: VM.Borrow) throws(Errno) -> UInt64 {
    let access = try Self.access(call.protection)
    let isPinned = call.flags & VM.BorrowFlags.pinned != 0
    guard access != 0, call.flags & ~VM.BorrowFlags.pinned == 0 else { throw .invalidArgument }
    guard let lender = spaces[call.lender] else { throw .noSuchProcess }
    guard let loan = findLoan(lender, call.loan), loan.pointee.borrower == space.pointee.thread else { throw .notPermitted }
    guard access & ~UInt32(loan.pointee.access) == 0 else { throw .accessDenied }
    guard call.offset & (Page.size &- 1) == 0, call.length > 0, call.length <= loan.pointee.pages << 12,
      call.offset <= loan.pointee.pages << 12 &- Page.up(call.length)
    else { throw .invalidArgument }
    // No service waits for a file's page (V85), or ends because somebody truncates a file.
    if loan.pointee.type.isFile, space.pointee.thread.isService { throw .notPermitted }
    if isPinned {
      // A program whose death nobody minds must not keep others from their memory.
      guard space.pointee.claim == .service else { throw .notPermitted }
      guard call.length <= VM.Loan.limit else { throw .invalidArgument }
    }
    let range = try freeRoom(space, call.length)
    try admit(space, range.pages, data: false)
    var region = Region(
      range, loan.pointee.type, kind: VM.RegionKind.borrowed, protection: access, allowed: UInt32(loan.pointee.access),
      first: loan.pointee.first &+ call.offset >> 12, object: loan.pointee.object)
    region.loan = loan
    region.cache = loan.pointee.cache
    region.flags = isPinned ? Region.mapped | Region.pinned : Region.mapped
    try regions.reserve(1, &frames, space.pointee.claim)
    if isPinned { try frames.reserve(missingPages(region) &+ range.mostTables, .user) }

    // Nothing fails from here on.
    retain(region)
    let shown = regions.take(region)
    space.pointee.regions.insert(shown)
    if isPinned { mapAll(space, shown) }
    return range.start
  }

  /// An upper bound of the frames that all pages of what a region shows cost.
  private func missingPages(_ region: Region) -> UInt64 {
    guard region.type.isTree, let object = region.object else { return 0 }
    var count: UInt64 = 0
    for page in region.first..<region.first &+ region.pages {
      if frames.load(object, page) == nil { count &+= 1 }
      // Each node once.
      if page == region.first || page & 511 == 0 { count &+= frames.missingNodes(object, page) }
    }
    return count
  }

  /// Has all pages there, of reserved frames, so that no access will fault.
  private mutating func mapAll(_ space: Space.Pointer, _ region: Region.Pointer) {
    let flags = LeafEntry.flags(region) | (LeafEntry.isWritable(region) ? PageEntry.writable : 0)
    var address = region.pointee.start
    while address < region.pointee.end {
      let frame = supply(region, region.pointee.page(at: address), writing: false).frame
      set(makeLeaf(space, address), frame, flags)
      address &+= Page.size
    }
  }
}

extension Region {
  /// Whether others may be shown it: zeroed private memory, and what all who map it see alike.
  fileprivate var canBeLent: Bool {
    switch type {
    case .anonymous: kind != VM.RegionKind.stack
    case .physical: kind != VM.RegionKind.stub
    case .shared, .contiguous, .fileShared, .lent, .borrowed: true
    case .image, .filePrivate, .unbacked: false
    }
  }
}

extension PageRange {
  /// The most page tables that its pages can need.
  var mostTables: UInt64 {
    var count: UInt64 = 0
    var shift: UInt64 = 21
    while shift <= 39 {
      count &+= (end &- 1) >> shift &- start >> shift &+ 1
      shift &+= 9
    }
    return count
  }
}
