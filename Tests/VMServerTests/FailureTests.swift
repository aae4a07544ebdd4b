import IPC
import PageTable
import Protocols
import Testing

@testable import VMServer

/// Fails the first allocation of an operation, then the second, and so on until it gets through; each time nothing
/// may have changed.
@Suite struct FailureTests {
  private struct World {
    let system: TestSystem
    let process, vfs, driver: Endpoint
    let mapping: UInt64
  }

  private func world() throws -> World {
    let system = TestSystem(frames: 3000)
    let process = system.process()
    let vfs = system.service(.vfs)
    let driver = try system.call(VM.Spawn(name: ("rs" as StaticString).packed, slot: 8, restart: 0, supervisor: .rs, priority: 3), from: .rs).thread
    let mapping = try system.map(process, pages: 9)
    for page: UInt64 in 0..<9 { system.write(process, mapping + page << 12, UInt8(page + 1)) }
    try system.map(process, pages: 3, at: 0x3000_0000_0000, shared: true)
    system.fill(vfs, try system.map(vfs, pages: 2), [1, 2, 3])
    system.fill(process, AddressSpace.stackTop - 64, [1, 0, 0, 0, 0, 0, 0, 0, 0x61, 0])
    return World(system: system, process: process, vfs: vfs, driver: driver, mapping: mapping)
  }

  private func snapshot(_ world: World) -> String {
    let information = world.system.information
    var text = "\(information.free) \(information.user) \(information.tables) \(information.metadata) \(information.spaces) \(information.regions)"
    for thread in [world.process, world.vfs, world.driver] {
      for line in world.system.regions(thread) { text += " \(line.start)-\(line.end):\(line.protection),\(line.kind),\(line.resident)" }
    }
    return text
  }

  /// - Returns: how many allocations the operation makes.
  @discardableResult
  private func failEach(_ prepare: (World) throws -> Void = { _ in }, _ operation: (World) -> Errno?) throws -> Int {
    for failing in 1...200 {
      let world = try world()
      try prepare(world)
      // Room in slabs must not hide an allocation.
      let before = snapshot(world)
      world.system.vm.frames.failing = UInt64(failing)
      let error = operation(world)
      let triggered = world.system.vm.frames.failing == 0
      world.system.vm.frames.failing = 0
      if !triggered {
        #expect(error == nil)
        world.system.expectSound()
        return failing - 1
      }
      #expect(error == .noMemory, "allocation \(failing)")
      #expect(snapshot(world) == before, "allocation \(failing)")
      for page: UInt64 in 0..<9 { #expect(world.system.read(world.process, world.mapping + page << 12) == UInt8(page + 1)) }
      world.system.expectSound()
      #expect(operation(world) == nil, "the second attempt")
      world.system.expectSound()
    }
    Issue.record("the operation never got through")
    return 0
  }

  /// Uses up the room in the region slab so that the next region needs a page.
  private func fillRegions(_ world: World) throws {
    while world.system.vm.regions.slab.room > 0 { try world.system.map(world.driver, pages: 1) }
  }

  @Test("V56 mremap, madvise, names and immutability happen whole or not at all") func regionCalls() throws {
    let move = VM.Remap.mayMove | VM.Remap.fixed
    #expect(try failEach { $0.system.error(VM.MRemap(
      address: $0.mapping + 0x2000, oldLength: 3 << 12, newLength: 5 << 12, flags: move, newAddress: 0x3000_0000_1000), from: $0.process) } >= 1)
    try failEach { $0.system.error(VM.MAdvise(address: $0.mapping + 0x2000, length: 3 << 12, advice: VM.Advice.random), from: $0.process) }
    try failEach { $0.system.error(VM.NameRegion(address: $0.mapping + 0x2000, length: 3 << 12, name: (0x61, 0)), from: $0.process) }
    try failEach { $0.system.error(VM.MImmutable(address: $0.mapping + 0x2000, length: 3 << 12), from: $0.process) }
  }

  @Test("V56 M-A7 mmap") func mmap() throws {
    #expect(try failEach({ try fillRegions($0) }) { $0.system.error(VM.MMap(address: 0, length: 4096, protection: 3, flags: 0x22), from: $0.process) } == 1)
    let shared = try failEach({ try fillRegions($0) }) { $0.system.error(VM.MMap(address: 0, length: 4096, protection: 3, flags: 0x21), from: $0.process) }
    #expect(shared >= 1)
  }

  @Test("V56 S4 MAP_FIXED over the middle of a region") func fixed() throws {
    try failEach({ try fillRegions($0) }) {
      $0.system.error(VM.MMap(address: $0.mapping + 0x3000, length: 4096, protection: 1, flags: 0x32), from: $0.process)
    }
  }

  @Test("V56 S4 munmap of the middle") func munmap() throws {
    #expect(try failEach({ try fillRegions($0) }) { $0.system.error(VM.MUnmap(address: $0.mapping + 0x3000, length: 4096), from: $0.process) } == 1)
  }

  @Test("V40 munmap of whole regions, heads and tails needs no memory") func munmapNeedsNothing() throws {
    for (first, count): (UInt64, UInt64) in [(0, 9), (0, 2), (7, 2), (8, 100)] {
      #expect(try failEach({ try fillRegions($0) }) { $0.system.error(VM.MUnmap(address: $0.mapping + first << 12, length: count << 12), from: $0.process) } == 0)
    }
  }

  @Test("V56 R3 mprotect") func mprotect() throws {
    try failEach({ try fillRegions($0) }) { $0.system.error(VM.MProtect(address: $0.mapping + 0x3000, length: 8192, protection: 1), from: $0.process) }
  }

  @Test("V56 brk answers the old break") func brk() throws {
    try failEach({ try fillRegions($0) }) {
      let reply = try? $0.system.call(VM.Brk(address: 0x50_2000), from: $0.process)
      return reply?.address == 0x50_2000 ? nil : .noMemory
    }
  }

  @Test("V56 M-A7 fork") func fork() throws {
    #expect(try failEach { $0.system.error(VM.Fork(parent: $0.process), from: .pm) } == 1)  // the top table
    #expect(try failEach({ try fillRegions($0) }) { $0.system.error(VM.Fork(parent: $0.process), from: .pm) } == 2)
  }

  @Test("V94 M-A7 what changes shared tables copies them first, or changes nothing", arguments: 0..<8)
  func sharedTables(_ kind: Int) throws {
    func prepare(_ world: World) throws {
      try world.system.call(VM.Brk(address: 0x50_4000), from: world.process)
      world.system.write(world.process, 0x50_1000, 1)
      world.system.write(world.process, 0x50_3000, 1)
      _ = try world.system.fork(world.process)
      try fillRegions(world)
    }
    func page(_ world: World, _ index: UInt64) -> UInt64 { world.mapping + index << 12 }
    /// A touch that fails is a signal, or an error for the kernel's own.
    func touched(_ world: World, _ done: Bool) -> Errno? { done ? nil : .noMemory }
    let count = try failEach({ try prepare($0) }) { world in
      let (system, process) = (world.system, world.process)
      switch kind {
      case 0: return touched(world, system.kernelWrite(process, page(world, 4), 5))
      case 1: return touched(world, system.read(process, AddressSpace.stackTop - 1 << 20) == 0)
      case 2: return system.error(VM.MUnmap(address: page(world, 3), length: 0x2000), from: process)
      case 3: return system.error(VM.MUnmap(address: page(world, 0), length: 0x9000), from: process)
      case 4: return system.error(VM.MProtect(address: page(world, 2), length: 0x3000, protection: 1), from: process)
      case 5: return system.error(VM.MMap(address: page(world, 3), length: 4096, protection: 3, flags: 0x32), from: process)
      case 6: return (try? system.call(VM.Brk(address: 0x50_2000), from: process).address) == 0x50_2000 ? nil : .noMemory
      default: return touched(world, system.kernelWrite(process, 0x3000_0000_0000, 5))
      }
    }
    #expect(count == [1, 1, 2, 1, 2, 2, 1, 1][kind])
  }

  @Test("V56 V75 R4 lending, borrowing, and a fork of what is lent happen whole or not at all", arguments: 0..<6)
  func loans(_ kind: Int) throws {
    func lend(_ world: World, _ first: UInt64 = 2, pages: UInt64 = 4) throws(Errno) -> UInt64 {
      let call = VM.Lend(to: world.driver, address: world.mapping + first << 12, length: pages << 12, access: 3)
      return try world.system.call(call, from: world.process).loan
    }
    func borrow(_ world: World, _ loan: UInt64, pages: UInt64 = 4, pinned: Bool = false) -> Errno? {
      world.system.error(VM.Borrow(from: world.process, loan: loan, length: pages << 12, protection: 3, flags: pinned ? 1 : 0), from: world.driver)
    }
    func prepare(_ world: World) throws {
      switch kind {
      case 1: _ = try world.system.fork(world.process)
      case 2, 3:
        // One page of the loan was never touched.
        try world.system.call(VM.MAdvise(address: world.mapping + 0x3000, length: 4096, advice: VM.Advice.dontNeed), from: world.process)
        _ = try lend(world)
      case 4, 5:
        let loan = try lend(world)
        if kind == 4 { #expect(borrow(world, loan) == nil) } else { try world.system.call(VM.EndLoan(loan: loan), from: world.process) }
      default: break
      }
      if kind == 2 || kind == 3 { world.system.write(world.process, world.mapping + 0x3000, 4) }
      try fillRegions(world)
    }
    let count = try failEach({ try prepare($0) }) { world in
      switch kind {
      case 0, 1:
        do throws(Errno) { _ = try lend(world) } catch { return error }
        return nil
      case 2: return borrow(world, 1)
      case 3: return borrow(world, 1, pinned: true)
      default: return world.system.error(VM.Fork(parent: world.process), from: .pm)
      }
    }
    #expect(count >= [3, 3, 1, 2, 3, 2][kind])
  }

  @Test("V56 exec, step by step") func exec() throws {
    try failEach({ try fillRegions($0) }) { $0.system.error(VM.ExecBegin(process: $0.process), from: $0.vfs) }
    func begin(_ world: World) throws { try world.system.call(VM.ExecBegin(process: world.process), from: world.vfs) }
    try failEach({ try begin($0); try fillRegions($0) }) {
      $0.system.error(VM.ExecMap(process: $0.process, address: 0x40_0000, length: 9000, protection: 5), from: $0.vfs)
    }
  }

  @Test("V56 exec's commit leaves the old space whole") func commit() throws {
    for failing in 1...50 {
      let world = try world()
      let system = world.system
      try system.call(VM.ExecBegin(process: world.process), from: world.vfs)
      try system.call(VM.ExecMap(process: world.process, address: 0x40_0000, length: 9000, protection: 5), from: world.vfs)
      system.vm.frames.failing = UInt64(failing)
      let call = VM.ExecCommit(process: world.process, entry: 0x40_0000, arguments: AddressSpace.stackTop - 64, argumentsLength: 10)
      let error = system.error(call, from: world.vfs)
      guard system.vm.frames.failing == 0 else {
        #expect(error == nil && failing > 1)
        return
      }
      #expect(error == .noMemory)
      try system.call(VM.ExecAbort(process: world.process), from: world.vfs)
      #expect(system.read(world.process, world.mapping) == 1)
      system.expectSound()
    }
    Issue.record("never got through")
  }

  @Test("V56 M-L4 spawn and restart") func spawn() throws {
    try failEach { $0.system.error(VM.Spawn(name: ("rs" as StaticString).packed, slot: 9, restart: 0, supervisor: .rs, priority: 3), from: .rs) }
    try failEach { $0.system.error(VM.Spawn(name: ("rs" as StaticString).packed, slot: 8, restart: 1, supervisor: .rs, priority: 3), from: .rs) }
  }

  @Test("V56 contiguous and device memory, modules") func devices() throws {
    try failEach({ try fillRegions($0) }) { $0.system.error(VM.MapContiguous(length: 9000), from: $0.driver) }
    func allow(_ world: World) throws { try world.system.call(VM.AllowPhysical(service: world.driver, base: 0xF000_0000, length: 4096), from: .rs) }
    try failEach({ try allow($0); try fillRegions($0) }) {
      $0.system.error(VM.MapPhysical(base: 0xF000_0000, length: 4096, protection: 3, type: 0), from: $0.driver)
    }
    try failEach({ try fillRegions($0) }) { $0.system.error(VM.MapModule(name: ("ramdisk" as StaticString).packed), from: $0.driver) }
  }

  @Test("V93 faults: zero, shared, copy, data of an image; one cause, one signal", arguments: 0..<4)
  func faults(_ kind: Int) throws {
    try failEach({ if kind == 2 { _ = try $0.system.fork($0.process) } }) { world in
      let (thread, address): (Endpoint, UInt64) = switch kind {
      case 0: (world.process, 0x3000_0000_0000 - 0)
      case 1: (world.process, AddressSpace.stackTop - 1 << 20)
      case 2: (world.process, world.mapping + 0x3000)
      default: (world.driver, 0x40_3000)
      }
      let told = world.system.kernel.exceptions.count
      if world.system.write(thread, address, 4) { return nil }
      #expect(world.system.kernel.exceptions.count == told + 1)
      #expect(world.system.kernel.exceptions.last?.event.signal == 9)
      return .noMemory
    }
  }
}

extension StaticString {
  var packed: RS.Name {
    var words: RS.Name = (0, 0)
    withUTF8Buffer { bytes in withUnsafeMutableBytes(of: &words) { $0.copyBytes(from: bytes) } }
    return words
  }
}
