import Testing

@testable import Shell

@Suite("Parser") struct ParserTests {
  /// A script as a line of text that shows its structure.
  static func show(_ list: List) -> String { list.items.map(show).joined(separator: "; ") }

  static func show(_ item: AndOr) -> String {
    item.rest.reduce(show(item.first)) { $0 + ($1.isAnd ? " && " : " || ") + show($1.pipeline) } + (item.background ? " &" : "")
  }

  static func show(_ pipeline: Pipeline) -> String { (pipeline.negated ? "! " : "") + pipeline.commands.map(show).joined(separator: " | ") }

  static func show(_ command: Command) -> String {
    let body =
      switch command.kind {
      case .simple(let simple): (simple.assignments.map { text($0.name) + "=" + show($0.value) } + simple.words.map(show)).joined(separator: " ")
      case .subshell(let list): "(" + show(list) + ")"
      case .group(let list): "{" + show(list) + "}"
      case .conditional(let branches, let otherwise):
        "if " + branches.map { show($0.condition) + " then " + show($0.body) }.joined(separator: " elif ") + (otherwise.map { " else " + show($0) } ?? "") + " fi"
      case .loop(let branch, let until): (until ? "until " : "while ") + show(branch.condition) + " do " + show(branch.body) + " done"
      case .forEach(let name, let words, let body):
        "for " + text(name) + (words.map { " in [" + $0.map(show).joined(separator: " ") + "]" } ?? "") + " do " + show(body) + " done"
      case .choose(let subject, let arms):
        "case " + show(subject) + arms.map { " " + $0.patterns.map(show).joined(separator: "|") + ")" + show($0.body) + ";;" }.joined() + " esac"
      case .function(let name, let command): text(name) + "() " + show(command)
      }
    return ([body] + command.redirections.map(show)).filter { !$0.isEmpty }.joined(separator: " ")
  }

  static func show(_ redirection: Redirection) -> String {
    let operation =
      switch redirection.operation {
      case .read: "<"
      case .write: ">"
      case .append: ">>"
      case .readWrite: "<>"
      case .duplicate: "&"
      case .hereDocument: "<<"
      }
    return "\(redirection.descriptor)\(operation)" + (redirection.hereDocument.map { "{" + show($0.body) + "}" } ?? show(redirection.target))
  }

  static func show(_ word: Word) -> String { word.parts.map(show).joined(separator: "+") }

  static func show(_ part: Part) -> String {
    func mark(_ text: String, _ quoted: Bool) -> String { quoted ? "\"" + text + "\"" : text }
    return switch part {
    case .text(let bytes, let quoted): mark(text(bytes), quoted)
    case .parameter(let parameter, let quoted):
      mark("$" + text(parameter.name) + (parameter.operation == .value ? "" : ".\(parameter.operation)" + (parameter.colon ? ":" : "") + "(" + show(parameter.argument) + ")"), quoted)
    case .command(let list, let quoted): mark("$(" + show(list) + ")", quoted)
    case .arithmetic(let word, let quoted): mark("$((" + show(word) + "))", quoted)
    }
  }

  @Test("structure", arguments: [
    ("a b c", "a b c"), ("a;b", "a; b"), ("a;", "a"), ("a&b", "a &; b"), ("a&", "a &"), ("a&&b||c", "a && b || c"), ("a|b|c", "a | b | c"), ("! a | b", "! a | b"),
    ("a && b; c | d &", "a && b; c | d &"), ("(a;b)", "(a; b)"), ("{ a;b;}", "{a; b}"), ("{ a\nb\n}", "{a; b}"), ("(a)|(b)", "(a) | (b)"),
    ("if a;then b;fi", "if a then b fi"), ("if a\nthen b\nelse c\nfi", "if a then b else c fi"), ("if a;then b;elif c;then d;else e;fi", "if a then b elif c then d else e fi"),
    ("while a;do b;done", "while a do b done"), ("until a\ndo\nb\ndone", "until a do b done"), ("for x in 1 2;do a;done", "for x in [1 2] do a done"), ("for x;do a;done", "for x do a done"),
    ("for x\ndo a;done", "for x do a done"), ("for x in\ndo a;done", "for x in [] do a done"), ("for x\nin 1\ndo a;done", "for x in [1] do a done"),
    ("case x in a)b;;esac", "case x a)b;; esac"), ("case x in (a|b)c;;*)d\nesac", "case x a|b)c;; *)d;; esac"), ("case x in esac", "case x esac"), ("case x\nin\na) ;;\nesac", "case x a);; esac"),
    ("f() { a; }", "f() {a}"), ("f ( )\n(a)", "f() (a)"), ("f() if a;then b;fi", "f() if a then b fi"),
    ("x=1", "x=1"), ("x=1 y= a", "x=1 y= a"), ("a x=1", "a x=1"), ("1x=2", "1x=2"), ("'x'=1", "\"x\"+=1"), ("x='a b'$y", "x=\"a b\"+$y"),
    ("a>f", "a 1>f"), ("a 2>f", "a 2>f"), ("a2>f", "a2 1>f"), ("a 2 >f", "a 2 1>f"), ("<f a b", "a b 0<f"), ("a >>f <>g 3<h", "a 1>>f 0<>g 3<h"), ("a 2>&1", "a 2&1"), ("a <&-", "a 0&-"), ("a >|f", "a 1>f"),
    (">f", "1>f"), ("(a)>f 2>g", "(a) 1>f 2>g"), ("if a;then b;fi <f", "if a then b fi 0<f"), ("f() { a; } >f", "f() {a} 1>f"),
    ("a <<E\nx $y\nE\nb", "a 0<<{\"x \"+\"$y\"+\"\n\"}; b"), ("a <<'E'\n$x\nE", "a 0<<{\"$x\n\"}"), ("a <<-E\n\tx\n\tE", "a 0<<{\"x\n\"}"), ("a <<E|b\nE", "a 0<<{} | b"),
    ("$x ${x}", "$x $x"), ("$xy${x}y", "$xy+$x+y"), ("$1$10", "$1+$1+0"), ("${10}", "$10"), ("${x-y}", "$x.useDefault(y)"), ("${x:=y}", "$x.assignDefault:(y)"), ("${x:?}", "$x.complain:()"),
    ("${x+'a b'}", "$x.alternative(\"a b\")"), ("${#x}", "$x.length()"), ("${x%y}${x%%y}${x#y}${x##y}", "$x.cutShortSuffix(y)+$x.cutLongSuffix(y)+$x.cutShortPrefix(y)+$x.cutLongPrefix(y)"),
    ("${#}", "$#"), ("${#-x}", "$#.useDefault(x)"), ("$$ $! $? $# $- $@ $*", "$$ $! $? $# $- $@ $*"), ("\"$x y\"", "\"$x\"+\" y\""), ("\"\"", "\"\""), ("a\"b\"'c'\\d", "a+\"b\"+\"c\"+\"d\""),
    ("$(a;b)", "$(a; b)"), ("`a`", "$(a)"), ("\"$(a \"b\")\"", "\"$(a \"b\")\""), ("$(a $(b))", "$(a $(b))"), ("`a \\`b\\``", "$(a $(b))"), ("$()", "$()"), ("$((1+(2)))", "$((\"1+(2)\"))"),
    ("$(case x in x) a;; esac)", "$(case x x)a;; esac)"), ("a # b\nc", "a; c"), ("a#b", "a#b"), ("#only", ""), ("\n\n a \n\n", "a"), ("echo if then", "echo if then"), ("a \\\nb", "a b"), ("'a\nb'", "\"a\nb\""),
    ("a &&\n\nb", "a && b"), ("a |\nb", "a | b"), ("in", "in"), ("a;b&c", "a; b &; c"), ("\"${x:-\"a b\"}\"", "\"$x.useDefault:(\"a b\")\""), ("\"${x-a}b}\"", "\"$x.useDefault(\"a\")\"+\"b}\""),
  ]) func structure(_ script: String, _ shown: String) throws {
    var parser = Parser(Array(script.utf8))
    #expect(Self.show(try parser.all()) == shown)
  }

  @Test("more lines may complete it", arguments: [
    "if a", "if a; then", "if a; then b", "while a; do", "for x in", "for x in a; do b", "case x in", "case x in a)", "case x in a) b", "(a", "{ a", "a |", "a &&", "a ||", "'a", "\"a", "$(a", "`a", "${x",
    "${x-a", "a <<E\nb", "a \\", "f()", "$((1", "\"$(a", "! (", "a <<E",
  ]) func incomplete(_ script: String) {
    var parser = Parser(Array(script.utf8))
    do {
      _ = try parser.all()
      Issue.record("parsed")
    } catch { #expect(error.incomplete) }
  }

  @Test("nothing can complete it", arguments: [
    "fi", "then a", "do", "done", "esac", "}", ")", "a )", "a;;", ";", "; a", "&", "& a", "&& a", "| a", "a | | b", "a ; ; b", "a && && b", "if a; fi", "if; then a; fi", "while a; done", "for 1 in a; do b; done",
    "case x a", "()", "(;)", "{ }", "a > ;", "a >\n", "a < &", "${x!}", "${}", "${x:y}", "${x:%y}", "if a; then b; else; fi", "a(b)", "f() ;", "$((1)", "for x in a b do c; done\ndone", "case x in a b) c;; esac", "a <<$(b)\n",
  ]) func wrong(_ script: String) {
    var parser = Parser(Array(script.utf8))
    do {
      _ = try parser.all()
      Issue.record("parsed")
    } catch { #expect(!error.incomplete || script == "$((1)") }
  }

  @Test("lines are counted") func lines() {
    var parser = Parser(Array("a\nb 'c\nd'\ncat <<E\nx\nE\n\nfi".utf8))
    do {
      while try parser.next() != nil {}
      Issue.record("parsed")
    } catch { #expect(error.line == 8) }
  }

  @Test("complete commands come one by one") func commands() throws {
    var parser = Parser(Array("a; b\nif c\nthen d\nfi\n\n# only a comment\ne &".utf8))
    var shown: [String] = []
    while let list = try parser.next() { shown.append(Self.show(list)) }
    #expect(shown == ["a; b", "if c then d fi", "e &"])
  }

  @Test("a job keeps its text") func jobText() throws {
    var parser = Parser(Array("sleep 1 | cat  & x=1 y 'z'; (a) && b <<E & c\nE\n".utf8))
    #expect(try parser.all().items.map { text($0.text) } == ["sleep 1 | cat", "x=1 y 'z'", "(a) && b <<E", "c"])
  }
}
