import CX86
import Foundation
import Sandbox
import Testing

extension SandboxTests {
  @Suite("faults and exceptions") struct Faults {
    static let place: UInt64 = 0x1234_5000

    @Test("a fault that is resolved leaves no trace in any register or flag")
    func invisible() throws {
      let world = try World()
      let flags: UInt64 = 0x202 | 0x8D5 | 0x400  // all arithmetic flags, direction
      try world.start(0, .load) {
        $0.rsi = Self.place + 8; $0.flags = flags
        $0.rax = 1; $0.rbx = 2; $0.rdx = 4; $0.rdi = 6; $0.rbp = 7; $0.r8 = 8; $0.r9 = 9; $0.r10 = 10; $0.r12 = 12; $0.r13 = 13; $0.r14 = 14; $0.r15 = 15
      }
      let area = world.sandbox.extendedState(slot: 0)
      for index in 0..<32 { area.storeBytes(of: UInt64(index) &* 0x0101_0101, toByteOffset: 160 + 8 * index, as: UInt64.self) }
      #expect(world.go(full: true) == .fault(slot: 0, address: Self.place + 8, error: 4))
      #expect(world.context().rip == World.code && world.context().entry == 14)
      world.free(0).storeBytes(of: 0xFEED, toByteOffset: 8, as: UInt64.self)
      world.map(Self.place, free: 0)
      // What stands in the page now must not matter.
      world.sandbox.context(slot: 0).pointee.rbx = 0xBAD
      #expect(world.go() == .trap(slot: 0))
      let seen = world.context()
      #expect(seen.rcx == 0xFEED && seen.flags == flags && seen.rsi == Self.place + 8)
      #expect(seen.rax == 1 && seen.rbx == 2 && seen.rdx == 4 && seen.rdi == 6 && seen.rbp == 7 && seen.r8 == 8 && seen.r9 == 9)
      #expect(seen.r10 == 10 && seen.r12 == 12 && seen.r13 == 13 && seen.r14 == 14 && seen.r15 == 15)
      for index in 0..<32 { #expect(area.load(fromByteOffset: 160 + 8 * index, as: UInt64.self) == UInt64(index) &* 0x0101_0101) }
    }

    @Test("a fault can also be left with every register from the broker")
    func redirected() throws {
      let world = try World()
      try world.start(0, .load) { $0.rsi = Self.place; $0.rbx = 2 }
      #expect(world.go(full: true) == .fault(slot: 0, address: Self.place, error: 4))
      world.sandbox.context(slot: 0).pointee.rsi = World.code
      world.sandbox.context(slot: 0).pointee.rbx = 0x77
      #expect(world.go(full: true) == .trap(slot: 0))
      #expect(world.context().rbx == 0x77 && world.context().rsi == World.code)
    }

    /// The program loads ymm0 itself, so its value at the fault comes from the fault.
    @Test("SSE and AVX registers are in the context at a fault, and survive one", .enabled(if: x86_cpuid(7).b & 1 << 5 != 0), arguments: [false, true])
    func wide(full: Bool) throws {
      let world = try World()
      try world.start(0, .wide) { $0.rdi = World.stack - 4096; $0.rsi = Self.place }
      for index in 0..<4 { world.frame(1).storeBytes(of: 0x1111 * UInt64(index + 1), toByteOffset: 8 * index, as: UInt64.self) }
      #expect(world.go(full: true) == .fault(slot: 0, address: Self.place, error: 4))
      for index in 0..<2 {
        #expect(world.sandbox.extendedState(slot: 0).load(fromByteOffset: 160 + 8 * index, as: UInt64.self) == 0x1111 * UInt64(index + 1))
        #expect(world.sandbox.extendedState(slot: 0).load(fromByteOffset: 576 + 8 * index, as: UInt64.self) == 0x1111 * UInt64(index + 3))
      }
      world.map(Self.place, free: 0)
      #expect(world.go(full: full) == .trap(slot: 0))
      for index in 0..<4 { #expect(world.frame(1).load(fromByteOffset: 32 + 8 * index, as: UInt64.self) == 0x1111 * UInt64(index + 1)) }
    }

    @Test("writing to a read-only page and executing data are told apart from reading")
    func permissions() throws {
      let world = try World()
      try world.start(0, .store) { $0.rsi = Self.place; $0.rcx = 5 }
      world.map(Self.place, free: 0, writable: false)
      guard case .fault(0, Self.place, let error) = world.go(full: true) else {
        Issue.record("no fault")
        return
      }
      #expect(error | 1 == 7)  // Linux may not have entered the page yet
      world.map(Self.place, free: 1)  // copy on write: another frame
      #expect(world.go() == .trap(slot: 0))
      #expect(world.free(0).load(as: UInt64.self) == 0 && world.free(1).load(as: UInt64.self) == 5)

      try world.start(1, .jump) { $0.rbp = Self.place }
      world.map(Self.place, free: 0, slot: 1)
      #expect(world.go(1, full: true) == .fault(slot: 1, address: Self.place, error: 0x15))
    }

    @Test("a page that was given up is gone before the next instruction, whoever ran meanwhile")
    func flush() throws {
      let world = try World()
      try world.start(0, .load) { $0.rsi = Self.place }
      world.map(Self.place, free: 0)
      #expect(world.go(full: true) == .trap(slot: 0))
      try world.start(1, .trap)
      world.sandbox.unmap(slot: 0, address: Self.place, length: 4096)
      #expect(world.go(1, full: true) == .trap(slot: 1))
      world.sandbox.context(slot: 0).pointee.rip = World.code
      world.sandbox.context(slot: 0).pointee.rsi = Self.place
      #expect(world.go(full: true) == .fault(slot: 0, address: Self.place, error: 4))
      world.sandbox.unmapAll(slot: 0)
      #expect(world.go() == .fault(slot: 0, address: World.code, error: 0x14))
    }

    @Test("an unresolved fault happens again, and a stack page that is missing at the end of a trap is a fault too")
    func repeated() throws {
      let world = try World()
      try world.start(0, .load) { $0.rsi = Self.place }
      #expect(world.go(full: true) == .fault(slot: 0, address: Self.place, error: 4))
      #expect(world.go() == .fault(slot: 0, address: Self.place, error: 4))
      world.map(Self.place, free: 0)
      #expect(world.go() == .trap(slot: 0))
      world.sandbox.unmap(slot: 0, address: World.stack - 4096, length: 4096)
      world.sandbox.context(slot: 0).pointee.rax = 0x5A
      #expect(world.go() == .fault(slot: 0, address: World.stack - 72, error: 4))
      world.sandbox.map(slot: 0, address: World.stack - 4096, frame: 4096, length: 4096, writable: true, executable: false)
      #expect(world.go() == .trap(slot: 0))
      #expect(world.context().rax == 0x5A)
    }

    @Test("one mapping brings many pages, of which each is its own frame")
    func around() throws {
      let world = try World()
      try world.start(0, .load) { $0.rsi = Self.place + 7 * 4096 }
      for index in 0..<32 { world.free(index).storeBytes(of: UInt64(index), as: UInt64.self) }
      world.sandbox.map(slot: 0, address: Self.place, frame: UInt64(World.free) * 4096, length: 32 * 4096, writable: true, executable: false)
      for index: UInt64 in [7, 0, 31] {
        world.sandbox.context(slot: 0).pointee.rip = World.code
        world.sandbox.context(slot: 0).pointee.rsi = Self.place + index * 4096
        #expect(world.go(full: true) == .trap(slot: 0))
        #expect(world.context().rcx == index)
      }
    }

    @Test("the processor's exceptions come with their vector and place", arguments: [
      (0, UInt64(6)), (1, 0), (2, 3), (3, 13),
    ])
    func exceptions(program: Int, vector: UInt64) throws {
      let world = try World()
      let code: Code = [.invalid, .divide, .breakpoint, .protection][program]
      try world.start(0, code)
      guard case .exception(0, let seen, let address) = world.go(full: true) else {
        Issue.record("no exception")
        return
      }
      #expect(seen == vector && address == world.context().rip && world.context().entry == vector)
      #expect(address >= World.code && address < World.code + UInt64(code.bytes.count) + 1)
    }

    @Test("single steps are exceptions in the program and invisible in the stub")
    func singleSteps() throws {
      let world = try World()
      try world.start(0, .trap) { $0.flags = 0x302 }
      var steps: [UInt64] = [], end: UInt64 = 0
      world.sandbox.resume(slot: 0, full: true)
      while steps.count < 8 {
        let event = world.next()
        if case .exception(0, 1, let address) = event {
          steps.append(address)
        } else {
          #expect(event == .trap(slot: 0))
          end = world.context().rip
        }
        world.sandbox.resume(slot: 0, full: false)
      }
      // After movabs, (the call, the stub), its return, jmp, and again.
      let inside = steps.filter { $0 >= World.code && $0 < World.code + 64 }
      #expect(inside.count >= 4 && Set(steps.filter { !inside.contains($0) }).isSubset(of: [end]))
    }
  }
}
