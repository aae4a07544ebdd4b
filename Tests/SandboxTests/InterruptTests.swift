import CX86
import Foundation
@testable import Sandbox
import Testing

extension SandboxTests {
  @Suite("interruptions") struct Interruptions {
    @Test("an endless loop is interrupted and goes on where it was")
    func loop() throws {
      let world = try World()
      try world.start(0, .loop) { $0.rbx = 42 }
      world.sandbox.resume(slot: 0, full: true)
      for full in [false, true, false] {
        #expect(world.sandbox.wait(until: Sandbox.now() + 1_000_000) == .timeout)
        world.sandbox.interrupt(slot: 0)
        #expect(world.next() == .interrupted(slot: 0))
        #expect(world.context().rip == World.code && world.context().rbx == 42)
        world.sandbox.resume(slot: 0, full: full)
      }
    }

    @Test("an interruption of a blocked process is none, now and later")
    func blocked() throws {
      let world = try World()
      try world.start(0, .trap)
      world.sandbox.interrupt(slot: 0)
      #expect(world.go(full: true) == .trap(slot: 0))
      world.sandbox.interrupt(slot: 0)
      #expect(world.go() == .trap(slot: 0))
    }

    /// Traps, faults, flushes, interruptions at any instruction of program and stub, full and partial loads: the count goes on.
    @Test("20,000 interruptions at random moments change nothing that the program can see", arguments: [UInt64.random(in: 0 ... .max)])
    func storm(seed: UInt64) throws {
      let world = try World()
      var random = Random(seed: seed)
      try world.start(0, .count)
      var count: UInt64 = 0, interrupted = 0, trapped = 0, faulted = 0
      world.sandbox.resume(slot: 0, full: true)
      while interrupted + trapped < 20_000 {
        var event = world.sandbox.wait(until: Sandbox.now() + random.next() % 12_000)
        if event == .timeout {
          world.sandbox.interrupt(slot: 0)
          event = world.next()
        }
        switch event {
        case .interrupted(0): interrupted += 1
        case .trap(0):
          trapped += 1
          count += 1000
          guard world.context().rbx == count else {
            Issue.record("seed \(seed): \(world.context().rbx) is not \(count) after \(interrupted) interruptions and \(trapped) traps")
            return
          }
        case .fault(0, let address, _):
          faulted += 1
          let isCode = address < 0x1000_0000
          world.sandbox.map(
            slot: 0, address: isCode ? World.code : World.stack - 4096, frame: isCode ? 0 : 4096, length: 4096, writable: !isCode, executable: isCode)
        default:
          Issue.record("seed \(seed): \(event)")
          return
        }
        if random.next() % 4 == 0 { world.sandbox.unmap(slot: 0, address: World.code, length: 4096) }
        if random.next() % 4 == 0 { world.sandbox.unmap(slot: 0, address: World.stack - 4096, length: 4096) }
        if random.next() % 64 == 0 { world.sandbox.unmapAll(slot: 0) }
        world.sandbox.resume(slot: 0, full: random.next() % 2 == 0)
      }
      #expect(interrupted > 100 && trapped > 100 && faulted > 100, "seed \(seed)")
    }

    @Test("signals from outside other than the deadly ones are nothing")
    func strangers() throws {
      let world = try World()
      try world.start(0, .count)
      let pid = try #require(world.sandbox.pid(slot: 0))
      world.sandbox.resume(slot: 0, full: true)
      for round in 1...200 {
        for signal in [SIGUSR1, SIGSEGV, SIGTRAP, SIGILL, SIGFPE, SIGBUS] { kill(pid, signal) }
        #expect(world.next() == .trap(slot: 0))
        #expect(world.context().rbx == UInt64(round) * 1000)
        world.sandbox.resume(slot: 0, full: false)
      }
    }

    @Test("a program that blocks signals and loops is ended when it does not heed an interruption")
    func deaf() throws {
      let world = try World()
      world.sandbox.patienceLimit = 50_000_000
      // It returns from a signal that never was, with all signals blocked, into a loop.
      try world.start(0, .call) { $0.rax = 15; $0.rsp = World.stack - 2048 + 8 }
      let frame = world.frame(1) + 2048
      frame.storeBytes(of: 6, toByteOffset: 8, as: UInt64.self)
      frame.storeBytes(of: World.stack - 64, toByteOffset: 168, as: UInt64.self)
      frame.storeBytes(of: 0x50_0000, toByteOffset: 176, as: UInt64.self)
      frame.storeBytes(of: 0x202, toByteOffset: 184, as: UInt64.self)
      frame.storeBytes(of: 0x002B_0000_0000_0033, toByteOffset: 192, as: UInt64.self)
      frame.storeBytes(of: ~0, toByteOffset: 304, as: UInt64.self)
      world.free(0).copyMemory(from: Code.loop.bytes.baseAddress!, byteCount: Code.loop.bytes.count)
      world.map(0x50_0000, free: 0, writable: false, executable: true)
      world.sandbox.resume(slot: 0, full: true)
      #expect(world.sandbox.wait(until: Sandbox.now() + 5_000_000) == .timeout)
      world.sandbox.interrupt(slot: 0)
      #expect(world.next() == .died(slot: 0))
      #expect(world.signal() == SIGKILL && world.sandbox.pid(slot: 0) == nil)
    }
  }
}

/// SplitMix64.
struct Random {
  var state: UInt64
  init(seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }
}
