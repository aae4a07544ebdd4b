// What the programs do that look into files: `grep`, `cmp` and the check sums.

extension ToolCase {
  static let grep = [
    ToolCase(
      "grep a f",
      #"""
      abc
      a
      """#),
    ToolCase(
      "grep -v a f",
      #"""
      xd
      bcd
      """#),
    ToolCase(
      "grep -c a f g",
      #"""
      f:2
      g:1
      """#),
    ToolCase(
      "grep -i A f",
      #"""
      abc
      a
      """#),
    ToolCase(
      "grep -n b f g",
      #"""
      f:1:abc
      f:3:bcd
      g:3:b three a
      """#),
    ToolCase("grep -q a f; echo $?", "0"),
    ToolCase("grep -q zz f; echo $?", "1"),
    ToolCase("grep zz f; echo $?", "1"),
    ToolCase("grep a nope; echo $?", "2"),
    ToolCase(
      "grep -l a f g",
      #"""
      f
      g
      """#),
    ToolCase(
      "grep '^a' f",
      #"""
      abc
      a
      """#),
    ToolCase("grep 'a$' f", "a"),
    ToolCase("grep 'b.*d' f", "bcd"),
    ToolCase(
      "grep 'a*b' f",
      #"""
      abc
      bcd
      """#),
    ToolCase("grep '[a-c]d' f", "bcd"),
    ToolCase(
      "grep '[^a]$' f",
      #"""
      abc
      xd
      bcd
      """#),
    ToolCase("grep '^$' g", ""),
    ToolCase("grep -c '' f", "4"),
    ToolCase(
      #"grep 'a\+' f"#,
      #"""
      abc
      a
      """#),
    ToolCase(
      #"grep 'colou\?r' w"#,
      #"""
      colour
      color
      """#),
    ToolCase(
      "grep -E 'colou?r|grey' w",
      #"""
      colour
      color
      grey
      """#),
    ToolCase("grep -E '(ab)+c' w", "ababc"),
    ToolCase("grep -E '^(a|b)+$' w", "ab"),
    ToolCase(
      #"grep '\(ab\)*c' w"#,
      #"""
      colour
      color
      ababc
      """#),
    ToolCase(#"grep 'a\.b' w"#, "a.b"),
    ToolCase("grep '[]]' w", "a]b"),
    ToolCase("grep '[[:digit:]]' w", "5"),
    ToolCase("grep '[[:upper:]x]' w", "X"),
    ToolCase("grep -x ab w", "ab"),
    ToolCase("grep -F 'a.b' w", "a.b"),
    ToolCase("grep -F a.b w", "a.b"),
    ToolCase("grep -e a -c f", "2"),
    ToolCase(
      "grep -r deep d",
      #"""
      d/x:deep
      d/z/q:deep2
      """#),
    ToolCase(
      "grep -h a f g",
      #"""
      abc
      a
      b three a
      """#),
    ToolCase(
      "grep -H a f",
      #"""
      f:abc
      f:a
      """#),
    ToolCase("grep '*' w", "a*b"),
    ToolCase(
      "grep 'a**' f",
      #"""
      abc
      xd
      bcd
      a
      """#),
    ToolCase(
      "grep -E 'a|' f",
      #"""
      abc
      xd
      bcd
      a
      """#),
    ToolCase(#"grep '\*' w"#, "a*b"),
    ToolCase("grep -i '[A-C]D' f", "bcd"),
    ToolCase("grep -v -c a f", "2"),
    ToolCase("grep -s a nope; echo $?", "2"),
  ]

  static let comparing = [
    ToolCase(
      "sha256sum f g",
      #"""
      eabb0409fbe378b71e84c95b2d008909b380b9026113c3a02cb76638a804f3e6  f
      836527aee39409b4abc30626263c88a0d0b4f980820d5c8e3ef7e1dcf4ed2141  g
      """#),
    ToolCase("sha256sum < f", "eabb0409fbe378b71e84c95b2d008909b380b9026113c3a02cb76638a804f3e6  -"),
    ToolCase("sha256sum f > s; sha256sum -c s", "f: OK"),
    ToolCase(
      "sha256sum f > s; echo x >> f; sha256sum -c s; echo $?",
      #"""
      f: FAILED
      1
      """#),
    ToolCase("cmp f f; echo $?", "0"),
    ToolCase(
      "cmp f g; echo $?",
      #"""
      f g differ: char 1, line 1
      1
      """#),
    ToolCase("cmp -s f g; echo $?", "1"),
    ToolCase(
      "cmp -l e1 e2; echo $?",
      #"""
      3 143 130
      5 145 131
      1
      """#),
    ToolCase("cmp e1 /dev/null; echo $?", "1"),
  ]
}
