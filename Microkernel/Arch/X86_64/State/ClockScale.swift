/// Turns ticks of a counter into nanoseconds, and nanoseconds into ticks of a timer, by one multiplication each.
public struct ClockScale: BitwiseCopyable {
  /// Nanoseconds a tick of the counter, times 2^32.
  @usableFromInline var multiplier: UInt64
  /// Timer ticks a nanosecond, times 2^32.
  @usableFromInline var timerMultiplier: UInt64

  /// - Parameters: ticks a second of the counter and of the one-shot timer.
  public init(frequency: UInt64, timerFrequency: UInt64) {
    multiplier = Self.ratio(1_000_000_000, frequency)
    timerMultiplier = Self.ratio(timerFrequency, 1_000_000_000)
  }

  /// a / b times 2^32, bit by bit: there is no 128-bit division here. b < 2^63.
  static func ratio(_ a: UInt64, _ b: UInt64) -> UInt64 {
    guard b != 0 else { return 0 }
    var rest = a % b
    var result = a / b
    for _ in 0..<32 {
      rest = rest &<< 1
      result = result &<< 1
      if rest >= b {
        rest = rest &- b
        result |= 1
      }
    }
    return result
  }

  @inlinable public func nanoseconds(_ ticks: UInt64) -> UInt64 {
    let product = ticks.multipliedFullWidth(by: multiplier)
    return product.high &<< 32 | product.low &>> 32
  }

  /// What to load into the one-shot timer so that it fires not before `nanoseconds` have passed: at least 1, at most
  /// what its 32 bits hold (then it fires early, which does no harm).
  @inlinable public func timerTicks(_ nanoseconds: UInt64) -> UInt32 {
    let product = nanoseconds.multipliedFullWidth(by: timerMultiplier)
    if product.high >= 1 << 31 { return .max }
    let ticks = (product.high &<< 32 | product.low &>> 32) &+ 1
    return ticks >= UInt64(UInt32.max) ? .max : UInt32(truncatingIfNeeded: ticks)
  }
}
