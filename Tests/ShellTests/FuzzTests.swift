import Testing

@testable import Shell

/// Any text is a script or an error: nothing traps, nothing hangs, and what is expanded comes to an end.
@Suite("Any text") struct FuzzTests {
  struct Generator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return state
    }
  }

  static let pieces = [
    "a", "b1", " ", " ", "\n", ";", "&", "|", "&&", "||", "(", ")", "{ ", " }", "<", ">", ">>", "<<E\n", "E\n", "<&", ">&1", "2>", "'", "\"", "\\", "`", "$", "${", "}", "$(", "$((", "))", "x=", "${x-", "${x%%", "${#",
    "#", "*", "?", "[", "]", "[a-z]", "!", "if ", "then ", "fi", "while ", "do ", "done", "for x in ", "case x in ", "esac", ";;", "f() ", "~", "$@", "\"$*\"", "$1", "-", ":", "=", "+", "1", "0x", "<<-'E'\n", "\t", "\0", "\u{FF}",
  ]

  @Test("pieces of scripts in any order", arguments: 1...40) func pieces(_ seed: UInt64) {
    var random = Generator(state: seed &* 0x9E37_79B9_7F4A_7C15)
    for _ in 0..<250 {
      var script = ""
      for _ in 0..<Int.random(in: 1...25, using: &random) { script += Self.pieces.randomElement(using: &random)! }
      run(Array(script.utf8))
    }
  }

  @Test("any bytes", arguments: 1...20) func bytes(_ seed: UInt64) {
    var random = Generator(state: seed &* 0x2545_F491_4F6C_DD1D)
    for _ in 0..<250 { run((0..<Int.random(in: 1...60, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }) }
  }

  /// Parses, and expands all words that are not inside of something.
  private func run(_ script: [UInt8]) {
    var parser = Parser(script)
    let context = FakeContext([("x", " a:b* "), ("b1", "5")])
    context.parameters = [[0x61], [], [0x62, 0x20]]
    context.folders = ["": ["a", "b"]]
    do {
      while let list = try parser.next() {
        for item in list.items {
          for command in item.first.commands {
            guard case .simple(let simple) = command.kind else { continue }
            _ = try? Expander(context).fields(simple.words)
            for assignment in simple.assignments { _ = try? Expander(context).text(assignment.value) }
          }
        }
      }
    } catch {}
  }
}
