import CX86
import IPC
import KernelCore
import PageTable
import Testing

@testable import X86State

@Suite struct ContextTests {
  @Test("the message is in the registers that the trap promises")
  func message() {
    var context = X86Context(entry: 0x40_0000, stack: 0x7000)
    context.message = Message(header: 1, payload: (2, 3, 4, 5, 6, 7, 8))
    let registers = context.registers
    #expect([registers.rbx, registers.r12, registers.r13, registers.r14, registers.r15, registers.r8, registers.r9, registers.r10] == [1, 2, 3, 4, 5, 6, 7, 8])
    #expect(context.message.payload.6 == 8)
    context.registers.rax = 3
    context.registers.rdi = 0x1_0000_0007
    context.registers.rsi = 0xFFFF_FFFF
    context.registers.rdx = 99
    #expect(context.operation == 3 && context.destination == Endpoint(raw: 7) && context.source == .any && context.deadline == 99)
    context.setResult(status: -14, flags: 5)
    #expect(context.registers.rax == UInt64(bitPattern: -14) && context.registers.rdi == 5 && context.message.header == 1)
  }

  @Test("a new thread starts in user mode with interrupts on, by iretq, all else zero")
  func fresh() {
    let registers = X86Context(entry: 0x40_0000, stack: 0x7000).registers
    #expect(registers.rip == 0x40_0000 && registers.rsp == 0x7000)
    #expect(registers.cs == 0x2B && registers.ss == 0x23 && registers.flags == 0x202 && registers.entry == UInt64(ENTRY_FULL))
    #expect(registers.rax | registers.rbx | registers.rcx | registers.rdx | registers.rsi | registers.rdi | registers.rbp == 0)
    #expect(registers.r8 | registers.r9 | registers.r10 | registers.r11 | registers.r12 | registers.r13 | registers.r14 | registers.r15 == 0)
  }

  @Test("SEC1 no context ever has an instruction pointer that iretq or sysret refuses", arguments: [
    AddressSpace.userEnd, 0x7FFF_FFFF_FFFF, 0x8000_0000_0000, 0xFFFF_8000_0000_0000, AddressSpace.kernelImage, .max,
  ] as [UInt64])
  func nonCanonical(_ address: UInt64) {
    #expect(X86Context(entry: address, stack: address).instruction == 0)
    var context = X86Context(entry: 0x40_0000, stack: 0x7000)
    var frame = [UInt8](repeating: 0, count: SignalFrame.size)
    frame.withUnsafeMutableBytes {
      context.enterSignal($0.baseAddress!, at: 0x6000, signal: 2, handler: address, restorer: 0, mask: 0)
    }
    #expect(context.instruction == 0)
  }

  @Test("SEC5 only harmless flags reach user mode")
  func flags() {
    #expect(Flags.sanitized(0) == 0x202)
    #expect(Flags.sanitized(.max) & (Flags.privilegeLevel | Flags.nestedTask | 1 << 17 | 1 << 19 | 1 << 20) == 0)
    #expect(Flags.sanitized(.max) & Flags.interrupt != 0)
    #expect(Flags.sanitized(Flags.trap | Flags.direction | Flags.carry) == 0x202 | Flags.trap | Flags.direction | Flags.carry)
    #expect(Flags.maskedByCall & Flags.interrupt != 0 && Flags.maskedByCall & Flags.trap != 0 && Flags.maskedByCall & Flags.nestedTask != 0)
  }
}

@Suite struct SignalFrameTests {
  /// A context with another value in each register, and the frame of a signal to it.
  func interrupted() -> (before: X86Context, after: X86Context, frame: [UInt8]) {
    var before = X86Context(entry: 0x40_1234, stack: 0x7FFF_0000)
    withUnsafeMutableBytes(of: &before.registers) { for index in 0..<15 { $0.storeBytes(of: UInt64(index + 1) * 0x0101, toByteOffset: index * 8, as: UInt64.self) } }
    before.registers.entry = UInt64(ENTRY_SYSCALL)
    before.registers.flags = 0x202 | Flags.carry
    var after = before
    var frame = [UInt8](repeating: 0xEE, count: SignalFrame.size)
    frame.withUnsafeMutableBytes {
      after.enterSignal($0.baseAddress!, at: 0x7FFE_0000, signal: 15, handler: 0x40_5000, restorer: 0x40_6000, mask: 0xF0F0)
    }
    return (before, after, frame)
  }

  func word(_ frame: [UInt8], _ offset: Int) -> UInt64 { frame.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: UInt64.self) } }

  @Test("M-E3 the handler starts as if called, and its return finds the frame")
  func enter() {
    let (_, after, frame) = interrupted()
    #expect(after.instruction == 0x40_5000 && after.registers.rdi == 15 && after.registers.entry == UInt64(ENTRY_FULL))
    #expect(after.stack % 16 == 8, "the ABI's alignment at a function's entry")
    let slot = Int(after.stack - 0x7FFE_0000)
    #expect(word(frame, slot) == 0x40_6000, "return address")
    #expect(word(frame, slot + 8) == 0x7FFE_0000, "what the restorer pops")
    #expect(X86Context.signalFrameSize % 16 == 0 && SignalFrame.extendedState % 16 == 0)
    #expect(SignalFrame.extendedState >= SignalFrame.context + MemoryLayout<apus_context>.size)
  }

  @Test("M-E3 a frame brings back every register, and leaves by iretq")
  func leave() {
    let (before, after, frame) = interrupted()
    var context = after
    var used = frame
    for offset in 0..<Int(after.stack - 0x7FFE_0000) { used[offset] = 0x55 }  // what the handler pushed
    let mask = used.withUnsafeBytes { context.leaveSignal($0.baseAddress!) }
    #expect(mask == 0xF0F0)
    var expected = before.registers
    expected.entry = UInt64(ENTRY_FULL)
    let same = withUnsafeBytes(of: context.registers) { new in withUnsafeBytes(of: expected) { Array(new) == Array($0) } }
    #expect(same)
  }

  @Test("M-E6 SEC44 a forged frame: kernel segments, privileged flags, an unknown way of entry", arguments: 0..<64)
  func forged(_ bit: Int) {
    let (_, after, original) = interrupted()
    for offset in [CONTEXT_CS, CONTEXT_SS, CONTEXT_FLAGS, CONTEXT_ENTRY, CONTEXT_ERROR] as [Int32] {
      var frame = original
      let at = SignalFrame.context + Int(offset) + bit / 8
      frame[at] ^= 1 << UInt8(bit % 8)
      var context = after
      _ = frame.withUnsafeBytes { context.leaveSignal($0.baseAddress!) }
      #expect(context.registers.cs == 0x2B && context.registers.ss == 0x23)
      #expect(context.registers.entry == UInt64(ENTRY_FULL))
      #expect(context.registers.flags == Flags.sanitized(context.registers.flags))
    }
  }

  @Test("M-E6 a frame with a kernel or non-canonical address, or without its mark, is refused and changes nothing")
  func refused() {
    let (_, after, original) = interrupted()
    for address: UInt64 in [AddressSpace.userEnd, 0x8000_0000_0000, 0xFFFF_8000_0000_0000, .max] {
      for offset in [Int(CONTEXT_RIP), Int(CONTEXT_RSP)] {
        var frame = original
        frame.withUnsafeMutableBytes { $0.storeBytes(of: address, toByteOffset: SignalFrame.context + offset, as: UInt64.self) }
        expectRefused(frame, after)
      }
    }
    var frame = original
    frame[40] ^= 1
    expectRefused(frame, after)
    expectRefused([UInt8](repeating: 0, count: SignalFrame.size), after)
    expectRefused([UInt8](repeating: 0xFF, count: SignalFrame.size), after)
  }

  func expectRefused(_ frame: [UInt8], _ before: X86Context) {
    var context = before
    #expect(frame.withUnsafeBytes { context.leaveSignal($0.baseAddress!) } == nil)
    let same = withUnsafeBytes(of: context) { new in withUnsafeBytes(of: before) { Array(new) == Array($0) } }
    #expect(same)
  }

  @Test("M-E6 100,000 random frames give a context that user mode accepts")
  func randomFrames() {
    let seed = UInt64.random(in: 1 ... .max)
    print("signal frame seed \(seed)")
    var state = seed
    let (_, after, original) = interrupted()
    for _ in 0..<100_000 {
      var frame = original
      for offset in stride(from: SignalFrame.context, to: SignalFrame.extendedState, by: 8) {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        if state >> 60 == 0 { frame.withUnsafeMutableBytes { $0.storeBytes(of: state, toByteOffset: offset, as: UInt64.self) } }
      }
      var context = after
      guard frame.withUnsafeBytes({ context.leaveSignal($0.baseAddress!) }) != nil else { continue }
      let registers = context.registers
      guard registers.rip < AddressSpace.userEnd, registers.rsp < AddressSpace.userEnd, registers.cs == 0x2B, registers.ss == 0x23,
        registers.entry == UInt64(ENTRY_FULL), registers.flags == Flags.sanitized(registers.flags)
      else {
        Issue.record("seed \(seed)")
        return
      }
    }
  }
}

@Suite("A thread that leaves fully")
struct LeaveFullyTests {
  @Test("SEC20 what SYSCALL and SYSENTER have lost comes back as it would be, never as it was at an earlier entry", arguments: [Entry.call, Entry.sysenter, Entry.full])
  func lost(entry: UInt64) {
    var context = X86Context(entry: 0x40_0000, stack: 0x50_0000)
    context.registers.entry = entry
    context.registers.rcx = 0xFBF5_9135_0605_474E
    context.registers.r11 = 3
    context.leaveFully()
    #expect(!context.isFast && context.registers.entry == Entry.full)
    let isKept = entry == Entry.full
    #expect(context.registers.rcx == (isKept ? 0xFBF5_9135_0605_474E : 0x40_0000))
    #expect(context.registers.r11 == (isKept ? 3 : context.registers.flags))
  }
}
