// What the programs do to files: they copy, move, link and remove them.

extension ToolCase {
  static let copying = [
    ToolCase(
      "cp f f2; cat f2",
      #"""
      abc
      xd
      bcd
      a
      """#),
    ToolCase(
      "cp f g d; ls d",
      #"""
      f
      g
      x
      y
      z
      """#),
    ToolCase(
      "cp -r d dd; ls -R dd",
      #"""
      dd:
      x
      y
      z

      dd/z:
      q
      """#),
    ToolCase("cp d dd; echo $?", "1"),
    ToolCase("cp nope x; echo $?", "1"),
    ToolCase("cp f g nodir; echo $?", "1"),
    ToolCase(
      "cp -r d/x d/xx; ls d",
      #"""
      x
      xx
      y
      z
      """#),
    ToolCase("cp f f; echo $?", "1"),
    ToolCase("cp -r l ll; readlink ll", "f"),
    ToolCase(
      "cp l ll; cat ll",
      #"""
      abc
      xd
      bcd
      a
      """#),
    ToolCase(
      "mv f ff; ls",
      #"""
      d
      e
      e1
      e2
      ff
      g
      l
      w
      """#),
    ToolCase(
      "mv f g; ls; cat g",
      #"""
      d
      e
      e1
      e2
      g
      l
      w
      abc
      xd
      bcd
      a
      """#),
    ToolCase(
      "mv f g d; ls d",
      #"""
      f
      g
      x
      y
      z
      """#),
    ToolCase("mv nope x; echo $?", "1"),
    ToolCase(
      "mv d dd; ls dd",
      #"""
      x
      y
      z
      """#),
    ToolCase(
      "mv f d/f; ls d",
      #"""
      f
      x
      y
      z
      """#),
    ToolCase(
      "cp -r e e9; ls -a e9",
      #"""
      .
      ..
      """#),
  ]

  static let removing = [
    ToolCase(
      "rm f; ls",
      #"""
      d
      e
      e1
      e2
      g
      l
      w
      """#),
    ToolCase("rm nope; echo $?", "1"),
    ToolCase("rm -f nope; echo $?", "0"),
    ToolCase("rm d; echo $?", "1"),
    ToolCase(
      "rm -r d; ls",
      #"""
      e
      e1
      e2
      f
      g
      l
      w
      """#),
    ToolCase(
      "rm -rf d nope f; ls",
      #"""
      e
      e1
      e2
      g
      l
      w
      """#),
    ToolCase(
      "rm -r l; cat f",
      #"""
      abc
      xd
      bcd
      a
      """#),
    ToolCase(
      "mkdir a b; ls",
      #"""
      a
      b
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
      "mkdir -p a/b/c a/b; ls -R a",
      #"""
      a:
      b

      a/b:
      c

      a/b/c:
      """#),
    ToolCase("mkdir d; echo $?", "1"),
    ToolCase("mkdir x/y; echo $?", "1"),
    ToolCase(
      "rmdir e; ls",
      #"""
      d
      e1
      e2
      f
      g
      l
      w
      """#),
    ToolCase("rmdir d; echo $?", "1"),
    ToolCase(
      "mkdir -p p/q/r; rmdir -p p/q/r; ls",
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
      "ln f h; ls -l h | wc -l; cat h",
      #"""
      1
      abc
      xd
      bcd
      a
      """#),
    ToolCase("ln -s f sl; readlink sl", "f"),
    ToolCase("ln -s nowhere dl; cat dl; echo $?", "1"),
    ToolCase("ln f g; echo $?", "1"),
    ToolCase(
      "ln -f f g; cat g",
      #"""
      abc
      xd
      bcd
      a
      """#),
    ToolCase("ln -s ../f d; readlink d/f", "../f"),
    ToolCase(
      "touch new; ls",
      #"""
      d
      e
      e1
      e2
      f
      g
      l
      new
      w
      """#),
    ToolCase(
      "touch -c no; ls",
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
      "rm -- f; ls",
      #"""
      d
      e
      e1
      e2
      g
      l
      w
      """#),
  ]
}
