// What the programs say of files: lists of folders; and `dd`, which counts in blocks.

extension ToolCase {
  static let listing = [
    ToolCase(
      "ls",
      #"""
      d
      e
      e1
      e2
      f
      g
      l
      w
      """#),
    ToolCase(
      "ls -a",
      #"""
      .
      ..
      d
      e
      e1
      e2
      f
      g
      l
      w
      """#),
    ToolCase(
      "ls -A",
      #"""
      d
      e
      e1
      e2
      f
      g
      l
      w
      """#),
    ToolCase(
      "ls -r",
      #"""
      w
      l
      g
      f
      e2
      e1
      e
      d
      """#),
    ToolCase("ls -d d", "d"),
    ToolCase(
      "ls d f",
      #"""
      f

      d:
      x
      y
      z
      """#),
    ToolCase(
      "ls -R",
      #"""
      .:
      d
      e
      e1
      e2
      f
      g
      l
      w

      ./d:
      x
      y
      z

      ./d/z:
      q

      ./e:
      """#),
    ToolCase("ls nope; echo $?", "2"),
    ToolCase(
      "ls nope f; echo $?",
      #"""
      f
      2
      """#),
    ToolCase(
      "ls -1 d",
      #"""
      x
      y
      z
      """#),
    ToolCase(
      "ls -S",
      #"""
      d
      e
      w
      g
      f
      e1
      e2
      l
      """#),
    ToolCase(
      "ls -F",
      #"""
      d/
      e/
      e1
      e2
      f
      g
      l@
      w
      """#),
    ToolCase("ls -- f", "f"),
  ]

  static let blocks = [
    ToolCase(
      "dd if=f of=o 2>/dev/null; cat o",
      #"""
      abc
      xd
      bcd
      a
      """#),
    ToolCase(
      "dd if=f bs=4 count=2 2>/dev/null",
      #"""
      abc
      xd
      b
      """#),
    ToolCase(
      "dd if=f bs=4 skip=1 count=2 2>/dev/null",
      #"""
      xd
      bcd
      a
      """#),
    ToolCase(
      "dd if=f of=o bs=3 seek=2 2>/dev/null; od -c o",
      #"""
      0000000  \0  \0  \0  \0  \0  \0   a   b   c  \n   x   d  \n   b   c   d
      0000020  \n   a  \n
      0000023
      """#),
    ToolCase(
      "dd if=g of=f bs=2 count=1 conv=notrunc 2>/dev/null; cat f",
      #"""
      onc
      xd
      bcd
      a
      """#),
    ToolCase(
      "dd if=f bs=1k 2>&1 >/dev/null | head -n 2",
      #"""
      0+1 records in
      0+1 records out
      """#),
    ToolCase(
      "dd if=f ibs=3 obs=7 2>&1 >/dev/null | head -n 2",
      #"""
      4+1 records in
      1+1 records out
      """#),
    ToolCase(
      "dd if=f bs=100 conv=sync 2>/dev/null | od -c | head -n 4",
      #"""
      0000000   a   b   c  \n   x   d  \n   b   c   d  \n   a  \n  \0  \0  \0
      0000020  \0  \0  \0  \0  \0  \0  \0  \0  \0  \0  \0  \0  \0  \0  \0  \0
      *
      0000140  \0  \0  \0  \0
      """#),
    ToolCase("dd if=nope; echo $?", "1"),
    ToolCase("dd bs=0; echo $?", "1"),
    ToolCase("dd foo=1 2>/dev/null; echo $?", "1"),
  ]
}
