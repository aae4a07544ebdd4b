import BootImage
import IPC
import PageTable
import Protocols
import Testing

@testable import VMServer

/// Defects that other systems had, and what ours does in their place.
@Suite struct DefectTests {
  @Test("S9 no memory for a table in mprotect is an error to the caller, and nothing has changed") func noTable() throws {
    let system = TestSystem()
    let process = system.process()
    let address = try system.map(process, pages: 6)
    for page: UInt64 in 0..<6 { system.write(process, address + page << 12, UInt8(page)) }
    let child = try system.fork(process)
    let regions = system.mappings(process).map(\.protection)
    // The tables are shared now: mprotect needs its own. Nothing is left for them.
    let left = system.vm.frames.available(.user)
    try system.vm.frames.reserve(left, .user)
    let taken = (0..<left).map { _ in system.vm.frames.take(.user) }
    #expect(throws: Errno.noMemory) { try system.protect(process, address + 0x2000, pages: 2, 1) }
    #expect(system.mappings(process).map(\.protection) == regions)
    for page: UInt64 in 0..<6 {
      #expect(system.read(process, address + page << 12) == UInt8(page) && system.read(child, address + page << 12) == UInt8(page))
    }
    for frame in taken { system.vm.frames.retire(frame) }
    system.vm.settle()
    try system.protect(process, address + 0x2000, pages: 2, 1)
    #expect(!system.write(process, address + 0x2000, 9) && system.write(child, address + 0x2000, 9))
    system.expectSound()
  }

  /// Each frame that is counted as free can be had, whatever size the ranges of memory have, and none beside them.
  @Test("S10 tails of memory of any size are used: what is counted as free is handed out, to the last frame") func tails() throws {
    let system = TestSystem(ranges: [
      PhysicalRange(base: 0x20_0000, length: 0x1000), PhysicalRange(base: 0x30_0000, length: 255 << 12),
      PhysicalRange(base: 0x50_0000, length: 257 << 12), PhysicalRange(base: 0x1000_0000, length: (FrameSection.limit + 1) << 12),
      PhysicalRange(base: 0x2000_0000, length: 3 << 12),
    ])
    let counts: [UInt64] = [1, 255, 257, FrameSection.limit + 1, 3]
    #expect(system.vm.frames.managed == counts.reduce(0, +))
    let information = system.information
    #expect(information.free + information.user + information.tables + information.metadata == information.total)
    var seen: Set<UInt64> = []
    for _ in 0..<information.free {
      try system.vm.frames.reserve(1, .service)
      seen.insert(system.vm.frames.take(.user).number)
    }
    #expect(UInt64(seen.count) == information.free)
    #expect(throws: Errno.noMemory) { try system.vm.frames.reserve(1, .service) }
    // The last frame of each range and of each section is among them.
    for (base, count) in zip([0x200, 0x300, 0x500, 0x10000, 0x20000] as [UInt64], counts) {
      #expect(seen.contains(base + count - 1), "the tail at frame \(base + count - 1)")
      #expect(!seen.contains(base + count))
    }
  }

  @Test("R6 mprotect across, within and beside the seams of merged regions, private and shared", arguments: [false, true])
  func mergedRegions(_ shared: Bool) throws {
    let system = TestSystem()
    let process = system.process()
    let start: UInt64 = 0x3000_0000_0000
    let flags = VM.Flags.fixed
    // Three mappings side by side; private ones become one region, each shared one has an object of its own.
    for part: UInt64 in 0..<3 { try system.map(process, pages: 4, at: start + part << 14, flags: flags, shared: shared) }
    #expect(system.mappings(process).count == (shared ? 3 : 1))
    for page: UInt64 in 0..<12 { system.write(process, start + page << 12, UInt8(page + 1)) }
    func check(_ readOnly: Range<UInt64>, place: SourceLocation = #_sourceLocation) {
      for page: UInt64 in 0..<12 {
        #expect(system.read(process, start + page << 12) == UInt8(page + 1), "page \(page)", sourceLocation: place)
        #expect(system.write(process, start + page << 12, UInt8(page + 1)) == !readOnly.contains(page), "page \(page)", sourceLocation: place)
      }
      system.expectSound(place)
    }
    for first: UInt64 in 0..<12 {
      for count: UInt64 in 1...(12 - first) {
        try system.protect(process, start + first << 12, pages: count, 1)
        check(first..<(first + count))
        try system.protect(process, start + first << 12, pages: count, 3)
        #expect(system.mappings(process).count == (shared ? 3 : 1), "one region again")
      }
    }
    check(0..<0)
    let child = try system.fork(process)
    try system.protect(child, start + 3 << 12, pages: 6, 1)
    check(0..<0)
    #expect(system.write(child, start + 2 << 12, 3) && !system.write(child, start + 3 << 12, 1) && system.write(child, start + 9 << 12, 10))
    system.expectSound()
  }

  @Test("R8 nobody gets write-back where uncacheable was asked: RAM is refused with any type but its own, and its entries are plain")
  func uncacheable() throws {
    let system = TestSystem()
    let driver = system.service(.disk)
    let other: UInt64 = PageEntry.cacheDisable | PageEntry.writeThrough | PageEntry.pat
    // mmap has no word for a type: an unknown bit of protection is an error, an unknown flag changes nothing.
    for bit: UInt32 in 3..<32 {
      #expect(throws: Errno.invalidArgument) { try system.map(driver, pages: 1, protection: 3 | 1 << bit) }
      #expect(system.error(VM.MProtect(address: AddressSpace.mmapStart, length: 4096, protection: 3 | 1 << bit), from: driver) == .invalidArgument)
    }
    for shared in [false, true] {
      let address = try system.map(driver, pages: 1, shared: shared)
      system.write(driver, address, 1)
      #expect(system.kernel.walk(system.kernel.threads[driver.slot]!.root, address) & other == 0)
    }
    let contiguous = try system.call(VM.MapContiguous(length: 8192), from: driver)
    #expect(system.kernel.walk(system.kernel.threads[driver.slot]!.root, contiguous.address) & other == 0)
    // The one call with a type refuses RAM, even what the driver has already.
    for type in [VM.MemoryType.writeBack, VM.MemoryType.uncacheable, VM.MemoryType.writeCombining] {
      for base in [contiguous.physical, TestSystem.freeBase] {
        _ = system.error(VM.AllowPhysical(service: driver, base: base, length: 4096), from: .rs)
        #expect(system.error(VM.MapPhysical(base: base, length: 4096, protection: 3, type: type), from: driver) == .notPermitted)
      }
    }
    system.expectSound()
  }
}
