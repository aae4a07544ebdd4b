// Scripts and what they must print and return. The outputs are those of dash 0.5.12 on Debian 12, except where a comment says so.

extension Script {
  static let mistakes = [
    Script(
      "fi alone",
      "fi",
      "", status: 2),
    Script(
      "missing then",
      "if true; fi",
      "", status: 2),
    Script(
      "unbalanced parenthesis",
      "(echo a",
      "", status: 2),
    Script(
      "closing alone",
      "echo a; )",
      "", status: 2),
    Script(
      "double semicolon",
      "echo a;; echo b",
      "", status: 2),
    Script(
      "pipe at the start",
      "| cat",
      "", status: 2),
    Script(
      "and and at the start",
      "&& echo",
      "", status: 2),
    Script(
      "redirect without a name",
      "echo >",
      "", status: 2),
    Script(
      "unclosed quote",
      "echo 'a",
      "", status: 2),
    Script(
      "unclosed double quote",
      #"echo "a"#,
      "", status: 2),
    Script(
      "unclosed brace",
      "{ echo a",
      "", status: 2),
    Script(
      "for without a name",
      "for 1 in a; do :; done",
      "", status: 2),
    Script(
      "do missing",
      "while true; done",
      "", status: 2),
    Script(
      "empty then",
      "if true; then fi",
      "", status: 2),
    Script(
      "bad substitution",
      "echo ${x!y}",
      "", status: 2),
    Script(
      "case without esac",
      "case a in a) echo;;",
      "", status: 2),
    Script(
      "unclosed substitution",
      "echo $(echo a",
      "", status: 2),
    Script(
      "commands before the error run",
      #"""
      echo a
      echo b
      fi
      echo c
      """#,
      #"""
      a
      b
      """#, status: 2),
    Script(
      "function without a body",
      "f() echo",
      ""),
  ]
}
