import POSIX

/// Recursive descent over the grammar of POSIX 2.10, one token ahead.
public struct Parser {
  private var lexer: Lexer
  private var peeked: Token?

  public init(_ script: [UInt8]) { lexer = Lexer(script) }
  init(_ lexer: Lexer) { self.lexer = lexer }

  /// Where the parser stands. Only meaningful between complete commands.
  public var position: Int { lexer.position }
  public var line: Int { lexer.line }

  // MARK: Entries

  /// The next complete command: a line, or as many as it takes. Nil at the end.
  public mutating func next() throws(SyntaxError) -> List? {
    while case .newline = try peek() { drop() }
    if case .end = try peek() { return nil }
    let list = try list(untilNewline: true)
    switch try peek() {
    case .newline: drop()
    case .end: break
    default: throw try unexpected()
    }
    return list
  }

  /// The whole script.
  public mutating func all() throws(SyntaxError) -> List {
    let list = try list(untilNewline: false)
    guard case .end = try peek() else { throw try unexpected() }
    return list
  }

  /// The list in $( ), with its closing parenthesis.
  mutating func substitution() throws(SyntaxError) -> List {
    let list = try list(untilNewline: false)
    try expect(.close)
    return list
  }

  // MARK: Tokens

  private mutating func peek() throws(SyntaxError) -> Token {
    if let peeked { return peeked }
    let token = try lexer.next()
    peeked = token
    return token
  }

  private mutating func drop() { peeked = nil }

  private mutating func isSymbol(_ symbol: Operator) throws(SyntaxError) -> Bool {
    if case .symbol(let found) = try peek() { return found == symbol }
    return false
  }

  /// Takes the operator if it comes next.
  private mutating func take(_ symbol: Operator) throws(SyntaxError) -> Bool {
    guard try isSymbol(symbol) else { return false }
    drop()
    return true
  }

  private mutating func expect(_ symbol: Operator) throws(SyntaxError) {
    guard try take(symbol) else { throw try unexpected() }
  }

  private mutating func isReserved(_ text: StaticString) throws(SyntaxError) -> Bool {
    guard case .word(let word) = try peek(), let literal = word.literal else { return false }
    return literal == text
  }

  private mutating func takeReserved(_ text: StaticString) throws(SyntaxError) -> Bool {
    guard try isReserved(text) else { return false }
    drop()
    return true
  }

  private mutating func expectReserved(_ text: StaticString) throws(SyntaxError) {
    guard try takeReserved(text) else { throw try unexpected() }
  }

  private mutating func skipNewlines() throws(SyntaxError) {
    while case .newline = try peek() { drop() }
  }

  /// The error for the token that comes next.
  private mutating func unexpected() throws(SyntaxError) -> SyntaxError {
    switch try peek() {
    case .end: return lexer.incomplete("end of file")
    case .newline: return SyntaxError(incomplete: false, text: [UInt8]("newline"), line: lexer.line - 1)
    case .symbol(let symbol): return lexer.wrong(quote([UInt8](symbol.text)))
    case .number(let number): return lexer.wrong(quote(decimal(number)))
    case .word(let word): return lexer.wrong(word.literal.map(quote) ?? [UInt8]("word"))
    }
  }

  private func quote(_ text: [UInt8]) -> [UInt8] { [0x22] + text + [0x22] }

  // MARK: Lists

  /// Whether the next token ends a list: an operator or reserved word that belongs to what is around it.
  private mutating func endsList() throws(SyntaxError) -> Bool {
    switch try peek() {
    case .end: return true
    case .symbol(let symbol): return symbol == .close || symbol == .doubleSemicolon
    case .word(let word):
      guard let text = word.literal else { return false }
      switch text {
      case "then", "else", "elif", "fi", "do", "done", "esac", "}": return true
      default: return false
      }
    case .newline, .number: return false
    }
  }

  private mutating func list(untilNewline: Bool) throws(SyntaxError) -> List {
    var list = List()
    while true {
      if !untilNewline { try skipNewlines() }
      if try endsList() { return list }
      if untilNewline, case .newline = try peek() { return list }
      let start = lexer.tokenStart  // of the token that endsList looked at
      var item = try andOr()
      _ = try peek()
      item.text = lexer.input.slice(start..<lexer.tokenStart)
      while let last = item.text.last, last.isSpace { item.text.removeLast() }
      if try take(.and) {
        item.background = true
        list.items.append(item)
      } else {
        list.items.append(item)
        if try take(.semicolon) { continue }
        if case .newline = try peek(), !untilNewline { continue }
        return list
      }
    }
  }

  /// A list that must not be empty, as between `then` and `fi`.
  private mutating func body() throws(SyntaxError) -> List {
    let list = try list(untilNewline: false)
    if list.items.isEmpty { throw try unexpected() }
    return list
  }

  private mutating func andOr() throws(SyntaxError) -> AndOr {
    var item = AndOr(first: try pipeline(), rest: [], background: false, text: [])
    while true {
      let isAnd = try isSymbol(.andAnd)
      if !isAnd {
        guard try isSymbol(.or) else { return item }
      }
      drop()
      try skipNewlines()
      item.rest.append((isAnd, try pipeline()))
    }
  }

  private mutating func pipeline() throws(SyntaxError) -> Pipeline {
    let negated = try takeReserved("!")
    var pipeline = Pipeline(commands: [try command()], negated: negated)
    while try take(.pipe) {
      try skipNewlines()
      pipeline.commands.append(try command())
    }
    return pipeline
  }

  // MARK: Commands

  private mutating func command() throws(SyntaxError) -> Command {
    try lexer.enter()
    defer { lexer.leave() }
    if try take(.open) {
      let list = try body()
      try expect(.close)
      return try withRedirections(.subshell(list))
    }
    if case .word(let word) = try peek(), let text = word.literal {
      switch text {
      case "{":
        drop()
        let list = try body()
        try expectReserved("}")
        return try withRedirections(.group(list))
      case "if":
        drop()
        return try withRedirections(try conditional())
      case "while", "until":
        drop()
        let condition = try body()
        return try withRedirections(.loop(Branch(condition: condition, body: try doGroup()), until: text == "until"))
      case "for":
        drop()
        return try withRedirections(try forEach())
      case "case":
        drop()
        return try withRedirections(try choose())
      case "then", "else", "elif", "fi", "do", "done", "esac", "}", "in":
        if text != "in" { throw try unexpected() }
      default: break
      }
    }
    return try simpleOrFunction()
  }

  private mutating func withRedirections(_ kind: Command.Kind) throws(SyntaxError) -> Command {
    var redirections: [Redirection] = []
    while let redirection = try redirection() { redirections.append(redirection) }
    return Command(kind: kind, redirections: redirections)
  }

  private mutating func doGroup() throws(SyntaxError) -> List {
    try skipNewlines()
    try expectReserved("do")
    let list = try body()
    try expectReserved("done")
    return list
  }

  private mutating func conditional() throws(SyntaxError) -> Command.Kind {
    var branches: [Branch] = []
    while true {
      let condition = try body()
      try expectReserved("then")
      branches.append(Branch(condition: condition, body: try body()))
      if try takeReserved("elif") { continue }
      let otherwise = try takeReserved("else") ? try body() : nil
      try expectReserved("fi")
      return .conditional(branches, otherwise: otherwise)
    }
  }

  private mutating func name() throws(SyntaxError) -> [UInt8] {
    guard case .word(let word) = try peek(), let text = word.literal, isName(text) else { throw try unexpected() }
    drop()
    return text
  }

  private mutating func forEach() throws(SyntaxError) -> Command.Kind {
    let name = try name()
    var words: [Word]?
    try skipNewlines()
    if try takeReserved("in") {
      var list: [Word] = []
      while case .word(let word) = try peek() {
        list.append(word)
        drop()
      }
      words = list
      if try !take(.semicolon) {
        guard case .newline = try peek() else { throw try unexpected() }
      }
    } else {
      _ = try take(.semicolon)
    }
    return .forEach(name: name, words: words, body: try doGroup())
  }

  private mutating func choose() throws(SyntaxError) -> Command.Kind {
    guard case .word(let subject) = try peek() else { throw try unexpected() }
    drop()
    try skipNewlines()
    try expectReserved("in")
    var arms: [CaseArm] = []
    while true {
      try skipNewlines()
      if try takeReserved("esac") { break }
      _ = try take(.open)
      var patterns: [Word] = []
      repeat {
        guard case .word(let pattern) = try peek() else { throw try unexpected() }
        drop()
        patterns.append(pattern)
      } while try take(.pipe)
      try expect(.close)
      arms.append(CaseArm(patterns: patterns, body: try list(untilNewline: false)))
      if try take(.doubleSemicolon) { continue }
      try expectReserved("esac")
      break
    }
    return .choose(subject, arms)
  }

  private mutating func simpleOrFunction() throws(SyntaxError) -> Command {
    var simple = SimpleCommand()
    var redirections: [Redirection] = []
    while true {
      if let redirection = try redirection() {
        redirections.append(redirection)
        continue
      }
      switch try peek() {
      case .word(let word):
        drop()
        if simple.words.isEmpty, let assignment = assignment(word) {
          simple.assignments.append(assignment)
          continue
        }
        simple.words.append(word)
        if simple.words.count == 1, simple.assignments.isEmpty, redirections.isEmpty, let name = word.literal, try isSymbol(.open) {
          guard isName(name) else { throw try unexpected() }
          drop()
          try expect(.close)
          try skipNewlines()
          return Command(kind: .function(name: name, body: try command()), redirections: [])
        }
      case .newline, .end, .number, .symbol:
        if simple.words.isEmpty, simple.assignments.isEmpty, redirections.isEmpty { throw try unexpected() }
        return Command(kind: .simple(simple), redirections: redirections)
      }
    }
  }

  /// NAME=word, with the name and the equals sign unquoted.
  private func assignment(_ word: Word) -> Assignment? {
    guard let first = word.parts.first, case .text(let text, let quoted) = first, !quoted, let equals = text.firstIndex(of: "=") else { return nil }
    let name = text.slice(0..<equals)
    guard isName(name) else { return nil }
    var value = Word(word.parts)
    if equals + 1 == text.count {
      value.parts.removeFirst()
    } else {
      value.parts[0] = .text(text.slice(from: equals + 1), quoted: false)
    }
    return Assignment(name: name, value: value)
  }

  private mutating func redirection() throws(SyntaxError) -> Redirection? {
    var descriptor: Int?
    if case .number(let number) = try peek() {
      drop()
      descriptor = number
    }
    guard case .symbol(let symbol) = try peek() else { return nil }
    let operation: Redirection.Operation
    let standard: Int
    switch symbol {
    case .less: (operation, standard) = (.read, 0)
    case .greater, .clobber: (operation, standard) = (.write, 1)
    case .doubleGreater: (operation, standard) = (.append, 1)
    case .lessGreater: (operation, standard) = (.readWrite, 0)
    case .lessAnd: (operation, standard) = (.duplicate, 0)
    case .greaterAnd: (operation, standard) = (.duplicate, 1)
    case .doubleLess, .doubleLessDash: (operation, standard) = (.hereDocument, 0)
    default: return nil
    }
    drop()
    guard case .word(let target) = try peek() else { throw try unexpected() }
    drop()
    var redirection = Redirection(descriptor: descriptor ?? standard, operation: operation, target: target, hereDocument: nil)
    if operation == .hereDocument {
      redirection.hereDocument = try lexer.expectHereDocument(target, strip: symbol == .doubleLessDash)
    }
    return redirection
  }
}

/// A letter or underscore, then letters, digits and underscores.
func isName(_ text: [UInt8]) -> Bool {
  guard let first = text.first, first.isLetter || first == "_" else { return false }
  for byte in text where !(byte.isLetter || byte.isDigit || byte == "_") { return false }
  return true
}
