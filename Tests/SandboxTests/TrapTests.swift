import CX86
import Foundation
import Sandbox
import Testing

@Suite("Sandbox: traps", .serialized) struct TrapTests {
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
}
