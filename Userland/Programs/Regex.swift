import POSIX

/// A regular expression of grep(1): . * + ? ^ $ [...] ( ) | and a backslash before what shall stand for itself. `extended` false:
/// as POSIX's basic ones, where + ? ( ) | need the backslash to be special.
///
/// Thompson's construction run on sets of states: time is at most states times bytes, whatever the pattern.
struct Regex {
  enum Failure: Error, Equatable { case unbalanced, nothingToRepeat, badSet, tooLong }

  /// What a state does: match a byte and go to the next, or split without matching.
  private enum Step {
    case byte(UInt8)
    case any
    case set(Int)
    case start
    case end
    case split(Int, Int)
    case jump(Int)
    case done
  }

  private var steps: [Step] = []
  private var sets: [ByteSet] = []
  private let ignoreCase: Bool
  /// Lists of states, reused between matches.
  private var current: StateList
  private var next: StateList

  init(_ pattern: [UInt8], extended: Bool = false, ignoreCase: Bool = false) throws(Failure) {
    self.ignoreCase = ignoreCase
    current = StateList(0)
    next = StateList(0)
    guard pattern.count <= 4096 else { throw .tooLong }
    var parser = RegexParser(pattern, extended: extended)
    try parser.parse()
    sets = parser.sets
    steps.reserveCapacity(parser.nodes.count * 2)
    emit(parser.nodes, parser.root)
    steps.append(.done)
    current = StateList(steps.count)
    next = StateList(steps.count)
  }

  /// Nodes of the syntax tree to steps.
  private mutating func emit(_ nodes: [RegexParser.Node], _ index: Int) {
    switch nodes[index] {
    case .empty: break
    case .byte(let byte): steps.append(.byte(ignoreCase ? byte.lowered : byte))
    case .any: steps.append(.any)
    case .set(let set): steps.append(.set(set))
    case .start: steps.append(.start)
    case .end: steps.append(.end)
    case .sequence(let parts): for part in parts { emit(nodes, part) }
    case .either(let a, let b):
      let split = steps.count
      steps.append(.done)
      emit(nodes, a)
      let jump = steps.count
      steps.append(.done)
      steps[split] = .split(split + 1, steps.count)
      emit(nodes, b)
      steps[jump] = .jump(steps.count)
    case .many(let part, let least, let most):
      if least == 1, most == nil {  // +
        let start = steps.count
        emit(nodes, part)
        steps.append(.split(start, steps.count + 1))
      } else {  // * or ?
        let split = steps.count
        steps.append(.done)
        emit(nodes, part)
        if most == nil { steps.append(.jump(split)) }
        steps[split] = .split(split + 1, steps.count)
      }
    }
  }

  /// Whether the line has a match anywhere.
  mutating func matches(_ line: [UInt8]) -> Bool {
    current.clear()
    for at in 0...line.count {
      follow(0, at, line.count, into: &current)
      if current.isDone { return true }
      if at == line.count { return false }
      let byte = ignoreCase ? line[at].lowered : line[at]
      next.clear()
      for index in 0..<current.count {
        let state = current[index]
        let matched: Bool
        switch steps[state] {
        case .byte(let wanted): matched = wanted == byte
        case .any: matched = true
        case .set(let set): matched = contains(set, line[at])
        default: matched = false
        }
        if matched { follow(state + 1, at + 1, line.count, into: &next) }
      }
      swap(&current, &next)
      if current.isDone { return true }
    }
    return false
  }

  private func contains(_ set: Int, _ byte: UInt8) -> Bool {
    sets[set].contains(byte) || ignoreCase && byte.isLetter && sets[set].contains(byte ^ 0x20)
  }

  /// Adds a state and all that it leads to without a byte.
  private func follow(_ state: Int, _ at: Int, _ length: Int, into list: inout StateList) {
    var stack = [state]
    while let state = stack.popLast() {
      if !list.insert(state) { continue }
      switch steps[state] {
      case .split(let a, let b):
        stack.append(b)
        stack.append(a)
      case .jump(let target): stack.append(target)
      case .start: if at == 0 { stack.append(state + 1) }
      case .end: if at == length { stack.append(state + 1) }
      case .done: list.isDone = true
      default: break
      }
    }
  }
}

/// A set of states with constant-time clearing.
private struct StateList {
  private var states: [Int] = []
  private var marks: [UInt32]
  private var round: UInt32 = 0
  var isDone = false

  init(_ size: Int) { marks = [UInt32](repeating: 0, count: size) }

  var count: Int { states.count }
  subscript(_ index: Int) -> Int { states[index] }

  mutating func clear() {
    states.removeAll(keepingCapacity: true)
    isDone = false
    round &+= 1
    if round == 0 {
      for index in 0..<marks.count { marks[index] = 0 }
      round = 1
    }
  }

  mutating func insert(_ state: Int) -> Bool {
    if marks[state] == round { return false }
    marks[state] = round
    states.append(state)
    return true
  }
}

/// Text of a regular expression to a tree.
struct RegexParser {
  enum Node {
    case empty, any, start, end
    case byte(UInt8)
    case set(Int)
    case sequence([Int])
    case either(Int, Int)
    case many(Int, least: Int, most: Int?)
  }

  private let text: [UInt8]
  private let extended: Bool
  private var at = 0
  private var depth = 0
  private(set) var nodes: [Node] = []
  private(set) var sets: [ByteSet] = []
  private(set) var root = 0

  init(_ text: [UInt8], extended: Bool) {
    self.text = text
    self.extended = extended
  }

  private mutating func add(_ node: Node) -> Int {
    nodes.append(node)
    return nodes.count - 1
  }

  mutating func parse() throws(Regex.Failure) {
    root = try alternatives()
    if at < text.count { throw .unbalanced }
  }

  /// Whether the special character comes next: plain in extended expressions, behind a backslash in basic ones.
  private func isSpecial(_ scalar: Unicode.Scalar) -> Bool {
    if extended { return at < text.count && text[at] == scalar }
    return at + 1 < text.count && text[at] == "\\" && text[at + 1] == scalar
  }
  private mutating func skipSpecial() { at += extended ? 1 : 2 }

  private mutating func alternatives() throws(Regex.Failure) -> Int {
    depth += 1
    defer { depth -= 1 }
    guard depth < 64 else { throw .tooLong }
    var left = try sequence()
    while isSpecial("|") {
      skipSpecial()
      let right = try sequence()
      left = add(.either(left, right))
    }
    return left
  }

  private mutating func sequence() throws(Regex.Failure) -> Int {
    var parts: [Int] = []
    let start = at
    while at < text.count, !isSpecial("|"), !isSpecial(")") {
      let part = try atom(first: at == start)
      parts.append(try repeated(part))
    }
    return add(parts.isEmpty ? .empty : .sequence(parts))
  }

  private mutating func repeated(_ part: Int) throws(Regex.Failure) -> Int {
    var part = part
    while at < text.count {
      if text[at] == "*" {
        at += 1
        part = add(.many(part, least: 0, most: nil))
      } else if isSpecial("+") {
        skipSpecial()
        part = add(.many(part, least: 1, most: nil))
      } else if isSpecial("?") {
        skipSpecial()
        part = add(.many(part, least: 0, most: 1))
      } else {
        return part
      }
    }
    return part
  }

  private mutating func atom(first: Bool) throws(Regex.Failure) -> Int {
    if isSpecial("(") {
      skipSpecial()
      let inner = try alternatives()
      guard isSpecial(")") else { throw .unbalanced }
      skipSpecial()
      return inner
    }
    let byte = text[at]
    at += 1
    switch byte {
    case ".": return add(.any)
    case "^" where extended || first: return add(.start)
    case "$" where extended || at == text.count || isSpecial(")") || isSpecial("|"): return add(.end)
    case "[": return add(.set(try bracket()))
    case "*" where !first || extended: throw .nothingToRepeat  // first in a basic expression: a plain star
    case "+" where extended, "?" where extended: throw .nothingToRepeat
    case "\\":
      guard at < text.count else { throw .unbalanced }
      at += 1
      return add(.byte(text[at - 1]))
    default: return add(.byte(byte))
    }
  }

  private mutating func bracket() throws(Regex.Failure) -> Int {
    var set = ByteSet()
    let negated = at < text.count && text[at] == "^"
    if negated { at += 1 }
    var first = true
    while true {
      guard at < text.count else { throw .badSet }
      if text[at] == "]", !first { break }
      first = false
      if text[at] == "[", at + 1 < text.count, text[at + 1] == ":" {
        var end = at + 2
        while end < text.count, text[end].isLower { end += 1 }
        guard end + 1 < text.count, text[end] == ":", text[end + 1] == "]" else { throw .badSet }
        set.insert(class: text.slice(at + 2..<end))
        at = end + 2
        continue
      }
      let low = text[at]
      if at + 2 < text.count, text[at + 1] == "-", text[at + 2] != "]" {
        let high = text[at + 2]
        guard low <= high else { throw .badSet }
        for byte in low...high { set.insert(byte) }
        at += 3
      } else {
        set.insert(low)
        at += 1
      }
    }
    at += 1
    if negated { set.invert() }
    sets.append(set)
    return sets.count - 1
  }
}
