import IPC
import PageTable
import Protocols
import Testing

@testable import VMServer

@Suite struct MapsTests {
  /// What a line of the list must say of one page.
  private struct Page: Equatable {
    var protection: UInt8
    var flags: UInt16
    var name: UInt64 = 0
    /// Of shared memory: its place in the object.
    var offset: UInt64 = 0
    var isThere = false
  }

  @Test("V77 the list of regions equals a model after 1,000 random operations", arguments: [UInt64](1...4)) func model(_ seed: UInt64) throws {
    let system = TestSystem()
    let process = system.process()
    var random = Random(state: seed)
    var model = [Page?](repeating: nil, count: 64)
    let arena: UInt64 = 0x3000_0000_0000
    var done = 0
    for _ in 0..<1000 {
      let first = random.below(60)
      let count = 1 + random.below(min(8, 64 - first))
      let pages = first..<first + count
      let address = arena + UInt64(first) << 12
      let length = UInt64(count) << 12
      let isCovered = pages.allSatisfy { model[$0] != nil }
      let protection: UInt8 = [0, 1, 3, 5][random.below(4)]
      func agrees<C: Call>(_ call: C, _ expected: Errno?) -> Bool {
        let error = system.error(call, from: process)
        #expect(error == expected, "seed \(seed): \(call)")
        return error == nil
      }
      switch random.below(9) {
      case 0, 1:
        let isShared = random.below(3) == 0
        let flags = VM.Flags.fixed | VM.Flags.anonymous | (isShared ? VM.Flags.shared : VM.Flags.private)
        guard agrees(VM.MMap(address: address, length: length, protection: UInt32(protection), flags: flags), nil) else { break }
        for page in pages {
          model[page] = Page(
            protection: protection, flags: VM.RegionFlags.mapped | (isShared ? VM.RegionFlags.shared : 0),
            offset: isShared ? UInt64(page - first) << 12 : 0)
        }
      case 2:
        if agrees(VM.MUnmap(address: address, length: length), nil) { for page in pages { model[page] = nil } }
      case 3:
        guard agrees(VM.MProtect(address: address, length: length, protection: UInt32(protection)), isCovered ? nil : .noMemory) else { break }
        for page in pages { model[page]!.protection = protection }
      case 4:
        let name = UInt64(0x61 + random.below(3))
        guard agrees(VM.NameRegion(address: address, length: length, name: (name, 0)), isCovered ? nil : .noMemory) else { break }
        for page in pages { model[page]!.name = name }
      case 5:
        let advice = [VM.Advice.normal, VM.Advice.random, VM.Advice.sequential][random.below(3)]
        guard agrees(VM.MAdvise(address: address, length: length, advice: advice), isCovered ? nil : .noMemory) else { break }
        let both = VM.RegionFlags.random | VM.RegionFlags.sequential
        let mark = advice == VM.Advice.random ? VM.RegionFlags.random : advice == VM.Advice.sequential ? VM.RegionFlags.sequential : 0
        for page in pages { model[page]!.flags = model[page]!.flags & ~both | mark }
      case 6:
        let canLock = isCovered && pages.allSatisfy { model[$0]!.protection != 0 }
        guard agrees(VM.MLock(address: address, length: length), canLock ? nil : .noMemory) else { break }
        for page in pages {
          model[page]!.flags |= VM.RegionFlags.locked
          model[page]!.isThere = true
        }
      case 7:
        guard agrees(VM.MUnlock(address: address, length: length), isCovered ? nil : .noMemory) else { break }
        for page in pages { model[page]!.flags &= ~VM.RegionFlags.locked }
      default:
        let mayRead = model[first].map { $0.protection != 0 } ?? false
        #expect((system.read(process, address) != nil) == mayRead)
        if mayRead { model[first]!.isThere = true }
      }
      done += 1
    }
    #expect(done == 1000)
    var listed = [Page?](repeating: nil, count: 64)
    var resident = 0
    var previous: VM.RegionInformation.Reply?
    for line in system.regions(process) where line.start >= arena && line.end <= arena + 64 << 12 {
      resident += Int(line.resident)
      for address in stride(from: line.start, to: line.end, by: 4096) {
        let isShared = line.flags & VM.RegionFlags.shared != 0
        listed[Int(address - arena) >> 12] = Page(
          protection: line.protection, flags: line.flags, name: line.name.0, offset: isShared ? line.offset + (address - line.start) : 0)
      }
      // What nobody can tell apart is one line.
      if let last = previous, last.end == line.start, line.flags & VM.RegionFlags.shared == 0 {
        #expect(last.protection != line.protection || last.flags != line.flags || last.name != line.name)
      }
      previous = line
    }
    // A page that was there stays under mprotect and the like.
    #expect(resident == model.count { $0?.isThere == true })
    #expect(listed == model.map { page in page.map { var page = $0; page.isThere = false; return page } })
    system.expectSound()
  }

  @Test("V77 shared, private and proportional pages of parents and children") func sums() throws {
    let system = TestSystem()
    let parent = system.process()
    let memory = try system.map(parent, pages: 8)
    for page: UInt64 in 0..<8 { system.write(parent, memory + page << 12, 1) }
    func line(_ process: Endpoint) -> VM.RegionInformation.Reply { system.mappings(process)[0] }
    #expect(line(parent).resident == 8 && line(parent).shared == 0 && line(parent).proportional == 32)
    let child = try system.fork(parent)
    for process in [parent, child] { #expect(line(process).resident == 8 && line(process).shared == 8 && line(process).proportional == 16) }
    for page: UInt64 in 0..<4 { system.write(child, memory + page << 12, 2) }
    #expect(line(child).shared == 4 && line(child).proportional == 24)
    system.exit(child)
    #expect(line(parent).shared == 0 && line(parent).proportional == 32)
  }
}
