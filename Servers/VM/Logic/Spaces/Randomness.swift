import BootImage

/// Random numbers: ChaCha with 8 rounds (D. J. Bernstein, 2008), keyed by the seed that the kernel gave at boot. Programs see
/// numbers of it (AT_RANDOM) and must not be able to compute others from them; a plain shift register would let them.
struct Randomness: BitwiseCopyable {
  private var key: InlineArray<8, UInt32>
  private var counter: UInt64 = 0
  /// The words of the block that were not given out yet are the last `left`.
  private var block: InlineArray<16, UInt32>
  private var left = 0

  init(seed: (UInt64, UInt64, UInt64, UInt64)) {
    block = InlineArray(repeating: 0)
    key = InlineArray(repeating: 0)
    set(0, seed.0)
    set(2, seed.1)
    set(4, seed.2)
    set(6, seed.3)
  }

  private mutating func set(_ index: Int, _ word: UInt64) {
    key[index] = UInt32(truncatingIfNeeded: word)
    key[index &+ 1] = UInt32(truncatingIfNeeded: word >> 32)
  }

  mutating func next() -> UInt64 {
    if left == 0 { refill() }
    left &-= 2
    return UInt64(block[14 &- left]) | UInt64(block[15 &- left]) << 32
  }

  /// A number of so many bits (0...64), each as likely as any other.
  mutating func bits(_ count: UInt64) -> UInt64 { count == 0 ? 0 : next() >> (64 &- count) }

  private mutating func refill() {
    var state = InlineArray<16, UInt32>(repeating: 0)
    state[0] = 0x6170_7865  // "expand 32-byte k"
    state[1] = 0x3320_646E
    state[2] = 0x7962_2D32
    state[3] = 0x6B20_6574
    for index in 0..<8 { state[4 &+ index] = key[index] }
    state[12] = UInt32(truncatingIfNeeded: counter)
    state[13] = UInt32(truncatingIfNeeded: counter >> 32)
    counter &+= 1
    block = state
    for _ in 0..<4 {
      for column in 0..<4 { mix(column, column &+ 4, column &+ 8, column &+ 12) }
      for column in 0..<4 { mix(column, 4 &+ (column &+ 1) & 3, 8 &+ (column &+ 2) & 3, 12 &+ (column &+ 3) & 3) }
    }
    for index in 0..<16 { block[index] &+= state[index] }
    left = 16
  }

  /// A quarter round.
  @inline(__always) private mutating func mix(_ a: Int, _ b: Int, _ c: Int, _ d: Int) {
    block[a] &+= block[b]
    block[d] = Self.rotated(block[d] ^ block[a], 16)
    block[c] &+= block[d]
    block[b] = Self.rotated(block[b] ^ block[c], 12)
    block[a] &+= block[b]
    block[d] = Self.rotated(block[d] ^ block[a], 8)
    block[c] &+= block[d]
    block[b] = Self.rotated(block[b] ^ block[c], 7)
  }

  @inline(__always) private static func rotated(_ word: UInt32, _ bits: UInt32) -> UInt32 { word &<< bits | word &>> (32 &- bits) }
}
