/// The memory of the process that plays a script.
public protocol ProcessMemory {
  /// Where the bytes from `address` to the end of its page are, for reading or for writing too. Valid until the next
  /// call of anything: a page may be taken away, or copied on write. If the access is bad the process gets its signal here.
  mutating func place(_ address: UInt64, write: Bool) -> UnsafeMutableRawPointer
}

/// This process's own memory.
public struct OwnMemory: ProcessMemory {
  public init() {}
  @inline(__always)
  public mutating func place(_ address: UInt64, write: Bool) -> UnsafeMutableRawPointer {
    UnsafeMutableRawPointer(bitPattern: UInt(address)).unsafelyUnwrapped
  }
}

extension ProcessMemory {
  /// Inside one page.
  @inline(__always)
  mutating func load<T: BitwiseCopyable>(_ address: UInt64, as: T.Type = T.self) -> T { place(address, write: false).loadUnaligned(as: T.self) }
  @inline(__always)
  mutating func store<T: BitwiseCopyable>(_ value: T, at address: UInt64) { place(address, write: true).storeBytes(of: value, as: T.self) }

  /// Calls `body` for each piece of a range that lies in one page.
  @inline(__always)
  mutating func pieces(_ address: UInt64, _ length: UInt64, write: Bool, _ body: (UnsafeMutableRawBufferPointer, UInt64) -> Void) {
    var done: UInt64 = 0
    while done < length {
      let count = min(length - done, 4096 - (address + done) & 4095)
      body(UnsafeMutableRawBufferPointer(start: place(address + done, write: write), count: Int(count)), done)
      done += count
    }
  }
}

/// Bytes that say which pattern they belong to and where they stood in it.
@inline(__always)
func patternByte(_ seed: UInt64, _ position: UInt64) -> UInt8 {
  let word = (position >> 3 &+ 1) &* 0x9E37_79B9_7F4A_7C15 ^ seed &* 0xD6E8_FEB8_6659_FD93
  return UInt8(truncatingIfNeeded: (word ^ word >> 29) >> (8 &* (position & 7)))
}

/// FNV-1a.
struct Digest: BitwiseCopyable {
  var value: UInt64 = 0xCBF2_9CE4_8422_2325
  @inline(__always)
  mutating func add(_ byte: UInt8) { value = (value ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
  mutating func add(_ bytes: UnsafeMutableRawBufferPointer) { for byte in bytes { add(byte) } }
  /// Shorter, as it stands in histories.
  var short: UInt64 { (value ^ value >> 32) & 0xFFFF_FFFF }
}
