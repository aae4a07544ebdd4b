import IPC
import Protocols

/// What is wrong with a text, and in which line.
public struct ScriptError: Error {
  public var line: Int
  public var reason: StaticString
}

/// Reads the text form (README). Places are resolved at the end, so a text may name them before it makes them.
public func parseScript(_ text: [UInt8]) throws(ScriptError) -> [Statement] {
  var parser = ScriptParser()
  var start = 0
  var line = 0
  for index in 0...text.count where index == text.count || text[index] == 0x0A || text[index] == 0x3B {
    if index == text.count || text[index] == 0x0A { line += 1 }
    try parser.read([UInt8](text[start..<index]), line)
    start = index + 1
  }
  return try parser.finish()
}

struct ScriptParser {
  var script: [Statement] = []
  var places: [(name: [UInt8], at: Int)] = []
  var jumps: [(statement: Int, name: [UInt8], line: Int)] = []
  var words: [[UInt8]] = []
  var next = 0
  var line = 0

  mutating func read(_ text: [UInt8], _ line: Int) throws(ScriptError) {
    self.line = line
    words = Self.split(text)
    next = 0
    guard let first = words.first else { return }
    if first[0] == 0x3A {
      places.append((Array(first.dropFirst()), script.count))
      return
    }
    next = 1
    for operation in Operation.allCases where Self.equal(first, operation.name) {
      script.append(try statement(operation))
      if next < words.count { throw error("too many words") }
      return
    }
    throw error("no such statement")
  }

  mutating func finish() throws(ScriptError) -> [Statement] {
    if script.count > Play.statementLimit { throw error("too many statements") }
    for jump in jumps {
      guard let place = places.first(where: { $0.name == jump.name }) else { throw ScriptError(line: jump.line, reason: "no such place") }
      script[jump.statement].x = UInt32(place.at)
    }
    return script
  }

  private mutating func statement(_ operation: Operation) throws(ScriptError) -> Statement {
    switch operation {
    case .exit: return Statement(operation, y: try number(or: 0))
    case .open:
      let (a, x) = (try register(0x66), try path())
      return Statement(operation, a: a, flags: try openFlags(), x: x)
    case .close, .fsync: return Statement(operation, a: try register(0x66))
    case .write:
      let (a, y) = (try register(0x66), try number())
      return Statement(operation, a: a, x: UInt32(truncatingIfNeeded: try number(or: 1)), y: y)
    case .read, .seek, .truncate, .send, .receive:
      let a = try register(0x66)
      return Statement(operation, a: a, y: try number())
    case .sync, .pause: return Statement(operation)
    case .stat, .unlink, .mkdir, .rmdir, .list: return Statement(operation, x: try path())
    case .rename, .link:
      let x = try path()
      return Statement(operation, x: x, y: UInt64(try path()))
    case .pipe, .dup:
      let a = try register(0x66)
      return Statement(operation, a: a, b: try register(0x66))
    case .fork:
      let a = try register(0x63)
      try jump()
      return Statement(operation, a: a)
    case .exec:
      try jump()
      return Statement(operation)
    case .wait: return Statement(operation, a: try register(0x63))
    case .map:
      let (a, y) = (try register(0x6D), try number())
      let shared = optional("shared")
      return Statement(operation, a: a, flags: shared ? 1 : 0, y: y)
    case .unmap, .sum: return Statement(operation, a: try register(0x6D))
    case .touch:
      let (a, x) = (try register(0x6D), try number())
      return Statement(operation, a: a, x: UInt32(truncatingIfNeeded: x), y: try number(or: 1))
    case .protect:
      let a = try register(0x6D)
      let writable = optional("write")
      return Statement(operation, a: a, flags: writable ? 1 : 0)
    case .handle: return Statement(operation, x: UInt32(truncatingIfNeeded: try number()))
    case .signal:
      let a = try register(0x63)
      return Statement(operation, a: a, x: UInt32(truncatingIfNeeded: try number()))
    case .await:
      let x = try number()
      return Statement(operation, x: UInt32(truncatingIfNeeded: x), y: try number(or: 1))
    case .sleep, .ping, .fault: return Statement(operation, y: try number())
    case .kill, .up, .down: return Statement(operation, x: try service())
    case .inject:
      let x = try service()
      return Statement(operation, x: x, y: try harm())
    case .recover:
      let x = try service()
      return Statement(operation, x: x, y: try number(or: 1))
    }
  }

  // MARK: Words

  private func error(_ reason: StaticString) -> ScriptError { ScriptError(line: line, reason: reason) }

  private mutating func word() throws(ScriptError) -> [UInt8] {
    guard next < words.count else { throw error("a word is missing") }
    next += 1
    return words[next - 1]
  }

  private mutating func register(_ letter: UInt8) throws(ScriptError) -> Int {
    let text = try word()
    guard text[0] == letter, let value = parseNumber(Array(text.dropFirst())), value < (letter == 0x6D ? 8 : 16) else { throw error("a register is wanted") }
    return Int(value)
  }

  private mutating func number(or standard: UInt64? = nil) throws(ScriptError) -> UInt64 {
    if let standard, next >= words.count { return standard }
    guard let value = parseNumber(try word()) else { throw error("a number is wanted") }
    return value
  }

  private mutating func optional(_ text: StaticString) -> Bool {
    guard next < words.count, Self.equal(words[next], text) else { return false }
    next += 1
    return true
  }

  private mutating func openFlags() throws(ScriptError) -> UInt8 {
    var flags: UInt8 = 0
    while next < words.count {
      if optional("read") { flags |= OpenBits.readOnly
      } else if optional("create") { flags |= OpenBits.create
      } else if optional("append") { flags |= OpenBits.append
      } else if optional("truncate") { flags |= OpenBits.truncate
      } else if optional("exclusive") { flags |= OpenBits.exclusive
      } else if optional("write") {  // that is what an open file is for
      } else { throw error("no such way to open") }
    }
    return flags
  }

  private mutating func path() throws(ScriptError) -> UInt32 {
    let text = try word()
    if text == [0x2E] { return ScriptPath.root }
    for index in 0..<ScriptPath.deviceCount where Self.equal(text, ScriptPath.deviceName(index)) { return ScriptPath.device(index) }
    if let slash = text.firstIndex(of: 0x2F) {
      guard let folder = parseNumber(Array(text[..<slash])), let file = parseNumber(Array(text[(slash + 1)...])), folder < 0x7FFE, file < 0x8000 else {
        throw error("no such path")
      }
      return ScriptPath.file(Int(file), in: Int(folder))
    }
    guard let file = parseNumber(text), file < 0x8000 else { throw error("no such path") }
    return ScriptPath.file(Int(file))
  }

  private mutating func jump() throws(ScriptError) { jumps.append((script.count, try word(), line)) }

  private mutating func service() throws(ScriptError) -> UInt32 {
    let text = try word()
    for slot in 1..<ServiceName.count where Self.equal(text, ServiceName.text(slot)) { return UInt32(slot) }
    throw error("no such service")
  }

  private mutating func harm() throws(ScriptError) -> UInt64 {
    let text = try word()
    if Self.equal(text, "null") { return Service.Harm.nullDereference }
    if Self.equal(text, "hang") { return Service.Harm.endlessLoop }
    if Self.equal(text, "exit") { return Service.Harm.exit }
    if Self.equal(text, "garbage") { return Service.Harm.garbageReply }
    if Self.equal(text, "trap") { return Service.Harm.trap }
    throw error("no such harm")
  }

  static func equal(_ text: [UInt8], _ name: StaticString) -> Bool {
    name.withUTF8Buffer { name in
      guard name.count == text.count else { return false }
      for index in 0..<text.count where text[index] != name[index] { return false }
      return true
    }
  }

  /// Words between blanks, up to a comment.
  static func split(_ text: [UInt8]) -> [[UInt8]] {
    var words: [[UInt8]] = []
    var word: [UInt8] = []
    for byte in text {
      if byte == 0x23 { break }
      if byte == 0x20 || byte == 0x09 || byte == 0x0D {
        if !word.isEmpty { words.append(word) }
        word = []
      } else {
        word.append(byte)
      }
    }
    if !word.isEmpty { words.append(word) }
    return words
  }
}
