import IPC
import POSIX
import Protocols

/// grep(1): lines that match. 0 some did, 1 none, 2 trouble.
public func grep(_ program: Program) -> Int {
  let usage: StaticString = "[-EFvincqlrshHx] [-e pattern] [pattern] [file...]\nWrites the lines that match a regular expression."
  let options = program.options("EFvincqlrRshHxe:", usage: usage, status: 2)
  var operands = options.operands
  let pattern: [UInt8]
  if let given = options.value("e") {
    pattern = given
  } else {
    guard !operands.isEmpty else { program.misused(usage, status: 2) }
    pattern = operands.removeFirst()
  }
  let matcher: Matcher
  do throws(Regex.Failure) { matcher = try Matcher(pattern, options) } catch {
    program.complain(pattern, "not a regular expression")
    return 2
  }
  let recursive = options["r"] || options["R"]
  if operands.isEmpty { operands = [[UInt8](recursive ? "." : "-")] }
  var search = Search(program: program, options: options, matcher: matcher)
  search.showsNames = !options["h"] && (options["H"] || operands.count > 1 || recursive)
  for operand in operands {
    if recursive, operand != "-" { search.tree(operand, depth: 0) } else { search.file(operand) }
    if search.isOver { break }
  }
  if search.found && options["q"] { return 0 }
  return search.failed ? 2 : search.found ? 0 : 1
}

/// One or several patterns (POSIX: one a line), as text or as expressions.
struct Matcher {
  private var expressions: [Regex] = []
  private var texts: [[UInt8]] = []
  private let ignoreCase, wholeLine, inverted: Bool

  init(_ patterns: [UInt8], _ options: Options) throws(Regex.Failure) {
    ignoreCase = options["i"]
    wholeLine = options["x"]
    inverted = options["v"]
    for pattern in split(patterns, at: "\n") {
      if options["F"] {
        texts.append(ignoreCase ? pattern.map { $0.lowered } : pattern)
      } else {
        let (open, close): (StaticString, StaticString) = options["E"] ? ("^(", ")$") : ("^\\(", "\\)$")
        let whole = wholeLine ? [UInt8](open) + pattern + [UInt8](close) : pattern
        expressions.append(try Regex(whole, extended: options["E"], ignoreCase: ignoreCase))
      }
    }
  }

  mutating func matches(_ line: [UInt8]) -> Bool {
    for index in 0..<expressions.count where expressions[index].matches(line) { return !inverted }
    if !texts.isEmpty {
      let line = ignoreCase ? line.map { $0.lowered } : line
      for text in texts where wholeLine ? line == text : contains(line, text) { return !inverted }
    }
    return inverted
  }

  private func contains(_ line: [UInt8], _ text: [UInt8]) -> Bool {
    if text.isEmpty { return true }
    guard line.count >= text.count else { return false }
    for start in 0...line.count - text.count where line[start] == text[0] {
      var length = 1
      while length < text.count, line[start + length] == text[length] { length += 1 }
      if length == text.count { return true }
    }
    return false
  }
}

struct Search {
  let program: Program
  let options: Options
  var matcher: Matcher
  var showsNames = false
  var found = false
  var failed = false

  init(program: Program, options: Options, matcher: Matcher) {
    self.program = program
    self.options = options
    self.matcher = matcher
  }

  /// -q: the first match says it all.
  var isOver: Bool { found && options["q"] }

  private mutating func fail(_ path: [UInt8], _ error: Errno) {
    failed = true
    if !options["s"] { program.complain(path, error) }
  }

  mutating func tree(_ path: [UInt8], depth: Int) {
    do throws(Errno) {
      let attributes = depth == 0 ? try stat(path) : try linkStat(path)
      guard attributes.isDirectory else {
        if attributes.isRegular || depth == 0 { file(path) }
        return
      }
      guard depth < depthLimit else { throw .nameTooLong }
      for item in try directory(path) where item.name != "." && item.name != ".." {
        tree(join(path, item.name), depth: depth + 1)
        if isOver { return }
      }
    } catch { fail(path, error) }
  }

  mutating func file(_ path: [UInt8]) {
    let name = path == "-" ? [UInt8]("(standard input)") : path
    do throws(Errno) {
      let descriptor = path == "-" ? 0 : try open(path)
      defer { if descriptor != 0 { do throws(Errno) { try close(descriptor) } catch {} } }
      let input = Input(descriptor: descriptor)
      var number: UInt64 = 0
      var count: UInt64 = 0
      while let line = try input.line() {
        number += 1
        guard matcher.matches(line) else { continue }
        found = true
        count += 1
        if options["q"] { return }
        if options["l"] { break }
        if options["c"] { continue }
        if showsNames { printBytes(name + [0x3A]) }
        if options["n"] { printBytes(decimal(number) + [0x3A]) }
        printLine(line)
      }
      if options["l"] {
        if count > 0 { printLine(name) }
      } else if options["c"], !options["q"] {
        if showsNames { printBytes(name + [0x3A]) }
        printLine(decimal(count))
      }
    } catch { fail(name, error) }
  }
}
