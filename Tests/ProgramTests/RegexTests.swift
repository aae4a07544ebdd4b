import Testing

@testable import Programs

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

@Suite("Regular expressions") struct RegexTests {
  /// Whether the line matches; asked twice, since the expression keeps its memory between lines.
  private func matches(_ pattern: String, _ line: [UInt8], extended: Bool = false, ignoreCase: Bool = false) throws -> Bool {
    var regex = try Regex(bytes(pattern), extended: extended, ignoreCase: ignoreCase)
    let first = regex.matches(line)
    return regex.matches(line) && first
  }

  @Test("basic", arguments: [
    ("abc", "xabcy", true), ("abc", "ab", false), ("", "", true), ("", "x", true), ("a.c", "abc", true), ("a.c", "ac", false), ("^a", "ab", true), ("^a", "ba", false), ("a$", "ba", true), ("a$", "ab", false),
    ("^$", "", true), ("^$", "x", false), ("a*", "", true), ("ba*b", "bb", true), ("ba*b", "baaab", true), ("ba*b", "bab", true), ("b.*b", "b...b", true), ("a\\+", "aa", true), ("ba\\+b", "bb", false),
    ("ba\\?b", "bb", true), ("ba\\?b", "baab", false), ("[abc]", "xbx", true), ("[a-c]", "d", false), ("[^a-c]", "d", true), ("[^a-c]", "abc", false), ("[]]", "]", true), ("[^]]", "]", false), ("[a-]", "-", true),
    ("[[:digit:]]\\+", "a42", true), ("a\\.c", "abc", false), ("a\\.c", "a.c", true), ("\\*", "*", true), ("*a", "*a", true), ("*a", "a", false), ("^*a", "*a", true), ("a^b", "a^b", true), ("a$b", "a$b", true),
    ("\\(ab\\)*c", "ababc", true), ("x\\(ab\\)*c", "xabac", false), ("\\(a\\|b\\)c", "bc", true), ("a\\|b", "b", true), ("a+b", "a+b", true), ("a+b", "aab", false), ("a?", "a?", true), ("(a)", "(a)", true), ("a|b", "a|b", true),
    ("a{2}", "a{2}", true), ("a**", "b", true), ("\\(^a\\)", "ab", true), ("\\(^a\\)", "ba", false), ("a\\$", "a$", true),
  ]) func basic(_ pattern: String, _ line: String, _ expected: Bool) throws {
    #expect(try matches(pattern, bytes(line)) == expected)
  }

  @Test("extended", arguments: [
    ("a+", "aa", true), ("ba+b", "bb", false), ("ba?b", "bb", true), ("(ab)+c", "ababc", true), ("(ab)+c", "c", false), ("a|b", "b", true), ("^(a|b)+$", "abba", true), ("^(a|b)+$", "abca", false), ("(a|b|)c", "c", true),
    ("a|", "x", true), ("((a)|(b))*", "abab", true), ("\\(a\\)", "(a)", true), ("a\\|b", "a|b", true), ("^a|b$", "xb", true), ("x*", "y", true), ("(a*)*b", "aab", true), ("(a*)+b", "b", true), ("[+*?]+", "+?*", true),
  ]) func extended(_ pattern: String, _ line: String, _ expected: Bool) throws {
    #expect(try matches(pattern, bytes(line), extended: true) == expected)
  }

  @Test("without regard to case", arguments: [("[a-c]D*E", "Bdde", true), ("[a-c]D*E", "bE", true), ("[a-c]D*E", "xe", false), ("x", "X", true)])
  func ignoreCase(_ pattern: String, _ line: String, _ expected: Bool) throws {
    #expect(try matches(pattern, bytes(line), ignoreCase: true) == expected)
  }

  @Test("what is none", arguments: [("[", false), ("[a", false), ("[z-a]", false), ("[[:alpha", false), ("\\(a", false), ("a\\)", false), ("\\", false), ("(a", true), ("a)", true), ("+", true), ("*", true), ("?a", true), ("(*a)", true)])
  func mistakes(_ pattern: String, _ extended: Bool) { #expect(throws: Regex.Failure.self) { try Regex(bytes(pattern), extended: extended) } }

  @Test("no pattern takes exponential time or unbounded depth") func time() throws {
    let line = [UInt8](repeating: 0x61, count: 2000)
    #expect(try !matches(String(repeating: "a*", count: 30) + "b", line))
    #expect(try !matches("((((a*)*)*)*)*b", line, extended: true))
    #expect(throws: Regex.Failure.tooLong) { try Regex(bytes(String(repeating: "(", count: 1000)), extended: true) }
    #expect(throws: Regex.Failure.tooLong) { try Regex([UInt8](repeating: 0x61, count: 5000)) }
  }

  @Test("any bytes are a pattern or an error", arguments: 1...20) func anyBytes(_ seed: UInt64) {
    var state = seed &* 0x9E37_79B9_7F4A_7C15
    func random(_ bound: Int) -> Int {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return Int(state >> 33) % bound
    }
    let pieces = ["a", "b", "*", "\\+", "\\?", "\\(", "\\)", "\\|", "[", "]", "^", "$", ".", "-", "[:alpha:]", "(", ")", "|", "+", "?", "\\", "\0", "\u{FF}"]
    for _ in 0..<300 {
      let pattern = bytes((0..<random(12)).map { _ in pieces[random(pieces.count)] }.joined())
      for extended in [false, true] {
        guard var regex = try? Regex(pattern, extended: extended, ignoreCase: random(2) == 0) else { continue }
        _ = regex.matches(bytes("abab-AB.[]"))
        _ = regex.matches([])
      }
    }
  }
}
