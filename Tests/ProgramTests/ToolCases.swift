// What the programs do with files: in a folder with f, g, w, e1, e2, d/x, d/y, d/z/q, an empty e and the link l to f. The outputs are
// those of GNU coreutils, grep and diffutils on Debian 12, except for `uname` and the width of `wc` of nothing.

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
