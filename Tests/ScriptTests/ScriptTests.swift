import Testing
@testable import Script

private func parse(_ text: String) throws(ScriptError) -> [Statement] { try parseScript(Array(text.utf8)) }

@Suite("Scripts as text and from seeds") struct ScriptTests {
  @Test("a statement a line, registers, numbers, flags, comments")
  func statements() throws {
    let script = try parse("""
      # a comment
      open f3 7 create exclusive   # another
      write f3 100 5
      open f1 /dev/ram0 read; close f1
      rename 1 2/3
      map m2 4 shared
      inject disk hang
      exit 9
      """)
    #expect(script == [
      Statement(.open, a: 3, flags: OpenBits.create | OpenBits.exclusive, x: 7),
      Statement(.write, a: 3, x: 5, y: 100),
      Statement(.open, a: 1, flags: OpenBits.readOnly, x: ScriptPath.device(3)),
      Statement(.close, a: 1),
      Statement(.rename, x: 1, y: UInt64(ScriptPath.file(3, in: 2))),
      Statement(.map, a: 2, flags: 1, y: 4),
      Statement(.inject, x: 8, y: 2),
      Statement(.exit, y: 9),
    ])
  }

  @Test("fork and exec name places, before or after they are made")
  func places() throws {
    let script = try parse("fork c1 child\nexit\n:child\nexec again\n:again\nexit 2\n")
    #expect(script.map(\.x) == [2, 0, 3, 0])
  }

  @Test("what is wrong is said with its line", arguments: [
    ("exit 1\nfly", 2, "no such statement"), ("open x1 2", 1, "a register is wanted"), ("fork c0 nowhere", 1, "no such place"),
    ("write f1", 1, "a word is missing"), ("kill nobody", 1, "no such service"), ("exit 1 2", 1, "too many words"), ("touch m9 1", 1, "a register is wanted"),
  ])
  func mistakes(_ text: String, _ line: Int, _ reason: String) {
    do {
      _ = try parse(text)
      Issue.record("'\(text)' was accepted")
    } catch {
      #expect(error.line == line)
      #expect("\(error.reason)" == reason)
    }
  }

  @Test("the same seed gives the same script, another one another; all end, and every jump goes into the script")
  func generator() {
    var seen: Set<[UInt64]> = []
    for seed in 0..<300 as Range<UInt64> {
      let script = Generator.script(seed: seed)
      #expect(script == Generator.script(seed: seed), "seed \(seed)")
      #expect(script.count <= Play.statementLimit, "seed \(seed)")
      #expect(script.last?.operation == Operation.exit.rawValue)
      for statement in script where statement.operation == Operation.fork.rawValue || statement.operation == Operation.exec.rawValue {
        #expect(statement.x > 0 && Int(statement.x) < script.count, "seed \(seed)")
      }
      seen.insert(script.map { UInt64($0.operation) << 56 ^ UInt64($0.x) << 16 ^ $0.y })
    }
    #expect(seen.count == 300)
  }

  @Test("over many seeds every kind of statement occurs, but those that harm services")
  func coverage() {
    var seen: Set<UInt8> = []
    for seed in 0..<300 as Range<UInt64> { for statement in Generator.script(seed: seed) { seen.insert(statement.operation) } }
    let harm: Set<UInt8> = Set([Operation.kill, .inject, .recover, .up, .down, .ping, .sync].map(\.rawValue))
    #expect(seen == Set(Operation.allCases.map(\.rawValue)).subtracting(harm))
  }
}

@Suite("Histories") struct HistoryTests {
  /// A line with its check, as the player writes it.
  private func line(_ text: String) -> String {
    var digest = Digest()
    for byte in text.utf8 { digest.add(byte) }
    var check = LineText()
    check.append(hex: digest.short & 0xFFFF, digits: 4)
    return "@\(text) ~" + String(decoding: (0..<4).map { check.bytes[$0] }, as: UTF8.self)
  }

  private func text(_ terminal: String) -> String { String(decoding: History(terminal: Array(terminal.utf8)).text, as: UTF8.self) }

  @Test("lines are sorted by process and number, whatever came first")
  func order() {
    let terminal = [line("0.10 0 exit 1"), "noise", line("0 1 exit 0"), line("0.2 0 a"), line("0 0 fork 0"), line("0.2.0 0 b")].joined(separator: "\r\n")
    #expect(text(terminal) == "0 0 fork 0\n0 1 exit 0\n0.2 0 a\n0.2.0 0 b\n0.10 0 exit 1\n")
  }

  @Test("a line that was torn and written again counts once; half a line does not count")
  func torn() {
    let whole = line("0 3 write 100")
    let terminal = "\(line("0 2 open 0"))\n\(whole.prefix(7))\(whole)\n\(whole)\n\(line("0 4 exit 0").dropLast(2))"
    #expect(text(terminal) == "0 2 open 0\n0 3 write 100\n")
  }

  @Test("the same number with two results is a contradiction")
  func contradiction() {
    let history = History(terminal: Array("\(line("0 1 read 5"))\n\(line("0 1 read 6"))\n".utf8))
    #expect(history.contradictions == 1)
  }
}
