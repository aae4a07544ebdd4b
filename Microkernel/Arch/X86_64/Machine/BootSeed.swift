import CX86

/// What the processor can say that nobody outside knows, taken once, for VM (`BootInformation.seed`). RDSEED if there is one, else
/// RDRAND; with both, and without either, the time stamp, whose low bits depend on how long firmware and loader took.
public enum BootSeed {
  public static func take() -> (UInt64, UInt64, UInt64, UInt64) {
    let hasRandom = x86_cpuid(1).c >> 30 & 1 != 0
    let hasSeed = x86_cpuid(0).a >= 7 && x86_cpuid_part(7, 0).b >> 18 & 1 != 0
    func word(_ number: UInt64) -> UInt64 {
      var value: UInt64 = 0
      // It may have none for a moment.
      for _ in 0..<32 where value == 0 { value = hasSeed ? x86_rdseed() : hasRandom ? x86_rdrand() : 0 }
      return value ^ spread(x86_timestamp() &+ number)
    }
    return (word(1) | 1, word(2), word(3), word(4))
  }

  /// Each bit depends on all (SplitMix64; G. Steele, D. Lea, C. Flood, 2014).
  private static func spread(_ number: UInt64) -> UInt64 {
    var value = number &* 0x9E37_79B9_7F4A_7C15
    value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
    return value ^ value >> 31
  }
}
