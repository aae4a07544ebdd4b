import POSIX

/// $((expression)): signed 64-bit integers, the operators of C that POSIX 2.6.4 asks for.
struct Arithmetic<Context: ExpansionContext> {
  private let text: [UInt8]
  private let context: Context
  private var at = 0
  private var depth = 0
  /// Above 0 in the part of && || ?: that does not count: nothing is assigned there and no division fails.
  private var idle = 0

  init(_ text: [UInt8], _ context: Context) {
    self.text = text
    self.context = context
  }

  mutating func evaluate() throws(ExpansionError) -> Int {
    let value = try assignment()
    skip()
    if at < text.count { throw wrong() }
    return value
  }

  private func wrong() -> ExpansionError { ExpansionError([UInt8]("arithmetic expression: \"") + text + [0x22]) }

  private mutating func skip() {
    while at < text.count, text[at].isSpace { at += 1 }
  }

  private mutating func take(_ operator: StaticString, notBefore: StaticString = "") -> Bool {
    skip()
    let count = `operator`.utf8CodeUnitCount
    guard text.slice(from: at).starts(with: `operator`) else { return false }
    if at + count < text.count {
      for byte in [UInt8](notBefore) where text[at + count] == byte { return false }
    }
    at += count
    return true
  }

  private mutating func assignment() throws(ExpansionError) -> Int {
    depth += 1
    defer { depth -= 1 }
    if depth > 100 { throw wrong() }
    let start = at
    skip()
    if let name = name() {
      for operation in 0..<11 {
        let (symbol, notBefore) = Self.assignments(operation)
        guard take(symbol, notBefore: notBefore) else { continue }
        let right = try assignment()
        let value = operation == 0 ? right : try apply(Self.assignedOperator(operation), try variable(name), right)
        if idle == 0 { try context.assign(name, decimal(value)) }
        return value
      }
    }
    at = start
    return try conditional()
  }

  private static func assignments(_ index: Int) -> (StaticString, StaticString) {
    switch index {
    case 0: ("=", "=")
    case 1: ("+=", "")
    case 2: ("-=", "")
    case 3: ("*=", "")
    case 4: ("/=", "")
    case 5: ("%=", "")
    case 6: ("<<=", "")
    case 7: (">>=", "")
    case 8: ("&=", "")
    case 9: ("^=", "")
    default: ("|=", "")
    }
  }

  private static func assignedOperator(_ index: Int) -> Binary {
    switch index {
    case 1: .add
    case 2: .subtract
    case 3: .multiply
    case 4: .divide
    case 5: .remainder
    case 6: .shiftLeft
    case 7: .shiftRight
    case 8: .and
    case 9: .exclusiveOr
    default: .or
    }
  }

  private mutating func conditional() throws(ExpansionError) -> Int {
    let condition = try either()
    guard take("?") else { return condition }
    idle += condition == 0 ? 1 : 0
    let yes = try assignment()
    idle -= condition == 0 ? 1 : 0
    guard take(":") else { throw wrong() }
    idle += condition != 0 ? 1 : 0
    let no = try assignment()
    idle -= condition != 0 ? 1 : 0
    return condition != 0 ? yes : no
  }

  private mutating func either() throws(ExpansionError) -> Int {
    var left = try both()
    while take("||") {
      idle += left != 0 ? 1 : 0
      let right = try both()
      idle -= left != 0 ? 1 : 0
      left = left != 0 || right != 0 ? 1 : 0
    }
    return left
  }

  private mutating func both() throws(ExpansionError) -> Int {
    var left = try binary(0)
    while take("&&") {
      idle += left == 0 ? 1 : 0
      let right = try binary(0)
      idle -= left == 0 ? 1 : 0
      left = left != 0 && right != 0 ? 1 : 0
    }
    return left
  }

  private enum Binary {
    case or, exclusiveOr, and, equal, unequal, lessEqual, greaterEqual, less, greater
    case shiftLeft, shiftRight, add, subtract, multiply, divide, remainder
  }

  /// Levels of precedence from | up to *, each with its operators.
  private mutating func operation(_ level: Int) -> Binary? {
    switch level {
    case 0: take("|", notBefore: "|=") ? .or : nil
    case 1: take("^", notBefore: "=") ? .exclusiveOr : nil
    case 2: take("&", notBefore: "&=") ? .and : nil
    case 3: take("==") ? .equal : take("!=") ? .unequal : nil
    case 4: take("<=") ? .lessEqual : take(">=") ? .greaterEqual : take("<", notBefore: "<") ? .less : take(">", notBefore: ">") ? .greater : nil
    case 5: take("<<", notBefore: "=") ? .shiftLeft : take(">>", notBefore: "=") ? .shiftRight : nil
    case 6: take("+", notBefore: "=") ? .add : take("-", notBefore: "=") ? .subtract : nil
    default: take("*", notBefore: "=") ? .multiply : take("/", notBefore: "=") ? .divide : take("%", notBefore: "=") ? .remainder : nil
    }
  }

  private mutating func binary(_ level: Int) throws(ExpansionError) -> Int {
    if level == 8 { return try unary() }
    var left = try binary(level + 1)
    while let operation = operation(level) {
      left = try apply(operation, left, try binary(level + 1))
    }
    return left
  }

  private func apply(_ operation: Binary, _ a: Int, _ b: Int) throws(ExpansionError) -> Int {
    switch operation {
    case .or: return a | b
    case .exclusiveOr: return a ^ b
    case .and: return a & b
    case .equal: return a == b ? 1 : 0
    case .unequal: return a != b ? 1 : 0
    case .lessEqual: return a <= b ? 1 : 0
    case .greaterEqual: return a >= b ? 1 : 0
    case .less: return a < b ? 1 : 0
    case .greater: return a > b ? 1 : 0
    case .shiftLeft: return a &<< b
    case .shiftRight: return a &>> b
    case .add: return a &+ b
    case .subtract: return a &- b
    case .multiply: return a &* b
    case .divide, .remainder:
      if b == 0 {
        if idle > 0 { return 0 }
        throw ExpansionError([UInt8]("division by zero"))
      }
      if b == -1 { return operation == .divide ? 0 &- a : 0 }  // the smallest number has no opposite
      return operation == .divide ? a / b : a % b
    }
  }

  private mutating func unary() throws(ExpansionError) -> Int {
    depth += 1
    defer { depth -= 1 }
    if depth > 100 { throw wrong() }
    if take("+") { return try unary() }
    if take("-") { return 0 &- (try unary()) }
    if take("~") { return ~(try unary()) }
    if take("!") { return try unary() == 0 ? 1 : 0 }
    if take("(") {
      let value = try assignment()
      guard take(")") else { throw wrong() }
      return value
    }
    skip()
    if let name = name() { return try variable(name) }
    return try constant()
  }

  private mutating func name() -> [UInt8]? {
    guard at < text.count, text[at].isLetter || text[at] == "_" else { return nil }
    let start = at
    while at < text.count, text[at].isLetter || text[at].isDigit || text[at] == "_" { at += 1 }
    return text.slice(start..<at)
  }

  private func variable(_ name: [UInt8]) throws(ExpansionError) -> Int {
    guard let value = context.value(of: name), !value.isEmpty else { return 0 }
    guard let number = integer(value) else { throw ExpansionError([UInt8]("not a number: ") + value) }
    return number
  }

  /// Decimal, octal with a leading 0, hexadecimal with 0x.
  private mutating func constant() throws(ExpansionError) -> Int {
    guard at < text.count, text[at].isDigit else { throw wrong() }
    var base = 10
    if text[at] == "0" {
      base = 8
      if at + 1 < text.count, text[at + 1].lowered == "x" {
        base = 16
        at += 2
      }
    }
    var value = 0
    while at < text.count, text[at].isDigit || text[at].isLetter {
      let byte = text[at].lowered
      let digit = byte.isDigit ? Int(byte) - 0x30 : Int(byte) - 0x57
      guard digit < base else { throw wrong() }
      value = value &* base &+ digit
      at += 1
    }
    return value
  }
}
