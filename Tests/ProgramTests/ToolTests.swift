import ProgramRun
import Testing

/// A command line of programs of /bin, what it must print (without the last newline) and its exit status.
struct ToolCase: CustomTestStringConvertible, Sendable {
  var command, output: String
  var status: Int
  var testDescription: String { command }

  init(_ command: String, _ output: String, status: Int = 0) { (self.command, self.output, self.status) = (command, output, status) }

  /// What the folder has in which they run, beside an empty folder e and the link l to f. The outputs in `TextCases.swift` and its neighbours are
  /// those of GNU coreutils, grep and diffutils on Debian 12, except for `uname` and the width of `wc` of nothing.
  static let files = [
    "f": "abc\nxd\nbcd\na\n", "g": "one two\n\nb three a\n", "w": "colour\ncolor\ngrey\nababc\nab\na.b\na]b\n5\nX\na*b\n", "d/x": "deep\n", "d/y": "x\n", "d/z/q": "deep2\n", "e1": "abcde", "e2": "abXdY",
  ]
}

/// The programs as a whole, on Linux in the servers' place.
@Suite("Programs") struct ToolTests {
  private func check(_ the: ToolCase) throws {
    let run = try ProgramRun("mkdir e; ln -s f l; " + the.command, tools: true, files: ToolCase.files)
    #expect(run.text == the.output)
    #expect(run.status == the.status)
  }

  @Test("reading text", arguments: ToolCase.text) func text(_ the: ToolCase) throws { try check(the) }
  @Test("grep", arguments: ToolCase.grep) func grep(_ the: ToolCase) throws { try check(the) }
  @Test("comparing", arguments: ToolCase.comparing) func comparing(_ the: ToolCase) throws { try check(the) }
  @Test("copying and moving", arguments: ToolCase.copying) func copying(_ the: ToolCase) throws { try check(the) }
  @Test("names", arguments: ToolCase.removing) func removing(_ the: ToolCase) throws { try check(the) }
  @Test("listing", arguments: ToolCase.listing) func listing(_ the: ToolCase) throws { try check(the) }
  @Test("dd", arguments: ToolCase.blocks) func blocks(_ the: ToolCase) throws { try check(the) }
  @Test("small programs", arguments: ToolCase.small) func small(_ the: ToolCase) throws { try check(the) }

  @Test("messages: name, what, strerror's words", arguments: [
    ("cat nope", "cat: nope: No such file or directory"), ("rm d", "rm: d: Is a directory"), ("mkdir d", "mkdir: d: File exists"), ("rmdir d", "rmdir: d: Directory not empty"),
    ("cp nope x", "cp: nope: No such file or directory"), ("cp f f", "cp: f: is the same file as f"), ("cp f g nope", "cp: nope: No such file or directory"), ("ln f g", "ln: g: File exists"),
    ("grep '[' f", "grep: [: not a regular expression"), ("sleep x", "sleep: invalid time interval"), ("dd bs=0", "dd: bs=0: not understood"), ("env kill x", "kill: x: not a process id"),
    ("head -n x f", "head: not a number of lines or bytes"), ("ps", "ps: Function not implemented"), ("service status", "service: Service is dead"), ("wc -x", "wc: invalid option -- 'x'\nusage: wc [-lwc] [file...]\nCounts lines, words and bytes."),
    ("cmp e1 /dev/null", "cmp: EOF on /dev/null after byte 0"), ("head -n", "head: option requires an argument -- 'n'\nusage: head [-n lines | -c bytes] [file...]\nWrites the first lines or bytes of files."),
  ]) func messages(_ command: String, _ message: String) throws {
    let run = try ProgramRun(command, tools: true, files: ToolCase.files, errorsToo: true)
    #expect(run.text.hasSuffix(message))
    #expect(run.status != 0)
  }

  @Test("every program tells its usage by --help", arguments: ["cat", "cmp", "cp", "dd", "free", "grep", "head", "kill", "ln", "ls", "mkdir", "mv", "ps", "rm", "rmdir", "service", "sha256sum", "sleep", "stat", "touch", "uname", "vmmap", "wc", "sh"])
  func help(_ name: String) throws {
    let run = try ProgramRun("env \(name) --help", tools: true)
    #expect(run.output.hasPrefix("usage: \(name) "))
    #expect(run.status == 0)
  }

  @Test("a file larger than all buffers goes through cp, cat, dd, sha256sum and cmp") func large() throws {
    let run = try ProgramRun(
      """
      i=0; while [ $i -lt 20 ]; do echo "line $i of a file that is doubled often enough to be large"; i=$((i+1)); done > a
      for i in 1 2 3 4 5 6 7 8; do cat a a > b; mv b a; done
      cp a b; cat a | cat > c; dd if=a of=d bs=1000 2>/dev/null; cmp a b && cmp a c && cmp a d && wc -c < a
      sha256sum a > s; /usr/bin/sha256sum a | cmp - s && echo same digest
      """, tools: true)
    #expect(run.text == "288256\nsame digest" || run.text.hasSuffix("same digest"))
    #expect(run.status == 0)
  }

  @Test("ls -l in columns, without the dates") func long() throws {
    let run = try ProgramRun("chmod 644 f; chmod 755 d; ls -ld f d l | /usr/bin/sed 's/....-..-.. ..:../DATE/; s/^\\(d[^ ]*\\) [0-9]* *[0-9]* /\\1 N SIZE /'", tools: true, files: ToolCase.files)
    #expect(run.output.contains("d N SIZE DATE d") || run.output.contains("drwxr-xr-x N SIZE DATE d\n"))
    #expect(run.output.contains("-rw-r--r-- 1"))
  }
}
