import POSIX

/// What expansion needs to know of the shell, and the one thing it does to it. A protocol so that tests can expand without
/// processes and files.
public protocol ExpansionContext: AnyObject {
  /// The value of a variable; nil if it is not set.
  func value(of name: [UInt8]) -> [UInt8]?
  func assign(_ name: [UInt8], _ value: [UInt8]) throws(ExpansionError)
  /// $1 and on.
  var parameters: [[UInt8]] { get }
  /// $? $$ $! $- $0; nil if it is not set.
  func special(_ name: UInt8) -> [UInt8]?
  /// The output of $(list).
  func output(of list: List) throws(ExpansionError) -> [UInt8]
  /// Names in a directory, unsorted; empty if it cannot be read. "" is the working directory.
  func names(in directory: [UInt8]) -> [[UInt8]]
  func exists(_ path: [UInt8]) -> Bool
  /// set -u.
  var unsetIsError: Bool { get }
  /// set -f.
  var noGlob: Bool { get }
}

/// An expansion that ends the command: ${x?message}, bad arithmetic, a read-only variable.
public struct ExpansionError: Error, Equatable {
  public var message: [UInt8]
  public init(_ message: [UInt8]) { self.message = message }
}

/// Text on its way to become a field: which bytes were quoted decides about splitting and patterns.
struct Field {
  var bytes: [UInt8] = []
  /// 1 for a quoted byte.
  var quoted: [UInt8] = []

  mutating func append(_ text: [UInt8], quoted flag: Bool) {
    bytes += text
    for _ in 0..<text.count { quoted.append(flag ? 1 : 0) }
  }
}

/// Tilde, parameters, commands, arithmetic; then field splitting, pathnames, quote removal: POSIX 2.6.
public struct Expander<Context: ExpansionContext> {
  let context: Context
  public init(_ context: Context) { self.context = context }

  /// A word of a command: any number of fields.
  public func fields(_ word: Word) throws(ExpansionError) -> [[UInt8]] {
    var splitter = Splitter(separators: context.value(of: [UInt8]("IFS")) ?? [UInt8](" \t\n"))
    try expand(word, &splitter)
    splitter.finish()
    var result: [[UInt8]] = []
    for field in splitter.fields { result += pathnames(field) }
    return result
  }

  public func fields(_ words: [Word]) throws(ExpansionError) -> [[UInt8]] {
    var all: [[UInt8]] = []
    for word in words { all += try fields(word) }
    return all
  }

  /// A word that is one text: assignments, redirections, here-documents.
  public func text(_ word: Word) throws(ExpansionError) -> [UInt8] { try field(word).bytes }

  public func pattern(_ word: Word) throws(ExpansionError) -> Pattern {
    let field = try field(word)
    return Pattern(field.bytes, quoted: field.quoted)
  }

  func field(_ word: Word) throws(ExpansionError) -> Field {
    var splitter = Splitter(separators: [])
    splitter.joins = true
    try expand(word, &splitter)
    splitter.finish()
    return splitter.fields.first ?? Field()
  }

  // MARK: Parts

  private func expand(_ word: Word, _ splitter: inout Splitter) throws(ExpansionError) {
    for index in 0..<word.parts.count {
      switch word.parts[index] {
      case .text(let text, let quoted):
        if index == 0, !quoted, let (home, rest) = tilde(text) {
          splitter.add(home, quoted: true)
          if !rest.isEmpty { splitter.add(rest, quoted: false, literal: true) }
        } else {
          splitter.add(text, quoted: quoted, literal: true)
        }
      case .parameter(let parameter, let quoted): try expand(parameter, quoted, &splitter)
      case .command(let list, let quoted):
        var output = try context.output(of: list)
        while let last = output.last, last == "\n" { output.removeLast() }
        splitter.add(output, quoted: quoted)
      case .arithmetic(let word, let quoted):
        var arithmetic = Arithmetic(try text(word), context)
        splitter.add(decimal(try arithmetic.evaluate()), quoted: quoted)
      }
    }
  }

  private func tilde(_ text: [UInt8]) -> (home: [UInt8], rest: [UInt8])? {
    guard text.first.map({ $0 == "~" }) ?? false, text.count == 1 || text[1] == "/", let home = context.value(of: [UInt8]("HOME")) else { return nil }
    return (home, text.slice(from: 1))
  }

  private func lookUp(_ name: [UInt8]) -> [UInt8]? {
    if name[0].isDigit {
      guard let index = number(name) else { return nil }
      if index == 0 { return context.special(0x30) }
      return index <= UInt64(context.parameters.count) ? context.parameters[Int(index) - 1] : nil
    }
    if name.count == 1 {
      switch name[0] {
      case "#": return decimal(context.parameters.count)
      case "@", "*": return context.parameters.isEmpty ? nil : joined(context.parameters)
      case "?", "$", "!", "-": return context.special(name[0])
      default: break
      }
    }
    return context.value(of: name)
  }

  private func joined(_ parameters: [[UInt8]]) -> [UInt8] {
    let separators = context.value(of: [UInt8]("IFS")) ?? [0x20]
    var text: [UInt8] = []
    for index in 0..<parameters.count {
      if index > 0, let separator = separators.first { text.append(separator) }
      text += parameters[index]
    }
    return text
  }

  private func expand(_ parameter: Parameter, _ quoted: Bool, _ splitter: inout Splitter) throws(ExpansionError) {
    let name = parameter.name
    let value = lookUp(name)
    let isThere = value.map { !(parameter.colon && $0.isEmpty) } ?? false
    switch parameter.operation {
    case .value:
      try addValue(name, value, quoted, &splitter)
    case .length:
      try requireSet(name, value)
      let isList = name == "@" || name == "*"
      splitter.add(decimal(isList ? context.parameters.count : (value ?? []).count), quoted: quoted)
    case .useDefault:
      if isThere { try addValue(name, value, quoted, &splitter) } else { try addArgument(parameter, quoted, &splitter) }
    case .alternative:
      if isThere { try addArgument(parameter, quoted, &splitter) } else if quoted { splitter.add([], quoted: true) }
    case .assignDefault:
      if isThere {
        try addValue(name, value, quoted, &splitter)
      } else {
        guard isName(name) else { throw ExpansionError(name + [UInt8](": cannot assign")) }
        let text = try text(parameter.argument)
        try context.assign(name, text)
        splitter.add(text, quoted: quoted)
      }
    case .complain:
      if isThere { return try addValue(name, value, quoted, &splitter) }
      let text = try text(parameter.argument)
      throw ExpansionError(name + [UInt8](": ") + (text.isEmpty ? [UInt8]("parameter not set") : text))
    case .cutShortSuffix, .cutLongSuffix, .cutShortPrefix, .cutLongPrefix:
      try requireSet(name, value)
      splitter.add(cut(value ?? [], try pattern(parameter.argument), parameter.operation), quoted: quoted)
    }
  }

  private func requireSet(_ name: [UInt8], _ value: [UInt8]?) throws(ExpansionError) {
    if value == nil, context.unsetIsError, name != "@", name != "*" {
      throw ExpansionError(name + [UInt8](": parameter not set"))
    }
  }

  private func addValue(_ name: [UInt8], _ value: [UInt8]?, _ quoted: Bool, _ splitter: inout Splitter) throws(ExpansionError) {
    try requireSet(name, value)
    if name == "@" || name == "*" && !quoted {
      splitter.add(list: context.parameters, quoted: quoted)
    } else if let value {
      splitter.add(value, quoted: quoted)
    } else if quoted {
      splitter.add([], quoted: true)
    }
  }

  private func addArgument(_ parameter: Parameter, _ quoted: Bool, _ splitter: inout Splitter) throws(ExpansionError) {
    if quoted {
      splitter.add([], quoted: true)
      try expand(parameter.argument, &splitter)
    } else {
      // Text from outside quotes is subject to splitting here, unlike that of an ordinary word.
      let before = splitter.splitsLiterals
      splitter.splitsLiterals = true
      try expand(parameter.argument, &splitter)
      splitter.splitsLiterals = before
    }
  }

  private func cut(_ value: [UInt8], _ pattern: Pattern, _ operation: Parameter.Operation) -> [UInt8] {
    switch operation {
    case .cutShortSuffix:
      var start = value.count
      while start >= 0 {
        if pattern.matches(value.slice(from: start)) { return value.slice(0..<start) }
        start -= 1
      }
    case .cutLongSuffix:
      for start in 0...value.count where pattern.matches(value.slice(from: start)) { return value.slice(0..<start) }
    case .cutShortPrefix:
      for end in 0...value.count where pattern.matches(value.slice(0..<end)) { return value.slice(from: end) }
    default:
      var end = value.count
      while end >= 0 {
        if pattern.matches(value.slice(0..<end)) { return value.slice(from: end) }
        end -= 1
      }
    }
    return value
  }

  // MARK: Pathnames

  private func pathnames(_ field: Field) -> [[UInt8]] {
    if context.noGlob || !Pattern(field.bytes, quoted: field.quoted).isSpecial { return [field.bytes] }
    var found = [field.bytes.first.map { $0 == "/" } ?? false ? [UInt8]("/") : []]
    var start = 0
    while start < field.bytes.count {
      if field.bytes[start] == "/" {
        start += 1
        continue
      }
      var end = start
      while end < field.bytes.count, field.bytes[end] != "/" { end += 1 }
      let component = Pattern(field.bytes.slice(start..<end), quoted: field.quoted.slice(start..<end))
      let isLast = end == field.bytes.count
      found = step(found, component, name: field.bytes.slice(start..<end), isLast: isLast)
      start = end
    }
    if field.bytes[field.bytes.count - 1] == "/" {  // only directories exist under such a name
      found = found.map { $0 + [0x2F] }
      found.removeAll { !context.exists($0) }
    }
    if found.isEmpty { return [field.bytes] }
    found.sort(by: isLess)
    return found
  }

  /// All continuations of the paths so far by names that match one component.
  private func step(_ paths: [[UInt8]], _ component: Pattern, name: [UInt8], isLast: Bool) -> [[UInt8]] {
    var result: [[UInt8]] = []
    for path in paths {
      if !component.isSpecial {
        let next = join(path, name)
        if !isLast || context.exists(next) { result.append(next) }
        continue
      }
      for candidate in context.names(in: path) {
        // A leading dot must be matched by a dot.
        if candidate[0] == "." {
          guard case .byte(let first)? = component.pieces.first, first == "." else { continue }
        }
        if component.matches(candidate) { result.append(join(path, candidate)) }
      }
    }
    return result
  }
}

/// Cuts expanded text into fields: POSIX 2.6.5.
struct Splitter {
  let separators: [UInt8]
  /// One field whatever comes: "$@" is joined by blanks.
  var joins = false
  var splitsLiterals = false
  private(set) var fields: [Field] = []
  private var current: Field?
  /// Whether the last field was ended by blanks: a separator that follows belongs to them.
  private var endedByBlanks = false

  init(separators: [UInt8]) { self.separators = separators }

  /// - Parameter literal: text of the script itself, which is not split.
  mutating func add(_ text: [UInt8], quoted: Bool, literal: Bool = false) {
    if quoted || joins || literal && !splitsLiterals {
      if current == nil { current = Field() }
      current!.append(text, quoted: quoted)
      return
    }
    for byte in text {
      guard isSeparator(byte) else {
        if current == nil { current = Field() }
        current!.append([byte], quoted: false)
        continue
      }
      if byte.isSpace {
        endField()
      } else {
        if current == nil, !endedByBlanks { current = Field() }
        endField()
        endedByBlanks = false
      }
    }
  }

  private mutating func endField() {
    guard let field = current else { return }
    fields.append(field)
    current = nil
    endedByBlanks = true
  }

  private func isSeparator(_ byte: UInt8) -> Bool {
    for separator in separators where separator == byte { return true }
    return false
  }

  /// $@ and $*: each element a field of its own, the first and last joined to what is around them.
  mutating func add(list: [[UInt8]], quoted: Bool) {
    for index in 0..<list.count {
      if index > 0 {
        if joins { add([0x20], quoted: true) } else { nextField() }
      }
      add(list[index], quoted: quoted)
    }
  }

  private mutating func nextField() {
    endField()
    endedByBlanks = false
  }

  mutating func finish() { endField() }
}
