import ProgramRun
import Testing

/// A script, what it must print (without the last newline) and its exit status.
struct Script: CustomTestStringConvertible, Sendable {
  var testDescription: String
  var script, output: String
  var status: Int

  init(_ name: String, _ script: String, _ output: String, status: Int = 0) {
    (testDescription, self.script, self.output, self.status) = (name, script, output, status)
  }
}

/// The shell as a whole, with real processes, pipes and files: on Linux, in the place of our servers.
@Suite("Shell scripts") struct ScriptTests {
  private func check(_ script: Script) throws {
    let run = try ProgramRun(script.script)
    #expect(run.text == script.output)
    #expect(run.status == script.status)
  }

  @Test("quoting", arguments: Script.quoting) func quoting(_ script: Script) throws { try check(script) }
  @Test("field splitting", arguments: Script.splitting) func splitting(_ script: Script) throws { try check(script) }
  @Test("pathnames", arguments: Script.globbing) func globbing(_ script: Script) throws { try check(script) }
  @Test("parameters", arguments: Script.parameters) func parameters(_ script: Script) throws { try check(script) }
  @Test("arithmetic", arguments: Script.arithmetic) func arithmetic(_ script: Script) throws { try check(script) }
  @Test("command substitution", arguments: Script.substitution) func substitution(_ script: Script) throws { try check(script) }
  @Test("lists", arguments: Script.lists) func lists(_ script: Script) throws { try check(script) }
  @Test("pipelines", arguments: Script.pipelines) func pipelines(_ script: Script) throws { try check(script) }
  @Test("redirections", arguments: Script.redirections) func redirections(_ script: Script) throws { try check(script) }
  @Test("background", arguments: Script.background) func background(_ script: Script) throws { try check(script) }
  @Test("compound commands", arguments: Script.compound) func compound(_ script: Script) throws { try check(script) }
  @Test("functions", arguments: Script.functions) func functions(_ script: Script) throws { try check(script) }
  @Test("builtins", arguments: Script.builtins) func builtins(_ script: Script) throws { try check(script) }
  @Test("mistakes in the syntax are status 2", arguments: Script.mistakes) func mistakes(_ script: Script) throws { try check(script) }

  @Test("messages name the shell, the line and what was found") func messages() throws {
    let run = try ProgramRun("echo a\nif true; fi", errorsToo: true)
    #expect(run.output.contains("sh: 2: syntax error: unexpected \"fi\""))
    #expect(try ProgramRun("nosuchcommand", errorsToo: true).text == "sh: nosuchcommand: not found")
    #expect(try ProgramRun("cat < /no/such", errorsToo: true).text == "sh: cannot open /no/such: No such file or directory")
    #expect(try ProgramRun("echo ${x?must be set}", errorsToo: true).text == "sh: x: must be set")
    #expect(try ProgramRun("sh -c 'kill -KILL $$'; echo $?", errorsToo: true).text == "Killed\n137")
  }

  @Test("sh FILE, sh -s and standard input: arguments, $0, and no reading ahead") func entries() throws {
    let files = ["script": "echo $0 $# $2\nexit 3\n", "input": "read x\nfirst\necho got $x $1\ncat\nrest\nof it\n"]
    let file = try ProgramRun("sh script a 'b c'", files: files)
    #expect(file.text == "script 2 b c")
    #expect(file.status == 3)
    #expect(try ProgramRun("sh -s arg < input", files: files).text == "got first arg\nrest\nof it")
    #expect(try ProgramRun("echo 'echo piped' | sh").text == "piped")
    #expect(try ProgramRun("sh -c 'echo $0 $1' name one").text == "name one")
    #expect(try ProgramRun("sh /no/such 2>/dev/null").status == 127)
    #expect(try ProgramRun("printf 'echo a\\nfi\\necho b\\n' | sh 2>/dev/null").text == "a")
  }

  @Test("deep nesting is an error, not a crash", arguments: ["(", "{ ", "$(", "if ", "! ( ", "${x:-", "\"$(", "$((", "\"${x-"])
  func nesting(_ opening: String) throws {
    let run = try ProgramRun(String(repeating: opening, count: 20_000) + "true", errorsToo: true)
    #expect(run.status == 2)
  }

  @Test("endless recursion of a function ends with an error") func recursion() throws {
    #expect(try ProgramRun("f() { f; }; f 2>/dev/null; echo no").status == 2)
    #expect(try ProgramRun("x='eval \"$x\"'; eval \"$x\" 2>/dev/null").status == 2)
    #expect(try ProgramRun("f() { echo $(($1 + 1)); }; f 9223372036854775807; echo $((- -9223372036854775807 - 2))").text == "-9223372036854775808\n9223372036854775805")
  }
}
