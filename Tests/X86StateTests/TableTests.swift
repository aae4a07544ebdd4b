import CX86
import Testing

@testable import X86State

@Suite struct TableTests {
  /// What the CPU makes of a segment descriptor.
  func isUser(_ descriptor: UInt64) -> Bool { descriptor >> 45 & 3 == 3 }
  func isPresent(_ descriptor: UInt64) -> Bool { descriptor >> 47 & 1 == 1 }
  func isCode(_ descriptor: UInt64) -> Bool { descriptor >> 43 & 3 == 3 }
  func isLong(_ descriptor: UInt64) -> Bool { descriptor >> 53 & 1 == 1 }

  @Test("the GDT agrees with what SYSCALL, SYSRET and SYSEXIT compute")
  func segments() {
    let table = UnsafeMutablePointer<UInt64>.allocate(capacity: Segment.count)
    defer { table.deallocate() }
    Segment.fill(table, task: 0xFFFF_8000_1234_5678)
    func at(_ selector: UInt64) -> UInt64 { table[Int(selector & ~7) / 8] }
    let kernel = Segment.star >> 32 & 0xFFFF, user = Segment.star >> 48
    #expect(kernel == Selector.kernelCode && kernel + 8 == Selector.kernelData)
    #expect(user + 16 == Selector.userCode && user + 8 == Selector.userData)
    #expect(kernel + 32 | 3 == Selector.userCode)  // SYSEXIT, with SYSENTER_CS = 8
    #expect(isCode(at(Selector.kernelCode)) && isLong(at(Selector.kernelCode)) && !isUser(at(Selector.kernelCode)))
    #expect(isCode(at(Selector.userCode)) && isLong(at(Selector.userCode)) && isUser(at(Selector.userCode)))
    #expect(!isCode(at(Selector.userData)) && isUser(at(Selector.userData)) && isUser(at(kernel + 40)))
    #expect(at(user) == 0, "no 32-bit code segment for programs")
    let low = at(Selector.task), high = table[Int(Selector.task) / 8 + 1]
    #expect(isPresent(low) && low >> 40 & 0x1F == 9 && low & 0xFFFF == 103)
    #expect((low >> 16 & 0xFF_FFFF | (low >> 56) << 24 | high << 32) == 0xFFFF_8000_1234_5678)
  }

  @Test("SEC3 256 interrupt gates; NMI, double fault, machine check and debug have stacks of their own")
  func gates() {
    let table = UnsafeMutablePointer<UInt64>.allocate(capacity: 512)
    defer { table.deallocate() }
    let stubs: UInt64 = 0xFFFF_FFFF_8010_2000
    Gate.fill(table, stubs: stubs)
    var stacks: Set<UInt64> = []
    for vector in 0..<256 {
      let low = table[2 * vector], high = table[2 * vector + 1]
      #expect((low & 0xFFFF | (low >> 48) << 16 | high << 32) == stubs + 16 * UInt64(vector))
      #expect(low >> 16 & 0xFFFF == Selector.kernelCode)
      #expect(low >> 40 & 0x1F == 0x0E, "an interrupt gate: interrupts are off in the kernel")
      #expect(isPresent(low))
      #expect(isUser(low) == [3, 4, 0x80].contains(vector))
      let stack = low >> 32 & 7
      #expect((stack != 0) == [1, 2, 8, 18].contains(vector))
      if stack != 0 { #expect(stacks.insert(stack).inserted) }
    }
  }

  @Test("exceptions are the signals that POSIX has for them")
  func signals() {
    let expected: [UInt64: UInt32] = [0: 8, 1: 5, 3: 5, 6: 4, 11: 11, 12: 11, 13: 11, 16: 8, 17: 7, 19: 8]
    for (vector, signal) in expected { #expect(X86Exception.signal(vector: vector) == signal) }
    #expect(X86Exception.access(pageFaultError: 0x17) == 7)
    #expect(X86Exception.access(pageFaultError: 0x4) == 0)
    #expect(X86Exception.access(pageFaultError: ~0x17) == 0)
  }
}

@Suite struct ClockScaleTests {
  @Test("ticks become nanoseconds without drift over a hundred years", arguments: [1_000_000_000, 999_987_000, 2_600_000_000, 62_500_000] as [UInt64])
  func nanoseconds(_ frequency: UInt64) {
    let scale = ClockScale(frequency: frequency, timerFrequency: 1_000_000_000)
    for seconds: UInt64 in [0, 1, 3600, 3_200_000_000] {
      let time = scale.nanoseconds(frequency * seconds)
      let exact = seconds * 1_000_000_000
      #expect(time <= exact && exact - time <= exact / 1_000_000_000 * 16 + 1)
    }
    #expect(ClockScale(frequency: 1_000_000_000, timerFrequency: 1).nanoseconds(123_456_789) == 123_456_789)
  }

  @Test("a timer never fires early but for its 32 bits")
  func timer() {
    let scale = ClockScale(frequency: 1_000_000_000, timerFrequency: 62_500_000)
    #expect(scale.timerTicks(0) == 1)
    for delay: UInt64 in [1, 15, 16, 17, 1_000_000, 999_999_999] { #expect(UInt64(scale.timerTicks(delay)) * 16 >= delay) }
    #expect(scale.timerTicks(.max) == .max && scale.timerTicks(1 << 40) == .max)
  }

  @Test("a machine that reports no frequency at all divides by nothing")
  func zero() { #expect(ClockScale(frequency: 0, timerFrequency: 0).nanoseconds(1000) == 0) }
}
