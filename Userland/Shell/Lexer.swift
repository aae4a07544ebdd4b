import POSIX

/// Operators of the shell grammar.
enum Operator: Equatable {
  case and, andAnd, or, pipe, semicolon, doubleSemicolon, open, close
  case less, greater, doubleGreater, doubleLess, doubleLessDash, lessAnd, greaterAnd, lessGreater, clobber

  var text: StaticString {
    switch self {
    case .and: "&"
    case .andAnd: "&&"
    case .or: "||"
    case .pipe: "|"
    case .semicolon: ";"
    case .doubleSemicolon: ";;"
    case .open: "("
    case .close: ")"
    case .less: "<"
    case .greater: ">"
    case .doubleGreater: ">>"
    case .doubleLess: "<<"
    case .doubleLessDash: "<<-"
    case .lessAnd: "<&"
    case .greaterAnd: ">&"
    case .lessGreater: "<>"
    case .clobber: ">|"
    }
  }
}

enum Token {
  case word(Word)
  case symbol(Operator)
  /// Digits right before < or >.
  case number(Int)
  case newline
  case end
}

/// Cuts a script into tokens (POSIX 2.3). Words are taken apart here too, because where a word ends depends on the quoting
/// and substitutions in it; the list inside $( ) is read by a parser of its own.
struct Lexer {
  let input: [UInt8]
  var position = 0
  var line = 1
  /// Where the last token began.
  private(set) var tokenStart = 0
  /// Commands and substitutions around this place: each is a recursion here, in the parser, or when it runs.
  private(set) var depth = 0
  static let depthLimit = 200
  private var pending: [(document: HereDocument, delimiter: [UInt8], quoted: Bool, strip: Bool)] = []

  init(_ input: [UInt8]) { self.input = input }

  private var byte: UInt8? { position < input.count ? input[position] : nil }
  private func at(_ offset: Int) -> UInt8? { position + offset < input.count ? input[position + offset] : nil }

  func incomplete(_ what: StaticString) -> SyntaxError { SyntaxError(incomplete: true, text: [UInt8](what), line: line) }
  func wrong(_ what: [UInt8]) -> SyntaxError { SyntaxError(incomplete: false, text: what, line: line) }

  /// One level deeper: a script of a million parentheses is an error, not a stack overflow. Paired with `leave`.
  mutating func enter() throws(SyntaxError) {
    guard depth < Self.depthLimit else { throw wrong([UInt8]("nested too deep")) }
    depth += 1
  }
  mutating func leave() { depth -= 1 }

  // MARK: Tokens

  mutating func next() throws(SyntaxError) -> Token {
    skipBlanks()
    tokenStart = position
    guard let first = byte else {
      if !pending.isEmpty { throw incomplete("here-document") }
      return .end
    }
    if first == "\n" {
      position += 1
      line += 1
      try readHereDocuments()
      return .newline
    }
    if let symbol = takeOperator() { return .symbol(symbol) }
    if first.isDigit, let number = takeDescriptorNumber() { return .number(number) }
    return .word(try takeWord())
  }

  /// Blanks, comments, and newlines behind a backslash.
  mutating func skipBlanks() {
    while let first = byte {
      if first == " " || first == "\t" || first == "\r" {
        position += 1
      } else if first == "\\", let second = at(1), second == "\n" {
        position += 2
        line += 1
      } else if first == "#" {
        while let next = byte, next != "\n" { position += 1 }
      } else {
        return
      }
    }
  }

  private mutating func takeOperator() -> Operator? {
    guard let first = byte else { return nil }
    let second = at(1) ?? 0
    let symbol: Operator
    switch first {
    case "&": symbol = second == "&" ? .andAnd : .and
    case "|": symbol = second == "|" ? .or : .pipe
    case ";": symbol = second == ";" ? .doubleSemicolon : .semicolon
    case "(": symbol = .open
    case ")": symbol = .close
    case "<":
      switch second {
      case "<": symbol = at(2).map { $0 == "-" } ?? false ? .doubleLessDash : .doubleLess
      case "&": symbol = .lessAnd
      case ">": symbol = .lessGreater
      default: symbol = .less
      }
    case ">":
      switch second {
      case ">": symbol = .doubleGreater
      case "&": symbol = .greaterAnd
      case "|": symbol = .clobber
      default: symbol = .greater
      }
    default: return nil
    }
    position += symbol.text.utf8CodeUnitCount
    return symbol
  }

  private mutating func takeDescriptorNumber() -> Int? {
    var end = position
    var value = 0
    while end < input.count, input[end].isDigit {
      value = min(value * 10 + Int(input[end] - 0x30), 1 << 20)
      end += 1
    }
    guard end < input.count, input[end] == "<" || input[end] == ">" else { return nil }
    position = end
    return value
  }

  // MARK: Words

  static func endsWord(_ byte: UInt8) -> Bool {
    switch byte {
    case " ", "\t", "\r", "\n", "&", "|", ";", "(", ")", "<", ">": true
    default: false
    }
  }

  private mutating func takeWord() throws(SyntaxError) -> Word {
    var parts: [Part] = []
    var plain: [UInt8] = []
    while let next = byte, !Self.endsWord(next) {
      try takePiece(next, &plain, &parts)
    }
    Self.flush(&plain, &parts)
    return Word(parts)
  }

  private static func flush(_ plain: inout [UInt8], _ parts: inout [Part]) {
    if plain.isEmpty { return }
    parts.append(.text(plain, quoted: false))
    plain = []
  }

  /// One unquoted character, or one quoted or substituted stretch.
  private mutating func takePiece(_ next: UInt8, _ plain: inout [UInt8], _ parts: inout [Part]) throws(SyntaxError) {
    switch next {
    case "\\":
      guard let second = at(1) else { throw incomplete("text after \\") }
      position += 2
      if second == "\n" {
        line += 1
      } else {
        Self.flush(&plain, &parts)
        parts.append(.text([second], quoted: true))
      }
    case "'":
      Self.flush(&plain, &parts)
      parts.append(.text(try takeSingleQuoted(), quoted: true))
    case "\"":
      Self.flush(&plain, &parts)
      position += 1
      let inside = try takeQuoted(until: .quote)
      // Even nothing between quotes is a field.
      parts += inside.isEmpty ? [.text([], quoted: true)] : inside
    case "$", "`":
      if let part = try takeSubstitution(quoted: false) {
        Self.flush(&plain, &parts)
        parts.append(part)
      } else {
        plain.append(next)
        position += 1
      }
    default:
      if next == "\n" { line += 1 }
      plain.append(next)
      position += 1
    }
  }

  private mutating func takeSingleQuoted() throws(SyntaxError) -> [UInt8] {
    position += 1
    let start = position
    while let next = byte, next != "'" {
      if next == "\n" { line += 1 }
      position += 1
    }
    guard byte != nil else { throw incomplete("closing '") }
    position += 1
    return input.slice(start..<position - 1)
  }

  private enum QuoteEnd { case quote, brace, parentheses, end }

  /// Text as in double quotes, up to and with its end: the quote, the brace of ${x-word} within quotes, the two
  /// parentheses of $((...)), or the end of the input (a here-document).
  private mutating func takeQuoted(until end: QuoteEnd) throws(SyntaxError) -> [Part] {
    var parts: [Part] = []
    var text: [UInt8] = []
    var level = 0
    func flush() {
      if !text.isEmpty { parts.append(.text(text, quoted: true)) }
      text = []
    }
    while true {
      guard let next = byte else {
        switch end {
        case .quote: throw incomplete("closing \"")
        case .brace: throw incomplete("closing }")
        case .parentheses: throw incomplete("closing ))")
        case .end: flush(); return parts
        }
      }
      switch next {
      case "\"" where end == .quote:
        position += 1
        flush()
        return parts
      case "\"" where end == .brace:
        // Quotes within the braces of a quoted expansion only group: "${x-"a b"}".
        position += 1
        flush()
        parts += try takeQuoted(until: .quote)
      case "}" where end == .brace:
        position += 1
        flush()
        return parts
      case "(" where end == .parentheses:
        level += 1
        text.append(next)
        position += 1
      case ")" where end == .parentheses:
        if level == 0 {
          guard let second = at(1), second == ")" else {
            if at(1) == nil { throw incomplete("closing ))") }
            throw wrong([UInt8](")"))
          }
          position += 2
          flush()
          return parts
        }
        level -= 1
        text.append(next)
        position += 1
      case "\\":
        guard let second = at(1) else {
          if end != .end { throw incomplete("text after \\") }
          text.append(next)
          position += 1
          continue
        }
        position += 2
        switch second {
        case "\n": line += 1
        case "$", "`", "\\": text.append(second)
        case "\"" where end == .quote: text.append(second)
        case "}" where end == .brace: text.append(second)
        default:
          text.append(next)
          text.append(second)
        }
      case "$", "`":
        if let part = try takeSubstitution(quoted: true) {
          flush()
          parts.append(part)
        } else {
          text.append(next)
          position += 1
        }
      default:
        if next == "\n" { line += 1 }
        text.append(next)
        position += 1
      }
    }
  }

  // MARK: Substitutions

  /// What begins with $ or a backquote; nil for a dollar sign that stands for itself.
  private mutating func takeSubstitution(quoted: Bool) throws(SyntaxError) -> Part? {
    try enter()
    defer { leave() }
    if byte! == "`" { return .command(try takeBackquoted(), quoted: quoted) }
    guard let second = at(1) else { return nil }
    switch second {
    case "(":
      if let third = at(2), third == "(" {
        position += 3
        return .arithmetic(Word(try takeQuoted(until: .parentheses)), quoted: quoted)
      }
      position += 2
      return .command(try takeList(), quoted: quoted)
    case "{":
      position += 2
      return .parameter(try takeBraced(quoted: quoted), quoted: quoted)
    case "@", "*", "#", "?", "-", "$", "!", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9":
      position += 2
      return .parameter(Parameter(name: [second]), quoted: quoted)
    default:
      guard second.isLetter || second == "_" else { return nil }
      position += 1
      return .parameter(Parameter(name: takeName()), quoted: quoted)
    }
  }

  private mutating func takeName() -> [UInt8] {
    let start = position
    while let next = byte, next.isLetter || next == "_" || next.isDigit { position += 1 }
    return input.slice(start..<position)
  }

  /// The list of $( ), by a parser that goes on from here.
  private mutating func takeList() throws(SyntaxError) -> List {
    var inner = Lexer(input)
    inner.position = position
    inner.line = line
    inner.depth = depth
    var parser = Parser(inner)
    let list = try parser.substitution()
    position = parser.position
    line = parser.line
    return list
  }

  private mutating func takeBackquoted() throws(SyntaxError) -> List {
    position += 1
    var text: [UInt8] = []
    while true {
      guard let next = byte else { throw incomplete("closing `") }
      position += 1
      if next == "`" { break }
      if next == "\\", let second = byte, second == "`" || second == "\\" || second == "$" {
        text.append(second)
        position += 1
      } else {
        if next == "\n" { line += 1 }
        text.append(next)
      }
    }
    var inner = Lexer(text)
    inner.line = line
    inner.depth = depth
    var parser = Parser(inner)
    do throws(SyntaxError) { return try parser.all() } catch {
      // More lines cannot help: the text is complete.
      throw SyntaxError(incomplete: false, text: error.text, line: error.line)
    }
  }

  /// After `${`, up to and with the closing brace.
  private mutating func takeBraced(quoted: Bool) throws(SyntaxError) -> Parameter {
    guard let first = byte else { throw incomplete("closing }") }
    if first == "#", let second = at(1), second != "}" {
      // ${#name}; but ${#} is $#, and ${#-word} an operation on it.
      let start = position
      position += 1
      if let name = takeParameterName(), let next = byte, next == "}" {
        position += 1
        return Parameter(name: name, operation: .length)
      }
      position = start
    }
    guard let name = takeParameterName() else {
      throw byte == nil ? incomplete("closing }") : wrong([UInt8]("bad substitution"))
    }
    guard var next = byte else { throw incomplete("closing }") }
    var parameter = Parameter(name: name)
    if next == "}" {
      position += 1
      return parameter
    }
    if next == ":" {
      parameter.colon = true
      position += 1
      guard let after = byte else { throw incomplete("closing }") }
      next = after
    }
    position += 1
    let doubled = byte.map { $0 == next } ?? false
    switch next {
    case "-": parameter.operation = .useDefault
    case "=": parameter.operation = .assignDefault
    case "?": parameter.operation = .complain
    case "+": parameter.operation = .alternative
    case "%" where !parameter.colon: parameter.operation = doubled ? .cutLongSuffix : .cutShortSuffix
    case "#" where !parameter.colon: parameter.operation = doubled ? .cutLongPrefix : .cutShortPrefix
    default: throw wrong([UInt8]("bad substitution"))
    }
    if parameter.operation == .cutLongSuffix || parameter.operation == .cutLongPrefix { position += 1 }
    let isPattern = next == "%" || next == "#"
    parameter.argument = Word(quoted && !isPattern ? try takeQuoted(until: .brace) : try takeUnquotedUntilBrace())
    return parameter
  }

  private mutating func takeParameterName() -> [UInt8]? {
    guard let first = byte else { return nil }
    if first.isDigit {
      let start = position
      while let next = byte, next.isDigit { position += 1 }
      return input.slice(start..<position)
    }
    switch first {
    case "@", "*", "#", "?", "-", "$", "!":
      position += 1
      return [first]
    default:
      guard first.isLetter || first == "_" else { return nil }
      return takeName()
    }
  }

  private mutating func takeUnquotedUntilBrace() throws(SyntaxError) -> [Part] {
    var parts: [Part] = []
    var plain: [UInt8] = []
    while true {
      guard let next = byte else { throw incomplete("closing }") }
      if next == "}" { break }
      try takePiece(next, &plain, &parts)
    }
    position += 1
    Self.flush(&plain, &parts)
    return parts
  }

  // MARK: Here-documents

  /// Registers a here-document that begins after the next newline.
  mutating func expectHereDocument(_ delimiter: Word, strip: Bool) throws(SyntaxError) -> HereDocument {
    var text: [UInt8] = []
    var anyQuoted = false
    for part in delimiter.parts {
      guard case .text(let bytes, let quoted) = part else { throw wrong([UInt8]("substitution in a here-document's end")) }
      text += bytes
      anyQuoted = anyQuoted || quoted
    }
    let document = HereDocument()
    pending.append((document, text, anyQuoted, strip))
    return document
  }

  private mutating func readHereDocuments() throws(SyntaxError) {
    let documents = pending
    pending = []
    for entry in documents {
      var body: [UInt8] = []
      let firstLine = line
      while true {
        guard position < input.count else { throw incomplete("end of a here-document") }
        var end = position
        while end < input.count, input[end] != "\n" { end += 1 }
        // A last line without a newline may go on in what is read next, unless it is the delimiter already.
        var start = position
        if entry.strip { while start < end, input[start] == "\t" { start += 1 } }
        let text = input.slice(start..<end)
        position = min(end + 1, input.count)
        line += 1
        if text == entry.delimiter { break }
        guard end < input.count else { throw incomplete("end of a here-document") }
        body += text
        body += "\n"
      }
      if entry.quoted {
        entry.document.body = Word([.text(body, quoted: true)])
      } else {
        var inner = Lexer(body)
        inner.line = firstLine
        inner.depth = depth
        entry.document.body = Word(try inner.takeQuoted(until: .end))
      }
    }
  }
}
