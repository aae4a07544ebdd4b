import CLinux
import CX86

// The x87 and vector registers in a context page, in the form in which Linux takes them back with a signal frame.
extension Sandbox {
  private static var mxcsr: Int { 24 }
  private static var mxcsrMask: Int { 28 }
  /// What Linux says of an area in the bytes that FXSAVE leaves free (asm/sigcontext.h, struct _fpx_sw_bytes).
  private static var software: Int { 464 }
  private static var header: Int { 512 }

  /// Before a full load. Linux refuses unknown bits of MXCSR, the processor an unknown header; without Linux' own marks at both ends it
  /// takes SSE only.
  func sanitizeExtendedState(_ slot: Int) {
    let area = extendedState(slot: slot)
    area.storeBytes(of: area.load(fromByteOffset: Self.mxcsr, as: UInt32.self) & floatingMask, toByteOffset: Self.mxcsr, as: UInt32.self)
    (area + Self.software).initializeMemory(as: UInt8.self, repeating: 0, count: 48)
    guard isWide else { return }
    let size = UInt32(EXTENDED_SIZE)
    area.storeBytes(of: 0x4650_5853, toByteOffset: Self.software, as: UInt32.self)
    area.storeBytes(of: size + 4, toByteOffset: Self.software + 4, as: UInt32.self)
    area.storeBytes(of: UInt64(EXTENDED_FEATURES), toByteOffset: Self.software + 8, as: UInt64.self)
    area.storeBytes(of: size, toByteOffset: Self.software + 16, as: UInt32.self)
    area.storeBytes(of: 0x4650_5845, toByteOffset: Int(size), as: UInt32.self)
    let parts = area.load(fromByteOffset: Self.header, as: UInt64.self)
    (area + Self.header).initializeMemory(as: UInt64.self, repeating: 0, count: 8)
    area.storeBytes(of: parts & UInt64(EXTENDED_FEATURES) | 3, toByteOffset: Self.header, as: UInt64.self)
  }

  static func readFloatingMask() -> UInt32 {
    let area = UnsafeMutableRawPointer.allocate(byteCount: 512, alignment: 16)
    defer { area.deallocate() }
    x86_fxsave(area)
    let mask = area.load(fromByteOffset: mxcsrMask, as: UInt32.self)
    return mask == 0 ? 0xFFBF : mask
  }

  /// Whether Linux has switched AVX on, with its upper halves where the standard form has them everywhere.
  static func hasAVX() -> Bool {
    guard x86_cpuid(1).c & 1 << 27 != 0, x86_read_xcr0() & 7 == 7 else { return false }
    let halves = x86_cpuid_part(13, 2)
    return halves.a == 256 && halves.b == 576
  }
}
