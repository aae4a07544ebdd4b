import BootImage
import IPC
import PageTable
import Protocols
import Testing

@testable import VMServer

@Suite struct DeviceTests {
  let system = TestSystem()
  let driver: Endpoint
  init() { driver = system.service(.disk) }

  private func allow(_ base: UInt64, _ length: UInt64) -> Errno? {
    system.error(VM.AllowPhysical(service: driver, base: base, length: length), from: .rs)
  }
  private func map(_ base: UInt64, _ length: UInt64, protection: UInt32 = 3, type: UInt32 = 1) throws(Errno) -> UInt64 {
    try system.call(VM.MapPhysical(base: base, length: length, protection: protection, type: type), from: driver).address
  }

  @Test("V74 V79 frames of RAM are never device memory, whatever RS allows") func noMemory() {
    let end = system.vm.memoryEnd
    for (base, length): (UInt64, UInt64) in [
      (TestSystem.freeBase, 4096), (end - 4096, 4096), (end - 4096, 8192), (0x10_0000, 4096), (TestSystem.archiveBase, 1), (0, end),
      (0xF_F000, 0x2000), (system.vm.archive.end - 1, 1),
    ] {
      #expect(allow(base, length) == .notPermitted)
      #expect(throws: Errno.notPermitted) { try map(Page.down(base), length) }
    }
  }

  @Test("V74 with memory above 4 GiB the hole below is device memory, RAM on either side is not") func hole() {
    let system = TestSystem(ranges: [
      PhysicalRange(base: 0x20_0000, length: 0x80_0000), PhysicalRange(base: 0x1_0000_0000, length: 0x10_0000),
    ])
    let driver = system.service(.disk)
    func allow(_ base: UInt64, _ length: UInt64) -> Errno? { system.error(VM.AllowPhysical(service: driver, base: base, length: length), from: .rs) }
    #expect(allow(0xE000_0000, 0x1EC0_0000) == nil)
    #expect(allow(0xFEB0_0000, 0x150_1000) == .notPermitted)
    #expect(allow(0x1_0000_0000, 4096) == .notPermitted)
    #expect(allow(0x9F_F000, 4096) == .notPermitted)
    #expect(allow(0x1_0010_0000, 4096) == nil)
  }

  @Test("V8 M-C1 frame 0 can be mapped, and unmapping does not free it") func frameZero() throws {
    #expect(allow(0, 4096) == nil)
    let free = system.information.free
    let address = try map(0, 4096, type: 0)
    #expect(system.touch(driver, address + 8, .write) == 8)
    try system.unmap(driver, address, pages: 1)
    #expect(system.information.free >= free - 4)
    #expect(system.vm.frames.record(Frame(number: 0)) == nil)
    system.expectSound()
  }

  @Test("V81 only what RS allowed, in whole") func capability() throws {
    #expect(throws: Errno.notPermitted) { try map(0xF000_0000, 4096) }
    #expect(allow(0xF000_0000, 0x4000) == nil)
    #expect(allow(0xF000_0000, 0x4000) == nil)  // again after a restart
    for (base, length): (UInt64, UInt64) in [(0xF000_0000, 0x4001), (0xEFFF_F000, 0x2000), (0xF000_4000, 1), (0xF000_3000, 0x2000)] {
      #expect(throws: Errno.notPermitted) { try map(base, length) }
    }
    let address = try map(0xF000_1000, 0x3000)
    #expect(system.touch(driver, address + 0x2FFF, .write) == 0xF000_3FFF)
    let other = system.service(.memory)
    #expect(system.error(VM.MapPhysical(base: 0xF000_0000, length: 4096, protection: 3, type: 1), from: other) == .notPermitted)
    system.expectSound()
  }

  @Test("V16 V81 the memory type stands in the entry", arguments: [
    (VM.MemoryType.writeBack, UInt64(0)), (VM.MemoryType.uncacheable, PageEntry.cacheDisable | PageEntry.writeThrough),
    (VM.MemoryType.writeCombining, PageEntry.pat),
  ])
  func types(_ type: UInt32, _ bits: UInt64) throws {
    #expect(allow(0xF000_0000, 0x2000) == nil)
    let address = try map(0xF000_0000, 0x2000, type: type)
    _ = system.touch(driver, address, .read)
    _ = system.touch(driver, address + 0x1000, .write)
    try system.protect(driver, address, pages: 1, 1)
    for page: UInt64 in 0..<2 {
      let entry = system.kernel.walk(system.kernel.threads[driver.slot]!.root, address + page << 12)
      #expect(entry & (PageEntry.cacheDisable | PageEntry.writeThrough | PageEntry.pat) == bits)
      #expect(entry & PageEntry.noExecute != 0 && entry & PageEntry.global == 0)
    }
    system.expectSound()
  }

  @Test("bad arguments for device memory are errors") func arguments() {
    #expect(allow(0xF000_0000, 0x10_0000) == nil)
    for (base, length): (UInt64, UInt64) in [(0xF000_0000, 0), (UInt64.max, 1), (UInt64.max - 4095, 4096), (1 << 52, 4096), (0xF000_0001, 5), (0xF000_0000, UInt64.max)] {
      #expect(throws: Errno.invalidArgument) { try map(base, length) }
      #expect(base & 4095 == 1 || allow(base, length) == .invalidArgument)
    }
    #expect(throws: Errno.invalidArgument) { try map(0xF000_0000, 4096, type: 3) }
    #expect(throws: Errno.invalidArgument) { try map(0xF000_0000, 4096, protection: 0) }
    #expect(throws: Errno.notPermitted) { try map(0xF000_0000, 4096, protection: 5) }
    for index: UInt64 in 1..<8 { #expect(allow(0xE000_0000 + index << 16, 4096) == nil) }
    #expect(allow(0xD000_0000, 4096) == .noSpace)
    system.expectSound()
  }

  @Test("M-B4 unmapping a part of device memory keeps the addresses of the rest") func partialUnmap() throws {
    #expect(allow(0xF000_0000, 0x10_000) == nil)
    let address = try map(0xF000_0000, 0x8000)
    try system.unmap(driver, address, pages: 2)
    try system.unmap(driver, address + 0x4000, pages: 1)
    #expect(system.touch(driver, address + 0x2004, .read) == 0xF000_2004)
    #expect(system.touch(driver, address + 0x7004, .write) == 0xF000_7004)
    #expect(system.touch(driver, address + 0x4004, .write) == nil)
  }

  @Test("V78 contiguous memory: zeroed, consecutive, not for munmap, back after release") func contiguous() throws {
    let before = system.information.free
    let reply = try system.call(VM.MapContiguous(length: 0x8001), from: driver)
    for page: UInt64 in 0..<9 {
      #expect(system.frame(driver, reply.address + page << 12) == reply.physical + page << 12)
      #expect(system.read(driver, reply.address + page << 12) == 0)
    }
    #expect(system.vm.faults == 0)
    #expect(system.error(VM.MUnmap(address: reply.address, length: 4096), from: driver) == .notPermitted)
    system.expectSound()
    for length: UInt64 in [0, (4 << 20) + 1, UInt64.max] {
      #expect(system.error(VM.MapContiguous(length: length), from: driver) == .invalidArgument)
    }
    try system.call(VM.Release(service: driver), from: .rs)
    #expect(system.information.free >= before)
    system.expectSound()
  }

  @Test("contiguous memory stays with the service over a restart, call by call") func kept() throws {
    let system = TestSystem()
    let call = VM.Spawn(name: packName("rs"), slot: 8, restart: 0, supervisor: .rs, priority: 3)
    let driver = try system.call(call, from: .rs).thread
    let again = VM.Spawn(name: packName("rs"), slot: 8, restart: 1, supervisor: .rs, priority: 3)
    let first = try system.call(VM.MapContiguous(length: 0x2000), from: driver)
    let second = try system.call(VM.MapContiguous(length: 0x2000), from: driver)
    system.write(driver, second.address, 0x77)
    try system.call(again, from: .rs)
    // The device may still write there: nobody else may have it.
    #expect(system.vm.isFree(first.physical) == false && system.vm.isFree(second.physical) == false)
    system.expectSound()
    #expect(try system.call(VM.MapContiguous(length: 0x2000), from: driver).physical == first.physical)
    let mapped = try system.call(VM.MapContiguous(length: 0x2000), from: driver)
    #expect(mapped.physical == second.physical)
    #expect(system.read(driver, mapped.address) == 0)
    try system.call(again, from: .rs)
    let other = try system.call(VM.MapContiguous(length: 0x3000), from: driver)
    #expect(other.physical != first.physical)
    #expect(system.vm.isFree(first.physical) == false)
    system.expectSound()
    let free = system.information.free
    for _ in 0..<30 {
      try system.call(again, from: .rs)
      _ = try system.call(VM.MapContiguous(length: 0x3000), from: driver)
      _ = try system.call(VM.MapContiguous(length: 0x2000), from: driver)
    }
    #expect(system.information.free == free - 0 || system.information.free >= free - 3)
    try system.call(VM.Release(service: driver), from: .rs)
    #expect(system.vm.objects.slab.used == 0)
    system.expectSound()
  }

  @Test("a service's contiguous memory has a limit over all its lives") func limit() throws {
    let system = TestSystem(frames: 10_000)
    let driver = system.service(.disk)
    for _ in 0..<4 { _ = try system.call(VM.MapContiguous(length: 4 << 20), from: driver) }
    #expect(system.error(VM.MapContiguous(length: 4096), from: driver) == .noMemory)
    system.expectSound()
  }

  @Test("what RS allowed survives a restart") func allowedSurvives() throws {
    let driver = try system.call(VM.Spawn(name: packName("rs"), slot: 9, restart: 0, supervisor: .rs, priority: 3), from: .rs).thread
    try system.call(VM.AllowPhysical(service: driver, base: 0xF000_0000, length: 4096), from: .rs)
    try system.call(VM.Spawn(name: packName("rs"), slot: 9, restart: 1, supervisor: .rs, priority: 3), from: .rs)
    #expect(system.error(VM.MapPhysical(base: 0xF000_0000, length: 4096, protection: 3, type: 0), from: driver) == nil)
  }

  @Test("a module is mapped where it is, shared and writable; an executable is not") func module() throws {
    let reply = try system.call(VM.MapModule(name: packName("ramdisk")), from: driver)
    #expect(reply.length == 10_000)
    let user = system.information.user
    #expect(system.bytes(driver, reply.address, 10_000) == [UInt8](repeating: 7, count: 10_000))
    #expect(system.write(driver, reply.address + 5000, 8))
    #expect(system.information.user == user)
    let other = system.service(.memory)
    let second = try system.call(VM.MapModule(name: packName("ramdisk")), from: other)
    #expect(system.read(other, second.address + 5000) == 8)
    #expect(system.error(VM.MUnmap(address: reply.address, length: 4096), from: driver) == .notPermitted)
    #expect(system.error(VM.MapModule(name: packName("rs")), from: driver) == .notPermitted)
    #expect(system.error(VM.MapModule(name: packName("nothing")), from: driver) == .noSuchFile)
    system.expectSound()
  }
}

extension VirtualMemory {
  mutating func isFree(_ physical: UInt64) -> Bool { frames.record(Frame(address: physical))?.pointee.kind == .free }
}
