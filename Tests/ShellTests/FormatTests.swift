import Testing

@testable import Shell

@Suite("Text work of builtins") struct FormatTests {
  @Test("printf", arguments: [
    ("plain", [], "plain"), ("%s", ["a"], "a"), ("%s\\n", ["a", "b"], "a\nb\n"), ("%s %s|", ["1", "2", "3"], "1 2|3 |"), ("%5s|%-5s|", ["ab", "cd"], "   ab|cd   |"), ("%.2s", ["abc"], "ab"),
    ("%d", ["42"], "42"), ("%d", [], "0"), ("%5d|%-5d|%05d", ["1", "2", "3"], "    1|2    |00003"), ("%05d", ["-7"], "-0007"), ("%x", ["255"], "ff"), ("%o", ["8"], "10"), ("%c", ["xyz"], "x"),
    ("100%%", [], "100%"), ("\\101\\t\\\\", [], "A\t\\"), ("%b", ["a\\tb"], "a\tb"), ("\\q", [], "\\q"), ("%x", ["-1"], "ffffffffffffffff"), ("", ["a"], ""),
  ]) func printf(_ format: String, _ arguments: [String], _ expected: String) {
    let (result, good) = formatted(Array(format.utf8), arguments.map { Array($0.utf8) })
    #expect(text(result) == expected)
    #expect(good)
  }

  @Test("printf says what is no number or no conversion", arguments: [("%d", ["x"]), ("%q", ["a"]), ("%", []), ("%99999999999999d", ["x"])])
  func bad(_ format: String, _ arguments: [String]) {
    #expect(!formatted(Array(format.utf8), arguments.map { Array($0.utf8) }).good)
  }

  @Test("read: lines to variables", arguments: [
    ("a b c", 1, " ", ["a b c"]), ("a b c", 2, " ", ["a", "b c"]), ("a b c", 3, " ", ["a", "b", "c"]), ("a b c", 4, " ", ["a", "b", "c"]), ("  a  b  ", 1, " ", ["a  b"]), ("  a  b  ", 2, " ", ["a", "b"]), ("", 2, " ", []),
    ("a:b:c", 2, ":", ["a", "b:c"]), ("a:b:", 2, ":", ["a", "b"]), ("a::b", 3, ":", ["a", "", "b"]), (":a", 2, ":", ["", "a"]), ("a : b", 2, ": ", ["a", "b"]), ("a b", 1, "", ["a b"]),
  ]) func read(_ line: String, _ count: Int, _ separators: String, _ expected: [String]) {
    var field = Field()
    field.append(Array(line.utf8), quoted: false)
    #expect(fields(of: field, count: count, separators: Array(separators.utf8)).map(text) == expected)
  }

  @Test("test", arguments: [
    ([], false), ([""], false), (["x"], true), (["-n"], true), (["!"], true), (["!", ""], true), (["!", "x"], false), (["-z", ""], true), (["-n", ""], false), (["a", "=", "a"], true), (["a", "!=", "a"], false),
    (["(", "x", ")"], true), (["!", "a", "=", "b"], true), (["1", "-lt", "2"], true), (["2", "-eq", "02"], true), (["-1", "-gt", "-2"], true), (["a", "=", "a", "-a", "b", "=", "c"], false),
    (["a", "=", "a", "-o", "b", "=", "c"], true), (["!", "(", "a", "=", "b", ")"], true), (["-f", "=", "-f"], true), (["-n", "=", ""], false), (["a", "<", "b"], true),
  ]) func test(_ words: [String], _ expected: Bool) throws {
    var test = TestExpression(words.map { Array($0.utf8) })
    #expect(try test.evaluate() == expected)
  }

  @Test("test: mistakes", arguments: [["a", "-eq", "1"], ["(", "a"], ["a", "b"], ["a", "b", "c"], ["a", "=", "b", "c"], ["1", "-lt", ""]])
  func testMistake(_ words: [String]) {
    var test = TestExpression(words.map { Array($0.utf8) })
    #expect(throws: TestExpression.Failure.self) { try test.evaluate() }
  }
}
