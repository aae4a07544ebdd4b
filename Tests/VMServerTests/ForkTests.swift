import IPC
import PageTable
import Protocols
import Testing

@testable import VMServer

@Suite struct ForkTests {
  let system = TestSystem(frames: 8000)

  private func parent(_ pages: UInt64) throws -> (Endpoint, UInt64) {
    let process = system.process()
    let address = try system.map(process, pages: pages)
    for page in 0..<pages { system.write(process, address + page << 12, UInt8(truncatingIfNeeded: page)) }
    return (process, address)
  }

  @Test("V57 M-A1 a write after fork copies one page, and the other keeps its bytes") func copyOnWrite() throws {
    let (process, address) = try parent(100)
    let user = system.information.user
    let child = try system.fork(process)
    #expect(system.information.user == user)
    system.write(child, address + 42 << 12, 200)
    #expect(system.information.user == user + 1)
    #expect(system.space(child).pointee.copyFaults == 1)
    for page: UInt64 in 0..<100 {
      #expect(system.read(process, address + page << 12) == UInt8(page))
      #expect(system.read(child, address + page << 12) == (page == 42 ? 200 : UInt8(page)))
    }
    system.write(process, address + 43 << 12, 201)
    #expect(system.read(child, address + 43 << 12) == 43)
    system.expectSound()
    system.exit(process)
    system.expectSound()
    system.exit(child)
    #expect(system.information.user == user - 100)
    system.expectSound()
  }

  @Test("V58 a process that never forks has no bookkeeping for it") func noBookkeeping() throws {
    _ = try parent(100)
    #expect(system.vm.objects.slab.used == 0)
  }

  @Test("V59 the last owner writes in place") func inPlace() throws {
    let (process, address) = try parent(4)
    let child = try system.fork(process)
    system.exit(child)
    let frame = system.frame(process, address)
    let free = system.information.free
    #expect(system.write(process, address, 9))
    #expect(system.frame(process, address) == frame && system.information.free == free)
    #expect(system.space(process).pointee.copyFaults == 0)
    system.expectSound()
  }

  @Test("V60 unmapping part of what is shared leaves the rest shared") func partial() throws {
    let (process, address) = try parent(3)
    let child = try system.fork(process)
    try system.unmap(child, address + 0x1000, pages: 1)
    system.write(child, address, 91)
    system.write(child, address + 0x2000, 92)
    for page: UInt64 in 0..<3 { #expect(system.read(process, address + page << 12) == UInt8(page)) }
    #expect(system.read(child, address + 0x1000) == nil)
    system.expectSound()
  }

  @Test("V61 pages that nobody touched fault once after fork") func untouched() throws {
    let process = system.process()
    let address = try system.map(process, pages: 8)
    let child = try system.fork(process)
    let faults = system.vm.faults
    // From the top down: no page comes with another (V87).
    for page: UInt64 in (0..<8).reversed() { system.write(child, address + page << 12, 1) }
    #expect(system.vm.faults == faults + 8)
    #expect(system.read(process, address) == 0)
  }

  @Test("V73 shared memory stays shared, also when it is touched after the fork") func shared() throws {
    let process = system.process()
    let address = try system.map(process, pages: 600, shared: true)
    system.write(process, address, 1)
    let child = try system.fork(process)
    system.write(child, address + 599 << 12, 2)
    #expect(system.read(process, address + 599 << 12) == 2)
    system.write(process, address, 3)
    #expect(system.read(child, address) == 3)
    #expect(system.frame(child, address) == system.frame(process, address))
    system.expectSound()
    system.exit(process)
    #expect(system.read(child, address) == 3)
    try system.unmap(child, address + 0x1000, pages: 598)
    #expect(system.read(child, address + 599 << 12) == 2)
    system.expectSound()
    system.exit(child)
    #expect(system.information.user == 0 && system.vm.objects.slab.used == 0)
    system.expectSound()
  }

  @Test("M-A2 device memory is shared by fork and costs nothing") func devices() throws {
    let driver = system.service(.disk)
    try system.call(VM.AllowPhysical(service: driver, base: 0xF000_0000, length: 0x2000), from: .rs)
    let address = try system.call(VM.MapPhysical(base: 0xF000_0000, length: 0x2000, protection: 3, type: 0), from: driver).address
    let user = system.information.user
    #expect(system.touch(driver, address, .write) == 0xF000_0000)
    #expect(system.touch(driver, address + 0x1000, .write) == 0xF000_1000)
    try system.unmap(driver, address, pages: 1)
    #expect(system.touch(driver, address, .read) == nil)
    #expect(system.touch(driver, address + 0x1008, .write) == 0xF000_1008)
    #expect(system.information.user == user)
    system.expectSound()
    // A process cannot have such memory, but the rule is the type's.
    #expect(MemoryType.physical.inheritance == .share && MemoryType.physical.writesInPlace)
  }

  @Test("M-A6 a space with contiguous memory refuses to fork, and lives") func contiguous() throws {
    let process = system.process()
    // No process may ask for it; a service cannot fork. Here both at once.
    let space = system.space(process)
    _ = try system.vm.mapContiguous(space, 8192)
    system.vm.settle()
    #expect(throws: Errno.notPermitted) { try system.fork(process) }
    #expect(system.write(process, AddressSpace.stackTop - 8, 1))
    system.expectSound()
    system.exit(process)
    system.expectSound()
  }

  @Test("M-B8 a page survives as long as anybody shows it") func survives() throws {
    let (process, address) = try parent(2)
    let child = try system.fork(process)
    let grandchild = try system.fork(child)
    try system.unmap(process, address, pages: 2)
    system.exit(child)
    #expect(system.read(grandchild, address + 0x1000) == 1)
    system.expectSound()
    try system.unmap(grandchild, address, pages: 2)
    system.expectSound()
  }

  @Test("M-B3 regions that were cut are copied with their offsets") func offsets() throws {
    let (process, address) = try parent(6)
    try system.unmap(process, address, pages: 2)
    try system.unmap(process, address + 4 << 12, pages: 1)
    let child = try system.fork(process)
    for page: UInt64 in [2, 3, 5] { #expect(system.read(child, address + page << 12) == UInt8(page)) }
    for page: UInt64 in [0, 1, 4] { #expect(system.read(child, address + page << 12) == nil) }
    #expect(system.mappings(child).map(\.start) == system.mappings(process).map(\.start))
  }

  @Test("the child has the parent's heap and break") func heap() throws {
    let process = system.process()
    try system.call(VM.Brk(address: 0x50_3000), from: process)
    system.write(process, 0x50_0000, 7)
    let child = try system.fork(process)
    #expect(try system.call(VM.Brk(address: 0), from: child).address == 0x50_3000)
    #expect(try system.call(VM.Brk(address: 0x50_1000), from: child).address == 0x50_1000)
    #expect(system.read(child, 0x50_0000) == 7)
    #expect(system.write(process, 0x50_2000, 1))
    #expect(try system.call(VM.Brk(address: 0x50_0000), from: process).address == 0x50_0000)
    #expect(system.read(child, 0x50_0000) == 7)
    system.expectSound()
  }

  @Test("an error of the kernel leaves no half a child", arguments: [Kernel.Number.spacePrepare.rawValue, Kernel.Number.threadFork.rawValue])
  func kernelError(_ number: Int32) throws {
    let (process, address) = try parent(20)
    let before = system.information
    system.kernel.failing = (Kernel.Number(rawValue: number)!, .wouldBlock)
    #expect(throws: Errno.wouldBlock) { try system.fork(process) }
    system.kernel.failing = nil
    #expect(system.information.free == before.free && system.information.spaces == before.spaces)
    #expect(system.write(process, address, 1))
    system.expectSound()
  }

  @Test("SEC25 an endpoint of an earlier life means nobody") func stale() throws {
    let (process, _) = try parent(1)
    system.exit(process)
    #expect(system.error(VM.Fork(parent: process), from: .pm) == .noSuchProcess)
    #expect(system.error(VM.Exit(process: process), from: .pm) == .noSuchProcess)
    #expect(system.error(VM.Brk(address: 0), from: process) == .noSuchProcess)
  }

  @Test("1,000 processes") func many() throws {
    let (process, address) = try parent(3)
    let before = system.information
    let children = try (0..<1000).map { _ in try system.fork(process) }
    #expect(system.information.spaces == before.spaces + 1000)
    for (index, child) in children.enumerated() where index % 50 == 0 {
      system.write(child, address, UInt8(truncatingIfNeeded: index))
      #expect(system.read(process, address) == 0)
    }
    for child in children { system.exit(child) }
    #expect(system.information.free == before.free)
    system.expectSound()
  }
}
