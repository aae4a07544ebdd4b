import IPC
import PageTable
import Protocols
import Testing

@testable import VMServer

@Suite struct ResidenceTests {
  let system = TestSystem()

  private func advise(_ process: Endpoint, _ address: UInt64, pages: UInt64, _ advice: UInt32) -> Errno? {
    system.error(VM.MAdvise(address: address, length: pages << 12, advice: advice), from: process)
  }

  private func region(_ process: Endpoint, _ address: UInt64) -> Region { system.space(process).pointee.regions.find(address)!.pointee }

  /// Faults since a moment.
  private func faults(_ body: () -> Void) -> UInt64 {
    let before = system.vm.faults
    body()
    return system.vm.faults - before
  }

  // MARK: madvise

  @Test("V90 madvise DONTNEED: private pages are zero at the next touch, shared ones keep their contents", arguments: [VM.Advice.dontNeed, VM.Advice.free])
  func dontNeed(_ advice: UInt32) throws {
    let process = system.process()
    let own = try system.map(process, pages: 4)
    let shared = try system.map(process, pages: 4, shared: true)
    for page: UInt64 in 0..<4 {
      system.write(process, own + page << 12, 7)
      system.write(process, shared + page << 12, 8)
    }
    let free = system.information.free
    #expect(advise(process, own + 0x1000, pages: 2, advice) == nil)
    #expect(system.information.free == free + 2)
    #expect([0, 1, 2, 3].map { system.read(process, own + $0 << 12) } == [7, 0, 0, 7])
    // FREE is for private anonymous memory only, as on Linux.
    #expect(advise(process, shared, pages: 4, advice) == (advice == VM.Advice.free ? .invalidArgument : nil))
    for page: UInt64 in 0..<4 { #expect(system.read(process, shared + page << 12) == 8) }
    system.write(process, own + 0x1000, 9)
    #expect(system.read(process, own + 0x1000) == 9)
    #expect(system.mappings(process).count == 2)
    system.expectSound()
  }

  @Test("V90 madvise DONTNEED after a fork takes only the caller's pages") func dontNeedAfterFork() throws {
    let parent = system.process()
    let memory = try system.map(parent, pages: 3)
    for page: UInt64 in 0..<3 { system.write(parent, memory + page << 12, 5) }
    let child = try system.fork(parent)
    #expect(advise(child, memory, pages: 2, VM.Advice.dontNeed) == nil)
    #expect(system.read(child, memory) == 0 && system.read(child, memory + 0x2000) == 5)
    #expect(system.read(parent, memory) == 5)
    system.expectSound()
  }

  @Test("V90 madvise WILLNEED: the pages are there before they are touched") func willNeed() throws {
    let process = system.process()
    let memory = try system.map(process, pages: 20)
    #expect(advise(process, memory, pages: 20, VM.Advice.willNeed) == nil)
    #expect(faults { for page: UInt64 in 0..<20 { system.write(process, memory + page << 12, 1) } } == 0)
    system.expectSound()
  }

  @Test("V90 madvise RANDOM, SEQUENTIAL and NORMAL mark exactly the range, and neighbours that agree are one again") func usage() throws {
    let process = system.process()
    let memory = try system.map(process, pages: 6)
    #expect(advise(process, memory + 0x2000, pages: 2, VM.Advice.sequential) == nil)
    #expect(system.mappings(process).map(\.flags) == [VM.RegionFlags.mapped, VM.RegionFlags.mapped | VM.RegionFlags.sequential, VM.RegionFlags.mapped])
    #expect(advise(process, memory + 0x1000, pages: 2, VM.Advice.random) == nil)
    #expect(region(process, memory + 0x1000).advice == .random && region(process, memory + 0x3000).advice == .sequential)
    #expect(advise(process, memory, pages: 6, VM.Advice.normal) == nil)
    #expect(system.mappings(process).count == 1)
    system.expectSound()
  }

  @Test("V90 madvise errors: a hole is ENOMEM and changes nothing; no such advice, unaligned, locked is EINVAL") func adviceErrors() throws {
    let process = system.process()
    let memory = try system.map(process, pages: 5)
    for page: UInt64 in 0..<5 { system.write(process, memory + page << 12, 3) }
    try system.unmap(process, memory + 0x2000, pages: 1)
    for advice in [VM.Advice.normal, VM.Advice.random, VM.Advice.sequential, VM.Advice.willNeed, VM.Advice.dontNeed, VM.Advice.free] {
      #expect(advise(process, memory, pages: 5, advice) == .noMemory)
      #expect(advise(process, memory + 1, pages: 1, advice) == .invalidArgument)
      #expect(advise(process, memory, pages: 0, advice) == nil)
      #expect(system.error(VM.MAdvise(address: memory, length: UInt64.max, advice: advice), from: process) == .invalidArgument)
      #expect(advise(process, AddressSpace.stackTop - StackLimits.size - 0x1000, pages: 1, advice) == .noMemory)
    }
    for advice: UInt32 in [5, 6, 7, 9, 14, 100, UInt32.max] { #expect(advise(process, memory, pages: 1, advice) == .invalidArgument) }
    #expect(system.mappings(process).count == 2)
    for page: UInt64 in [0, 1, 3, 4] { #expect(system.read(process, memory + page << 12) == 3) }
    try system.call(VM.MLock(address: memory, length: 4096), from: process)
    #expect(advise(process, memory, pages: 1, VM.Advice.dontNeed) == .invalidArgument)
    #expect(advise(process, memory + 0x1000, pages: 1, VM.Advice.dontNeed) == nil)
    system.expectSound()
  }

  @Test("V90 what exec wrote is not forgotten: nothing could bring it back") func imageAdvice() throws {
    let process = system.process()
    let image = system.space(process)
    try system.vm.addImage(image, PageRange(start: 0x40_0000, end: 0x40_2000), VM.Protection.read | VM.Protection.write)
    system.write(process, 0x40_0000, 7)
    for advice in [VM.Advice.dontNeed, VM.Advice.free] { #expect(advise(process, 0x40_0000, pages: 1, advice) == .invalidArgument) }
    #expect(advise(process, 0x40_0000, pages: 2, VM.Advice.willNeed) == nil)
    #expect(system.read(process, 0x40_0000) == 7)
    system.expectSound()
  }

  @Test("V90 the heap takes advice and is still one heap for brk") func heapAdvice() throws {
    let process = system.process()
    try system.call(VM.Brk(address: 0x50_8000), from: process)
    for page: UInt64 in 0..<8 { system.write(process, 0x50_0000 + page << 12, 4) }
    #expect(advise(process, 0x50_2000, pages: 2, VM.Advice.random) == nil)
    #expect(advise(process, 0x50_7000, pages: 1, VM.Advice.dontNeed) == nil)
    try system.call(VM.MLock(address: 0x50_6000, length: 8192), from: process)
    #expect(try system.call(VM.Brk(address: 0x50_A000), from: process).address == 0x50_A000)
    #expect(system.read(process, 0x50_7000) == 0 && system.write(process, 0x50_9000, 1))
    #expect(try system.call(VM.Brk(address: 0x50_3000), from: process).address == 0x50_3000)
    #expect(system.read(process, 0x50_2000) == 4 && system.read(process, 0x50_3000) == nil)
    let child = try system.fork(process)
    #expect(try system.call(VM.Brk(address: 0x50_5000), from: child).address == 0x50_5000)
    #expect(try system.call(VM.Brk(address: 0x50_0000), from: child).address == 0x50_0000)
    #expect(system.read(child, 0x50_0000) == nil && system.read(process, 0x50_0000) == 4)
    system.expectSound()
  }

  // MARK: mincore

  @Test("V91 mincore tells which pages are in memory") func inCore() throws {
    let process = system.process()
    let memory = try system.map(process, pages: 400)
    for page: UInt64 in [0, 3, 64, 383] { system.write(process, memory + page << 12, 1) }
    let bits = try system.call(VM.MInCore(address: memory, pages: 384), from: process).bits
    #expect(bits == (0b1001, 1, 0, 0, 0, 1 << 63))
    let shared = try system.map(process, pages: 2, shared: true)
    let child = try system.fork(process)
    system.write(child, shared + 0x1000, 1)
    #expect(try system.call(VM.MInCore(address: shared, pages: 2), from: process).bits.0 == 2)
    #expect(system.error(VM.MInCore(address: memory + 1, pages: 1), from: process) == .invalidArgument)
    #expect(system.error(VM.MInCore(address: memory, pages: 385), from: process) == .invalidArgument)
    #expect(system.error(VM.MInCore(address: memory + 399 << 12, pages: 2), from: process) == .noMemory)
    #expect(system.error(VM.MInCore(address: 1 << 63, pages: 2), from: process) == .noMemory)
    #expect(try system.call(VM.MInCore(address: 0, pages: 0), from: process).bits.0 == 0)
  }

  // MARK: mlock

  @Test("V91 locked memory is resident: no access to it faults, and it stays through pressure") func lock() throws {
    let process = system.process()
    let memory = try system.map(process, pages: 10)
    let constant = try system.map(process, pages: 2, protection: VM.Protection.read)
    try system.call(VM.MLock(address: memory + 5, length: 10 << 12 - 10), from: process)
    try system.call(VM.MLock(address: constant, length: 1), from: process)
    let other = system.process()
    let pressure = try system.map(other, pages: 2000)
    var page: UInt64 = 0
    while system.write(other, pressure + page << 12, 1), page < 1999 { page += 1 }
    let count = faults {
      for page: UInt64 in 0..<10 { #expect(system.write(process, memory + page << 12, 1)) }
      #expect(system.read(process, constant) == 0)
    }
    #expect(count == 0)
    #expect(region(process, constant).has(Region.locked) && !region(process, constant + 0x1000).has(Region.locked))
    system.exit(other)
    system.expectSound()
  }

  @Test("V91 mlock after a fork makes the copies then, and the child inherits no lock") func lockAfterFork() throws {
    let parent = system.process()
    let memory = try system.map(parent, pages: 3)
    for page: UInt64 in 0..<3 { system.write(parent, memory + page << 12, 6) }
    let child = try system.fork(parent)
    try system.call(VM.MLock(address: memory, length: 3 << 12), from: parent)
    #expect(faults { for page: UInt64 in 0..<3 { system.write(parent, memory + page << 12, 7) } } == 0)
    #expect(system.read(child, memory) == 6)
    let second = try system.fork(parent)
    #expect(!region(second, memory).has(Region.locked) && system.space(second).pointee.regions.totals.locked == 0)
    system.expectSound()
  }

  @Test("V91 munlock, munlockall and munmap take the lock away") func unlock() throws {
    let process = system.process()
    let memory = try system.map(process, pages: 6)
    func locked() -> UInt64 { system.space(process).pointee.regions.totals.locked }
    try system.call(VM.MLock(address: memory, length: 6 << 12), from: process)
    try system.call(VM.MLock(address: memory, length: 2 << 12), from: process)
    #expect(locked() == 6)
    try system.call(VM.MUnlock(address: memory + 0x1000, length: 0x1000), from: process)
    #expect(locked() == 5 && system.mappings(process).count == 3)
    try system.unmap(process, memory + 0x3000, pages: 1)
    #expect(locked() == 4)
    try system.call(VM.MLockAll(flags: 0), from: process)
    #expect(locked() == 0 && system.mappings(process).count == 2)
    system.expectSound()
  }

  @Test("V91 mlock errors: holes and too much are ENOMEM, no frames is EAGAIN, and nothing is locked then") func lockErrors() throws {
    let system = TestSystem(frames: 400)
    let process = system.process()
    func lock(_ address: UInt64, _ length: UInt64) -> Errno? { system.error(VM.MLock(address: address, length: length), from: process) }
    let memory = try system.map(process, pages: 4)
    try system.unmap(process, memory + 0x2000, pages: 1)
    #expect(lock(memory, 4 << 12) == .noMemory)
    #expect(system.error(VM.MUnlock(address: memory, length: 4 << 12), from: process) == .noMemory)
    #expect(lock(memory, UInt64.max) == .invalidArgument)
    #expect(lock(1 << 62, 4096) == .noMemory)
    #expect(lock(memory, 0) == nil)
    let closed = try system.map(process, pages: 1, protection: 0)
    #expect(lock(closed, 1) == .noMemory)
    let large = try system.map(process, pages: 390)
    #expect(lock(large, 390 << 12) == .wouldBlock)
    #expect(system.space(process).pointee.regions.totals.locked == 0)
    try system.call(VM.SetLimit(resource: VM.Resource.locked, soft: 3 << 12, hard: 8 << 20), from: process)
    #expect(lock(large, 4 << 12) == .noMemory)
    #expect(lock(large, 3 << 12) == nil)
    #expect(lock(large, 3 << 12) == nil)
    #expect(lock(memory, 1) == .noMemory)
    let more = VM.MMap(address: 0, length: 4096, protection: 3, flags: VM.Flags.private | VM.Flags.anonymous | VM.Flags.locked)
    #expect(system.error(more, from: process) == .wouldBlock)
    try system.call(VM.SetLimit(resource: VM.Resource.locked, soft: 0, hard: 0), from: process)
    #expect(lock(memory, 1) == .notPermitted)
    system.expectSound()
  }

  @Test("V91 mlockall: all that is there now, and all that comes") func lockAll() throws {
    let process = system.process()
    let memory = try system.map(process, pages: 3)
    try system.call(VM.Brk(address: 0x50_2000), from: process)
    system.write(process, AddressSpace.stackTop - 8, 1)
    try system.call(VM.MLockAll(flags: VM.LockAll.current), from: process)
    #expect(faults {
      for page: UInt64 in 0..<3 { system.write(process, memory + page << 12, 1) }
      system.write(process, 0x50_1000, 1)
    } == 0)
    // The rest of the stack still grows.
    #expect(system.write(process, AddressSpace.stackTop - 0x9000, 1))
    var later = try system.map(process, pages: 2)
    #expect(!region(process, later).has(Region.locked))
    try system.call(VM.MLockAll(flags: VM.LockAll.future), from: process)
    later = try system.map(process, pages: 2)
    try system.call(VM.Brk(address: 0x50_4000), from: process)
    #expect(faults {
      system.write(process, later + 0x1000, 1)
      system.write(process, 0x50_3000, 1)
    } == 0)
    let child = try system.fork(process)
    #expect(!region(child, try system.map(child, pages: 1)).has(Region.locked))
    for flags: UInt32 in [4, 5, 8, UInt32.max] { #expect(system.error(VM.MLockAll(flags: flags), from: process) == .invalidArgument) }
    try system.call(VM.SetLimit(resource: VM.Resource.locked, soft: 6 << 12, hard: 8 << 20), from: process)
    #expect(system.error(VM.MLockAll(flags: VM.LockAll.current), from: process) == .noMemory)
    let more = VM.MMap(address: 0, length: 4096, protection: 3, flags: VM.Flags.private | VM.Flags.anonymous)
    #expect(system.error(more, from: process) == .wouldBlock)
    #expect(try system.call(VM.Brk(address: 0x50_5000), from: process).address == 0x50_4000)
    system.expectSound()
    system.exit(process)
    system.expectSound()
  }

  // MARK: msync

  @Test("S5 msync takes any length; a hole is ENOMEM, wrong flags and addresses are EINVAL, what is locked is EBUSY") func msync() throws {
    let process = system.process()
    let memory = try system.map(process, pages: 4, shared: true)
    func sync(_ address: UInt64, _ length: UInt64, _ flags: UInt32 = VM.Synchronize.now) -> Errno? {
      system.error(VM.MSync(address: address, length: length, flags: flags), from: process)
    }
    system.write(process, memory, 9)
    for length: UInt64 in [0, 1, 100, 4096, 4097, 16384] { #expect(sync(memory, length) == nil) }
    for flags: UInt32 in [0, 1, 2, 3, 4, 6] { #expect(sync(memory, 5, flags) == nil) }
    for flags: UInt32 in [5, 7, 8, 16, UInt32.max] { #expect(sync(memory, 5, flags) == .invalidArgument) }
    #expect(sync(memory + 1, 5) == .invalidArgument)
    #expect(sync(memory, 4 << 12 + 1) == .noMemory)
    #expect(sync(memory, UInt64.max) == .noMemory)
    // Over several regions of different kinds.
    try system.protect(process, memory + 0x1000, pages: 1, VM.Protection.read)
    #expect(sync(memory, 4 << 12 - 1) == nil)
    try system.unmap(process, memory + 0x2000, pages: 1)
    #expect(sync(memory, 4 << 12) == .noMemory)
    try system.call(VM.MLock(address: memory, length: 1), from: process)
    #expect(sync(memory, 1, VM.Synchronize.invalidate) == .busy)
    #expect(sync(memory, 1) == nil)
    #expect(system.read(process, memory) == 9)
    system.expectSound()
  }
}
