import IPC
import Protocols

/// A line of text in a fixed buffer: how servers write numbers and names without String and its tables. What
/// does not fit is cut off.
public struct Text: BitwiseCopyable {
  public static let capacity = 160
  var storage: InlineArray<160, UInt8>
  public private(set) var count: Int

  public init() {
    storage = InlineArray(repeating: 0)
    count = 0
  }

  public init(_ literal: StaticString) {
    self.init()
    append(literal)
  }

  public mutating func append(byte: UInt8) {
    guard count < Self.capacity else { return }
    storage[count] = byte
    count += 1
  }

  public mutating func append(_ literal: StaticString) {
    literal.withUTF8Buffer { for byte in $0 { append(byte: byte) } }
  }

  public mutating func append(_ bytes: UnsafeRawBufferPointer) {
    for byte in bytes { append(byte: byte) }
  }

  /// Decimal, right-aligned in `width` columns.
  public mutating func append(_ number: UInt64, width: Int = 0) {
    append(number, base: 10, width: width, fill: 0x20)
  }

  public mutating func append(signed number: Int64) {
    if number < 0 { append(byte: 0x2D) }
    append(number.magnitude)
  }

  /// 0x and at least `digits` digits.
  public mutating func append(hex number: UInt64, digits: Int = 1) {
    append("0x")
    append(number, base: 16, width: digits, fill: 0x30)
  }

  /// A zero-padded name of at most 16 bytes, followed by blanks up to `width` columns. Bytes that are not
  /// printable ASCII become a question mark: names come from anybody.
  public mutating func append(name: RS.Name, width: Int = 0) {
    var written = 0
    withUnsafeBytes(of: name) {
      for byte in $0 {
        if byte == 0 { break }
        append(byte: byte > 0x20 && byte < 0x7F ? byte : 0x3F)
        written += 1
      }
    }
    while written < width {
      append(byte: 0x20)
      written += 1
    }
  }

  private mutating func append(_ number: UInt64, base: UInt64, width: Int, fill: UInt8) {
    var digits = 1
    var scale: UInt64 = 1
    while number / scale >= base {
      scale *= base
      digits += 1
    }
    while digits < width, count < Self.capacity {
      append(byte: fill)
      digits += 1
    }
    while scale > 0 {
      let digit = UInt8(truncatingIfNeeded: number / scale % base)
      append(byte: digit < 10 ? 0x30 + digit : 0x61 + digit - 10)
      scale /= base
    }
  }

  public func withBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
    withUnsafeBytes(of: storage) { body(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
  }
}

extension Transport {
  /// Bytes for the kernel's debug console, as they are.
  public mutating func log(_ bytes: UnsafeRawBufferPointer) {
    var start = 0
    while start < bytes.count {
      let count = min(48, bytes.count - start)
      var words: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0)
      withUnsafeMutableBytes(of: &words) { $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[start..<start + count])) }
      _ = kernel(Message(Kernel.Log(count: UInt64(count), text: words)))
      start += count
    }
  }

  public mutating func log(_ text: Text) {
    text.withBytes { log($0) }
  }
}
