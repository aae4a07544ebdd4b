import Testing

@testable import Shell

@Suite("Expansion") struct ExpanderTests {
  struct Case: CustomTestStringConvertible, Sendable {
    var script: String
    var fields: [String]
    var testDescription: String { script }
    init(_ script: String, _ fields: [String]) { (self.script, self.fields) = (script, fields) }
  }

  static let cases = [
    Case("a b", ["a", "b"]), Case("$x", ["one", "two"]), Case("\"$x\"", ["one two"]), Case("'$x'", ["$x"]), Case("\\$x", ["$x"]),
    Case("$none", []), Case("\"$none\"", [""]), Case("''", [""]), Case("a$none", ["a"]), Case("$none$none", []),
    Case("pre$x", ["preone", "two"]), Case("${x}post", ["one", "twopost"]), Case("$x$x", ["one", "twoone", "two"]), Case("\"a\"$x'b c'", ["aone", "twob c"]),
    Case("${none-d e}", ["d", "e"]), Case("\"${none-d e}\"", ["d e"]), Case("${none-'d e'}", ["d e"]), Case("${none-\"d e\"f g}", ["d ef", "g"]),
    Case("${empty-a}", []), Case("${empty:-a}", ["a"]), Case("${empty+a}", ["a"]), Case("${empty:+a}", []), Case("${x:+yes}", ["yes"]), Case("\"${none+a}\"", [""]),
    Case("${none=new} $none", ["new", "new"]), Case("${#x} ${#none} ${#empty}", ["7", "0", "0"]), Case("${#}", ["2"]), Case("$#", ["2"]),
    Case("$1 $2 $3", ["p", "q", "r"]), Case("\"$2\"", ["q r"]), Case("\"$@\"", ["p", "q r"]), Case("$@", ["p", "q", "r"]), Case("\"$*\"", ["p q r"]), Case("$*", ["p", "q", "r"]),
    Case("\"a$@b\"", ["ap", "q rb"]), Case("\"$@$@\"", ["p", "q rp", "q r"]), Case("x\"$@\"", ["xp", "q r"]), Case("${#@}", ["2"]), Case("$0", ["sh"]), Case("$?", ["7"]),
    Case("${path%/*}", ["/usr/lib"]), Case("${path%%/*}", []), Case("\"${path%%/*}\"", [""]), Case("${path#*/}", ["usr/lib/x.y.z"]), Case("${path##*/}", ["x.y.z"]),
    Case("${path%.*}", ["/usr/lib/x.y"]), Case("${path%%.*}", ["/usr/lib/x"]), Case("${path%.none}", ["/usr/lib/x.y.z"]), Case("${stars#'*'}", ["*"]), Case("${stars#*}", ["**"]),
    Case("${stars##*}", []), Case("\"${path#\"/usr\"}\"", ["/lib/x.y.z"]), Case("$((1 + 2))", ["3"]), Case("\"$((n * 2))\"", ["42"]), Case("$((n = 5))$n", ["55"]),
    Case("~", ["/h o"]), Case("~/x", ["/h o/x"]), Case("a~", ["a~"]), Case("'~'", ["~"]), Case("~user", ["~user"]), Case("$", ["$"]), Case("\"$\"", ["$"]), Case("$%", ["$%"]),
    Case("a\\\nb", ["ab"]), Case("\"a\\\nb\"", ["ab"]), Case("\"\\a\\\"\\$\"", ["\\a\"$"]), Case("\"${none:-\"in ner\"}\"", ["in ner"]), Case("${none:-${none:-${n}}}", ["21"]),
    Case("${x:-`never`}", ["one", "two"]), Case("${ifs}", ["a:b"]),
  ]

  func context() -> FakeContext {
    let context = FakeContext([
      ("x", "one two"), ("empty", ""), ("path", "/usr/lib/x.y.z"), ("stars", "**"), ("n", "21"), ("HOME", "/h o"), ("ifs", "a:b"),
    ])
    context.parameters = [Array("p".utf8), Array("q r".utf8)]
    context.noGlob = true
    return context
  }

  @Test("words to fields", arguments: cases) func fields(_ the: Case) throws {
    #expect(try context().expand(the.script) == the.fields)
  }

  struct Splitting: CustomTestStringConvertible, Sendable {
    var separators, value: String
    var fields: [String]
    var testDescription: String { "[\(separators)] \(value)" }
    init(_ separators: String, _ value: String, _ fields: [String]) { (self.separators, self.value, self.fields) = (separators, value, fields) }
  }

  static let splittings = [
    Splitting(" \t\n", "  a \t b\n", ["a", "b"]), Splitting(" ", "", []), Splitting(" ", "   ", []), Splitting(":", "a:b", ["a", "b"]), Splitting(":", ":", [""]),
    Splitting(":", "::", ["", ""]), Splitting(":", "a::b", ["a", "", "b"]), Splitting(":", "a:", ["a"]), Splitting(":", ":a", ["", "a"]), Splitting(": ", " a : b ", ["a", "b"]),
    Splitting(": ", "a : : b", ["a", "", "b"]), Splitting(": ", " : a", ["", "a"]), Splitting(":", "a b", ["a b"]), Splitting("", "a b", ["a b"]), Splitting("ab", "xaybz", ["x", "y", "z"]),
    Splitting(":,", "a,b:c", ["a", "b", "c"]), Splitting(": ", "a  b", ["a", "b"]), Splitting(": ", "a: :b", ["a", "", "b"]),
  ]

  @Test("field splitting by IFS", arguments: splittings) func splitting(_ the: Splitting) throws {
    let context = FakeContext([("IFS", the.separators), ("v", the.value)])
    #expect(try context.expand("$v") == the.fields)
    #expect(try context.expand("\"$v\"") == [the.value])
  }

  @Test("a substitution loses its last newlines, is split unquoted, and runs once") func substitution() throws {
    let context = FakeContext()
    context.substitution = "a b\nc\n\n"
    #expect(try context.expand("x$(cmd)y") == ["xa", "b", "cy"])
    #expect(try context.expand("\"$(cmd)\"") == ["a b\nc"])
    #expect(try context.expand("`cmd`") == ["a", "b", "c"])
    #expect(context.substitutions == 3)
  }

  @Test("only the side of an alternative that counts is expanded") func lazy() throws {
    let context = FakeContext([("x", "1")])
    _ = try context.expand("${x:-$(cmd)} ${none:+$(cmd)} ${x=$(cmd)}")
    #expect(context.substitutions == 0)
  }

  @Test("errors of expansion", arguments: [
    ("${none?}", "none: parameter not set"), ("${none:?gone away}", "none: gone away"), ("${1=x}", "1: cannot assign"), ("$((1 / 0))", "division by zero"),
    ("$((1 +))", "arithmetic expression: \"1 +\""), ("${locked=1}", "locked: is read only"), ("$((text))", "not a number: abc"),
  ]) func errors(_ script: String, _ message: String) throws {
    let context = FakeContext([("text", "abc")])
    let list = try words(script)
    #expect(throws: ExpansionError(Array(message.utf8))) { try Expander(context).fields(list) }
  }

  @Test("set -u: a variable that is not set is an error, but not with a default") func unsetIsError() throws {
    let context = FakeContext([("empty", "")])
    context.unsetIsError = true
    #expect(throws: ExpansionError.self) { try context.expand("$none") }
    #expect(throws: ExpansionError.self) { try context.expand("${#none}") }
    #expect(throws: ExpansionError.self) { try context.expand("${none%x}") }
    #expect(try context.expand("${none-d} $empty \"$@\"") == ["d"])
  }

  static let pathnames = [
    Case("*", ["Dir", "a", "a.c", "b.c"]), Case("*.c", ["a.c", "b.c"]), Case(".*", [".hid"]), Case("?", ["a"]), Case("[ab].c", ["a.c", "b.c"]), Case("[!a].c", ["b.c"]),
    Case("'*'", ["*"]), Case("\\*", ["*"]), Case("\"*\".c", ["*.c"]), Case("*.none", ["*.none"]), Case("Dir/*", ["Dir/x", "Dir/y"]), Case("*/x", ["Dir/x"]), Case("./?", ["./a"]),
    Case("*'.c'", ["a.c", "b.c"]), Case("[", ["["]), Case("$star", ["Dir", "a", "a.c", "b.c"]), Case("\"$star\"", ["*"]), Case("*/", ["Dir/"]), Case("/*", ["/bin"]),
    Case("D*/[xy]", ["Dir/x", "Dir/y"]), Case("*/none", ["*/none"]),
  ]

  @Test("pathnames", arguments: pathnames) func pathname(_ the: Case) throws {
    let context = FakeContext([("star", "*")])
    context.folders = ["": ["b.c", "a", ".hid", "a.c", "Dir"], ".": ["b.c", "a", ".hid", "a.c", "Dir"], "Dir": ["y", "x"], "/": ["bin"]]
    #expect(try context.expand(the.script) == the.fields)
    context.noGlob = true
    #expect(try context.expand("*") == ["*"])
  }
}
