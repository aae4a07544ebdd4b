import CX86
import Foundation
@testable import Sandbox
import Testing

extension SandboxTests {
  /// A program may hold any bytes, and so do these. Their code is `call` (a system call of their own) or `jump` (into the stub).
  @Suite("hostile programs") struct Hostile {
    /// The signal that ends a process which begins like this; nil if it lives.
    func fate(_ world: World, _ code: Code, prepare: (inout apus_context) -> Void) throws -> Int32? {
      defer { world.sandbox.destroy(slot: 0) }
      try world.start(0, code, prepare: prepare)
      return world.go(full: true) == .died(slot: 0) ? world.signal() : nil
    }

    @Test("mapping a foreign frame, by itself or through the stub's own instruction, is the end")
    func foreignFrame() throws {
      let world = try World()
      for place in [nil, world.sandbox.zygote.ordered - 2] {
        for protection: UInt64 in [1, 3, 7] {
          let fate = try fate(world, place == nil ? .call : .jump) {
            $0.rax = 9; $0.rdi = 0x1000_0000; $0.rsi = 4096; $0.rdx = protection; $0.r10 = 0x11; $0.r8 = 3
            $0.r9 = UInt64(World.free) * 4096
            $0.rbp = place ?? 0
          }
          #expect(fate == SIGKILL)
        }
      }
    }

    @Test("an order of the broker's is carried out as it stands or not at all", arguments: 0..<6)
    func alteredOrder(field: Int) throws {
      var asked = AskedOrder(9, 0x1000_0000, 4096, 1, 0x11, 8192)
      let notification = asked.notification
      #expect(asked.order.isAsked(by: notification))
      asked.change(field)
      #expect(!asked.order.isAsked(by: notification))
    }

    @Test("anonymous memory, or more than a page of physical memory, cannot be had")
    func memory() throws {
      let world = try World()
      let anonymous = try fate(world, .call) {
        $0.rax = 9; $0.rdi = 0x1000_0000; $0.rsi = 4096; $0.rdx = 7; $0.r10 = 0x32; $0.r8 = 3
      }
      #expect(anonymous == SIGKILL)
      let all = try fate(world, .call) {
        $0.rax = 9; $0.rdi = 0x1000_0000; $0.rsi = 128 * 4096; $0.rdx = 3; $0.r10 = 1; $0.r8 = 3
      }
      #expect(all == SIGKILL)
    }

    @Test("the stub, its context page and its orders cannot be unmapped or replaced")
    func stub() throws {
      let world = try World()
      for address: UInt64 in [0x6000_0000_0000, 0x6000_0000_1000, 0x6000_0008_0000, 0x6000_0008_1000] {
        #expect(try fate(world, .call) { $0.rax = 11; $0.rdi = address; $0.rsi = 4096 } == SIGKILL)
        let replaced = try fate(world, .call) {
          $0.rax = 9; $0.rdi = address; $0.rsi = 4096; $0.rdx = 7; $0.r10 = 0x11; $0.r8 = 3
        }
        #expect(replaced == SIGKILL)
      }
      // Its text and its orders cannot be written either.
      for address: UInt64 in [0x6000_0000_0000, 0x6000_0008_1000] {
        try world.start(0, .store) { $0.rsi = address; $0.rcx = ~0 }
        #expect(world.go(full: true) == .fault(slot: 0, address: address, error: 7))
        world.sandbox.destroy(slot: 0)
      }
    }

    @Test("the broker itself orders nothing into the stub's area, outside user memory or beyond the frames")
    func broker() throws {
      let world = try World()
      try world.start(0, .trap)
      func map(_ address: UInt64, _ frame: UInt64, _ length: UInt64) -> Bool {
        world.sandbox.map(slot: 0, address: address, frame: frame, length: length, writable: true, executable: true)
      }
      #expect(!map(0x6000_0000_0000, 0, 4096) && !map(0x5FFF_FFFF_F000, 0, 8192) && !map(0x6000_000F_F000, 0, 4096))
      #expect(!map(0, 0, 4096) && !map(0xF000, 0, 4096) && !map(0x7FFF_FFFF_F000, 0, 4096) && !map(~0xFFF, 0, 8192))
      #expect(!map(0x1000_0000, 128 * 4096, 4096) && !map(0x1000_0000, 127 * 4096, 8192) && !map(0x1000_0000, ~0xFFF, 4096))
      #expect(!map(0x1000_0001, 0, 4096) && !map(0x1000_0000, 1, 4096) && !map(0x1000_0000, 0, 1) && !map(0x1000_0000, 0, 0))
      #expect(map(0x5FFF_FFFF_F000, 127 * 4096, 4096) && map(0x6000_0010_0000, 0, 4096))
      #expect(!world.sandbox.unmap(slot: 0, address: 0x6000_0000_0000, length: 4096))
      #expect(world.go(full: true) == .trap(slot: 0))
    }

    @Test("signals to others, forks and new programs are the end", arguments: [62, 200, 234, 424, 56, 57, 58, 435, 59, 322] as [UInt64])
    func others(call: UInt64) throws {
      let world = try World()
      try world.start(1, .trap)
      #expect(world.go(1, full: true) == .trap(slot: 1))
      let victim = try #require(world.sandbox.pid(slot: 1))
      let fate = try fate(world, .call) {
        $0.rax = call; $0.rdi = call == 56 || call == 435 ? 0 : UInt64(victim); $0.rsi = call == 234 ? UInt64(victim) : 9; $0.rdx = 9
      }
      #expect(fate == SIGSYS)
      #expect(world.go(1) == .trap(slot: 1))
    }

    @Test("the stub's words from another place than the stub are the end: the program could skip its orders", arguments: [
      0x1000, 0x1001, 0x1002, 0x1003, 0x1004, 0x1005,
    ] as [UInt64])
    func forgedWord(word: UInt64) throws {
      #expect(try fate(try World(), .call) { $0.rax = word } == SIGKILL)
    }

    @Test("who speaks is told by Linux: a process with another's registers, and another's name in them, is still itself")
    func forgedSource() throws {
      let world = try World()
      try world.start(1, .trap)
      #expect(world.go(1, full: true) == .trap(slot: 1))
      try world.start(2, .trap)
      let own = (world.sandbox.context(slot: 2).pointee.rip, world.sandbox.context(slot: 2).pointee.rsp)
      world.sandbox.context(slot: 2).pointee = world.context(1)
      (world.sandbox.context(slot: 2).pointee.rip, world.sandbox.context(slot: 2).pointee.rsp) = own
      world.sandbox.context(slot: 2).pointee.rbx = 0x0000_0001_0000_0200  // a header with a source: slot 1, VM
      #expect(world.go(2, full: true) == .trap(slot: 2))
      #expect(world.go(1) == .trap(slot: 1))
    }

    @Test("a program that jumps into the stub carries out its orders like any other")
    func jump() throws {
      let world = try World()
      let page: UInt64 = 0x1000_0000
      try world.start(0, .jump) { $0.rbp = world.sandbox.zygote.notified - 2; $0.rax = 0x1000 }
      world.map(page, free: 0)
      #expect(world.go(full: true) == .trap(slot: 0))
      // What it prepares in its context page is what it gets: a load from the page that was taken away.
      world.free(1).copyMemory(from: Code.load.bytes.baseAddress!, byteCount: Code.load.bytes.count)
      world.map(0x50_0000, free: 1, writable: false, executable: true)
      world.frame(1).storeBytes(of: 0x50_0000, toByteOffset: 2048, as: UInt64.self)
      world.sandbox.context(slot: 0).pointee.rsp = World.stack - 2048
      world.sandbox.context(slot: 0).pointee.rip = 0x50_0000
      world.sandbox.context(slot: 0).pointee.rsi = page
      world.sandbox.unmap(slot: 0, address: page, length: 4096)
      let event = world.go(full: false)
      // rsi is zero after a trap.
      #expect(event == .fault(slot: 0, address: 0, error: 4))
      world.sandbox.context(slot: 0).pointee.rsi = page
      #expect(world.go(full: true) == .fault(slot: 0, address: page, error: 4))
    }

    /// The frame says where all registers, the signal mask and the signal stack are from now on.
    @Test("a return from a signal that never was, with a frame of any bytes, hurts only the process itself", arguments: [
      UInt64.random(in: 0 ... .max),
    ])
    func randomFrames(seed: UInt64) throws {
      let world = try World()
      world.sandbox.patienceLimit = 20_000_000
      var random = Random(seed: seed)
      let places: [UInt64] = [
        0, World.code, World.stack - 2048, 0x6000_0000_0000, world.sandbox.zygote.notified, world.sandbox.zygote.ordered, 0x6000_0008_0000,
        0x6000_0008_1000, 0x6000_0000_2000, 0x1000_0000, 0xFFFF_8000_0000_0000, ~0,
      ]
      var ends: [String: Int] = [:]
      for round in 0..<500 {
        try world.start(0, .call) { $0.rax = 15; $0.rsp = World.stack - 2048 + 8 }
        world.map(0x1000_0000, free: 0)
        let frame = world.frame(1) + 2048
        for word in stride(from: 0, to: 440, by: 8) {
          let value = random.next() % 3 == 0 ? random.next() : places[Int(random.next() % UInt64(places.count))]
          frame.storeBytes(of: value, toByteOffset: word, as: UInt64.self)
        }
        if random.next() % 4 != 0 { frame.storeBytes(of: 0x002B_0000_0000_0033, toByteOffset: 192, as: UInt64.self) }
        if random.next() % 2 != 0 { frame.storeBytes(of: 0, toByteOffset: 232, as: UInt64.self) }
        if random.next() % 2 != 0 { frame.storeBytes(of: 32768, toByteOffset: 40, as: UInt64.self) }
        world.sandbox.resume(slot: 0, full: true)
        // It is led on for a while: faults resolved, pages taken away, interruptions.
        var events = 0
        life: while events < 20 {
          events += 1
          var event = world.sandbox.wait(until: Sandbox.now() + 1_000_000)
          if event == .timeout {
            world.sandbox.interrupt(slot: 0)
            event = world.next()
          }
          ends["\(event)".prefix { $0 != "(" }.description, default: 0] += 1
          switch event {
          case .died(0): break life
          case .fault, .trap, .exception, .interrupted: break
          default: Issue.record("seed \(seed), round \(round): \(event)")
          }
          if random.next() % 2 == 0 { world.sandbox.unmap(slot: 0, address: 0x1000_0000, length: 4096) } else { world.map(0x1000_0000, free: 0) }
          world.sandbox.resume(slot: 0, full: random.next() % 4 == 0)
        }
        world.sandbox.destroy(slot: 0)
      }
      try world.start(1, .trap)
      #expect(world.go(1, full: true) == .trap(slot: 1))
      #expect(ends["died", default: 0] > 0 && ends["fault", default: 0] > 0, "seed \(seed): \(ends)")
    }

    @Test("jumps to any place of the stub with any registers end in an event or in death, and the next process is well", arguments: [
      UInt64.random(in: 0 ... .max),
    ])
    func randomJumps(seed: UInt64) throws {
      let world = try World()
      world.sandbox.patienceLimit = 20_000_000
      var random = Random(seed: seed)
      for offset in 0..<Int(world.sandbox.zygote.notified - 0x6000_0000_0000) + 700 {
        func word() -> UInt64 {
          [0, 1, 9, 11, 15, 0x1000, 0x1001, 3, 4096, 0x1000_0000, 0x6000_0000_0000, 0x6000_0008_0000, World.stack - 256, random.next()][Int(random.next() % 14)]
        }
        try world.start(0, .jump) {
          $0.rax = word(); $0.rbx = word(); $0.rcx = word(); $0.rdx = word(); $0.rsi = word(); $0.rdi = word(); $0.r8 = word(); $0.r9 = word()
          $0.r10 = word(); $0.r11 = word(); $0.r12 = word(); $0.r13 = word(); $0.r14 = word(); $0.r15 = word()
          $0.rbp = 0x6000_0000_0000 + UInt64(offset)
        }
        world.sandbox.resume(slot: 0, full: true)
        if world.sandbox.wait(until: Sandbox.now() + 5_000_000) == .timeout {
          world.sandbox.interrupt(slot: 0)
          let event = world.next()
          #expect(event == .interrupted(slot: 0) || event == .died(slot: 0), "seed \(seed), offset \(offset)")
        }
        world.sandbox.destroy(slot: 0)
        #expect(world.free(0).load(as: UInt64.self) == 0)
      }
      try world.start(1, .trap)
      #expect(world.go(1, full: true) == .trap(slot: 1))
    }
  }
}
