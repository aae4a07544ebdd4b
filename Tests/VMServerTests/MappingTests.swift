import IPC
import PageTable
import Protocols
import Testing

@testable import VMServer

@Suite struct MappingTests {
  let system = TestSystem()

  /// A process with `count` pages, each holding its number plus one.
  private func numbered(_ count: UInt64) throws -> (Endpoint, UInt64) {
    let process = system.process()
    let address = try system.map(process, pages: count)
    for page in 0..<count { system.write(process, address + page << 12, UInt8(page + 1)) }
    return (process, address)
  }

  private func expect(_ process: Endpoint, _ address: UInt64, _ pages: [UInt64], gone: [UInt64] = []) {
    for page in pages { #expect(system.read(process, address + page << 12) == UInt8(page + 1), "page \(page)") }
    for page in gone { #expect(system.read(process, address + page << 12) == nil, "page \(page)") }
    system.expectSound()
  }

  @Test("V21 M-A1 anonymous memory is zeroed on first touch and costs nothing before")
  func demandZero() throws {
    let process = system.process()
    let before = system.information
    let address = try system.map(process, pages: 1024)
    #expect(system.information.user == before.user)
    for page in stride(from: UInt64(0), to: 1024, by: 4) { #expect(system.read(process, address + page << 12) == 0) }
    #expect(system.space(process).pointee.zeroFaults == 256)
    #expect(system.information.user == before.user + 256)
    system.expectSound()
    system.exit(process)
    system.expectSound()
  }

  @Test("V35 splitting what was split keeps each page's own bytes") func splits() throws {
    let (process, address) = try numbered(16)
    try system.unmap(process, address + 5 << 12, pages: 2)
    try system.unmap(process, address + 10 << 12, pages: 2)
    try system.unmap(process, address + 13 << 12, pages: 1)
    expect(process, address, [0, 1, 2, 3, 4, 7, 8, 9, 12, 14, 15], gone: [5, 6, 10, 11, 13])
    let starts = system.mappings(process).map { ($0.start - address) >> 12 }
    #expect(starts == [0, 7, 12, 14])
    let offsets = starts.map { system.space(process).pointee.regions.find(address + $0 << 12)!.pointee.first }
    #expect(offsets == [0, 7, 12, 14])
  }

  @Test("V36 partial munmap frees only its range and makes no object") func partial() throws {
    let process = system.process()
    let address = try system.map(process, pages: 8, shared: true)
    for page in 0..<UInt64(8) { system.write(process, address + page << 12, UInt8(page + 1)) }
    let objects = system.vm.objects.slab.used
    try system.unmap(process, address + 3 << 12, pages: 2)
    #expect(system.vm.objects.slab.used == objects)
    for size: UInt64 in [2, 1, 1] {
      let other = try system.map(process, pages: size)
      #expect(other + size << 12 <= address + 3 << 12 || other >= address + 5 << 12)
      #expect(other >= address + 8 << 12 || other + size << 12 <= address || other >= address + 3 << 12)
      system.write(process, other, 99)
    }
    expect(process, address, [0, 1, 2, 5, 6, 7])
  }

  @Test("V37 what mmap did not make refuses munmap, mprotect and MAP_FIXED, also in part") func onlyMapped() throws {
    let process = system.process()
    try system.call(VM.Brk(address: 0x50_3000), from: process)
    let neighbour = try system.map(process, pages: 1, at: 0x50_3000, flags: VM.Flags.fixed)
    system.write(process, neighbour, 5)
    let before = system.regions(process).map(\.start)
    for (start, length): (UInt64, UInt64) in [
      (AddressSpace.stub, 4096), (AddressSpace.stackTop - 4096, 4096), (0x50_0000, 4096), (0x50_2000, 8192),
    ] {
      #expect(system.error(VM.MUnmap(address: start, length: length), from: process) == .notPermitted)
      #expect(system.error(VM.MProtect(address: start, length: length, protection: 1), from: process) == .notPermitted)
      let fixed = VM.MMap(address: start, length: length, protection: 3, flags: VM.Flags.fixed | VM.Flags.private | VM.Flags.anonymous)
      #expect(system.error(fixed, from: process) == .notPermitted)
    }
    #expect(system.regions(process).map(\.start) == before)
    #expect(system.read(process, neighbour) == 5)
    system.expectSound()
  }

  @Test("V38 anywhere leaves a page on either side, fixed does not") func guards() throws {
    let process = system.process()
    var ends: [UInt64] = []
    for _ in 0..<20 {
      let address = try system.map(process, pages: 2)
      #expect(!ends.contains(address))
      ends.append(address + 0x2000)
      system.write(process, address + 0x1FFF, 1)
      #expect(system.read(process, address + 0x2000) == nil)
      #expect(system.read(process, address - 1) == nil)
    }
    let next = try system.map(process, pages: 1, at: ends[19], flags: VM.Flags.fixed)
    #expect(next == ends[19])
    #expect(system.write(process, next, 1))
  }

  @Test("V38 a hint is taken when there is room around it") func hints() throws {
    let process = system.process()
    let hint: UInt64 = 0x3000_0000_0000
    #expect(try system.map(process, pages: 1, at: hint + 5) == hint)
    #expect(try system.map(process, pages: 1, at: hint) != hint)
    #expect(try system.map(process, pages: 1, at: hint + 0x1000) != hint + 0x1000)
    #expect(try system.map(process, pages: 1, at: hint + 0x2000) == hint + 0x2000)
    #expect(try system.map(process, pages: 1, at: AddressSpace.userEnd - 0x1000) < AddressSpace.mmapEnd)
    #expect(try system.map(process, pages: 1, at: UInt64.max) < AddressSpace.mmapEnd)
  }

  @Test("M-K4 S6 nothing is ever mapped at or near 0") func nearZero() throws {
    let process = system.process()
    for hint: UInt64 in [0, 1, 0x1000, 0xF000, 0x1_0000] { #expect(try system.map(process, pages: 1, at: hint) >= AddressSpace.mmapStart) }
    for address: UInt64 in [0, 0x1000, 0xF000] {
      let call = VM.MMap(address: address, length: 4096, protection: 3, flags: VM.Flags.fixed | VM.Flags.private | VM.Flags.anonymous)
      #expect(system.error(call, from: process) == .notPermitted)
    }
    for address: UInt64 in [0, 8, 0x1000, 0xFFFF] {
      #expect(system.touch(process, address, .read) == nil && system.touch(process, address, .execute) == nil)
    }
  }

  @Test("V37 nothing is mapped in the stub's megabyte, neither fixed nor by a hint") func stubArea() throws {
    let process = system.process()
    for address in [AddressSpace.stub, AddressSpace.stub + 0x1000, AddressSpace.stub - 0x1000, AddressSpace.stubEnd - 0x1000] {
      for flag in [VM.Flags.fixed, VM.Flags.fixedNoReplace] {
        let call = VM.MMap(address: address, length: 0x2000, protection: 3, flags: flag | VM.Flags.private | VM.Flags.anonymous)
        #expect(system.error(call, from: process) == .notPermitted)
      }
      #expect(try system.map(process, pages: 2, at: address) < AddressSpace.mmapEnd)
    }
    #expect(try system.map(process, pages: 1, at: AddressSpace.stubEnd, flags: VM.Flags.fixed) == AddressSpace.stubEnd)
    system.expectSound()
  }

  @Test("SEC2 the last page below the canonical hole cannot be mapped") func lastPage() {
    let process = system.process()
    for address in [AddressSpace.userEnd, AddressSpace.userEnd - 0x1000, 0x8000_0000_0000, 0xFFFF_8000_0000_0000] {
      let call = VM.MMap(address: address, length: 0x2000, protection: 3, flags: VM.Flags.fixed | VM.Flags.private | VM.Flags.anonymous)
      #expect(system.error(call, from: process) == .noMemory)
    }
    system.expectSound()
  }

  @Test("M-B7 lengths that round to 0 or overflow are errors") func lengths() {
    let process = system.process()
    for length: UInt64 in [UInt64.max, UInt64.max - 4095, UInt64.max - 4096, 1 << 63, AddressSpace.userEnd, AddressSpace.userEnd + 1] {
      let call = VM.MMap(address: 0, length: length, protection: 3, flags: VM.Flags.private | VM.Flags.anonymous)
      #expect(system.error(call, from: process) == .noMemory)
      #expect(system.error(VM.MUnmap(address: 0x10000, length: length), from: process) == .invalidArgument)
      #expect(system.error(VM.MProtect(address: 0x10000, length: length, protection: 1), from: process) == .noMemory)
    }
    let none = VM.MMap(address: 0, length: 0, protection: 3, flags: VM.Flags.private | VM.Flags.anonymous)
    #expect(system.error(none, from: process) == .invalidArgument)
    system.expectSound()
  }

  @Test("V55 mmap's flags and accesses: what POSIX and W^X refuse", arguments: [
    (UInt32(3), UInt32(0x20), Errno.invalidArgument), (3, 0x23, .invalidArgument), (3, 0x02, .invalidArgument),
    (7, 0x22, .accessDenied), (6, 0x22, .accessDenied), (8, 0x22, .invalidArgument), (0xFFFF_FFFF, 0x22, .invalidArgument),
  ])
  func flags(_ protection: UInt32, _ flags: UInt32, _ expected: Errno) {
    let process = system.process()
    #expect(system.error(VM.MMap(address: 0, length: 4096, protection: protection, flags: flags), from: process) == expected)
  }

  @Test("MAP_FIXED takes the place of what was there; MAP_FIXED_NOREPLACE does not") func fixed() throws {
    let (process, address) = try numbered(8)
    let flags = VM.Flags.private | VM.Flags.anonymous | VM.Flags.fixedNoReplace
    #expect(system.error(VM.MMap(address: address + 7 << 12, length: 0x2000, protection: 3, flags: flags), from: process) == .fileExists)
    try system.map(process, pages: 3, at: address + 2 << 12, flags: VM.Flags.fixed)
    for page: UInt64 in 2...4 { #expect(system.read(process, address + page << 12) == 0) }
    expect(process, address, [0, 1, 5, 6, 7])
    #expect(system.error(VM.MMap(address: address + 1, length: 0x2000, protection: 3, flags: flags | VM.Flags.fixed), from: process) == .invalidArgument)
  }

  @Test("M-B1 munmap: head", .tags(.unmapping)) func head() throws {
    let (process, address) = try numbered(6)
    try system.unmap(process, address, pages: 2)
    expect(process, address, [2, 3, 4, 5], gone: [0, 1])
  }

  @Test("M-B1 munmap: tail") func tail() throws {
    let (process, address) = try numbered(6)
    try system.unmap(process, address + 4 << 12, pages: 2)
    expect(process, address, [0, 1, 2, 3], gone: [4, 5])
  }

  @Test("M-B1 M-B2 munmap: middle; the hole faults, neighbours keep their bytes") func middle() throws {
    let (process, address) = try numbered(6)
    try system.unmap(process, address + 2 << 12, pages: 2)
    expect(process, address, [0, 1, 4, 5], gone: [2, 3])
    #expect(system.kernel.exceptions.last?.event.signal == 11)
    #expect(system.kernel.exceptions.last?.to == .pm)
  }

  @Test("M-B1 munmap: whole") func whole() throws {
    let before = system.information.free
    let (process, address) = try numbered(6)
    try system.unmap(process, address, pages: 6)
    #expect(system.mappings(process).isEmpty)
    expect(process, address, [], gone: [0, 5])
    system.exit(process)
    #expect(system.information.free == before)
  }

  @Test("M-B1 S7 munmap: the end of one region, a whole one, a gap and the start of a third") func several() throws {
    let process = system.process()
    let base: UInt64 = 0x3000_0000_0000
    for (first, count): (UInt64, UInt64) in [(0, 5), (5, 1), (8, 4)] {
      // Different rights keep neighbours apart.
      try system.map(process, pages: count, at: base + first << 12, protection: first == 5 ? 1 : 3, flags: VM.Flags.fixed)
    }
    for page: UInt64 in [0, 1, 2, 3, 4, 8, 9, 10, 11] { system.write(process, base + page << 12, UInt8(page + 1)) }
    try system.unmap(process, base + 3 << 12, pages: 7)
    expect(process, base, [0, 1, 2, 10, 11], gone: [3, 4, 5, 6, 7, 8, 9])
  }

  @Test("M-B1 S8 munmap: a range that begins below the lowest region") func below() throws {
    let process = system.process()
    let base: UInt64 = 0x10_0000
    try system.map(process, pages: 2, at: base, flags: VM.Flags.fixed)
    try system.unmap(process, base - 0x8000, pages: 9)
    #expect(system.read(process, base) == nil)
    #expect(system.read(process, base + 0x1000) == 0)
  }

  @Test("M-B1 munmap: nothing there is no error; unaligned or empty is") func nothing() throws {
    let process = system.process()
    try system.unmap(process, 0x3000_0000_0000, pages: 1000)
    #expect(system.error(VM.MUnmap(address: 0x3000_0000_0001, length: 4096), from: process) == .invalidArgument)
    #expect(system.error(VM.MUnmap(address: 0x3000_0000_0000, length: 0), from: process) == .invalidArgument)
    #expect(system.error(VM.MUnmap(address: 0, length: 4096), from: process) == .invalidArgument)
  }

  @Test("M-B6 map and unmap 100,000 times leaves memory as it was") func cycles() throws {
    let process = system.process()
    let warm = try system.map(process, pages: 1)
    system.write(process, warm, 1)
    let before = system.information
    for round in 0..<100_000 {
      let address = try system.map(process, pages: 1)
      if round % 64 == 0 { system.write(process, address, 1) }
      try system.unmap(process, address, pages: 1)
    }
    #expect(system.information.free == before.free)
    #expect(system.information.regions == before.regions)
    system.expectSound()
  }

  @Test("M-B9 an unmapped page is not reachable by the TLB") func flush() throws {
    let other = system.process()
    let stolen = try system.map(other, pages: 2)
    system.write(other, stolen + 0x1000, 1)
    let (process, address) = try numbered(3)
    let frame = system.frame(process, address + 0x1000)
    try system.unmap(process, address + 0x1000, pages: 1)
    system.write(other, stolen, 77)
    #expect(system.frame(other, stolen) == frame)  // the frame is used again at once
    expect(process, address, [0, 2], gone: [1])
  }

  @Test("V48 exit of a space with 3,000 regions flushes nothing") func exitWithoutFlush() throws {
    let process = system.process()
    for _ in 0..<3000 { try system.map(process, pages: 1) }
    system.kernel.calls = []
    system.exit(process)
    #expect(system.kernel.calls == [.threadDestroy])
    system.expectSound()
  }

  @Test("V55 mprotect splits, refuses a hole whole, and is felt at once") func protect() throws {
    let process = system.process()
    let base: UInt64 = 0x3000_0000_0000
    for part: UInt64 in 0..<3 { try system.map(process, pages: 2, at: base + part << 13, flags: VM.Flags.fixed) }
    for page: UInt64 in 0..<6 { system.write(process, base + page << 12, UInt8(page + 1)) }
    try system.protect(process, base, pages: 6, 1)
    for page: UInt64 in 0..<6 { #expect(!system.write(process, base + page << 12, 9)) }
    try system.protect(process, base + 0x1000, pages: 4, 3)
    #expect(!system.write(process, base, 9) && system.write(process, base + 0x1000, 2) && !system.write(process, base + 0x5000, 9))
    try system.unmap(process, base + 0x2000, pages: 1)
    #expect(system.error(VM.MProtect(address: base, length: 6 << 12, protection: 3), from: process) == .noMemory)
    #expect(!system.write(process, base, 9))  // nothing before the hole has changed
    expect(process, base, [0, 1, 3, 4, 5], gone: [2])
  }

  @Test("V55 mprotect to nothing and back keeps the bytes") func parked() throws {
    let (process, address) = try numbered(4)
    let user = system.information.user
    try system.protect(process, address, pages: 4, 0)
    for page: UInt64 in 0..<4 { #expect(system.read(process, address + page << 12) == nil) }
    system.expectSound()
    #expect(system.information.user == user)
    try system.protect(process, address, pages: 4, 5)
    #expect(system.touch(process, address, .execute) != nil)
    expect(process, address, [0, 1, 2, 3])
    try system.protect(process, address, pages: 4, 3)
    #expect(system.touch(process, address, .execute) == nil)
    #expect(system.write(process, address, 1))
    #expect(system.space(process).pointee.copyFaults == 0)
  }

  @Test("SEC14 SEC15 no memory is writable and executable; data does not execute") func writeXorExecute() throws {
    let (process, address) = try numbered(2)
    #expect(system.error(VM.MProtect(address: address, length: 4096, protection: 7), from: process) == .accessDenied)
    #expect(system.touch(process, address, .execute) == nil)
    try system.protect(process, address, pages: 1, 5)
    #expect(!system.write(process, address, 9))
    #expect(system.touch(process, address, .execute) != nil)
    #expect(system.touch(process, AddressSpace.stackTop - 8, .execute) == nil)
  }

  @Test("neighbours that nobody can tell apart become one region again") func merging() throws {
    let (process, address) = try numbered(9)
    try system.protect(process, address + 3 << 12, pages: 3, 1)
    #expect(system.mappings(process).count == 3)
    try system.protect(process, address + 3 << 12, pages: 3, 3)
    #expect(system.mappings(process).count == 1)
    try system.unmap(process, address + 4 << 12, pages: 1)
    try system.map(process, pages: 1, at: address + 4 << 12, flags: VM.Flags.fixed)
    #expect(system.mappings(process).count == 1)
    expect(process, address, [0, 1, 2, 3, 5, 6, 7, 8])
    #expect(system.read(process, address + 4 << 12) == 0)
  }

  @Test("X1 the script of splits, new maps and protection") func script() throws {
    let (process, address) = try numbered(16)
    let before = system.information.user
    for (page, count): (UInt64, UInt64) in [(5, 2), (10, 2), (13, 1)] { try system.unmap(process, address + page << 12, pages: count) }
    let two = try system.map(process, pages: 2)
    let one = try system.map(process, pages: 1)
    try system.unmap(process, address, pages: 1)
    try system.protect(process, address + 8 << 12, pages: 1, 1)
    expect(process, address, [1, 2, 3, 4, 7, 8, 9, 12, 14, 15], gone: [0, 5, 6, 10, 11, 13])
    for page in [two, two + 0x1000, one] { #expect(system.read(process, page) == 0) }
    #expect(!system.write(process, address + 8 << 12, 1))
    #expect(system.information.user == before - 5 - 1 + 3)
  }

  @Test("M-C3 what can never be there is refused by the call") func refused() {
    let process = system.process()
    let call = VM.MMap(address: 0, length: 1 << 40, protection: 3, flags: VM.Flags.private | VM.Flags.anonymous)
    #expect(system.error(call, from: process) == .noMemory)
    let reservation = VM.MMap(address: 0, length: 1 << 40, protection: 0, flags: VM.Flags.private | VM.Flags.anonymous)
    #expect(system.error(reservation, from: process) == nil)
    system.expectSound()
  }

  @Test("brk: asks, grows, shrinks, refuses", .tags(.unmapping)) func heap() throws {
    let process = system.process()
    func brk(_ address: UInt64) throws(Errno) -> UInt64 { try system.call(VM.Brk(address: address), from: process).address }
    #expect(try brk(0) == 0x50_0000)
    #expect(try brk(0x50_1234) == 0x50_1234)
    #expect(system.write(process, 0x50_1FFF, 9) && !system.write(process, 0x50_2000, 9))
    #expect(try brk(0x50_4000) == 0x50_4000)
    system.write(process, 0x50_3000, 8)
    #expect(system.read(process, 0x50_1FFF) == 9)
    #expect(try brk(0x50_2000) == 0x50_2000)
    #expect(system.read(process, 0x50_3000) == nil)
    #expect(try brk(0x50_4000) == 0x50_4000)
    #expect(system.read(process, 0x50_3000) == 0)
    for refused: UInt64 in [1, 0x4F_FFFF, UInt64.max, AddressSpace.mmapStart + 1, 0x50_0000 + 1 << 34] { #expect(try brk(refused) == 0x50_4000) }
    try system.map(process, pages: 1, at: 0x50_6000, flags: VM.Flags.fixed)
    #expect(try brk(0x50_6000) == 0x50_4000)
    #expect(try brk(0x50_5000) == 0x50_5000)
    #expect(try brk(0x50_0000) == 0x50_0000)
    #expect(system.space(process).pointee.regions.find(0x50_0000) == nil)
    system.expectSound()
  }
}

extension Tag { @Tag static var unmapping: Self }
