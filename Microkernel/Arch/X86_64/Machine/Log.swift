import CX86

/// The kernel's own words, on QEMU's debug console (port 0xE9); in a panic on COM1 too, which otherwise belongs to the
/// tty driver. Text without String: literals and numbers, one call after another.
public struct Log: BitwiseCopyable {
  let serial: Bool

  public init() { serial = false }
  init(serial: Bool) { self.serial = serial }

  public func write(_ bytes: UnsafeRawBufferPointer) {
    guard let start = bytes.baseAddress else { return }
    x86_out_bytes(0xE9, start, UInt64(bytes.count))
    if serial { for byte in bytes { writeSerial(byte) } }
  }

  /// Bounded: a serial port that is not there must not stop a panic.
  private func writeSerial(_ byte: UInt8) {
    var tries = 10_000
    while x86_in8(0x3FD) & 0x20 == 0 && tries > 0 { tries -= 1 }
    x86_out8(0x3F8, byte)
  }

  @discardableResult
  public func text(_ text: StaticString) -> Log {
    write(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    return self
  }

  @discardableResult
  public func byte(_ byte: UInt8) -> Log {
    var byte = byte
    withUnsafeBytes(of: &byte) { write($0) }
    return self
  }

  @discardableResult
  public func hex(_ value: UInt64, digits: Int = 1) -> Log {
    text("0x")
    var started = false
    for place in (0..<16).reversed() {
      let digit = UInt8(truncatingIfNeeded: value &>> UInt64(4 &* place)) & 15
      if digit != 0 || place < digits { started = true }
      if started { byte(digit < 10 ? 0x30 &+ digit : 0x57 &+ digit) }
    }
    return self
  }

  @discardableResult
  public func decimal(_ value: UInt64) -> Log {
    var divisor: UInt64 = 1
    while value / divisor >= 10 { divisor = divisor &* 10 }
    while divisor > 0 {
      byte(0x30 &+ UInt8(truncatingIfNeeded: value / divisor % 10))
      divisor /= 10
    }
    return self
  }

  @discardableResult
  public func line() -> Log { serial ? text("\r\n") : text("\n") }
}
