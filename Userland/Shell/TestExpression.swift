import IPC
import POSIX
import Protocols

/// test(1), also called [: POSIX's rules by number of arguments, then -a and -o for more.
public struct TestExpression {
  public struct Failure: Error { var message: [UInt8] }

  private let words: [[UInt8]]
  private var at = 0

  public init(_ words: [[UInt8]]) { self.words = words }

  public mutating func evaluate() throws(Failure) -> Bool {
    if words.isEmpty { return false }
    if words.count == 1 { return !words[0].isEmpty }
    // Three arguments are a binary comparison even if the outer ones look like operators.
    if words.count == 3, let result = try compare(words[0], words[1], words[2]) { return result }
    if words.count == 4, words[0] == "!", let result = try compare(words[1], words[2], words[3]) { return !result }
    let result = try either()
    if at < words.count { throw Failure(message: [UInt8]("unexpected ") + words[at]) }
    return result
  }

  private mutating func take(_ text: StaticString) -> Bool {
    guard at < words.count, words[at] == text else { return false }
    at += 1
    return true
  }

  private mutating func either() throws(Failure) -> Bool {
    var result = try both()
    while take("-o") { result = try both() || result }
    return result
  }

  private mutating func both() throws(Failure) -> Bool {
    var result = try negation()
    while take("-a") { result = try negation() && result }
    return result
  }

  private mutating func negation() throws(Failure) -> Bool {
    var negated = false
    while at + 1 < words.count, take("!") { negated.toggle() }
    return try primary() != negated
  }

  private mutating func primary() throws(Failure) -> Bool {
    guard at < words.count else { throw Failure(message: [UInt8]("argument expected")) }
    if at + 2 < words.count, let result = try compare(words[at], words[at + 1], words[at + 2]) {
      at += 3
      return result
    }
    if words[at] == "(", at + 1 < words.count {
      at += 1
      let result = try either()
      guard take(")") else { throw Failure(message: [UInt8]("missing )")) }
      return result
    }
    let word = words[at]
    at += 1
    if word.count == 2, word[0] == "-", at < words.count, let result = unary(word[1], words[at]) {
      at += 1
      return result
    }
    return !word.isEmpty
  }

  /// Nil if `operation` is none.
  private func compare(_ left: [UInt8], _ operation: [UInt8], _ right: [UInt8]) throws(Failure) -> Bool? {
    switch operation {
    case "=", "==": return left == right
    case "!=": return left != right
    case "<": return isLess(left, right)
    case ">": return isLess(right, left)
    case "-eq": return try number(left) == number(right)
    case "-ne": return try number(left) != number(right)
    case "-lt": return try number(left) < number(right)
    case "-le": return try number(left) <= number(right)
    case "-gt": return try number(left) > number(right)
    case "-ge": return try number(left) >= number(right)
    case "-nt", "-ot":
      let (a, b) = (attributes(left), attributes(right))
      let older = operation == "-ot"
      guard let a else { return older && b != nil }
      guard let b else { return !older }
      return older ? a.modified < b.modified : a.modified > b.modified
    case "-ef":
      guard let a = attributes(left), let b = attributes(right) else { return false }
      return a.isSame(as: b)
    default: return nil
    }
  }

  private func number(_ text: [UInt8]) throws(Failure) -> Int {
    var start = 0, end = text.count
    while start < end, text[start].isSpace { start += 1 }
    while end > start, text[end - 1].isSpace { end -= 1 }
    guard let number = integer(text.slice(start..<end)) else { throw Failure(message: [UInt8]("not a number: ") + text) }
    return number
  }

  private func attributes(_ path: [UInt8]) -> Attributes? {
    do throws(Errno) { return try stat(path) } catch { return nil }
  }

  private func isType(_ path: [UInt8], _ type: UInt32) -> Bool { attributes(path).map { $0.isType(type) } ?? false }

  private func may(_ path: [UInt8], _ mode: UInt64) -> Bool {
    do throws(Errno) { try access(path, mode); return true } catch { return false }
  }

  /// Nil if there is no such operator.
  private func unary(_ letter: UInt8, _ operand: [UInt8]) -> Bool? {
    switch letter {
    case "n": return !operand.isEmpty
    case "z": return operand.isEmpty
    case "e": return attributes(operand) != nil
    case "f": return isType(operand, VFS.Mode.regular)
    case "d": return isType(operand, VFS.Mode.directory)
    case "b": return isType(operand, VFS.Mode.block)
    case "c": return isType(operand, VFS.Mode.character)
    case "p": return isType(operand, VFS.Mode.fifo)
    case "h", "L":
      do throws(Errno) { return try linkStat(operand).isSymbolicLink } catch { return false }
    case "s": return (attributes(operand)?.size ?? 0) > 0
    case "r": return may(operand, AccessMode.read)
    case "w": return may(operand, AccessMode.write)
    case "x": return may(operand, AccessMode.execute)
    case "t": return POSIX.number(operand).map { isTerminal(Int(clamping: $0)) } ?? false
    default: return nil
    }
  }
}
