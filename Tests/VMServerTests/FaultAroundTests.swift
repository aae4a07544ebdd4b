import IPC
import PageTable
import Protocols
import Testing

@testable import VMServer

/// Pages that come with the page of a fault.
@Suite struct FaultAroundTests {
  let system = TestSystem()

  private func resident(_ process: Endpoint) -> [UInt64] { system.mappings(process).map { UInt64($0.resident) } }

  @Test("V87 V25 64 pages from low to high are 8 faults, counted as 8, each page zeroed") func upward() throws {
    let process = system.process()
    let address = try system.map(process, pages: 64)
    let faults = system.vm.faults
    for page: UInt64 in 0..<64 {
      #expect(system.read(process, address + page << 12 + 4095) == 0)
      system.write(process, address + page << 12, 1)
    }
    #expect(system.vm.faults == faults + 8 && system.space(process).pointee.zeroFaults == 8)
    #expect(resident(process) == [64])
    system.expectSound()
  }

  @Test("V21 V87 every fourth of 1,024 pages: 256 faults and 256 pages") func scattered() throws {
    let process = system.process()
    let address = try system.map(process, pages: 1024)
    for page: UInt64 in stride(from: 0, to: 1024, by: 4) { system.write(process, address + page << 12, 1) }
    #expect(system.space(process).pointee.zeroFaults == 256 && resident(process) == [256])
    for page: UInt64 in 0..<1024 { #expect((system.frame(process, address + page << 12) != 0) == (page % 4 == 0)) }
  }

  @Test("V87 from high to low each page is a fault; a leap begins again with one page") func otherOrders() throws {
    let process = system.process()
    let address = try system.map(process, pages: 200)
    for page: UInt64 in (0..<50).reversed() { system.write(process, address + page << 12, 1) }
    #expect(system.space(process).pointee.zeroFaults == 50 && resident(process) == [50])
    // 100; 101 and 102; 103 to 106.
    for page: UInt64 in [100, 101, 103] { system.write(process, address + page << 12, 1) }
    #expect(resident(process) == [57])
    system.write(process, address + 150 << 12, 1)
    system.write(process, address + 107 << 12, 1)
    #expect(resident(process) == [59])
    system.expectSound()
  }

  @Test("V87 neighbours never cross the region, the leaf table, or a page that is there") func borders() throws {
    let process = system.process()
    let start: UInt64 = 0x3000_0020_0000 - 40 << 12
    try system.map(process, pages: 100, at: start, flags: VM.Flags.fixed)
    try system.protect(process, start + 20 << 12, pages: 5, 1)
    for page: UInt64 in 0..<20 { system.write(process, start + page << 12, 1) }
    #expect(resident(process) == [20, 0, 0])
    // 25 to 39 lie below the border of leaf tables: 1 + 2 + 4 + 8, and then it is there.
    for page: UInt64 in 25..<33 { system.write(process, start + page << 12, 1) }
    #expect(resident(process) == [20, 0, 15])
    #expect(system.frame(process, start + 40 << 12) == 0)
    // The stride goes on behind the border.
    system.write(process, start + 50 << 12, 77)
    let faults = system.vm.faults
    system.write(process, start + 40 << 12, 1)
    system.write(process, start + 41 << 12, 1)
    #expect(system.vm.faults == faults + 2)
    for page: UInt64 in 42..<51 { system.write(process, start + page << 12 + 8, 1) }
    #expect(system.read(process, start + 50 << 12) == 77)
    system.expectSound()
  }

  @Test("V87 what madvise said decides: none when random, all at once when sequential") func advice() throws {
    let process = system.process()
    let address = try system.map(process, pages: 64)
    let region = try #require(system.space(process).pointee.regions.find(address))
    region.pointee.advice = .random
    for page: UInt64 in 0..<16 { system.write(process, address + page << 12, 1) }
    #expect(resident(process) == [16] && system.space(process).pointee.zeroFaults == 16)
    region.pointee.advice = .sequential
    system.write(process, address + 20 << 12, 1)
    #expect(resident(process) == [32])
  }

  @Test("V87 shared memory comes page by page") func shared() throws {
    let process = system.process()
    let address = try system.map(process, pages: 8, shared: true)
    for page: UInt64 in 0..<4 { system.write(process, address + page << 12, 1) }
    #expect(resident(process) == [4])
  }

  @Test("V87 V93 when memory is short a fault brings its page only, and the last page is had like the first") func pressure() throws {
    let system = TestSystem(frames: 400)
    let process = system.process()
    let address = try system.map(process, pages: 399)
    var page: UInt64 = 0
    while system.information.free >= 16 {
      system.write(process, address + page << 12, 1)
      page += 1
    }
    let user = system.information.user
    #expect(system.frame(process, address + (user - 1) << 12) != 0)
    for more: UInt64 in 0..<10 {
      #expect(system.write(process, address + (user + more) << 12, 1))
      #expect(system.information.user == user + more + 1)
    }
    while system.write(process, address + (system.information.user) << 12, 1) {}
    #expect(system.information.free == 0)
    system.expectSound()
  }

  @Test("V87 a child's sequence is its own") func afterFork() throws {
    let process = system.process()
    let address = try system.map(process, pages: 64)
    for page: UInt64 in 0..<3 { system.write(process, address + page << 12, 1) }
    let child = try system.fork(process)
    system.write(child, address + 3 << 12, 2)
    #expect(resident(child) == [7] && resident(process) == [3])
    system.write(process, address + 3 << 12, 3)
    #expect(system.read(child, address + 3 << 12) == 2 && system.read(process, address + 3 << 12) == 3)
    system.expectSound()
  }

  // MARK: Files

  @Test("V87 V20 a fault on a file brings what the cache has of the aligned 16 pages, nothing else; never beyond the region or the file") func files() throws {
    let stage = try CacheTests.Stage()
    for page: UInt64 in [0, 1, 2, 15, 16, 17, 18, 31, 32, 33] { try stage.fill(7, page: page) }
    // Page 1 of the file on the third page of a window.
    let window: UInt64 = 0x3000_0000_0000
    let start = window + 3 << 12
    _ = try FileMappingTests.map(stage, page: 1, pages: 33, size: 33 << 12 + 5, at: start, flags: VM.Flags.fixed)
    func there() -> Set<UInt64> { Set((0..<60 as Range<UInt64>).filter { stage.system.frame(stage.process, window + $0 << 12) != 0 }) }
    let idle = stage.system.vm.frames.idle
    #expect(stage.word(start) == CacheTests.Stage.pattern(7, 1))
    // Pages 1, 2 of the window 0...15, which shows the file's pages 1 to 13; the file's 15 is in the next.
    #expect(there() == [3, 4] && stage.system.vm.frames.idle == idle - 2)
    #expect(stage.system.kernel.pageRequests.isEmpty)
    #expect(stage.word(window + 18 << 12) == CacheTests.Stage.pattern(7, 16))
    #expect(there() == [3, 4, 17, 18, 19, 20])
    // 33 is the file's last page and the region's; 34 is not the region's.
    try stage.fill(7, page: 34)
    #expect(stage.word(window + 34 << 12) == CacheTests.Stage.pattern(7, 32))
    #expect(there() == [3, 4, 17, 18, 19, 20, 33, 34, 35])
    #expect(stage.system.space(stage.process).pointee.fileFaults == 3)
    // A write copies its own page alone; what came along is the file's and not writable.
    stage.set(stage.process, window + 33 << 12, [5])
    #expect(stage.word(window + 34 << 12) == CacheTests.Stage.pattern(7, 32))
    #expect(try stage.read(7, at: 31 << 12, 8) == 8 && stage.word(stage.memory) == CacheTests.Stage.pattern(7, 31))
    stage.system.expectSound()
    let other = stage.system.process()
    let shared = try FileMappingTests.map(stage, other, page: 0, pages: 32, size: 34 << 12, shared: true, at: window, flags: VM.Flags.fixed)
    stage.set(other, shared, [9])
    #expect(stage.system.vm.files.find(1, 7)?.pointee.changed == 1, "neighbours of a written page are not changed")
    stage.set(other, shared + 4096, [9])
    #expect(stage.system.vm.files.find(1, 7)?.pointee.changed == 2)
    stage.system.expectSound()
    try stage.system.call(VM.MAdvise(address: shared, length: 32 << 12, advice: VM.Advice.random), from: other)
    #expect(stage.system.touch(other, shared + 16 << 12, .read) != nil)
    #expect(stage.system.frame(other, shared + 17 << 12) == 0)
    stage.system.exit(other)
    stage.system.exit(stage.process)
    stage.system.expectSound()
  }
}
