import CX86

/// The x87 and vector registers of a thread in memory, as XSAVE's standard form lays them out (SDM vol. 1, 13.4): 512 bytes as FXSAVE has
/// them, a header of 64, the upper halves of the AVX registers. A processor without XSAVE uses the first part only.
public enum ExtendedArea {
  /// Bytes; a multiple of 64, as XSAVE wants its areas aligned.
  @inlinable public static var size: Int { Int(EXTENDED_SIZE) }
  public static var upperHalves: Int { 576 }
  static var mxcsr: Int { 24 }
  static var mxcsrMask: Int { 28 }
  static var header: Int { 512 }

  /// As after FNINIT: all registers zero, exceptions masked, round to nearest.
  public static func reset(_ area: UnsafeMutableRawPointer) {
    area.initializeMemory(as: UInt64.self, repeating: 0, count: size / 8)
    area.storeBytes(of: 0x037F, as: UInt16.self)
    area.storeBytes(of: 0x1F80, toByteOffset: mxcsr, as: UInt32.self)
  }

  /// Makes any bytes ones that FXRSTOR and XRSTOR load (M-E6, SEC44): no bit of MXCSR that the processor lacks, no part that XCR0 does not
  /// have, the standard form, and zeroes in what is reserved. x87 and SSE always count as there.
  /// - Parameters:
  ///   - mask: the processor's MXCSR mask, from `mxcsrMask(_:)`.
  ///   - features: what XCR0 holds; 0 without XSAVE.
  public static func sanitize(_ area: UnsafeMutableRawPointer, mask: UInt32, features: UInt64) {
    area.storeBytes(of: area.load(fromByteOffset: mxcsr, as: UInt32.self) & mask, toByteOffset: mxcsr, as: UInt32.self)
    let parts = area.load(fromByteOffset: header, as: UInt64.self)
    (area + header).initializeMemory(as: UInt64.self, repeating: 0, count: 8)
    area.storeBytes(of: parts & features | features & 3, toByteOffset: header, as: UInt64.self)
  }

  /// Which bits of MXCSR a processor has that has saved this area (SDM vol. 1, 11.6.6).
  public static func mxcsrMask(_ area: UnsafeRawPointer) -> UInt32 {
    let mask = area.load(fromByteOffset: mxcsrMask, as: UInt32.self)
    return mask == 0 ? 0xFFBF : mask
  }
}
