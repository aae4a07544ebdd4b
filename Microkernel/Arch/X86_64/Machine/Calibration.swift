import CX86

/// How fast the time-stamp counter and the APIC timer run. CPUID says it on recent Intel processors; else the
/// counters are read against one millisecond of the PC's interval timer (8254, 1193182 Hz), channel 2.
///
/// Both ends of the millisecond are readings that nothing came between, on an edge of the 8254 if they can be: on a
/// quiet machine the error is some ten nanoseconds in a million, on a busy host under QEMU some microseconds.
enum Calibration {
  static var pitFrequency: UInt64 { 1_193_182 }

  static func run(_ apic: LocalAPIC) -> ClockRates {
    var rates = measure(apic)
    // Held up for longer than the 8254 counts (55 ms): once more.
    for _ in 0..<4 where x86_in8(0x61) & 0x20 != 0 { rates = measure(apic) }
    if let exact = fromCPUID { rates.counter = exact }
    return rates
  }

  private static func measure(_ apic: LocalAPIC) -> ClockRates {
    x86_out8(0x61, x86_in8(0x61) & ~2 | 1)  // gate on, speaker off
    x86_out8(0x43, 0xB0)  // channel 2, low then high byte, mode 0
    x86_out8(0x42, 0xFF)
    x86_out8(0x42, 0xFF)
    apic.arm(.max)
    let start = reading(apic)
    while start.count &- latch() < 1193 {}
    let end = reading(apic)
    apic.arm(0)
    let elapsed = max(1, UInt64(start.count &- end.count))
    return ClockRates(
      counter: (end.timestamp &- start.timestamp) &* pitFrequency / elapsed,
      timer: UInt64(start.apic &- end.apic) &* pitFrequency / elapsed)
  }

  struct Reading: BitwiseCopyable {
    var count: UInt16
    var apic: UInt32
    var timestamp: UInt64
  }

  private static func latch() -> UInt16 {
    x86_out8(0x43, 0x80)
    let low = UInt16(x86_in8(0x42))
    return UInt16(x86_in8(0x42)) << 8 | low
  }

  /// All three counters at one moment.
  private static func reading(_ apic: LocalAPIC) -> Reading {
    var best = Reading(count: 0, apic: 0, timestamp: 0)
    var shortest = UInt64.max
    var previous = latch()
    for _ in 0..<32 {
      let before = x86_timestamp()
      let count = latch()
      let timer = apic.remaining
      let duration = x86_timestamp() &- before
      let isEdge = count == previous &- 1
      previous = count
      if isEdge || duration < shortest {
        shortest = duration
        best = Reading(count: count, apic: timer, timestamp: before)
      }
      if isEdge { break }
    }
    return best
  }

  /// Leaves 0x15 (with a known crystal) and 0x16.
  private static var fromCPUID: UInt64? {
    let last = x86_cpuid(0).a
    if last >= 0x15 {
      let leaf = x86_cpuid(0x15)
      if leaf.a != 0 && leaf.b != 0 && leaf.c != 0 { return UInt64(leaf.c) &* UInt64(leaf.b) / UInt64(leaf.a) }
    }
    return nil
  }
}

/// Ticks a second.
public struct ClockRates: BitwiseCopyable {
  public var counter, timer: UInt64
}
