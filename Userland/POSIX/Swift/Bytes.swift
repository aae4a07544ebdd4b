// Text is bytes here: names, arguments and file contents have no encoding that a Unix may insist on, and Swift's
// String would bring its Unicode tables into every program. Literals are StaticString; these helpers join the two.

public typealias Bytes = [UInt8]

extension Array where Element == UInt8 {
  /// The bytes of a literal.
  public init(_ text: StaticString) {
    self = text.withUTF8Buffer { [UInt8]($0) }
  }

  /// The bytes up to a zero byte.
  public init(cString pointer: UnsafePointer<UInt8>) {
    var count = 0
    while pointer[count] != 0 { count += 1 }
    self = [UInt8](UnsafeBufferPointer(start: pointer, count: count))
  }

  public static func += (a: inout [UInt8], b: StaticString) {
    b.withUTF8Buffer { a.append(contentsOf: $0) }
  }

  public static func += (a: inout [UInt8], b: Unicode.Scalar) { a.append(UInt8(truncatingIfNeeded: b.value)) }

  public func starts(with text: StaticString) -> Bool {
    guard count >= text.utf8CodeUnitCount else { return false }
    return text.withUTF8Buffer { prefix in
      for index in 0..<prefix.count where self[index] != prefix[index] { return false }
      return true
    }
  }

  /// A copy of a part, as an array of its own.
  public func slice(_ range: Range<Int>) -> [UInt8] { [UInt8](self[range]) }
  public func slice(from start: Int) -> [UInt8] { [UInt8](self[start...]) }

  public func firstIndex(of scalar: Unicode.Scalar) -> Int? {
    for index in 0..<count where self[index] == scalar { return index }
    return nil
  }

  public func lastIndex(of scalar: Unicode.Scalar) -> Int? {
    var index = count
    while index > 0 {
      index -= 1
      if self[index] == scalar { return index }
    }
    return nil
  }
}

public func == (a: [UInt8], b: StaticString) -> Bool { a.count == b.utf8CodeUnitCount && a.starts(with: b) }
public func != (a: [UInt8], b: StaticString) -> Bool { !(a == b) }
public func ~= (pattern: StaticString, value: [UInt8]) -> Bool { value == pattern }

public func == (a: UInt8, b: Unicode.Scalar) -> Bool { UInt32(a) == b.value }
public func != (a: UInt8, b: Unicode.Scalar) -> Bool { UInt32(a) != b.value }
public func ~= (pattern: Unicode.Scalar, value: UInt8) -> Bool { UInt32(value) == pattern.value }

/// Byte order, as `ls` and globbing sort in the C locale.
public func isLess(_ a: [UInt8], _ b: [UInt8]) -> Bool {
  let shorter = min(a.count, b.count)
  for index in 0..<shorter where a[index] != b[index] { return a[index] < b[index] }
  return a.count < b.count
}

extension UInt8 {
  public var isDigit: Bool { self >= 0x30 && self <= 0x39 }
  public var isUpper: Bool { self >= 0x41 && self <= 0x5A }
  public var isLower: Bool { self >= 0x61 && self <= 0x7A }
  public var isLetter: Bool { isUpper || isLower }
  /// Blank, tab, newline, vertical tab, form feed, carriage return: isspace(3) in the C locale.
  public var isSpace: Bool { self == 0x20 || self >= 9 && self <= 13 }
  public var lowered: UInt8 { isUpper ? self | 0x20 : self }
}

// MARK: Numbers

public func decimal(_ number: UInt64) -> [UInt8] { digits(number, base: 10) }

public func decimal(_ number: Int) -> [UInt8] {
  number < 0 ? [0x2D] + digits(UInt64(number.magnitude), base: 10) : digits(UInt64(number), base: 10)
}

/// `number` in `base` 2 ... 16, in lower case, with zeros in front up to `width`.
public func digits(_ number: UInt64, base: UInt64, width: Int = 1) -> [UInt8] {
  var reversed: [UInt8] = []
  var rest = number
  while rest != 0 || reversed.count < width {
    let digit = UInt8(truncatingIfNeeded: rest % base)
    reversed.append(digit < 10 ? 0x30 + digit : 0x57 + digit)
    rest /= base
  }
  var index = 0
  while index < reversed.count / 2 {  // reversed() would bring a generic copy
    reversed.swapAt(index, reversed.count - 1 - index)
    index += 1
  }
  return reversed
}

/// Filled with blanks on the left, or on the right, to at least `width`.
public func right(_ text: [UInt8], _ width: Int) -> [UInt8] {
  text.count >= width ? text : [UInt8](repeating: 0x20, count: width - text.count) + text
}
public func left(_ text: [UInt8], _ width: Int) -> [UInt8] {
  text.count >= width ? text : text + [UInt8](repeating: 0x20, count: width - text.count)
}

/// An unsigned decimal number and nothing else; nil if it is none or does not fit.
public func number(_ text: [UInt8]) -> UInt64? {
  if text.isEmpty { return nil }
  var value: UInt64 = 0
  for byte in text {
    guard byte.isDigit else { return nil }
    let (product, tooLarge) = value.multipliedReportingOverflow(by: 10)
    let (sum, carry) = product.addingReportingOverflow(UInt64(byte - 0x30))
    if tooLarge || carry { return nil }
    value = sum
  }
  return value
}

/// A decimal number with an optional sign.
public func integer(_ text: [UInt8]) -> Int? {
  guard let first = text.first else { return nil }
  let negative = first == "-"
  guard let magnitude = number(negative || first == "+" ? text.slice(from: 1) : text), magnitude <= UInt64(Int.max) else { return nil }
  return negative ? -Int(magnitude) : Int(magnitude)
}

/// The characters before the first zero byte of some words, as names travel in messages.
public func text<Words: BitwiseCopyable>(inWords words: Words) -> [UInt8] {
  withUnsafeBytes(of: words) { bytes in
    var count = 0
    while count < bytes.count, bytes[count] != 0 { count += 1 }
    return [UInt8](UnsafeRawBufferPointer(rebasing: bytes[..<count]))
  }
}

/// A name of at most 16 bytes as two words, zero-padded (`RS.Name`); nil if it is longer or empty.
public func packed(_ name: [UInt8]) -> (UInt64, UInt64)? {
  guard !name.isEmpty, name.count <= 16 else { return nil }
  func word(_ start: Int) -> UInt64 {
    var word: UInt64 = 0
    for index in 0..<8 where start + index < name.count { word |= UInt64(name[start + index]) << UInt64(8 * index) }
    return word
  }
  return (word(0), word(8))
}

/// The parts between separators: always at least one.
public func split(_ text: [UInt8], at separator: Unicode.Scalar) -> [[UInt8]] {
  var parts: [[UInt8]] = []
  var start = 0
  for index in 0...text.count where index == text.count || text[index] == separator {
    parts.append(text.slice(start..<index))
    start = index + 1
  }
  return parts
}
