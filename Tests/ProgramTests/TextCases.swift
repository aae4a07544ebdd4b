// What the programs do that show text, `cat`, `head` and `wc`, and the small ones. Where and against what: `ToolTests.swift`.

extension ToolCase {
  static let text = [
    ToolCase(
      "cat f g",
      #"""
      abc
      xd
      bcd
      a
      one two

      b three a
      """#),
    ToolCase(
      "cat -n f",
      #"""
           1\#tabc
           2\#txd
           3\#tbcd
           4\#ta
      """#),
    ToolCase(
      "cat -n f g",
      #"""
           1\#tabc
           2\#txd
           3\#tbcd
           4\#ta
           5\#tone two
           6\#t
           7\#tb three a
      """#),
    ToolCase(
      "cat < f",
      #"""
      abc
      xd
      bcd
      a
      """#),
    ToolCase("cat nope; echo $?", "1"),
    ToolCase(
      "cat f - < g",
      #"""
      abc
      xd
      bcd
      a
      one two

      b three a
      """#),
    ToolCase("env echo -n a b", "a b"),
    ToolCase("env echo", ""),
    ToolCase(
      "head f",
      #"""
      abc
      xd
      bcd
      a
      """#),
    ToolCase(
      "head -n 2 f",
      #"""
      abc
      xd
      """#),
    ToolCase(
      "head -2 f",
      #"""
      abc
      xd
      """#),
    ToolCase(
      "head -c 5 f",
      #"""
      abc
      x
      """#),
    ToolCase(
      "head -n 1 f g",
      #"""
      ==> f <==
      abc

      ==> g <==
      one two
      """#),
    ToolCase("head -n 0 f", ""),
    ToolCase("head nope; echo $?", "1"),
    ToolCase("wc f", " 4  4 13 f"),
    ToolCase(
      "wc f g",
      #"""
       4  4 13 f
       3  5 19 g
       7  9 32 total
      """#),
    ToolCase("wc -l f", "4 f"),
    ToolCase("wc -l < f", "4"),
    ToolCase("wc -w g", "5 g"),
    ToolCase(
      "wc -lc f g",
      #"""
       4 13 f
       3 19 g
       7 32 total
      """#),
    ToolCase("wc < /dev/null", "0 0 0"),
    ToolCase(
      "wc nope f; echo $?",
      #"""
       4  4 13 f
       4  4 13 total
      1
      """#),
    ToolCase(
      "cat f | dd bs=3 skip=2 2>/dev/null",
      #"""

      bcd
      a
      """#),
    ToolCase(
      "cat -- f",
      #"""
      abc
      xd
      bcd
      a
      """#),
  ]

  static let small = [
    ToolCase("rm; echo $?", "1"),
    ToolCase("sleep 0.01; echo $?", "0"),
    ToolCase("sleep x 2>/dev/null; echo $?", "1"),
    ToolCase("env true; echo $?", "0"),
    ToolCase("env false; echo $?", "1"),
    ToolCase("env -i A=1 sh -c 'echo $A'", "1"),
    ToolCase("env X=5 sh -c 'echo $X'", "5"),
    ToolCase("env nosuch; echo $?", "127"),
    ToolCase("env kill -l >/dev/null; echo $?", "0"),
    ToolCase("env kill 999999; echo $?", "1"),
    ToolCase("env kill -FOO 1; echo $?", "1"),
    ToolCase("uname", "Apus"),
  ]
}
