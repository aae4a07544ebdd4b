import IPC
import PageTable
import Protocols
import Testing

@testable import VMServer

/// What holds for several processors, shown on VM's own logic: between the change of a table and the kernel's answer to the flush
/// every processor may use what it knows. The kernel of one processor answers at once; with more it answers when all have
/// forgotten, and nothing here changes.
@Suite("VM: other processors") struct ShootdownTests {
  /// A process with eight pages that a processor knows, each with a pattern of its own; a page of a file behind them.
  private struct World {
    let stage: CacheTests.Stage
    let memory: UInt64
    var system: TestSystem { stage.system }
    var process: Endpoint { stage.process }

    init() throws {
      stage = try CacheTests.Stage()
      memory = try stage.system.map(stage.process, pages: 8)
      for page in 0..<8 as Range<UInt64> { stage.system.write(stage.process, memory + page << 12, UInt8(page + 1)) }
    }

    func address(_ page: UInt64) -> UInt64 { memory + page << 12 }
  }

  /// Runs what takes pages away and looks, when the kernel is told to flush, at the frames that the processor knows.
  /// - Returns: frames that waited for it.
  private func watch(_ world: World, _ pages: [UInt64], _ values: [UInt8], _ operation: () throws -> Void) rethrows -> Int {
    let system = world.system
    let root = system.kernel.threads[world.process.slot]!.root
    let frames = pages.map { system.frame(world.process, $0) }
    for page in pages { #expect(system.kernel.translations[root]?[page] != nil, "the processor knows the page") }
    var left = Set(pages)
    var waited: Set<UInt64> = []
    let check = system.kernel.willForget
    system.kernel.willForget = { flushed, range in
      check?(flushed, range)
      guard flushed == root else { return }
      waited.formUnion(system.limbo().intersection(frames.map { $0 >> 12 }))
      for index in pages.indices where left.contains(pages[index]) && range?.contains(pages[index]) ?? true {
        // By the old translation: what was there, and nothing of anybody else.
        #expect((system.window + Int(frames[index])).load(as: UInt8.self) == values[index])
        left.remove(pages[index])
      }
    }
    try operation()
    system.kernel.willForget = check
    #expect(left.isEmpty, "each page was flushed")
    #expect(system.limbo().isEmpty, "and then they are free")
    system.expectSound()
    return waited.count
  }

  @Test("V86 V28 munmap, mmap over it, DONTNEED and mremap: frames wait until the flush is answered") func cleared() throws {
    var world = try World()
    #expect(try watch(world, [world.address(2), world.address(3)], [3, 4]) { try world.system.unmap(world.process, world.address(2), pages: 2) } == 2)
    world = try World()
    #expect(try watch(world, [world.address(2)], [3]) {
      try world.system.map(world.process, pages: 1, at: world.address(2), flags: VM.Flags.fixed | VM.Flags.populate)
    } == 1)
    world = try World()
    #expect(try watch(world, [world.address(5)], [6]) {
      try world.system.call(VM.MAdvise(address: world.address(5), length: 4096, advice: VM.Advice.dontNeed), from: world.process)
    } == 1)
    world = try World()
    // What moves is still in use; what it moves over is not.
    let target = try world.system.map(world.process, pages: 1)
    world.system.write(world.process, target, 77)
    #expect(try watch(world, [world.address(0), target], [1, 77]) {
      let flags = VM.Remap.mayMove | VM.Remap.fixed
      try world.system.call(VM.MRemap(address: world.address(0), oldLength: 4096, newLength: 4096, flags: flags, newAddress: target), from: world.process)
    } == 1)
    world = try World()
    try world.system.call(VM.Brk(address: 0x50_2000), from: world.process)
    world.system.write(world.process, 0x50_1000, 9)
    #expect(try watch(world, [0x50_1000], [9]) { try world.system.call(VM.Brk(address: 0x50_1000), from: world.process) } == 1)
  }

  @Test("V86 rights that are taken, by mprotect, fork or a taken change, are flushed before the call returns") func rights() throws {
    var world = try World()
    #expect(try watch(world, [world.address(1)], [2]) { try world.system.protect(world.process, world.address(1), pages: 1, 1) } == 0)
    world = try World()
    #expect(try watch(world, [world.address(1), world.address(7)], [2, 8]) { _ = try world.system.fork(world.process) } == 0)
    world = try World()
    let file = try FileMappingTests.map(world.stage, shared: true)
    try world.stage.fill(7, page: 0, count: 1)
    world.stage.set(world.process, file, [5])
    #expect(try watch(world, [file], [5]) {
      _ = try world.system.call(PageCache.TakeChanged(mount: 1, inode: 7, position: 0, destination: world.stage.buffer), from: world.stage.vfs)
    } == 0)
  }

  @Test("V86 a copy on write: the old page stays what it was until the flush, and its last owner's frame waits") func copied() throws {
    let world = try World()
    let child = try world.system.fork(world.process)
    #expect(world.system.read(world.process, world.address(3)) == 4)
    #expect(watch(world, [world.address(3)], [4]) { _ = world.system.write(world.process, world.address(3), 50) } == 0)
    #expect(world.system.read(child, world.address(3)) == 4)
    // The kernel's copy to a page that is shared, by another processor's request.
    #expect(world.system.read(world.process, world.address(4)) == 5)
    #expect(watch(world, [world.address(4)], [5]) { _ = world.system.kernelWrite(world.process, world.address(4), 60) } == 0)
    #expect(world.system.read(child, world.address(4)) == 5)
  }

  @Test("V86 truncation takes pages from whoever maps them, and they wait") func truncated() throws {
    let world = try World()
    let shared = try FileMappingTests.map(world.stage, shared: true), own = try FileMappingTests.map(world.stage)
    try world.stage.fill(7, page: 0, count: 8)
    world.stage.set(world.process, shared + 4096, [21])
    world.stage.set(world.process, own + 4096, [22])
    #expect(try watch(world, [shared + 4096, own + 4096], [21, 22]) {
      try world.system.call(PageCache.Truncate(mount: 1, inode: 7, size: 0), from: world.stage.vfs)
    } == 1, "the private copy; a page of the cache is free at once when nobody knows it")
  }

  @Test("V86 exit and exec: the thread is gone from all processors before a frame is anybody's") func ended() throws {
    var world = try World()
    // Not even retired: the kernel's answer comes first.
    #expect(watch(world, [world.address(0), world.address(6)], [1, 7]) { world.system.exit(world.process) } == 0)
    world = try World()
    let system = world.system, vfs = world.stage.vfs
    system.fill(world.process, AddressSpace.stackTop - 64, [1, 0, 0, 0, 0, 0, 0, 0, 0x61, 0])
    try system.call(VM.ExecBegin(process: world.process), from: vfs)
    try system.call(VM.ExecMap(process: world.process, address: 0x40_0000, length: 4096, protection: 5), from: vfs)
    #expect(try watch(world, [world.address(0)], [1]) {
      let call = VM.ExecCommit(process: world.process, entry: 0x40_0000, arguments: AddressSpace.stackTop - 64, argumentsLength: 10)
      try system.call(call, from: vfs)
    } == 0)
  }

  @Test("V86 reclaim takes pages of files that no processor knows, then others once all processors have forgotten them") func reclaimed() throws {
    let stage = try CacheTests.Stage(frames: 400)
    let file = try FileMappingTests.map(stage, pages: 4)
    try stage.fill(7, page: 0, count: 4)
    for page in 0..<4 as Range<UInt64> { #expect(stage.word(file + page << 12) == CacheTests.Stage.pattern(7, page)) }
    #expect(stage.system.vm.frames.idle == 0)
    try stage.fill(8, page: 0, count: 8)
    try stage.system.unmap(stage.process, file, pages: 2)
    #expect(stage.system.vm.frames.idle == 10)
    let memory = try stage.system.map(stage.process, pages: 390)
    var touched: UInt64 = 0
    while touched < 390, stage.system.write(stage.process, memory + touched << 12, 1) { touched += 1 }
    #expect(stage.system.vm.frames.evictions == 12 && stage.system.vm.pressure.unmapped == 2)
    let root = stage.system.kernel.threads[stage.process.slot]!.root
    for page in 2..<4 as Range<UInt64> { #expect(stage.system.kernel.translations[root]?[file + page << 12] == nil) }
    stage.system.expectSound()
  }

  /// Two threads of one space, each on its processor, one root: what one knows the flush for the other's munmap must drop.
  /// Memory is so short that a frame that is free too early is somebody's at once.
  @Test("V86 X7 one unmaps and maps anew while the other reads: what it reads is its page, or nothing") func race() throws {
    let system = TestSystem(frames: 120)
    let process = system.process()
    let other = system.process()
    let root = system.kernel.threads[process.slot]!.root
    let base: UInt64 = 0x2000_0000_0000
    let taken = try system.map(other, pages: 40)
    var random = Random(state: 86)
    var values: [UInt64: UInt8] = [:]
    var seen = 0
    let check = system.kernel.willForget
    system.kernel.willForget = { flushed, range in
      check?(flushed, range)
      guard flushed == root else { return }
      // The other processor reads in the last moment.
      for (page, entry) in system.kernel.translations[root] ?? [:] {
        guard let value = values[page] else { continue }
        seen += 1
        let there = (system.window + Int(entry & PageEntry.frameMask)).load(as: UInt8.self)
        if there != value, system.early.isEmpty { system.early.append("X7: page \(String(page, radix: 16)) reads \(there), not \(value)") }
      }
    }
    for round in 0..<20_000 {
      let page = base + UInt64(random.below(16)) << 12
      switch random.below(4) {
      case 0:
        try system.unmap(process, page, pages: 2)
        // After munmap has returned nobody reads old data.
        for gone in [page, page + 4096] {
          values[gone] = nil
          if system.kernel.translate(root, gone, access: 0) != nil { Issue.record("round \(round): a page that is gone can be read") }
        }
      case 1:
        if (try? system.map(process, pages: 1, at: page, flags: VM.Flags.fixed)) != nil { values[page] = nil }
      case 2:
        let value = UInt8(1 + random.below(255))
        // By the kernel's walk, so that the model knows the value before any processor does.
        if system.kernelWrite(process, page, value) { values[page] = value }
        _ = system.read(process, page)
      default: system.write(other, taken + UInt64(random.below(40)) << 12, 0xEE)
      }
      if round % 500 == 0 {
        let problems = system.audit()
        if !problems.isEmpty {
          Issue.record("round \(round): \(problems.prefix(3))")
          return
        }
      }
    }
    #expect(seen > 1000)
    system.expectSound()
  }

  @Test("R9 what a futex would be keyed by: one frame for all who share a page, one's own after a copy on write, before anybody sleeps on it")
  func key() throws {
    let system = TestSystem()
    let process = system.process()
    let own = try system.map(process, pages: 1), shared = try system.map(process, pages: 1, shared: true)
    system.write(process, own, 1)
    system.write(process, shared, 1)
    let child = try system.fork(process)
    #expect(system.read(process, own) == 1 && system.read(child, own) == 1 && system.read(process, shared) == 1 && system.read(child, shared) == 1)
    // The frame is a key for shared memory, now and after every write.
    #expect(system.frame(process, shared) == system.frame(child, shared))
    #expect(system.write(child, shared, 2) && system.frame(process, shared) == system.frame(child, shared))
    // It is none for private memory, where both show one frame until a write: there the key is space and address, which a copy
    // does not change. So whoever asks for the key of a page makes it the caller's own first, as a write does.
    #expect(system.frame(process, own) == system.frame(child, own))
    #expect(system.write(process, own, 2))
    let key = system.frame(process, own)
    #expect(key != system.frame(child, own))
    #expect(system.write(child, own, 3) && system.write(process, own, 4) && system.frame(process, own) == key)
    system.expectSound()
  }
}
