import IPC
import PageTable
import Protocols
import Testing

@testable import VMServer

/// Where pages come from, who shares them and what may become of them.
@Suite struct OriginTests {
  typealias Stage = CacheTests.Stage

  @Test("V11 a fault is mended in the space that the message names; the tables of the thread's own stay as they are", arguments: 0..<3)
  func namedSpace(_ kind: Int) throws {
    let system = TestSystem()
    let current = system.process()
    let address: UInt64 = 0x3000_0000_0000
    try system.map(current, pages: 3, at: address, flags: VM.Flags.fixed, shared: kind == 1)
    system.write(current, address + 0x2000, 7)
    let active = kind == 2 ? try system.fork(current) : system.process()
    if kind != 2 { try system.map(active, pages: 3, at: address, flags: VM.Flags.fixed) }
    let page = kind == 2 ? address + 0x2000 : address
    let before = (0..<3).map { system.frame(current, address + UInt64($0) << 12) }
    let counters = system.space(current).pointee.zeroFaults + system.space(current).pointee.copyFaults
    let fault = KernelEvent.PageFault(
      address: page, access: KernelEvent.PageFault.write | KernelEvent.PageFault.kernelCopy, space: system.space(active).pointee.id, instruction: 0, stack: 0)
    #expect(system.deliver(Message(fault), from: current, flags: .request | .fromKernel)?.type == 0)
    #expect((0..<3).map { system.frame(current, address + UInt64($0) << 12) } == before)
    #expect(system.space(current).pointee.zeroFaults + system.space(current).pointee.copyFaults == counters)
    #expect(system.kernel.walk(system.kernel.threads[active.slot]!.root, page) & (PageEntry.present | PageEntry.writable) == PageEntry.present | PageEntry.writable)
    #expect(system.frame(active, page) != system.frame(current, page))
    system.expectSound()
  }

  /// Eight segments, each begun and written in turn, left after every step, with memory and without.
  @Test("V31 an exec that stopped at any of its steps: both spaces can be listed, and all of it can be destroyed", arguments: [false, true])
  func halfExec(_ exits: Bool) throws {
    for last in 0...17 {
      let system = TestSystem()
      let vfs = system.service(.vfs)
      let buffer = try system.map(vfs, pages: 1)
      system.write(vfs, buffer, 0x77)
      let before = system.information.free
      let process = system.process()
      let mapping = try system.map(process, pages: 2)
      system.write(process, mapping, 5)
      let listed = system.regions(process).map(\.start)
      let begun = system.information.free
      try system.call(VM.ExecBegin(process: process), from: vfs)
      for step in 0..<17 where step <= last {
        // The last step fails: there is not a frame for it. Where it needs none it goes well.
        if step == last { system.vm.frames.failing = 1 }
        let base = 0x40_0000 + UInt64(step / 2) << 22
        let error = step % 2 == 0
          ? system.error(VM.ExecMap(process: process, address: base, length: 0x3000, protection: 3), from: vfs)
          : system.error(VM.ExecWrite(process: process, address: base + 0x1000, source: buffer, length: 64), from: vfs)
        #expect(error == (step == last && system.vm.frames.failing == 0 ? .noMemory : nil), "step \(step) of \(last)")
        if step == last, step % 2 == 1 { #expect(error == .noMemory) }
        system.vm.frames.failing = 0
      }
      let building = try #require(system.space(process).pointee.building)
      var starts: [UInt64] = []
      var resident: UInt64 = 0
      var at: UInt64 = 0
      while let line = try? system.vm.regionInformation(building, from: at) {
        at = line.end
        starts.append(line.start)
        if line.kind == VM.RegionKind.image { resident += UInt64(line.resident) }
      }
      let images = starts.filter { $0 < 0x500_0000 }
      #expect(images.count <= min(last, 16) / 2 + 1 && images.count >= min(last + 1, 17) / 2, "\(images.count) images after \(last)")
      #expect(resident == UInt64(min(last, 17) / 2), "\(resident) pages after \(last)")
      #expect(system.regions(process).map(\.start) == listed && system.read(process, mapping) == 5)
      system.expectSound()
      if exits {
        system.exit(process)
      } else {
        try system.call(VM.ExecAbort(process: process), from: vfs)
        #expect(system.information.free >= begun - 1 && system.read(process, mapping) == 5)
        system.expectSound()
        system.exit(process)
      }
      #expect(system.information.free == before && system.information.spaces == 1)
      system.expectSound()
    }
  }

  @Test("V54 what a region may become at most goes with every part of it through splits, moves and forks, and keeps parts from merging with others")
  func allowedIsCarried() throws {
    let stage = try Stage()
    let system = stage.system
    // A file opened for reading only: shared, it may never be writable; nor executable, as its mount says.
    let file = try FileMappingTests.map(stage, pages: 8, protection: 1, allowed: 1, shared: true)
    try system.unmap(stage.process, file + 0x3000, pages: 1)
    let moved: UInt64 = 0x3000_0000_0000
    try system.call(
      VM.MRemap(address: file + 0x5000, oldLength: 0x2000, newLength: 0x2000, flags: VM.Remap.mayMove | VM.Remap.fixed, newAddress: moved),
      from: stage.process)
    let child = try system.fork(stage.process)
    for process in [stage.process, child] {
      for part in [file, file + 0x2000, file + 0x4000, file + 0x7000, moved, moved + 0x1000] {
        for wanted: UInt32 in [3, 5] { #expect(throws: Errno.accessDenied) { try system.protect(process, part, pages: 1, wanted) } }
        try system.protect(process, part, pages: 1, 0)
        #expect(throws: Errno.accessDenied) { try system.protect(process, part, pages: 1, 3) }
        try system.protect(process, part, pages: 1, 1)
      }
    }
    // Writable memory may become executable, but its split parts neither both at once.
    let own = try system.map(stage.process, pages: 6)
    system.write(stage.process, own + 0x2000, 0xC3)
    try system.protect(stage.process, own + 0x2000, pages: 2, 5)
    let other = try system.fork(stage.process)
    for process in [stage.process, other] {
      #expect(throws: Errno.accessDenied) { try system.protect(process, own + 0x2000, pages: 1, 7) }
      #expect(throws: Errno.accessDenied) { try system.protect(process, own, pages: 6, 7) }
      #expect(!system.write(process, own + 0x2000, 1) && system.touch(process, own + 0x2000, .execute) != nil)
      #expect(system.write(process, own, 1) && system.touch(process, own, .execute) == nil)
    }
    system.expectSound()
  }

  @Test("V64 each showing of an object's page holds a count of it: the frame is free when the last has gone, and not before")
  func counted() throws {
    let system = TestSystem()
    let process = system.process()
    let address = try system.map(process, pages: 1, shared: true)
    let free = system.information.free
    system.write(process, address, 9)
    let frame = Frame(address: system.frame(process, address))
    func count() -> UInt32 { system.vm.frames.owned(frame).pointee.count }
    #expect(count() == 2)  // an entry and the object
    // Shown again by other regions of the same space.
    var places: [UInt64] = []
    for shown: UInt32 in 1...4 {
      let place = try system.call(VM.MRemap(address: address, oldLength: 0, newLength: 4096, flags: VM.Remap.mayMove, newAddress: 0), from: process).address
      #expect(count() == 1 + shown)
      #expect(system.read(process, place) == 9 && count() == 2 + shown)
      places.append(place)
    }
    try system.unmap(process, address, pages: 1)
    #expect(count() == 5 && system.read(process, places[0]) == 9)
    for (index, place) in places.enumerated().dropLast() {
      try system.unmap(process, place, pages: 1)
      #expect(count() == UInt32(4 - index) && system.vm.frames.owned(frame).pointee.kind == .user)
      system.expectSound()
    }
    #expect(system.read(process, places[3]) == 9)
    try system.unmap(process, places[3], pages: 1)
    #expect(system.vm.frames.owned(frame).pointee.kind != .user)
    #expect(system.information.user == 0 && system.information.free >= free)
    system.expectSound()
  }

  @Test("V72 private memory begins as zero, as a page that a fork shares, or as a file's; what is written is the writer's alone", arguments: 0..<3)
  func origins(_ origin: Int) throws {
    let stage = try Stage()
    let system = stage.system
    let pattern = Stage.pattern(7, 0)
    if origin == 2 { try stage.fill(7, page: 0) }
    let address = origin == 2 ? try FileMappingTests.map(stage, pages: 1) : try system.map(stage.process, pages: 1)
    if origin == 1 { stage.set(stage.process, address, [pattern]) }
    let child = try system.fork(stage.process)
    let objects = system.vm.objects.slab.used
    #expect(objects == (origin == 2 ? 1 : 0))  // only what has a file behind it has an object (V58)
    let first = origin == 0 ? 0 : pattern
    #expect(system.readWord(child, address) == first)
    if origin > 0 {
      #expect(stage.word(address) == first)
      #expect(system.frame(child, address) == system.frame(stage.process, address), "one frame until it is written")
    }
    stage.set(child, address, [1])
    #expect(stage.word(address) == first && system.readWord(child, address) == 1)
    stage.set(stage.process, address, [2])
    #expect(stage.word(address) == 2 && system.readWord(child, address) == 1)
    if origin == 2 {
      #expect(try stage.read(7, at: 0, 4096) == 4096)
      #expect(stage.word(stage.memory) == pattern)
    }
    system.expectSound()
  }

  @Test("M-A3 shared memory: one frame whoever touches first, by read or by write, and writable for both while it is shared", arguments: [false, true], [false, true])
  func whoeverIsFirst(_ childFirst: Bool, _ writes: Bool) throws {
    let system = TestSystem()
    let owner = system.process()
    let address = try system.map(owner, pages: 4, shared: true)
    let sharer = try system.fork(owner)
    let order = childFirst ? [sharer, owner] : [owner, sharer]
    for (page, access) in [(UInt64(0), writes ? TestSystem.Access.write : .read), (3, writes ? .read : .write)] {
      let frames = order.map { system.touch($0, address + page << 12, access) }
      #expect(frames[0] != nil && frames[0] == frames[1])
      for thread in [owner, sharer, owner] {
        let faults = system.vm.faults
        #expect(system.touch(thread, address + page << 12, .write) == frames[0])
        #expect(system.vm.faults == faults, "writable already, although two show it")
      }
    }
    // Private memory beside it stays each one's own.
    let own = try system.map(owner, pages: 1)
    system.write(owner, own, 1)
    let child = try system.fork(owner)
    #expect(system.write(owner, own, 2) && system.read(child, own) == 1)
    system.expectSound()
  }

  @Test("M-A4 shared memory outlives who made it; a page that cannot be had ends who touches it, and nobody else") func ownerGone() throws {
    let system = TestSystem()
    let owner = system.process()
    let address = try system.map(owner, pages: 4, shared: true)
    system.write(owner, address, 8)
    let sharers = try (0..<3).map { _ in try system.fork(owner) }
    system.exit(owner)
    #expect(system.read(sharers[0], address) == 8)
    // A page that nobody has touched, after the owner's end: it is there, and the same for all.
    #expect(system.write(sharers[0], address + 0x1000, 9) && system.read(sharers[1], address + 0x1000) == 9)
    let left = system.vm.frames.available(.user)
    try system.vm.frames.reserve(left, .user)
    let taken = (0..<left).map { _ in system.vm.frames.take(.user) }
    let told = system.kernel.exceptions.count
    #expect(!system.write(sharers[2], address + 0x2000, 1))
    #expect(system.kernel.exceptions.count == told + 1 && system.kernel.exceptions.last?.event.thread == sharers[2])
    system.exit(sharers[2])
    #expect(system.read(sharers[0], address) == 8 && system.read(sharers[1], address + 0x1000) == 9)
    for frame in taken { system.vm.frames.retire(frame) }
    system.vm.settle()
    #expect(system.write(sharers[1], address + 0x2000, 1))
    system.expectSound()
  }

  @Test("M-A4 only shared memory and shared files can be shown a second time: what is private or a device's is refused") func shownTwice() throws {
    let stage = try Stage()
    let system = stage.system
    let driver = system.service(.disk)
    #expect(system.error(VM.AllowPhysical(service: driver, base: 0xF000_0000, length: 4096), from: .rs) == nil)
    let device = try system.call(VM.MapPhysical(base: 0xF000_0000, length: 4096, protection: 3, type: 1), from: driver).address
    let contiguous = try system.call(VM.MapContiguous(length: 4096), from: driver).address
    func again(_ thread: Endpoint, _ address: UInt64) -> Errno? {
      system.error(VM.MRemap(address: address, oldLength: 0, newLength: 4096, flags: VM.Remap.mayMove, newAddress: 0), from: thread)
    }
    #expect(again(driver, device) == .invalidArgument && again(driver, contiguous) == .notPermitted)
    #expect(again(stage.process, try system.map(stage.process, pages: 1)) == .invalidArgument)
    let file = try FileMappingTests.map(stage, pages: 1)
    let fileShared = try FileMappingTests.map(stage, inode: 8, pages: 1, shared: true)
    #expect(again(stage.process, file) == .invalidArgument && again(stage.process, fileShared) == nil)
    // VFS hears when the last of both is gone.
    try system.unmap(stage.process, fileShared, pages: 1)
    #expect(system.kernel.unmapped.isEmpty)
    #expect(again(stage.process, AddressSpace.stub) == .notPermitted && again(stage.process, AddressSpace.stackTop - 4096) == .notPermitted)
    let shared = try system.map(stage.process, pages: 1, shared: true)
    #expect(again(stage.process, shared) == nil)
    system.expectSound()
    system.exit(stage.process)
    #expect(system.kernel.unmapped.count == 2)
  }

  @Test("V96 the stub page is one frame for 100 processes and costs none; it cannot be written, unmapped, protected or replaced") func stub() throws {
    let system = TestSystem(frames: 4096)
    let processes = [system.service(.disk)] + (0..<100).map { _ in system.process() }
    let user = system.information.user
    for process in processes {
      #expect(system.touch(process, AddressSpace.stub, .execute) == system.vm.stub.address)
      #expect(system.frame(process, AddressSpace.stub) == system.vm.stub.address)
      #expect(!system.write(process, AddressSpace.stub + 8, 1) && system.kernel.exceptions.last?.event.signal == 11)
      #expect(throws: Errno.notPermitted) { try system.unmap(process, AddressSpace.stub, pages: 1) }
      for access: UInt32 in [0, 1, 3] { #expect(throws: Errno.notPermitted) { try system.protect(process, AddressSpace.stub, pages: 1, access) } }
      #expect(throws: Errno.notPermitted) { try system.map(process, pages: 1, at: AddressSpace.stub, flags: VM.Flags.fixed) }
    }
    #expect(system.information.user == user)
    let child = try system.fork(processes[1])
    #expect(system.frame(child, AddressSpace.stub) == system.vm.stub.address && !system.write(child, AddressSpace.stub, 1))
    system.expectSound()
  }
}
