/// SHA-256 (FIPS 180-4). The rounds are written out: some 43 instructions a byte on x86-64, little more than the algorithm itself asks.
struct SHA256 {
  typealias State = (UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32)

  private var state: State = (0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19)
  private var length: UInt64 = 0
  private var rest = InlineArray<64, UInt8>(repeating: 0)
  private var restCount = 0

  mutating func update(_ bytes: UnsafeRawBufferPointer) {
    guard var pointer = bytes.baseAddress else { return }
    var left = bytes.count
    length &+= UInt64(left)
    while restCount > 0, left > 0 {
      rest[restCount] = pointer.load(as: UInt8.self)
      restCount += 1
      pointer += 1
      left -= 1
      if restCount == 64 { compressRest() }
    }
    Self.compress(&state, pointer, blocks: left / 64)
    pointer += left & ~63
    for index in 0..<(left & 63) { rest[index] = pointer.load(fromByteOffset: index, as: UInt8.self) }
    if left & 63 != 0 { restCount = left & 63 }
  }

  private mutating func compressRest() {
    withUnsafeBytes(of: &rest) { Self.compress(&state, $0.baseAddress!, blocks: 1) }
    restCount = 0
  }

  /// The digest; afterwards the value is used up.
  mutating func finish() -> [UInt8] {
    let bits = length &* 8
    rest[restCount] = 0x80
    restCount += 1
    if restCount > 56 {
      for index in restCount..<64 { rest[index] = 0 }
      compressRest()
    }
    for index in restCount..<56 { rest[index] = 0 }
    for index in 0..<8 { rest[56 + index] = UInt8(truncatingIfNeeded: bits >> UInt64(56 - 8 * index)) }
    compressRest()
    var digest: [UInt8] = []
    for word in [state.0, state.1, state.2, state.3, state.4, state.5, state.6, state.7] {
      for shift in [24, 16, 8, 0] as [UInt32] { digest.append(UInt8(truncatingIfNeeded: word >> shift)) }
    }
    return digest
  }

  @inline(__always) private static func rotate(_ x: UInt32, _ n: UInt32) -> UInt32 { x &>> n | x &<< (32 &- n) }

  /// One round; the caller renames the variables instead of moving them. `bc` is b ^ c, which was a ^ b a round ago.
  @inline(__always)
  private static func round(
    _ a: UInt32, _ b: UInt32, _ bc: inout UInt32, _ d: inout UInt32, _ e: UInt32, _ f: UInt32, _ g: UInt32, _ h: inout UInt32, _ w: UInt32,
    _ k: UInt32
  ) {
    // Rotations by 6, 11, 25 and by 2, 13, 22, each xored into the next: a copy less for every one.
    let t = h &+ w &+ k &+ rotate(rotate(rotate(e, 14) ^ e, 5) ^ e, 6) &+ (g ^ (e & (f ^ g)))
    d = d &+ t
    let ab = a ^ b
    h = t &+ rotate(rotate(rotate(a, 9) ^ a, 11) ^ a, 2) &+ (ab & bc ^ b)
    bc = ab
  }

  /// The message schedule: word t from those 16, 15, 7 and 2 before it.
  @inline(__always)
  private static func extend(_ w: inout UInt32, _ w15: UInt32, _ w7: UInt32, _ w2: UInt32) {
    w = w &+ (rotate(rotate(w15, 11) ^ w15, 7) ^ w15 &>> 3) &+ w7 &+ (rotate(rotate(w2, 2) ^ w2, 17) ^ w2 &>> 10)
  }

  /// All rounds written out, so that the constants are immediate operands and the schedule is sixteen variables.
  private static func compress(_ state: inout State, _ pointer: UnsafeRawPointer, blocks: Int) {
    var block = pointer
    for _ in 0..<blocks {
      @inline(__always) func word(_ i: Int) -> UInt32 { UInt32(bigEndian: block.loadUnaligned(fromByteOffset: i &* 4, as: UInt32.self)) }
      var (a, b, c, d, e, f, g, h) = state
      var bc = b ^ c
      var w0 = word(0), w1 = word(1), w2 = word(2), w3 = word(3), w4 = word(4), w5 = word(5), w6 = word(6), w7 = word(7)
      var w8 = word(8), w9 = word(9), w10 = word(10), w11 = word(11), w12 = word(12), w13 = word(13), w14 = word(14), w15 = word(15)
      round(a, b, &bc, &d, e, f, g, &h, w0, 0x428a_2f98)
      round(h, a, &bc, &c, d, e, f, &g, w1, 0x7137_4491)
      round(g, h, &bc, &b, c, d, e, &f, w2, 0xb5c0_fbcf)
      round(f, g, &bc, &a, b, c, d, &e, w3, 0xe9b5_dba5)
      round(e, f, &bc, &h, a, b, c, &d, w4, 0x3956_c25b)
      round(d, e, &bc, &g, h, a, b, &c, w5, 0x59f1_11f1)
      round(c, d, &bc, &f, g, h, a, &b, w6, 0x923f_82a4)
      round(b, c, &bc, &e, f, g, h, &a, w7, 0xab1c_5ed5)
      round(a, b, &bc, &d, e, f, g, &h, w8, 0xd807_aa98)
      round(h, a, &bc, &c, d, e, f, &g, w9, 0x1283_5b01)
      round(g, h, &bc, &b, c, d, e, &f, w10, 0x2431_85be)
      round(f, g, &bc, &a, b, c, d, &e, w11, 0x550c_7dc3)
      round(e, f, &bc, &h, a, b, c, &d, w12, 0x72be_5d74)
      round(d, e, &bc, &g, h, a, b, &c, w13, 0x80de_b1fe)
      round(c, d, &bc, &f, g, h, a, &b, w14, 0x9bdc_06a7)
      round(b, c, &bc, &e, f, g, h, &a, w15, 0xc19b_f174)
      extend(&w0, w1, w9, w14)
      round(a, b, &bc, &d, e, f, g, &h, w0, 0xe49b_69c1)
      extend(&w1, w2, w10, w15)
      round(h, a, &bc, &c, d, e, f, &g, w1, 0xefbe_4786)
      extend(&w2, w3, w11, w0)
      round(g, h, &bc, &b, c, d, e, &f, w2, 0x0fc1_9dc6)
      extend(&w3, w4, w12, w1)
      round(f, g, &bc, &a, b, c, d, &e, w3, 0x240c_a1cc)
      extend(&w4, w5, w13, w2)
      round(e, f, &bc, &h, a, b, c, &d, w4, 0x2de9_2c6f)
      extend(&w5, w6, w14, w3)
      round(d, e, &bc, &g, h, a, b, &c, w5, 0x4a74_84aa)
      extend(&w6, w7, w15, w4)
      round(c, d, &bc, &f, g, h, a, &b, w6, 0x5cb0_a9dc)
      extend(&w7, w8, w0, w5)
      round(b, c, &bc, &e, f, g, h, &a, w7, 0x76f9_88da)
      extend(&w8, w9, w1, w6)
      round(a, b, &bc, &d, e, f, g, &h, w8, 0x983e_5152)
      extend(&w9, w10, w2, w7)
      round(h, a, &bc, &c, d, e, f, &g, w9, 0xa831_c66d)
      extend(&w10, w11, w3, w8)
      round(g, h, &bc, &b, c, d, e, &f, w10, 0xb003_27c8)
      extend(&w11, w12, w4, w9)
      round(f, g, &bc, &a, b, c, d, &e, w11, 0xbf59_7fc7)
      extend(&w12, w13, w5, w10)
      round(e, f, &bc, &h, a, b, c, &d, w12, 0xc6e0_0bf3)
      extend(&w13, w14, w6, w11)
      round(d, e, &bc, &g, h, a, b, &c, w13, 0xd5a7_9147)
      extend(&w14, w15, w7, w12)
      round(c, d, &bc, &f, g, h, a, &b, w14, 0x06ca_6351)
      extend(&w15, w0, w8, w13)
      round(b, c, &bc, &e, f, g, h, &a, w15, 0x1429_2967)
      extend(&w0, w1, w9, w14)
      round(a, b, &bc, &d, e, f, g, &h, w0, 0x27b7_0a85)
      extend(&w1, w2, w10, w15)
      round(h, a, &bc, &c, d, e, f, &g, w1, 0x2e1b_2138)
      extend(&w2, w3, w11, w0)
      round(g, h, &bc, &b, c, d, e, &f, w2, 0x4d2c_6dfc)
      extend(&w3, w4, w12, w1)
      round(f, g, &bc, &a, b, c, d, &e, w3, 0x5338_0d13)
      extend(&w4, w5, w13, w2)
      round(e, f, &bc, &h, a, b, c, &d, w4, 0x650a_7354)
      extend(&w5, w6, w14, w3)
      round(d, e, &bc, &g, h, a, b, &c, w5, 0x766a_0abb)
      extend(&w6, w7, w15, w4)
      round(c, d, &bc, &f, g, h, a, &b, w6, 0x81c2_c92e)
      extend(&w7, w8, w0, w5)
      round(b, c, &bc, &e, f, g, h, &a, w7, 0x9272_2c85)
      extend(&w8, w9, w1, w6)
      round(a, b, &bc, &d, e, f, g, &h, w8, 0xa2bf_e8a1)
      extend(&w9, w10, w2, w7)
      round(h, a, &bc, &c, d, e, f, &g, w9, 0xa81a_664b)
      extend(&w10, w11, w3, w8)
      round(g, h, &bc, &b, c, d, e, &f, w10, 0xc24b_8b70)
      extend(&w11, w12, w4, w9)
      round(f, g, &bc, &a, b, c, d, &e, w11, 0xc76c_51a3)
      extend(&w12, w13, w5, w10)
      round(e, f, &bc, &h, a, b, c, &d, w12, 0xd192_e819)
      extend(&w13, w14, w6, w11)
      round(d, e, &bc, &g, h, a, b, &c, w13, 0xd699_0624)
      extend(&w14, w15, w7, w12)
      round(c, d, &bc, &f, g, h, a, &b, w14, 0xf40e_3585)
      extend(&w15, w0, w8, w13)
      round(b, c, &bc, &e, f, g, h, &a, w15, 0x106a_a070)
      extend(&w0, w1, w9, w14)
      round(a, b, &bc, &d, e, f, g, &h, w0, 0x19a4_c116)
      extend(&w1, w2, w10, w15)
      round(h, a, &bc, &c, d, e, f, &g, w1, 0x1e37_6c08)
      extend(&w2, w3, w11, w0)
      round(g, h, &bc, &b, c, d, e, &f, w2, 0x2748_774c)
      extend(&w3, w4, w12, w1)
      round(f, g, &bc, &a, b, c, d, &e, w3, 0x34b0_bcb5)
      extend(&w4, w5, w13, w2)
      round(e, f, &bc, &h, a, b, c, &d, w4, 0x391c_0cb3)
      extend(&w5, w6, w14, w3)
      round(d, e, &bc, &g, h, a, b, &c, w5, 0x4ed8_aa4a)
      extend(&w6, w7, w15, w4)
      round(c, d, &bc, &f, g, h, a, &b, w6, 0x5b9c_ca4f)
      extend(&w7, w8, w0, w5)
      round(b, c, &bc, &e, f, g, h, &a, w7, 0x682e_6ff3)
      extend(&w8, w9, w1, w6)
      round(a, b, &bc, &d, e, f, g, &h, w8, 0x748f_82ee)
      extend(&w9, w10, w2, w7)
      round(h, a, &bc, &c, d, e, f, &g, w9, 0x78a5_636f)
      extend(&w10, w11, w3, w8)
      round(g, h, &bc, &b, c, d, e, &f, w10, 0x84c8_7814)
      extend(&w11, w12, w4, w9)
      round(f, g, &bc, &a, b, c, d, &e, w11, 0x8cc7_0208)
      extend(&w12, w13, w5, w10)
      round(e, f, &bc, &h, a, b, c, &d, w12, 0x90be_fffa)
      extend(&w13, w14, w6, w11)
      round(d, e, &bc, &g, h, a, b, &c, w13, 0xa450_6ceb)
      extend(&w14, w15, w7, w12)
      round(c, d, &bc, &f, g, h, a, &b, w14, 0xbef9_a3f7)
      extend(&w15, w0, w8, w13)
      round(b, c, &bc, &e, f, g, h, &a, w15, 0xc671_78f2)
      state = (
        state.0 &+ a, state.1 &+ b, state.2 &+ c, state.3 &+ d, state.4 &+ e, state.5 &+ f, state.6 &+ g, state.7 &+ h
      )
      block += 64
    }
  }
}
