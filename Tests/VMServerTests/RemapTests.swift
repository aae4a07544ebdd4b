import IPC
import PageTable
import Protocols
import Testing

@testable import VMServer

@Suite struct RemapTests {
  let system = TestSystem()

  private func remap(
    _ process: Endpoint, _ address: UInt64, _ old: UInt64, _ new: UInt64, _ flags: UInt32 = 0, to target: UInt64 = 0
  ) throws(Errno) -> UInt64 {
    try system.call(VM.MRemap(address: address, oldLength: old << 12, newLength: new << 12, flags: flags, newAddress: target), from: process).address
  }

  private func failure(
    _ process: Endpoint, _ address: UInt64, _ old: UInt64, _ new: UInt64, _ flags: UInt32 = 0, to target: UInt64 = 0
  ) -> Errno? {
    system.error(VM.MRemap(address: address, oldLength: old, newLength: new, flags: flags, newAddress: target), from: process)
  }

  private func numbered(_ process: Endpoint, _ count: UInt64, at address: UInt64 = 0, shared: Bool = false) throws -> UInt64 {
    let memory = try system.map(process, pages: count, at: address, flags: address == 0 ? 0 : VM.Flags.fixed, shared: shared)
    for page in 0..<count { system.write(process, memory + page << 12, UInt8(page + 1)) }
    return memory
  }

  private func contents(_ process: Endpoint, _ address: UInt64, _ count: UInt64) -> [UInt8?] {
    (0..<count).map { system.read(process, address + $0 << 12) }
  }

  @Test("mremap grows and shrinks in place") func inPlace() throws {
    let process = system.process()
    let memory = try numbered(process, 3)
    #expect(try remap(process, memory, 3, 6) == memory)
    #expect(contents(process, memory, 7) == [1, 2, 3, 0, 0, 0, nil])
    #expect(system.mappings(process).count == 1)
    #expect(try remap(process, memory, 6, 2) == memory)
    #expect(contents(process, memory, 3) == [1, 2, nil])
    // The tail of a region alone can grow too, and part of it shrink.
    #expect(try remap(process, memory + 0x1000, 1, 2) == memory + 0x1000)
    #expect(contents(process, memory, 3) == [1, 2, 0])
    #expect(try remap(process, memory, 3, 3) == memory)
    system.expectSound()
  }

  @Test("mremap that may move keeps bytes and frames; nothing is copied") func moves() throws {
    let process = system.process()
    let memory = try numbered(process, 4)
    try system.map(process, pages: 1, at: memory + 0x5000, flags: VM.Flags.fixed)
    let frames = (0..<4).map { system.frame(process, memory + UInt64($0) << 12) }
    let user = system.information.user
    #expect(failure(process, memory, 4 << 12, 8 << 12) == .noMemory)
    let moved = try remap(process, memory, 4, 8, VM.Remap.mayMove)
    #expect(moved != memory)
    #expect(contents(process, memory, 4) == [nil, nil, nil, nil])
    #expect((0..<4).map { system.frame(process, moved + UInt64($0) << 12) } == frames)
    #expect(system.information.user == user)
    #expect(contents(process, moved, 8) == [1, 2, 3, 4, 0, 0, 0, 0])
    #expect(system.write(process, moved, 99) && system.read(process, moved) == 99)
    system.expectSound()
  }

  @Test("mremap without leave to move fills the last page of room; with it the guard page stays (V38)") func guardPage() throws {
    let process = system.process()
    let memory = try numbered(process, 1)
    try system.map(process, pages: 1, at: memory + 0x2000, flags: VM.Flags.fixed)
    #expect(try remap(process, memory, 1, 2) == memory)
    #expect(try remap(process, memory, 2, 1) == memory)
    #expect(try remap(process, memory, 1, 2, VM.Remap.mayMove) != memory)
    system.expectSound()
  }

  @Test("mremap FIXED takes the place of what is there, also out of one region's middle, and larger or smaller") func fixed() throws {
    let process = system.process()
    let base: UInt64 = 0x3000_0000_0000
    _ = try numbered(process, 12, at: base)
    let move = VM.Remap.mayMove | VM.Remap.fixed
    #expect(try remap(process, base + 0x1000, 2, 2, move, to: base + 0x8000) == base + 0x8000)
    #expect(contents(process, base, 12) == [1, nil, nil, 4, 5, 6, 7, 8, 2, 3, 11, 12])
    #expect(try remap(process, base + 0x3000, 3, 1, move, to: base + 0x1000) == base + 0x1000)
    #expect(contents(process, base, 12) == [1, 4, nil, nil, nil, nil, 7, 8, 2, 3, 11, 12])
    #expect(try remap(process, base + 0x6000, 1, 3, move, to: base + 0x20_0000) == base + 0x20_0000)
    #expect(contents(process, base + 0x20_0000, 4) == [7, 0, 0, nil])
    system.expectSound()
  }

  @Test("mremap moves what a fork shares: both sides keep their own") func afterFork() throws {
    let parent = system.process()
    let memory = try numbered(parent, 4)
    let child = try system.fork(parent)
    let moved = try remap(child, memory, 4, 4, VM.Remap.mayMove | VM.Remap.fixed, to: 0x3000_0000_0000)
    #expect(contents(child, moved, 4) == [1, 2, 3, 4] && contents(parent, memory, 4) == [1, 2, 3, 4])
    system.write(child, moved, 50)
    system.write(parent, memory + 0x1000, 60)
    #expect(contents(child, moved, 4) == [50, 2, 3, 4] && contents(parent, memory, 4) == [1, 60, 3, 4])
    let other = try remap(parent, memory, 4, 4, VM.Remap.mayMove | VM.Remap.fixed, to: 0x3000_0010_0000)
    system.write(parent, other + 0x2000, 70)
    #expect(contents(child, moved, 4) == [50, 2, 3, 4])
    system.expectSound()
  }

  @Test("mremap of shared memory: the object moves along; beyond its end is SIGBUS; an old length of 0 shows it twice") func shared() throws {
    let process = system.process()
    let memory = try numbered(process, 3, shared: true)
    let child = try system.fork(process)
    let moved = try remap(process, memory, 3, 5, VM.Remap.mayMove | VM.Remap.fixed, to: 0x3000_0000_0000)
    system.write(child, memory + 0x1000, 44)
    #expect(contents(process, moved, 3) == [1, 44, 3])
    let told = system.kernel.exceptions.count
    #expect(system.read(process, moved + 0x3000) == nil)
    #expect(system.kernel.exceptions.count == told + 1 && system.kernel.exceptions.last?.event.signal == 7)
    let second = try remap(process, moved + 0x1000, 0, 2, VM.Remap.mayMove)
    #expect(second != moved && contents(process, second, 2) == [44, 3])
    system.write(process, second + 0x1000, 45)
    #expect(system.read(child, memory + 0x2000) == 45)
    let own = try numbered(process, 1)
    #expect(failure(process, own, 0, 4096, VM.Remap.mayMove) == .invalidArgument)
    // As Linux has it: there would be room for it somewhere else only.
    #expect(failure(process, moved, 0, 4096) == .noMemory)
    system.expectSound()
    system.exit(process)
    system.exit(child)
    system.expectSound()
  }

  @Test("mremap errors are Linux's and change nothing") func errors() throws {
    let process = system.process()
    let memory = try numbered(process, 4)
    let move = VM.Remap.mayMove | VM.Remap.fixed
    let page: UInt64 = 4096
    let before = system.regions(process).map(\.start)
    #expect(failure(process, memory + 1, page, page) == .invalidArgument)
    #expect(failure(process, memory, page, 0) == .invalidArgument)
    for flags: UInt32 in [2, 4, 5, 8, UInt32.max] { #expect(failure(process, memory, page, page, flags) == .invalidArgument) }
    #expect(failure(process, memory + 4 * page, page, page) == .badAddress)
    #expect(failure(process, memory, 5 * page, 6 * page, VM.Remap.mayMove) == .badAddress)
    #expect(failure(process, AddressSpace.stub, page, 2 * page, VM.Remap.mayMove) == .notPermitted)
    #expect(failure(process, AddressSpace.stackTop - page, page, 2 * page, VM.Remap.mayMove) == .notPermitted)
    #expect(failure(process, AddressSpace.stackTop - StackLimits.size - page, page, 2 * page, VM.Remap.mayMove) == .badAddress)
    #expect(failure(process, memory, page, page, move, to: memory + 1) == .invalidArgument)
    #expect(failure(process, memory, 2 * page, 2 * page, move, to: memory + page) == .invalidArgument)
    #expect(failure(process, memory, page, page, move, to: 0) == .notPermitted)
    #expect(failure(process, memory, page, page, move, to: AddressSpace.stub) == .notPermitted)
    #expect(failure(process, memory, page, page, move, to: AddressSpace.stackTop - page) == .notPermitted)
    #expect(failure(process, memory, page, page, move, to: AddressSpace.userEnd) == .invalidArgument)
    #expect(failure(process, memory, page, AddressSpace.userEnd, VM.Remap.mayMove) == .noMemory)
    #expect(system.regions(process).map(\.start) == before)
    #expect(contents(process, memory, 4) == [1, 2, 3, 4])
    system.expectSound()
  }

  @Test("R7 mremap with spans that wrap is an error") func wraps() throws {
    let process = system.process()
    let memory = try numbered(process, 2)
    let edges: [UInt64] = [
      UInt64.max, UInt64.max - 4095, UInt64.max - 4096, 1 << 63, AddressSpace.userEnd, AddressSpace.userEnd - memory + 4096, 0x8000_0000_0000,
      0 &- memory, 0 &- memory &- 4096,
    ]
    for span in edges {
      for flags: UInt32 in 0..<4 {
        for target in [0, memory, span, 0x3000_0000_0000] {
          #expect(failure(process, memory, span, 4096, flags, to: target) != nil)
          #expect(failure(process, memory, 4096, span, flags, to: target) != nil)
          #expect(failure(process, memory, span, span, flags, to: target) != nil)
          #expect(failure(process, span, 4096, 8192, flags, to: target) != nil)
          #expect(failure(process, span, span, span, flags, to: target) != nil)
        }
      }
    }
    #expect(contents(process, memory, 2) == [1, 2])
    system.expectSound()
  }
}
