import POSIX

// Text work of builtins, free of system calls.

/// printf(1): the text, and whether all arguments made sense. The format is used again while arguments are left.
func formatted(_ format: [UInt8], _ arguments: [[UInt8]]) -> (text: [UInt8], good: Bool) {
  var text: [UInt8] = []
  var good = true
  var next = 0
  while true {
    let before = next
    var at = 0
    while at < format.count {
      let byte = format[at]
      at += 1
      if byte == "\\", at < format.count {
        appendEscape(format, &at, &text)
      } else if byte == "%" {
        if at < format.count, format[at] == "%" {
          text += "%"
          at += 1
        } else if !appendConversion(format, &at, arguments, &next, &text) {
          good = false
        }
      } else {
        text.append(byte)
      }
    }
    if next >= arguments.count || next == before { return (text, good) }
  }
}

/// What follows a backslash at `at`.
private func appendEscape(_ format: [UInt8], _ at: inout Int, _ text: inout [UInt8]) {
  let letter = format[at]
  at += 1
  switch letter {
  case "n": text.append(10)
  case "t": text.append(9)
  case "r": text.append(13)
  case "a": text.append(7)
  case "b": text.append(8)
  case "f": text.append(12)
  case "v": text.append(11)
  case "\\": text += "\\"
  case "0", "1", "2", "3", "4", "5", "6", "7":
    var value = Int(letter) - 0x30
    var digits = 1
    while digits < 3, at < format.count, format[at] >= 0x30, format[at] < 0x38 {
      value = value * 8 + Int(format[at]) - 0x30
      at += 1
      digits += 1
    }
    text.append(UInt8(truncatingIfNeeded: value))
  default:
    text += "\\"
    text.append(letter)
  }
}

/// %[-0][width][.precision] and d i u x o c s b.
private func appendConversion(_ format: [UInt8], _ at: inout Int, _ arguments: [[UInt8]], _ next: inout Int, _ text: inout [UInt8]) -> Bool {
  var leftAligned = false, zeros = false
  while at < format.count, format[at] == "-" || format[at] == "0" {
    if format[at] == "-" { leftAligned = true } else { zeros = true }
    at += 1
  }
  func count() -> Int {
    var value = 0
    while at < format.count, format[at].isDigit {
      value = min(value * 10 + Int(format[at] - 0x30), 4096)
      at += 1
    }
    return value
  }
  let width = count()
  var precision = Int.max
  if at < format.count, format[at] == "." {
    at += 1
    precision = count()
  }
  guard at < format.count else { return false }
  let letter = format[at]
  at += 1
  let argument = next < arguments.count ? arguments[next] : []
  next += 1
  var piece: [UInt8] = []
  var good = true
  switch letter {
  case "s": piece = argument.slice(0..<min(argument.count, precision))
  case "c": piece = argument.slice(0..<min(1, argument.count))
  case "b":
    var position = 0
    while position < argument.count {
      let byte = argument[position]
      position += 1
      if byte == "\\", position < argument.count { appendEscape(argument, &position, &piece) } else { piece.append(byte) }
    }
  case "d", "i", "u", "x", "o":
    let value = argument.isEmpty ? 0 : integer(argument)
    good = value != nil
    let number = value ?? 0
    switch letter {
    case "x": piece = digits(UInt64(bitPattern: Int64(number)), base: 16)
    case "o": piece = digits(UInt64(bitPattern: Int64(number)), base: 8)
    default: piece = decimal(number)
    }
    if zeros, !leftAligned, piece.count < width {
      let negative = piece[0] == "-"
      let filler = [UInt8](repeating: 0x30, count: width - piece.count)
      piece = negative ? [0x2D] + filler + piece.slice(from: 1) : filler + piece
    }
  default:
    text += "%"
    text.append(letter)
    return false
  }
  text += leftAligned ? left(piece, width) : right(piece, width)
  return good
}

/// read(1): at most `count` fields, the last one with all that is left but blanks at its end.
func fields(of text: Field, count: Int, separators: [UInt8]) -> [[UInt8]] {
  func isSeparator(_ at: Int, blank: Bool? = nil) -> Bool {
    guard text.quoted[at] == 0 else { return false }
    for separator in separators where separator == text.bytes[at] { return blank.map { $0 == text.bytes[at].isSpace } ?? true }
    return false
  }
  var result: [[UInt8]] = []
  var at = 0
  let end = text.bytes.count
  func skipBlanks() { while at < end, isSeparator(at, blank: true) { at += 1 } }
  skipBlanks()
  while at < end {
    if result.count == count - 1 {
      var last = end
      while last > at, isSeparator(last - 1, blank: true) { last -= 1 }
      // One separator at the very end ends the field, unless another stands before it.
      if last > at, isSeparator(last - 1, blank: false) {
        var others = false
        for index in at..<last - 1 where isSeparator(index, blank: false) { others = true }
        if !others { last -= 1 }
      }
      result.append(text.bytes.slice(at..<last))
      return result
    }
    let start = at
    while at < end, !isSeparator(at) { at += 1 }
    result.append(text.bytes.slice(start..<at))
    skipBlanks()
    if at < end, isSeparator(at, blank: false) {
      at += 1
      skipBlanks()
    }
  }
  return result
}
