/// A set of bytes: what a bracket expression of a pattern or a regular expression matches.
public struct ByteSet {
  private var bits = InlineArray<4, UInt64>(repeating: 0)
  public init() {}

  public func contains(_ byte: UInt8) -> Bool { bits[Int(byte >> 6)] & 1 << UInt64(byte & 63) != 0 }
  public mutating func insert(_ byte: UInt8) { bits[Int(byte >> 6)] |= 1 << UInt64(byte & 63) }
  public mutating func invert() { for word in 0..<4 { bits[word] = ~bits[word] } }

  /// The bytes of a character class, [:alpha:] and so on; an unknown name adds none.
  public mutating func insert(class name: [UInt8]) {
    for value in 0...255 where UInt8(value).belongs(to: name) { insert(UInt8(value)) }
  }
}

extension UInt8 {
  /// The classes of the C locale.
  fileprivate func belongs(to name: [UInt8]) -> Bool {
    switch name {
    case "alpha": isLetter
    case "digit": isDigit
    case "alnum": isLetter || isDigit
    case "upper": isUpper
    case "lower": isLower
    case "space": isSpace
    case "blank": self == " " || self == "\t"
    case "punct": self > 0x20 && self < 0x7F && !isLetter && !isDigit
    case "print": self >= 0x20 && self < 0x7F
    case "graph": self > 0x20 && self < 0x7F
    case "cntrl": self < 0x20 || self == 0x7F
    case "xdigit": isDigit || lowered >= 0x61 && lowered <= 0x66
    default: false
    }
  }
}
