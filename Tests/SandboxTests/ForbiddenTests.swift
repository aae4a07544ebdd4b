import CX86
import Foundation
@testable import Sandbox
import Testing

extension SandboxTests {
  @Suite("forbidden calls") struct Forbidden {
    @Test("the table of allowed calls is what it should be, and nothing more")
    func table() {
      #expect(Sandbox.allowedCalls.map(\.name) == ["rt_sigreturn", "mmap", "munmap", "arch_prctl", "trap", "fault", "exception", "interrupted", "ready", "failed"])
      #expect(Sandbox.allowedCalls.map(\.number) == [15, 9, 11, 158, 0x1000, 0x1001, 0x1002, 0x1003, 0x1004, 0x1005])
      #expect(Sandbox.allowedCalls.filter { $0.way == .free }.map(\.name) == ["rt_sigreturn"])
    }

    /// Lets a fresh process make one call of its own and says which signal ended it; nil if it lived.
    func attempt(_ world: World, _ code: Code = .call, prepare: (inout apus_context) -> Void) throws -> Int32? {
      defer { world.sandbox.destroy(slot: 0) }
      try world.start(0, code, prepare: prepare)
      let event = world.go(full: true)
      return event == .died(slot: 0) ? world.signal() : nil
    }

    /// Linux from 6.14 on shows uretprobe, from 6.18 on uprobe to no filter; from anywhere but a probe one raises SIGILL, the other fails.
    static let unfiltered = 335...336

    @Test("each system call of Linux but the allowed ones ends the process by SIGSYS")
    func every() throws {
      let world = try World()
      let checked = Set(Sandbox.allowedCalls.filter { $0.way != .message }.map(\.number))
      var killed = 0
      for number in 0...520 where !checked.contains(number) && !Self.unfiltered.contains(number) {
        let signal = try attempt(world) { $0.rax = UInt64(number) }
        #expect(signal == SIGSYS, "system call \(number)")
        killed += 1
      }
      #expect(killed == 515)
    }

    @Test("those that Linux shows to no filter do nothing", arguments: unfiltered)
    func invisible(number: Int) throws {
      let world = try World()
      try world.start(0, .call) { $0.rax = UInt64(number) }
      switch world.go(full: true) {
      case .died(0): #expect(world.signal() == SIGSYS)
      case .exception(0, 6, _): #expect(world.context().rip == World.code + 2)
      case .trap(0): #expect(Int64(bitPattern: world.context().rax) == -Int64(ENXIO))
      case let event: Issue.record("\(event)")
      }
    }

    @Test("so do numbers beside those of the stub, of x32, negative and huge ones", arguments: [
      0xFFF, 0x1006, 0x1007, 0x2000, 0xFFFF, 0x4000_0000, 0x4000_0001, 0x4000_0009, 0x4000_0200, 0x4000_1000, 0x7FFF_FFFF, 0xFFFF_FFFF, ~0,
    ] as [UInt64])
    func strange(number: UInt64) throws {
      #expect(try attempt(try World()) { $0.rax = number } == SIGSYS)
    }

    @Test("so does every call by int 0x80", arguments: [1, 4, 9, 15, 90, 119, 173, 192] as [UInt64])
    func oldCalls(number: UInt64) throws {
      #expect(try attempt(try World(), .oldCall) { $0.rax = number } == SIGSYS)
    }

    @Test("sysenter and the vsyscall page lead nowhere")
    func otherWays() throws {
      let world = try World()
      try world.start(0, .oldEntry) { $0.rax = 20 }
      let entry = world.go(full: true)
      // The processor knows no such instruction in 64-bit mode, or Linux takes it for a 32-bit call.
      if case .exception(0, 6, World.code) = entry {} else { #expect(entry == .died(slot: 0)) }
      try world.start(1, .vsyscall)
      let page = world.go(1, full: true)
      if case .fault(1, 0xFFFF_FFFF_FF60_0000, _) = page {} else { #expect(page == .died(slot: 1)) }
    }

    @Test("a process cannot set bases by itself, by the call that carries out orders", arguments: [0x1001, 0x1002, 0x1003, 0x1011] as [UInt64])
    func ownBases(code: UInt64) throws {
      #expect(try attempt(try World()) { $0.rax = 158; $0.rdi = code; $0.rsi = 0x1000 } == SIGKILL)
    }

    @Test("mapping another file than that of the frames is no call to check but a crime", arguments: [0, 4, 5, 0x1_0000_0003, ~0] as [UInt64])
    func otherFiles(file: UInt64) throws {
      let signal = try attempt(try World()) {
        $0.rax = 9; $0.rdi = 0x1000_0000; $0.rsi = 4096; $0.rdx = 3; $0.r10 = 0x11; $0.r8 = file
      }
      #expect(signal == SIGSYS)
    }
  }
}
