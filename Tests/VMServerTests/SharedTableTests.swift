import IPC
import PageTable
import Protocols
import Testing

@testable import VMServer

/// Page tables that parent and child have in common after fork.
@Suite struct SharedTableTests {
  private func parent(_ system: TestSystem, _ pages: UInt64, shared: Bool = false) throws -> (Endpoint, UInt64) {
    let process = system.process()
    let address = try system.map(process, pages: pages, shared: shared)
    for page in 0..<pages { system.write(process, address + page << 12, UInt8(truncatingIfNeeded: page)) }
    return (process, address)
  }

  /// All entries of all page tables, the kernel's half of the top ones left out.
  private func entries(_ system: TestSystem) -> [UInt64: UInt64] {
    var result: [UInt64: UInt64] = [:]
    func visit(_ table: Frame, _ level: UInt64) {
      guard result[table.address | 1] == nil else { return }
      result[table.address | 1] = level
      for index in 0..<(level == 4 ? 256 : 512) where system.vm.frames.words(table)[index] != 0 {
        let entry = system.vm.frames.words(table)[index]
        result[table.address + UInt64(index) * 8] = entry
        if level > 1 { visit(Frame(address: PageEntry(raw: entry).frame), level - 1) }
      }
    }
    for index in 0..<Spaces.limit { if let space = system.vm.spaces[index: index] { visit(space.pointee.root, 4) } }
    return result
  }

  /// How many entries a fork writes.
  private func forkWrites(pages: UInt64) throws -> Int {
    let system = TestSystem(frames: pages + 1000)
    let (process, _) = try parent(system, pages)
    let before = entries(system)
    _ = try system.fork(process)
    let after = entries(system)
    return after.count { before[$0.key] != $0.value } + before.count { after[$0.key] == nil }
  }

  @Test("V94 fork writes as many entries for 10 pages as for 100,000") func forkCost() throws {
    let few = try forkWrites(pages: 10)
    #expect(try forkWrites(pages: 100_000) <= 2 * few && few > 0 && few < 16)
  }

  @Test("V94 the first write below a shared table copies the tables on its way and no others") func firstWrite() throws {
    let system = TestSystem(frames: 4000)
    let (process, address) = try parent(system, 2000)
    let before = system.information
    let child = try system.fork(process)
    #expect(system.information.tables == before.tables + 1 && system.information.user == before.user)
    for page: UInt64 in stride(from: 0, to: 2000, by: 100) { #expect(system.read(child, address + page << 12) == UInt8(truncatingIfNeeded: page)) }
    #expect(system.information.tables == before.tables + 1)
    // Top, then one of each level.
    system.write(child, address + 0x1000, 99)
    #expect(system.information.tables == before.tables + 4 && system.information.user == before.user + 1)
    system.write(child, address + 0x2000, 99)
    #expect(system.information.tables == before.tables + 4 && system.information.user == before.user + 2)
    system.expectSound()
    // Two leaf tables on.
    system.write(child, address + 1024 << 12, 99)
    #expect(system.information.tables == before.tables + 5 && system.information.user == before.user + 3)
    // The parent has the last share of what the child left, and takes it without a copy.
    system.write(process, address + 0x1000, 98)
    #expect(system.information.tables == before.tables + 5 && system.information.user == before.user + 3)
    #expect(system.read(process, address + 0x1000) == 98 && system.read(child, address + 0x1000) == 99)
    #expect(system.read(process, address + 0x2000) == 2 && system.read(child, address + 0x3000) == 3)
    system.expectSound()
    system.exit(process)
    system.expectSound()
    #expect(system.read(child, address + 1999 << 12) == UInt8(1999 & 255))
    system.exit(child)
    #expect(system.information.user == 0)
    system.expectSound()
  }

  @Test("V94 V59 after the child has gone the parent writes again without a copy, one fault a page at most") func lastOwner() throws {
    let system = TestSystem(frames: 2000)
    let (process, address) = try parent(system, 600)
    let before = system.information
    system.exit(try system.fork(process))
    let faults = system.vm.faults
    for page: UInt64 in 0..<600 { system.write(process, address + page << 12, 7) }
    // The right comes back with a table, not with a page.
    #expect(system.vm.faults - faults <= 2)
    #expect(system.information.free == before.free && system.space(process).pointee.copyFaults == 0)
    system.expectSound()
  }

  @Test("V94 an untouched page below a shared table is its toucher's own") func untouched() throws {
    let system = TestSystem(frames: 2000)
    let process = system.process()
    let address = try system.map(process, pages: 64)
    system.write(process, address, 1)
    let child = try system.fork(process)
    #expect(system.read(child, address + 0x5000) == 0)
    #expect(system.frame(process, address + 0x5000) == 0)
    system.write(process, address + 0x5000, 8)
    #expect(system.read(child, address + 0x5000) == 0)
    system.expectSound()
  }

  @Test("V73 V94 pages of shared memory stay writable for both when their table is copied") func sharedMemory() throws {
    let system = TestSystem(frames: 2000)
    let (process, address) = try parent(system, 100, shared: true)
    let user = system.information.user
    let child = try system.fork(process)
    let faults = system.vm.faults
    for page: UInt64 in 0..<100 { system.write(child, address + page << 12, UInt8(100 + page)) }
    #expect(system.vm.faults == faults + 1)
    for page: UInt64 in 0..<100 { #expect(system.read(process, address + page << 12) == UInt8(100 + page)) }
    for page: UInt64 in 0..<100 { system.write(process, address + page << 12, UInt8(page)) }
    for page: UInt64 in 0..<100 { #expect(system.read(child, address + page << 12) == UInt8(page)) }
    #expect(system.information.user == user && system.vm.faults == faults + 2)
    system.expectSound()
  }

  @Test("V94 V48 the end of a space drops its shares without a look at the pages") func exit() throws {
    let system = TestSystem(frames: 4000)
    let (process, _) = try parent(system, 2000)
    let child = try system.fork(process)
    let before = entries(system)
    system.exit(child)
    let after = entries(system)
    #expect(after.allSatisfy { before[$0.key] == $0.value })
    system.expectSound()
  }

  @Test("V94 V60 unmapping what fills whole tables drops them; at its ends it copies at most three each") func partialUnmap() throws {
    let system = TestSystem(frames: 6000)
    let process = system.process()
    // From the middle of one 512 GiB to the middle of the next.
    let border: UInt64 = 0x2080_0000_0000
    let start = border - 1000 << 12
    try system.map(process, pages: 2000, at: start, flags: VM.Flags.fixed)
    for page: UInt64 in 0..<2000 { system.write(process, start + page << 12, UInt8(truncatingIfNeeded: page)) }
    let child = try system.fork(process)
    let tables = system.information.tables
    try system.unmap(child, start + 100 << 12, pages: 1800)
    #expect(system.information.tables == tables + 6)
    for page: UInt64 in 0..<2000 {
      #expect(system.read(process, start + page << 12) == UInt8(truncatingIfNeeded: page))
      #expect((system.read(child, start + page << 12) != nil) == (page < 100 || page >= 1900))
    }
    system.expectSound()
    // Nothing lies there any more: nothing to copy.
    let again = try system.fork(child)
    let free = system.information.free
    try system.map(again, pages: 4, at: border, flags: VM.Flags.fixed)
    try system.unmap(again, border, pages: 4)
    #expect(system.information.free >= free - 1)  // a page of regions
    for thread in [process, child, again] { system.exit(thread) }
    #expect(system.information.user == 0)
    system.expectSound()
  }

  @Test("V94 M-B9 a whole table that others show goes, and so does what the MMU remembers of it") func wholeUnmap() throws {
    let system = TestSystem(frames: 4000)
    let process = system.process()
    let start: UInt64 = 0x3000_0000_0000
    try system.map(process, pages: 1024, at: start, flags: VM.Flags.fixed)
    for page: UInt64 in 0..<1024 { system.write(process, start + page << 12, UInt8(truncatingIfNeeded: page)) }
    let child = try system.fork(process)
    // The tables above are the child's own then, the first leaf table is not.
    system.write(child, start + 1000 << 12, 1)
    #expect(system.read(child, start + 5 << 12) == 5)
    let tables = system.information.tables
    try system.unmap(child, start, pages: 512)
    #expect(system.information.tables == tables)
    #expect(system.read(child, start + 5 << 12) == nil && system.read(process, start + 5 << 12) == 5)
    system.expectSound()
  }

  @Test("V94 mprotect after fork is the caller's alone") func protect() throws {
    let system = TestSystem(frames: 2000)
    let (process, address) = try parent(system, 600)
    let child = try system.fork(process)
    try system.protect(child, address + 500 << 12, pages: 50, VM.Protection.none)
    #expect(system.read(child, address + 510 << 12) == nil && system.read(child, address + 550 << 12) == UInt8(550 & 255))
    #expect(system.write(process, address + 510 << 12, 5))
    try system.protect(process, address, pages: 600, VM.Protection.read)
    #expect(!system.write(process, address, 1) && system.write(child, address, 1))
    try system.protect(child, address + 500 << 12, pages: 50, 3)
    #expect(system.read(child, address + 510 << 12) == UInt8(510 & 255) && system.read(process, address + 510 << 12) == 5)
    system.expectSound()
  }

  @Test("X10 V94 eight generations of 100,000 pages, one write each: eight leaf tables and eight pages; exits in any order") func chain() throws {
    let pages: UInt64 = 100_000
    let system = TestSystem(frames: pages + 2000)
    let before = system.information.free
    let (process, address) = try parent(system, pages)
    let start = system.information
    var processes = [process]
    for _ in 0..<8 { processes.append(try system.fork(processes.last!)) }
    for (index, process) in processes.enumerated() { system.write(process, address + 0x1000, UInt8(100 + index)) }
    // Nine show it, the last to write has it to itself: eight copies of a page and of a table of each level, and eight top tables.
    #expect(system.information.user == start.user + 8)
    #expect(system.information.tables == start.tables + 8 * 4)
    for (index, process) in processes.enumerated() { #expect(system.read(process, address + 0x1000) == UInt8(100 + index)) }
    system.expectSound()
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = Random(state: seed)
    while !processes.isEmpty { system.exit(processes.remove(at: random.below(processes.count))) }
    system.expectSound()
    #expect(system.information.user == 0 && system.information.free == before, "seed \(seed)")
  }
}
