import BootImage
import IPC
import PageTable
import Protocols
import Testing

@testable import VMServer

/// What the tests of loans have in common: a process that lends, and services that borrow.
final class LoanWorld {
  let system: TestSystem
  let lender, server, other: Endpoint

  init(frames: UInt64 = 3000) {
    system = TestSystem(frames: frames)
    lender = system.process()
    server = system.service(.echo)
    other = system.service(.tty)
  }

  func lend(
    _ address: UInt64, pages: UInt64, from thread: Endpoint? = nil, to borrower: Endpoint? = nil, access: UInt32 = TestSystem.readWrite
  ) throws(Errno) -> UInt64 {
    try system.call(VM.Lend(to: borrower ?? server, address: address, length: pages << 12, access: access), from: thread ?? lender).loan
  }

  func borrow(
    _ loan: UInt64, from owner: Endpoint? = nil, by thread: Endpoint? = nil, page: UInt64 = 0, pages: UInt64,
    protection: UInt32 = TestSystem.readWrite, pinned: Bool = false
  ) throws(Errno) -> UInt64 {
    try system.call(
      VM.Borrow(
        from: owner ?? lender, loan: loan, offset: page << 12, length: pages << 12, protection: protection,
        flags: pinned ? VM.BorrowFlags.pinned : 0), from: thread ?? server
    ).address
  }

  func end(_ loan: UInt64, of thread: Endpoint? = nil) throws(Errno) { try system.call(VM.EndLoan(loan: loan), from: thread ?? lender) }

  /// Private memory with its page number as the first byte of each page, from 1.
  func buffer(pages: UInt64) throws(Errno) -> UInt64 {
    let address = try system.map(lender, pages: pages)
    for page in 0..<pages { system.write(lender, address + page << 12, UInt8(page + 1)) }
    return address
  }

  func first(_ thread: Endpoint, _ address: UInt64, pages: UInt64) -> [UInt8?] {
    (0..<pages).map { system.read(thread, address + $0 << 12) }
  }
}

@Suite struct LoanTests {
  let world = LoanWorld()
  var system: TestSystem { world.system }
  var lender: Endpoint { world.lender }
  var server: Endpoint { world.server }

  @Test("V75 pages of another space: what either side writes the other sees, no page is copied") func bothSeeWrites() throws {
    let address = try world.buffer(pages: 4)
    let user = system.information.user
    let loan = try world.lend(address, pages: 4)
    let place = try world.borrow(loan, pages: 4)
    #expect(world.first(server, place, pages: 4) == [1, 2, 3, 4])
    system.write(server, place + 5, 50)
    system.write(lender, address + 0x1005, 51)
    #expect(system.read(lender, address + 5) == 50)
    #expect(system.read(server, place + 0x1005) == 51)
    for page: UInt64 in 0..<4 { #expect(system.frame(lender, address + page << 12) == system.frame(server, place + page << 12)) }
    #expect(system.information.user == user)
    let line = system.regions(server).first { $0.start == place }!
    #expect(line.kind == VM.RegionKind.borrowed && line.flags & VM.RegionFlags.shared != 0 && line.resident == 4)
    system.expectSound()
  }

  @Test("V75 lent memory is filled lazily from either side") func lazy() throws {
    let address = try system.map(lender, pages: 600)  // two levels of nodes
    let place = try world.borrow(try world.lend(address, pages: 600), pages: 600)
    #expect(system.information.user == 0)
    #expect(system.read(server, place + 0x2000) == 0)
    system.write(server, place + 599 << 12, 9)
    system.write(lender, address + 0x3000, 8)
    #expect(system.information.user == 3)
    #expect(system.read(lender, address + 599 << 12) == 9)
    #expect(system.read(server, place + 0x3000) == 8)
    #expect(system.frame(lender, address + 0x2000) == 0)
    system.expectSound()
  }

  @Test("V71 a lender who unmaps does not take the pages from the borrower, and they are freed after the borrower's munmap") func lenderUnmaps() throws {
    let before = system.information
    let address = try world.buffer(pages: 3)
    let loan = try world.lend(address, pages: 3)
    let place = try world.borrow(loan, pages: 2)
    try system.unmap(lender, address, pages: 3)
    #expect(world.first(server, place, pages: 2) == [1, 2])
    // The loan goes on too: what nobody has borrowed yet is there.
    let more = try world.borrow(loan, page: 2, pages: 1)
    #expect(system.read(server, more) == 3)
    try world.end(loan)
    #expect(system.error(VM.Borrow(from: lender, loan: loan, length: 4096, protection: 1), from: server) == .notPermitted)
    #expect(world.first(server, place, pages: 2) == [1, 2] && system.read(server, more) == 3)
    system.expectSound()
    try system.unmap(server, place, pages: 2)
    #expect(system.information.user == 3)  // the object goes as a whole
    try system.unmap(server, more, pages: 1)
    #expect(system.information.user == before.user && system.information.objects == before.objects && system.information.regions == before.regions)
    #expect(system.vm.loans.slab.used == 0)
    system.expectSound()
  }

  @Test("V67 Cow + share = copy first: memory that a fork shares is copied when it is lent") func copyFirst() throws {
    let address = try world.buffer(pages: 4)
    let child = try system.fork(lender)
    let copies = system.space(lender).pointee.copyFaults
    let loan = try world.lend(address, pages: 4)
    let place = try world.borrow(loan, pages: 4)
    system.write(server, place, 77)
    system.write(lender, address + 0x1000, 78)
    #expect(world.first(lender, address, pages: 4) == [77, 78, 3, 4])
    #expect(world.first(child, address, pages: 4) == [1, 2, 3, 4])
    #expect(world.first(server, place, pages: 4) == [77, 78, 3, 4])
    #expect(system.space(lender).pointee.copyFaults == copies)
    system.expectSound()
    // The child may write in place again: nobody shares its pages any more.
    system.write(child, address, 5)
    #expect(system.space(child).pointee.copyFaults == 0)
    system.expectSound()
  }

  @Test("V67 Shared + fork = copy: a child has its own copy of what its parent lends") func forkCopies() throws {
    let address = try world.buffer(pages: 6)
    let loan = try world.lend(address + 0x1000, pages: 4)
    let place = try world.borrow(loan, pages: 4)
    try system.unmap(lender, address + 0x2000, pages: 1)
    try system.protect(lender, address + 0x3000, pages: 1, 1)
    let child = try system.fork(lender)
    system.expectSound()
    system.write(server, place, 60)  // page 1
    system.write(server, place + 0x2000, 61)  // page 3
    system.write(lender, address + 0x4000, 62)
    #expect(world.first(child, address, pages: 6) == [1, 2, nil, 4, 5, 6])
    #expect(world.first(lender, address, pages: 6) == [1, 60, nil, 61, 62, 6])
    #expect(system.write(child, address + 0x3000, 1) == false)
    system.write(child, address + 0x1000, 63)
    #expect(system.read(server, place) == 60)
    // The child's memory is private like any other.
    let grandchild = try system.fork(child)
    system.write(child, address + 0x1000, 64)
    #expect(system.read(grandchild, address + 0x1000) == 63)
    system.expectSound()
    for thread in [child, grandchild, lender] { system.exit(thread) }
    #expect(world.first(server, place, pages: 4) == [60, 3, 61, 62])
    system.expectSound()
  }

  @Test("V67 when nobody else has it any more, lent memory is private again: a fork shares it") func takenBack() throws {
    let address = try world.buffer(pages: 6)
    let loan = try world.lend(address + 0x1000, pages: 4)
    let place = try world.borrow(loan, pages: 4)
    try system.protect(lender, address + 0x2000, pages: 1, 1)  // two regions more on the object
    try system.protect(lender, address + 0x2000, pages: 1, 3)
    try system.unmap(server, place, pages: 4)
    try world.end(loan)
    #expect(system.mappings(lender).count == 3)
    let user = system.information.user
    let child = try system.fork(lender)
    #expect(system.information.user == user && system.mappings(lender).count == 1 && system.vm.objects.slab.used == 0)
    system.write(child, address + 0x1000, 90)
    #expect(world.first(lender, address, pages: 6) == [1, 2, 3, 4, 5, 6])
    system.expectSound()
  }

  @Test("V67 pages that only the borrower touched come back to the lender") func takenBackLazily() throws {
    let address = try system.map(lender, pages: 4)
    let loan = try world.lend(address, pages: 4)
    let place = try world.borrow(loan, pages: 4)
    system.write(server, place + 0x2000, 42)
    try system.unmap(server, place, pages: 4)
    try world.end(loan)
    _ = try system.fork(lender)
    #expect(system.vm.objects.slab.used == 0)
    #expect(world.first(lender, address, pages: 4) == [0, 0, 42, 0])
    system.expectSound()
  }

  @Test("R2 V75 splitting a borrowed region moves the source page along") func splits() throws {
    let address = try world.buffer(pages: 16)
    let place = try world.borrow(try world.lend(address + 0x1000, pages: 14), page: 1, pages: 12)  // pages 3...14
    for (page, count): (UInt64, UInt64) in [(2, 2), (7, 1), (0, 1), (11, 1)] { try system.unmap(server, place + page << 12, pages: count) }
    try system.protect(server, place + 9 << 12, pages: 1, 1)
    #expect(world.first(server, place, pages: 12) == [nil, 4, nil, nil, 7, 8, 9, nil, 11, 12, 13, nil])
    #expect(system.write(server, place + 9 << 12, 1) == false)
    try system.protect(server, place + 9 << 12, pages: 1, 3)
    #expect(system.mappings(server).count == 3)
    system.write(server, place + 9 << 12, 99)
    #expect(system.read(lender, address + 11 << 12) == 99)
    system.expectSound()
    // The lender's own region, in parts.
    try system.unmap(lender, address + 0x5000, pages: 2)
    #expect(world.first(lender, address, pages: 9) == [1, 2, 3, 4, 5, nil, nil, 8, 9])
    system.expectSound()
  }

  @Test("V75 what is borrowed and lent again names the same pages: chains have one step, loops cannot be") func chains() throws {
    let address = try world.buffer(pages: 8)
    var owner = lender
    var place = address
    let members = [server, world.other, system.service(.disk), lender, server, world.other, lender]
    var places: [(Endpoint, UInt64)] = []
    for (index, next) in members.enumerated() {
      // Each lends all but the first page of what it got.
      let pages = UInt64(8 - index - 1)
      let loan = try world.lend(place + 0x1000, pages: pages, from: owner, to: next)
      place = try world.borrow(loan, from: owner, by: next, pages: pages)
      owner = next
      places.append((next, place))
      #expect(system.space(owner).pointee.regions.find(place)!.pointee.object == system.space(lender).pointee.regions.find(address + 0x1000)!.pointee.object)
    }
    for (index, (thread, place)) in places.enumerated() { #expect(system.read(thread, place) == UInt8(index + 2)) }
    #expect(system.write(owner, place, 200))
    #expect(system.read(lender, address + 0x7000) == 200)
    #expect(system.vm.objects.slab.used == 1)
    system.expectSound()
    #expect(system.error(VM.Lend(to: server, address: place, length: 4096, access: 3), from: server) == .invalidArgument)  // to oneself
    // The middle of the chain goes; those behind it stay.
    try system.call(VM.Release(service: world.other), from: .rs)
    #expect(system.read(owner, place) == 200)
    system.exit(lender)
    #expect(system.read(server, places[4].1) == 6)
    system.expectSound()
  }

  @Test("V76 R4 pinned: the lender's munmap, mprotect, mremap and mmap over it are EBUSY and change nothing; after the unpin they work")
  func pinned() throws {
    let address = try world.buffer(pages: 8)
    let loan = try world.lend(address + 0x3000, pages: 2)
    let place = try world.borrow(loan, pages: 1, pinned: true)
    let before = system.regions(lender).map { "\($0)" }
    func tryAll() -> [Errno?] {
      [
        system.error(VM.MUnmap(address: address, length: 0x8000), from: lender),
        system.error(VM.MUnmap(address: address + 0x4000, length: 0x1000), from: lender),
        system.error(VM.MProtect(address: address, length: 0x8000, protection: 1), from: lender),
        system.error(VM.MMap(address: address + 0x2000, length: 0x2000, protection: 3, flags: 0x32), from: lender),
        system.error(VM.MRemap(address: address + 0x3000, oldLength: 0x2000, newLength: 0x1000, flags: 0), from: lender),
        system.error(VM.MRemap(address: address + 0x3000, oldLength: 0x2000, newLength: 0x2000, flags: 3, newAddress: 0x3000_0000_0000), from: lender),
        system.error(VM.MRemap(address: address, oldLength: 0x1000, newLength: 0x4000, flags: 3, newAddress: address + 0x2000), from: lender),
      ]
    }
    for _ in 0..<2 {
      #expect(tryAll() == Array(repeating: .busy, count: 7))
      #expect(system.regions(lender).map { "\($0)" } == before)
      #expect(world.first(lender, address, pages: 8) == [1, 2, 3, 4, 5, 6, 7, 8])
      system.expectSound()
      try? world.end(loan)  // an end does not unpin
    }
    #expect(system.error(VM.MAdvise(address: address, length: 0x8000, advice: VM.Advice.dontNeed), from: lender) == .invalidArgument)
    // What is not lent is the lender's to do with as it likes.
    try system.unmap(lender, address, pages: 1)
    try system.protect(lender, address + 0x6000, pages: 1, 1)
    try system.unmap(server, place, pages: 1)
    try system.unmap(lender, address, pages: 8)
    system.expectSound()
  }

  @Test("R4 brk under pinned heap answers the old break") func pinnedHeap() throws {
    try system.call(VM.Brk(address: 0x50_8000), from: lender)
    for page: UInt64 in 0..<8 { system.write(lender, 0x50_0000 + page << 12, UInt8(page)) }
    let place = try world.borrow(try world.lend(0x50_6000, pages: 1), pages: 1, pinned: true)
    #expect(try system.call(VM.Brk(address: 0x50_2000), from: lender).address == 0x50_8000)
    #expect(try system.call(VM.Brk(address: 0x50_7000), from: lender).address == 0x50_7000)
    #expect(try system.call(VM.Brk(address: 0x50_9000), from: lender).address == 0x50_9000)
    try system.unmap(server, place, pages: 1)
    #expect(try system.call(VM.Brk(address: 0x50_2000), from: lender).address == 0x50_2000)
    system.expectSound()
  }

  @Test("V76 pinned in parts: the pin goes with the last part") func pinnedParts() throws {
    let address = try world.buffer(pages: 4)
    let place = try world.borrow(try world.lend(address, pages: 4), pages: 4, pinned: true)
    try system.unmap(server, place + 0x1000, pages: 1)
    try system.protect(server, place + 0x3000, pages: 1, 1)
    try system.unmap(server, place, pages: 1)
    try system.unmap(server, place + 0x3000, pages: 1)
    #expect(system.error(VM.MUnmap(address: address, length: 4096), from: lender) == .busy)
    system.expectSound()
    try system.unmap(server, place + 0x2000, pages: 1)
    #expect(system.error(VM.MUnmap(address: address, length: 4096), from: lender) == nil)
    system.expectSound()
  }

  @Test("V76 a pinned borrowing never faults, whatever the lender had touched") func pinnedIsThere() throws {
    let address = try system.map(lender, pages: 700)
    system.write(lender, address + 0x5000, 5)
    let place = try world.borrow(try world.lend(address, pages: 700), pages: 700, pinned: true)
    let faults = system.vm.faults
    for page: UInt64 in 0..<700 { #expect(system.write(server, place + page << 12, UInt8(truncatingIfNeeded: page))) }
    #expect(system.vm.faults == faults)
    #expect(system.read(lender, address + 699 << 12) == UInt8(truncatingIfNeeded: 699))
    #expect(system.regions(server).first { $0.start == place }!.flags & VM.RegionFlags.pinned != 0)
    system.expectSound()
  }

  @Test("V76 exit and exec of a lender succeed however pinned, and the pages live on with the borrower", arguments: [false, true])
  func lenderEnds(_ byExec: Bool) throws {
    let address = try world.buffer(pages: 3)
    let loan = try world.lend(address, pages: 3)
    let place = try world.borrow(loan, pages: 3, pinned: true)
    if byExec {
      let vfs = system.service(.vfs)
      system.fill(lender, AddressSpace.stackTop - 64, [1, 0, 0, 0, 0, 0, 0, 0, 0x61, 0])
      try system.call(VM.ExecBegin(process: lender), from: vfs)
      try system.call(VM.ExecMap(process: lender, address: 0x40_0000, length: 9000, protection: 5), from: vfs)
      try system.call(VM.ExecCommit(process: lender, entry: 0x40_0000, arguments: AddressSpace.stackTop - 64, argumentsLength: 10), from: vfs)
      #expect(system.error(VM.Borrow(from: lender, loan: loan, length: 4096, protection: 1), from: server) == .notPermitted)
    } else {
      system.exit(lender)
      #expect(system.error(VM.Borrow(from: lender, loan: loan, length: 4096, protection: 1), from: server) == .noSuchProcess)
    }
    system.expectSound()
    #expect(world.first(server, place, pages: 3) == [1, 2, 3])
    #expect(system.write(server, place, 9))
    try system.unmap(server, place, pages: 3)
    #expect(system.vm.loans.slab.used == 0 && system.vm.objects.slab.used == 0)
    system.expectSound()
  }

  @Test("V76 the borrower's death unpins and returns all it had") func borrowerEnds() throws {
    let address = try world.buffer(pages: 3)
    let loan = try world.lend(address, pages: 3)
    _ = try world.borrow(loan, pages: 3, pinned: true)
    _ = try world.borrow(loan, page: 1, pages: 1, pinned: true)
    #expect(system.error(VM.MUnmap(address: address, length: 4096), from: lender) == .busy)
    try system.call(VM.Release(service: server), from: .rs)
    #expect(world.first(lender, address, pages: 3) == [1, 2, 3])
    system.expectSound()
    #expect(system.error(VM.MUnmap(address: address, length: 0x3000), from: lender) == nil)
    system.expectSound()
  }

  @Test("V76 M-F12 a service that is restarted may borrow again what was lent to its last life") func restartedBorrower() throws {
    let spawn = VM.Spawn(name: packName("rs"), slot: 9, restart: 0, supervisor: .rs, priority: 3)
    let driver = try system.call(spawn, from: .rs).thread
    let address = try world.buffer(pages: 2)
    let loan = try world.lend(address, pages: 2, to: driver)
    _ = try world.borrow(loan, by: driver, pages: 2, pinned: true)
    let again = try system.call(VM.Spawn(name: packName("rs"), slot: 9, restart: 1, supervisor: .rs, priority: 3), from: .rs).thread
    #expect(again == driver)
    #expect(system.error(VM.MProtect(address: address, length: 4096, protection: 1), from: lender) == nil)  // unpinned
    let place = try world.borrow(loan, by: driver, pages: 2, pinned: true)
    #expect(world.first(driver, place, pages: 2) == [1, 2])
    system.expectSound()
  }

  @Test("V76 V78 a lender that is restarted: contiguous memory that is still borrowed is not handed to its next life") func restartedLender() throws {
    let again = VM.Spawn(name: packName("rs"), slot: 9, restart: 1, supervisor: .rs, priority: 3)
    let driver = try system.call(VM.Spawn(name: packName("rs"), slot: 9, restart: 0, supervisor: .rs, priority: 3), from: .rs).thread
    let first = try system.call(VM.MapContiguous(length: 0x2000), from: driver)
    system.write(driver, first.address, 7)
    let loan = try world.lend(first.address, pages: 2, from: driver, to: server)
    let place = try world.borrow(loan, from: driver, pages: 2, pinned: true)
    #expect(system.frame(server, place) == first.physical)
    try system.call(again, from: .rs)
    #expect(system.error(VM.Borrow(from: driver, loan: loan, length: 4096, protection: 1), from: server) == .notPermitted)
    let second = try system.call(VM.MapContiguous(length: 0x2000), from: driver)
    #expect(second.physical != first.physical)
    #expect(system.read(server, place) == 7)
    system.expectSound()
    try system.unmap(server, place, pages: 2)
    // However often that happens, the service keeps one run of frames for the call.
    for _ in 0..<20 {
      try system.call(again, from: .rs)
      let next = try system.call(VM.MapContiguous(length: 0x2000), from: driver)
      let loan = try world.lend(next.address, pages: 2, from: driver, to: server)
      let place = try world.borrow(loan, from: driver, pages: 2)
      try system.call(again, from: .rs)
      _ = try system.call(VM.MapContiguous(length: 0x2000), from: driver)
      try system.unmap(server, place, pages: 2)
    }
    #expect(system.space(driver).pointee.contiguousPages <= 6)
    system.expectSound()
  }

  @Test("V81 V74 device memory that is lent keeps its type, and again when it is re-lent", arguments: [
    (VM.MemoryType.uncacheable, PageEntry.cacheDisable | PageEntry.writeThrough), (VM.MemoryType.writeCombining, PageEntry.pat),
  ])
  func deviceType(_ type: UInt32, _ bits: UInt64) throws {
    let driver = system.service(.disk)
    try system.call(VM.AllowPhysical(service: driver, base: 0xF000_0000, length: 0x8000), from: .rs)
    let free = system.information.free
    let device = try system.call(VM.MapPhysical(base: 0xF000_0000, length: 0x8000, protection: 3, type: type), from: driver).address
    let place = try world.borrow(try world.lend(device + 0x2000, pages: 4, from: driver, to: server), from: driver, page: 1, pages: 3, pinned: true)
    let chained = try world.lend(place + 0x1000, pages: 2, from: server, to: lender)
    let again = try world.borrow(chained, from: server, by: lender, pages: 2)
    for (thread, address, frame): (Endpoint, UInt64, UInt64) in [(server, place, 0xF000_3000), (server, place + 0x2000, 0xF000_5000), (lender, again, 0xF000_4000)] {
      #expect(system.touch(thread, address + 8, .write) == frame + 8)
      let entry = system.kernel.walk(system.kernel.threads[thread.slot]!.root, address)
      #expect(entry & (PageEntry.cacheDisable | PageEntry.writeThrough | PageEntry.pat) == bits)
    }
    system.expectSound()
    // Pinned device memory is held like any other.
    #expect(system.error(VM.MUnmap(address: device + 0x3000, length: 4096), from: driver) == .busy)
    #expect(system.error(VM.MUnmap(address: device + 0x7000, length: 4096), from: driver) == nil)
    // The borrower sees no more of the device than it was lent, and the driver no more than RS allowed.
    for (thread, address) in [(lender, again), (server, place)] {
      #expect(system.error(VM.MRemap(address: address, oldLength: 0x1000, newLength: 0x9000, flags: 1), from: thread) == .badAddress)
    }
    #expect(system.error(VM.MRemap(address: device, oldLength: 0x1000, newLength: 0x90000, flags: 1), from: driver) == .badAddress)
    try system.call(VM.Release(service: driver), from: .rs)
    #expect(system.touch(server, place, .read) == 0xF000_3000)
    try system.call(VM.Release(service: server), from: .rs)
    system.exit(lender)
    #expect(system.information.free >= free - 1)
    system.expectSound()
  }

  @Test("V75 shared memory is lent as it is: lender, child and borrower see one set of pages") func sharedMemory() throws {
    let address = try system.map(lender, pages: 4, shared: true)
    system.write(lender, address + 0x1000, 1)
    let child = try system.fork(lender)
    let place = try world.borrow(try world.lend(address + 0x1000, pages: 2), pages: 2)
    system.write(child, address + 0x2000, 2)
    #expect(world.first(server, place, pages: 2) == [1, 2])
    system.write(server, place, 3)
    #expect(system.read(child, address + 0x1000) == 3 && system.read(lender, address + 0x1000) == 3)
    // Who only shares the memory is not the lender.
    _ = try world.borrow(try world.lend(address, pages: 1), pages: 1, pinned: true)
    #expect(system.error(VM.MUnmap(address: address, length: 4096), from: lender) == .busy)
    #expect(system.error(VM.MUnmap(address: address, length: 4096), from: child) == nil)
    system.expectSound()
  }

  @Test("V75 V29 a file that is mapped shared can be lent: faults wait for its pages, writes are the file's, its end is the borrower's too") func files() throws {
    let stage = try CacheTests.Stage()
    let (system, lender) = (stage.system, stage.process)
    let server = system.process()
    let service = system.service(.echo)
    let address = try FileMappingTests.map(stage, pages: 4, shared: true)
    let loan = try system.call(VM.Lend(to: server, address: address + 0x1000, length: 0x3000, access: 3), from: lender).loan
    // No service waits for a file (V85).
    let toService = try system.call(VM.Lend(to: service, address: address, length: 0x1000, access: 1), from: lender).loan
    for flags in [0, VM.BorrowFlags.pinned] {
      #expect(system.error(VM.Borrow(from: lender, loan: toService, length: 0x1000, protection: 1, flags: flags), from: service) == .notPermitted)
    }
    try system.call(VM.EndLoan(loan: toService), from: lender)
    let place = try system.call(VM.Borrow(from: lender, loan: loan, length: 0x3000, protection: 3), from: server).address
    #expect(system.touch(server, place + 0x1000, .read) == nil)
    #expect(system.kernel.pageRequests.map(\.position) == [2 << 12])
    try stage.fill(7, page: 2)
    #expect(system.readWord(server, place + 0x1000) == CacheTests.Stage.pattern(7, 2))
    #expect(system.write(server, place + 0x1000, 0x55))
    #expect(system.read(lender, address + 0x2000) == 0x55)
    #expect(system.information.objects == 1)
    system.expectSound()
    try system.unmap(lender, address, pages: 4)
    try system.call(VM.EndLoan(loan: loan), from: lender)
    #expect(system.read(server, place + 0x1000) == 0x55 && system.kernel.unmapped.isEmpty)
    try system.call(PageCache.Truncate(mount: 1, inode: 7, size: 0x2000), from: stage.vfs)
    #expect(system.touch(server, place + 0x1000, .read) == nil)
    #expect(system.kernel.exceptions.last?.event.signal == 7)
    try system.unmap(server, place, pages: 3)
    #expect(system.kernel.unmapped.count == 1)
    system.expectSound()
    // A private mapping is nobody else's.
    let own = try FileMappingTests.map(stage, pages: 2)
    #expect(system.error(VM.Lend(to: server, address: own, length: 4096, access: 1), from: lender) == .notPermitted)
  }

  @Test("V75 a borrower that is a process: its child borrows too, and ends for itself") func borrowerForks() throws {
    let service = world.other
    let buffer = try system.map(service, pages: 2)
    system.write(service, buffer, 11)
    let loan = try world.lend(buffer, pages: 2, from: service, to: lender)
    let place = try world.borrow(loan, from: service, by: lender, pages: 2)
    let child = try system.fork(lender)
    system.write(child, place + 0x1000, 12)
    #expect(system.read(service, buffer + 0x1000) == 12 && system.read(lender, place + 0x1000) == 12)
    #expect(system.error(VM.Borrow(from: service, loan: loan, length: 4096, protection: 1), from: child) == .notPermitted)
    system.expectSound()
    system.exit(lender)
    #expect(system.read(child, place) == 11)
    system.exit(child)
    try world.end(loan, of: service)
    system.expectSound()
  }

  @Test("V75 SEC26 who may borrow what: errors, and nothing changes") func errors() throws {
    let world = LoanWorld(frames: 6000)
    let (system, lender, server) = (world.system, world.lender, world.server)
    let address = try world.buffer(pages: 4)
    try system.protect(lender, address + 0x3000, pages: 1, 1)
    let regions = system.information.regions
    func lending(_ call: VM.Lend) -> Errno? { system.error(call, from: lender) }
    #expect(lending(VM.Lend(to: server, address: address + 1, length: 4096, access: 1)) == .invalidArgument)
    #expect(lending(VM.Lend(to: server, address: address, length: 4095, access: 1)) == .invalidArgument)
    #expect(lending(VM.Lend(to: server, address: address, length: 0, access: 1)) == .invalidArgument)
    #expect(lending(VM.Lend(to: server, address: address, length: 4096, access: 0)) == .invalidArgument)
    #expect(lending(VM.Lend(to: server, address: address, length: 4096, access: 5)) == .invalidArgument)
    #expect(lending(VM.Lend(to: lender, address: address, length: 4096, access: 1)) == .invalidArgument)
    #expect(lending(VM.Lend(to: Endpoint(slot: 200, generation: 3), address: address, length: 4096, access: 1)) == .noSuchProcess)
    #expect(lending(VM.Lend(to: server, address: address + 0x2000, length: 0x2000, access: 1)) == .badAddress)  // two regions
    #expect(lending(VM.Lend(to: server, address: address - 0x1000, length: 0x1000, access: 1)) == .badAddress)
    #expect(lending(VM.Lend(to: server, address: address + 0x3000, length: 0x1000, access: 3)) == .accessDenied)
    #expect(lending(VM.Lend(to: server, address: AddressSpace.stackTop - 0x1000, length: 0x1000, access: 1)) == .notPermitted)
    #expect(lending(VM.Lend(to: server, address: AddressSpace.stub, length: 0x1000, access: 1)) == .notPermitted)
    let large = try system.map(lender, pages: 4097, flags: 0x4000)
    #expect(lending(VM.Lend(to: server, address: large, length: 4097 << 12, access: 1)) == .invalidArgument)
    try system.unmap(lender, large, pages: 4097)
    #expect(system.information.regions == regions)

    let loan = try world.lend(address, pages: 3, access: 1)
    func borrowing(_ call: VM.Borrow, from thread: Endpoint? = nil) -> Errno? { system.error(call, from: thread ?? server) }
    #expect(borrowing(VM.Borrow(from: lender, loan: loan, length: 0x4000, protection: 1)) == .invalidArgument)
    #expect(borrowing(VM.Borrow(from: lender, loan: loan, offset: 0x1000, length: 0x2001, protection: 1)) == .invalidArgument)
    #expect(borrowing(VM.Borrow(from: lender, loan: loan, offset: UInt64.max &- 4095, length: 0x1000, protection: 1)) == .invalidArgument)
    #expect(borrowing(VM.Borrow(from: lender, loan: loan, length: UInt64.max, protection: 1)) == .invalidArgument)
    #expect(borrowing(VM.Borrow(from: lender, loan: loan, offset: 1, length: 0x1000, protection: 1)) == .invalidArgument)
    #expect(borrowing(VM.Borrow(from: lender, loan: loan, length: 0, protection: 1)) == .invalidArgument)
    #expect(borrowing(VM.Borrow(from: lender, loan: loan, length: 4096, protection: 1, flags: 2)) == .invalidArgument)
    #expect(borrowing(VM.Borrow(from: lender, loan: loan, length: 4096, protection: 0)) == .invalidArgument)
    #expect(borrowing(VM.Borrow(from: lender, loan: loan, length: 4096, protection: 3)) == .accessDenied)
    #expect(borrowing(VM.Borrow(from: lender, loan: loan, length: 4096, protection: 5)) == .accessDenied)
    #expect(borrowing(VM.Borrow(from: lender, loan: loan + 1, length: 4096, protection: 1)) == .notPermitted)
    #expect(borrowing(VM.Borrow(from: lender, loan: loan, length: 4096, protection: 1), from: world.other) == .notPermitted)
    #expect(borrowing(VM.Borrow(from: server, loan: loan, length: 4096, protection: 1)) == .notPermitted)
    #expect(system.error(VM.EndLoan(loan: loan), from: server) == .invalidArgument)
    #expect(system.error(VM.EndLoan(loan: loan + 1), from: lender) == .invalidArgument)
    // Only services pin.
    let process = system.process()
    let toProcess = try world.lend(address, pages: 1, to: process)
    #expect(system.error(VM.Borrow(from: lender, loan: toProcess, length: 4096, protection: 1, flags: 1), from: process) == .notPermitted)
    // What is lent to read cannot be made writable.
    let place = try world.borrow(loan, pages: 1, protection: 1)
    #expect(system.error(VM.MProtect(address: place, length: 4096, protection: 3), from: server) == .accessDenied)
    #expect(system.write(server, place, 1) == false)
    system.expectSound()
  }

  @Test("V75 a lender has at most 64 loans, with those that ended and are still shown") func limit() throws {
    let address = try world.buffer(pages: 1)
    var loans: [UInt64] = []
    for _ in 0..<64 { loans.append(try world.lend(address, pages: 1)) }
    #expect(Set(loans).count == 64)
    #expect(throws: Errno.noSpace) { try world.lend(address, pages: 1) }
    let place = try world.borrow(loans[40], pages: 1)
    for loan in [loans[40], loans[0], loans[63]] { try world.end(loan) }
    #expect(system.error(VM.EndLoan(loan: loans[40]), from: lender) == .invalidArgument)
    #expect(system.space(lender).pointee.loanCount == 62)
    try system.unmap(server, place, pages: 1)
    for _ in 0..<3 { _ = try world.lend(address, pages: 1) }
    #expect(throws: Errno.noSpace) { try world.lend(address, pages: 1) }
    system.expectSound()
  }

  @Test("V71 mremap, madvise and RLIMIT_DATA know lent memory") func others() throws {
    let address = try world.buffer(pages: 6)
    let data = system.space(lender).pointee.regions.totals.data
    let loan = try world.lend(address + 0x2000, pages: 2)
    #expect(system.space(lender).pointee.regions.totals.data == data)
    let place = try world.borrow(loan, pages: 2)
    // It moves, and does not grow while others have it.
    #expect(system.error(VM.MRemap(address: address + 0x2000, oldLength: 0x2000, newLength: 0x3000, flags: 1), from: lender) == .busy)
    #expect(system.error(VM.MRemap(address: address + 0x2000, oldLength: 0, newLength: 0x3000, flags: 1), from: lender) == .invalidArgument)
    #expect(system.error(VM.MAdvise(address: address, length: 0x6000, advice: VM.Advice.free), from: lender) == .invalidArgument)
    let moved: UInt64 = 0x3000_0000_0000
    try system.call(VM.MRemap(address: address + 0x2000, oldLength: 0x2000, newLength: 0x2000, flags: 3, newAddress: moved), from: lender)
    system.write(lender, moved, 33)
    #expect(world.first(server, place, pages: 2) == [33, 4])
    system.expectSound()
    try system.call(VM.MRemap(address: moved, oldLength: 0x2000, newLength: 0x2000, flags: 3, newAddress: address + 0x2000), from: lender)
    try system.unmap(server, place, pages: 2)
    try world.end(loan)
    #expect(system.error(VM.MAdvise(address: address + 0x3000, length: 0x1000, advice: VM.Advice.dontNeed), from: lender) == nil)
    #expect(world.first(lender, address, pages: 6) == [1, 2, 33, 0, 5, 6])
    _ = try world.lend(address + 0x4000, pages: 1)
    let grown = try system.call(VM.MRemap(address: address, oldLength: 0x4000, newLength: 0x9000, flags: 1), from: lender).address
    #expect(world.first(lender, grown, pages: 5) == [1, 2, 33, 0, 0])
    system.expectSound()
  }
}
