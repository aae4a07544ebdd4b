import CX86
import Foundation
import Sandbox
import Testing

extension SandboxTests {
  @Suite("traps") struct Traps {
    @Test("a process traps with all its registers, and goes on with what the broker put there")
    func roundTrip() throws {
      let world = try World()
      try world.start(0, .trap) {
        $0.rax = 0x11; $0.rbx = 0x12; $0.rcx = 0x13; $0.rdx = 0x14; $0.rsi = 0x15; $0.rdi = 0x16; $0.rbp = 0x17
        $0.r8 = 0x18; $0.r9 = 0x19; $0.r10 = 0x1A; $0.r12 = 0x1C; $0.r13 = 0x1D; $0.r14 = 0x1E; $0.r15 = 0x1F
      }
      #expect(world.go(full: true) == .trap(slot: 0))
      let seen = world.context()
      #expect(seen.rax == 0x11 && seen.rbx == 0x12 && seen.rcx == 0x13 && seen.rdx == 0x14 && seen.rsi == 0x15 && seen.rdi == 0x16)
      #expect(seen.rbp == 0x17 && seen.r8 == 0x18 && seen.r9 == 0x19 && seen.r10 == 0x1A && seen.r12 == 0x1C && seen.r13 == 0x1D)
      #expect(seen.r14 == 0x1E && seen.r15 == 0x1F && seen.entry == UInt64(ENTRY_SYSCALL))
      #expect(seen.rsp == World.stack - 72)
      let context = world.sandbox.context(slot: 0)
      context.pointee.rax = 0x21
      context.pointee.rbx = 0x22
      context.pointee.rdi = 0x26
      context.pointee.r10 = 0x2A
      context.pointee.r15 = 0x2F
      #expect(world.go() == .trap(slot: 0))
      let again = world.context()
      #expect(again.rax == 0x21 && again.rbx == 0x22 && again.rdi == 0x26 && again.r10 == 0x2A && again.r15 == 0x2F)
      #expect(again.r12 == 0x1C && again.rbp == 0x17 && again.rsi == 0 && again.rdx == 0 && again.rsp == World.stack - 72)
    }

    @Test("FPU and SSE registers come from the broker, are there at a trap and are kept over it", arguments: [false, true])
    func extendedState(full: Bool) throws {
      let world = try World()
      try world.start(0, .trap)
      let area = world.sandbox.extendedState(slot: 0)
      func fill(_ seed: UInt8) {
        for index in 0..<256 { area.storeBytes(of: seed &+ UInt8(index), toByteOffset: 160 + index, as: UInt8.self) }  // xmm0...xmm15
        area.storeBytes(of: 0x0F7F, as: UInt16.self)  // round towards zero
        area.storeBytes(of: 0x7F80, toByteOffset: 24, as: UInt32.self)
      }
      func isFilled(_ seed: UInt8) -> Bool {
        (0..<256).allSatisfy { area.load(fromByteOffset: 160 + $0, as: UInt8.self) == seed &+ UInt8($0) }
          && area.load(as: UInt16.self) == 0x0F7F && area.load(fromByteOffset: 24, as: UInt32.self) == 0x7F80
      }
      fill(3)
      #expect(world.go(full: true) == .trap(slot: 0))
      #expect(isFilled(3))
      area.initializeMemory(as: UInt8.self, repeating: 0xFF, count: 512)
      if full { fill(90) }
      #expect(world.go(full: full) == .trap(slot: 0))
      #expect(isFilled(full ? 90 : 3))
    }

    @Test("each process has the bases of FS and GS that its slot has: two beside one another, changed, cleared, in the next process of the slot")
    func bases() throws {
      let world = try World()
      for slot in 0..<2 {
        world.sandbox.bases[slot] = Bases(fs: World.stack - 4096, gs: World.stack - 2048)
        try world.start(slot, .based)
        for (offset, value) in [(0, 1), (2056, 2), (64, 3), (136, 4)] as [(Int, UInt64)] {
          world.frame(2 * slot + 1).storeBytes(of: value + 16 * UInt64(slot), toByteOffset: offset, as: UInt64.self)
        }
      }
      for _ in 0..<3 {
        for slot in 0..<2 {
          #expect(world.go(slot, full: false) == .trap(slot: slot))
          #expect(world.context(slot).rbx == 1 + 16 * UInt64(slot) && world.context(slot).r12 == 2 + 16 * UInt64(slot))
        }
      }
      world.sandbox.bases[0] = Bases(fs: World.stack - 4096 + 64, gs: World.stack - 4096 + 128)
      #expect(world.go(0) == .trap(slot: 0) && world.context(0).rbx == 3 && world.context(0).r12 == 4)
      #expect(world.go(1) == .trap(slot: 1) && world.context(1).rbx == 17 && world.context(1).r12 == 18)
      world.sandbox.bases[0] = Bases()
      #expect(world.go(0) == .fault(slot: 0, address: 0, error: 4))
      world.sandbox.destroy(slot: 1)
      try world.start(1, .based)
      #expect(world.go(1, full: true) == .trap(slot: 1) && world.context(1).rbx == 17, "the slot's, until they are changed")
    }

    @Test("upper halves of AVX come from the broker, are there at a trap and are kept over it", arguments: [false, true])
    func upperHalves(full: Bool) throws {
      let world = try World()
      guard world.sandbox.isWide else { return }
      try world.start(0, .trap)
      let area = world.sandbox.extendedState(slot: 0)
      func fill(_ seed: UInt8) {
        for index in 0..<256 { area.storeBytes(of: seed &+ UInt8(index), toByteOffset: 576 + index, as: UInt8.self) }
        area.storeBytes(of: 7, toByteOffset: 512, as: UInt64.self)
      }
      func isFilled(_ seed: UInt8) -> Bool { (0..<256).allSatisfy { area.load(fromByteOffset: 576 + $0, as: UInt8.self) == seed &+ UInt8($0) } }
      fill(3)
      #expect(world.go(full: true) == .trap(slot: 0))
      #expect(isFilled(3))
      area.initializeMemory(as: UInt8.self, repeating: 0xFF, count: Int(EXTENDED_SIZE))
      if full { fill(90) }
      #expect(world.go(full: full) == .trap(slot: 0))
      #expect(isFilled(full ? 90 : 3))
    }

    @Test("any bytes in the vector area are taken: what the processor or Linux refuses is left out", arguments: [0xFF, 0x80, 0x55] as [UInt8])
    func hostileExtendedState(byte: UInt8) throws {
      let world = try World()
      try world.start(0, .trap)
      let area = world.sandbox.extendedState(slot: 0)
      area.initializeMemory(as: UInt8.self, repeating: byte, count: Int(EXTENDED_SIZE) + 64)
      #expect(world.go(full: true) == .trap(slot: 0))
      let word = UInt64(byte) * 0x0101_0101_0101_0101
      #expect(area.load(fromByteOffset: 160, as: UInt64.self) == word)
      #expect(!world.sandbox.isWide || area.load(fromByteOffset: 576, as: UInt64.self) == (byte & 4 != 0 ? word : 0))
    }

    @Test("a full load after a trap replaces every register, flags, stack and place")
    func fullLoad() throws {
      let world = try World()
      try world.start(0, .trap)
      #expect(world.go(full: true) == .trap(slot: 0))
      var wanted = apus_context()
      wanted.rip = World.code
      wanted.rsp = World.stack - 512
      wanted.flags = 0x202 | 0x8D5  // every arithmetic flag
      wanted.rax = 0x31; wanted.rbx = 0x32; wanted.rcx = 0x33; wanted.rdx = 0x34; wanted.rsi = 0x35; wanted.rdi = 0x36; wanted.rbp = 0x37
      wanted.r8 = 0x38; wanted.r9 = 0x39; wanted.r10 = 0x3A; wanted.r12 = 0x3C; wanted.r13 = 0x3D; wanted.r14 = 0x3E; wanted.r15 = 0x3F
      world.sandbox.context(slot: 0).pointee = wanted
      #expect(world.go(full: true) == .trap(slot: 0))
      let seen = world.context()
      #expect(seen.rax == 0x31 && seen.rbx == 0x32 && seen.rcx == 0x33 && seen.rdx == 0x34 && seen.rsi == 0x35 && seen.rdi == 0x36)
      #expect(seen.rbp == 0x37 && seen.r8 == 0x38 && seen.r9 == 0x39 && seen.r10 == 0x3A && seen.r12 == 0x3C && seen.r13 == 0x3D)
      #expect(seen.r14 == 0x3E && seen.r15 == 0x3F && seen.flags == 0x202 | 0x8D5 && seen.rsp == World.stack - 520)
    }

    @Test("a child made from its parent's context and FPU area returns from the parent's trap")
    func fork() throws {
      let world = try World()
      try world.start(0, .trap) { $0.rbx = 7 }
      #expect(world.go(full: true) == .trap(slot: 0))
      try world.sandbox.create(slot: 1)
      world.sandbox.context(slot: 1).pointee = world.context(0)
      world.sandbox.extendedState(slot: 1).copyMemory(from: world.sandbox.extendedState(slot: 0), byteCount: Int(EXTENDED_SIZE))
      for frame in 0..<2 { world.frame(2 + frame).copyMemory(from: world.frame(frame), byteCount: 4096) }
      world.sandbox.map(slot: 1, address: World.code, frame: 2 * 4096, length: 4096, writable: false, executable: true)
      world.sandbox.map(slot: 1, address: World.stack - 4096, frame: 3 * 4096, length: 4096, writable: true, executable: false)
      world.sandbox.context(slot: 1).pointee.rax = 0
      world.sandbox.context(slot: 0).pointee.rax = 99
      #expect(world.go(1) == .trap(slot: 1))
      #expect(world.context(1).rax == 0 && world.context(1).rbx == 7 && world.context(1).rsp == World.stack - 72)
      #expect(world.go(0) == .trap(slot: 0))
      #expect(world.context(0).rax == 99)
    }
  }
}
