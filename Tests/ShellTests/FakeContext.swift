@testable import Shell

/// A shell for expansions: variables and files are lists, $(...) gives what the test says.
final class FakeContext: ExpansionContext {
  var variables: [(name: String, value: String)]
  var parameters: [[UInt8]] = []
  var substitution = ""
  var substitutions = 0
  var folders: [String: [String]] = [:]
  var unsetIsError = false
  var noGlob = false

  init(_ variables: [(name: String, value: String)] = []) { self.variables = variables }

  func value(of name: [UInt8]) -> [UInt8]? { variables.last { Array($0.name.utf8) == name }.map { Array($0.value.utf8) } }
  func assign(_ name: [UInt8], _ value: [UInt8]) throws(ExpansionError) {
    if name == Array("locked".utf8) { throw ExpansionError(Array("locked: is read only".utf8)) }
    variables.append((text(name), text(value)))
  }
  func special(_ name: UInt8) -> [UInt8]? { name == UInt8(ascii: "?") ? [0x37] : name == UInt8(ascii: "0") ? Array("sh".utf8) : nil }
  func output(of list: List) throws(ExpansionError) -> [UInt8] {
    substitutions += 1
    return Array(substitution.utf8)
  }
  func names(in directory: [UInt8]) -> [[UInt8]] { (folders[text(directory)] ?? []).map { Array($0.utf8) } }
  func exists(_ path: [UInt8]) -> Bool {
    let path = text(path)
    if path.hasSuffix("/") { return folders[String(path.dropLast())] != nil }
    guard let slash = path.lastIndex(of: "/") else { return folders[""]?.contains(path) ?? false }
    return folders[String(path[..<slash])]?.contains(String(path[path.index(after: slash)...])) ?? false
  }
}

func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

/// The words of a simple command.
func words(_ script: String) throws -> [Word] {
  var parser = Parser(Array(script.utf8))
  guard let list = try parser.next(), case .simple(let command) = list.items[0].first.commands[0].kind else { return [] }
  return command.words
}

extension FakeContext {
  /// The fields of all words of `script`.
  func expand(_ script: String) throws -> [String] { try Expander(self).fields(try words(script)).map(text) }
}
