/// A line of a history: `@NAME LINE statement result... ~CHECK`.
public struct HistoryLine {
  /// The path in the tree of forks.
  public var process: [Int]
  public var number: Int
  /// Without the marks.
  public var text: [UInt8]
}

/// What a script's processes did, in an order that does not depend on who ran first.
public struct History {
  /// Sorted by process and number, each once.
  public private(set) var lines: [HistoryLine] = []
  /// Lines that were written in two versions: a mistake of the system.
  public private(set) var contradictions = 0
  /// The texts, a line each.
  public var text: [UInt8] {
    var all: [UInt8] = []
    for line in lines {
      all += line.text
      all.append(0x0A)
    }
    return all
  }

  /// Picks the lines out of what a terminal shows. Torn ones are left out, repeated ones are taken once.
  public init(terminal bytes: [UInt8]) {
    var found: [HistoryLine] = []
    var start = 0
    for index in 0...bytes.count where index == bytes.count || bytes[index] == 0x0A {
      if let line = Self.line(bytes[start..<index]) { found.append(line) }
      start = index + 1
    }
    found.sort { Self.isBefore($0, $1) }
    for line in found {
      if let last = lines.last, last.process == line.process, last.number == line.number {
        if last.text != line.text { contradictions += 1 }
        continue
      }
      lines.append(line)
    }
  }

  private static func isBefore(_ a: HistoryLine, _ b: HistoryLine) -> Bool {
    for index in 0..<min(a.process.count, b.process.count) where a.process[index] != b.process[index] {
      return a.process[index] < b.process[index]
    }
    if a.process.count != b.process.count { return a.process.count < b.process.count }
    return a.number < b.number
  }

  /// A line began where its last mark stands: what is before it was torn.
  private static func line(_ bytes: ArraySlice<UInt8>) -> HistoryLine? {
    var text = [UInt8](bytes)
    while let last = text.last, last == 0x0D || last == 0x20 { text.removeLast() }
    guard let mark = text.lastIndex(of: 0x40), let end = text.lastIndex(of: 0x7E), mark < end, end + 5 == text.count else { return nil }
    let body = [UInt8](text[(mark + 1)..<(end - 1)])
    var digest = Digest()
    for byte in body { digest.add(byte) }
    for place in 0..<4 where text[end + 1 + place] != hexDigit(digest.short >> UInt64(12 - 4 * place)) { return nil }
    var line = HistoryLine(process: [], number: 0, text: body)
    var value = 0
    var index = 0
    while index < body.count, body[index] != 0x20 {
      if body[index] == 0x2E {
        line.process.append(value)
        value = 0
      } else {
        value = value &* 10 &+ Int(body[index] &- 0x30)
      }
      index += 1
    }
    line.process.append(value)
    index += 1
    while index < body.count, body[index] != 0x20 {
      line.number = line.number &* 10 &+ Int(body[index] &- 0x30)
      index += 1
    }
    return line
  }
}

func hexDigit(_ value: UInt64) -> UInt8 {
  let digit = UInt8(truncatingIfNeeded: value & 15)
  return digit < 10 ? 0x30 + digit : 0x57 + digit
}

/// One line on its way out, in a fixed buffer.
struct LineText: BitwiseCopyable {
  var bytes = InlineArray<200, UInt8>(repeating: 0)
  var count = 0

  mutating func append(byte: UInt8) {
    guard count < 200 else { return }
    bytes[count] = byte
    count += 1
  }
  mutating func append(_ text: StaticString) { text.withUTF8Buffer { for byte in $0 { append(byte: byte) } } }

  mutating func append(_ number: UInt64) {
    var scale: UInt64 = 1
    while number / scale >= 10 { scale *= 10 }
    while scale > 0 {
      append(byte: 0x30 + UInt8(truncatingIfNeeded: number / scale % 10))
      scale /= 10
    }
  }

  mutating func append(signed number: Int64) {
    if number < 0 { append(byte: 0x2D) }
    append(number.magnitude)
  }

  mutating func append(hex number: UInt64, digits: Int) {
    for place in 0..<digits { append(byte: hexDigit(number >> UInt64(4 * (digits - 1 - place)))) }
  }
}
