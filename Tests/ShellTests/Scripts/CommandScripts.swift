// Scripts and what they must print and return. The outputs are those of dash 0.5.12 on Debian 12, except where a comment says so.

extension Script {
  static let lists = [
    Script(
      "and or",
      "true && echo a || echo b; false && echo a || echo b; false || true && echo c",
      #"""
      a
      b
      c
      """#),
    Script(
      "chain skips",
      "false && echo a && echo b || echo c; true || echo d || echo e; echo $?",
      #"""
      c
      0
      """#),
    Script(
      "not",
      "! true; echo $?; ! false; echo $?; ! false && echo x",
      #"""
      1
      0
      x
      """#),
    Script(
      "semicolons and newlines",
      #"""
      echo a; echo b


      echo c;

      """#,
      #"""
      a
      b
      c
      """#),
    Script(
      "and at the end of a line",
      #"""
      true &&
      echo a
      false ||

      echo b
      """#,
      #"""
      a
      b
      """#),
    Script(
      "pipe at the end of a line",
      #"""
      echo a |
      cat
      """#,
      "a"),
    Script(
      "groups",
      "{ echo a; echo b; } | wc -l | tr -d ' '; (echo c; echo d) | wc -l | tr -d ' '",
      #"""
      2
      2
      """#),
    Script(
      "subshell keeps its variables",
      "x=1; (x=2; echo $x); echo $x; { x=3; }; echo $x",
      #"""
      2
      1
      3
      """#),
    Script(
      "exit in a subshell",
      "(exit 4); echo $?; (echo a; exit 5; echo b); echo $?",
      #"""
      4
      a
      5
      """#),
    Script(
      "exit status of a pipeline is the last's",
      "false | true; echo $?; true | false; echo $?",
      #"""
      0
      1
      """#),
    Script(
      "subshell directory",
      "cd /; (cd /tmp; pwd); pwd",
      #"""
      /tmp
      /
      """#),
  ]

  static let pipelines = [
    Script(
      "three",
      #"printf 'c\na\nb\n' | sort | head -n 1"#,
      "a"),
    Script(
      "builtins in pipes",
      #"echo hello | { read x; echo "got $x"; }"#,
      "got hello"),
    Script(
      "while reads a pipe",
      #"printf 'a b\nc d\n' | while read x y; do echo $y $x; done"#,
      #"""
      b a
      d c
      """#),
    Script(
      "left side is ended by the right",
      "yes | head -n 3",
      #"""
      y
      y
      y
      """#),
    Script(
      "errors do not go through",
      "{ echo out; echo err >&2; } 2>/dev/null | cat",
      "out"),
    Script(
      "functions in pipes",
      "f() { cat -; }; echo x | f | f",
      "x"),
  ]

  static let redirections = [
    Script(
      "out, append and in",
      "cd $T; echo a > f; echo b >> f; cat < f; echo c > f; cat f",
      #"""
      a
      b
      c
      """#),
    Script(
      "error output",
      "cd $T; ls /nope 2> err; test -s err && echo yes; ls /nope 2>/dev/null; echo done",
      #"""
      yes
      done
      """#),
    Script(
      "both into one",
      "cd $T; { echo a; echo b >&2; } > f 2>&1; cat f",
      #"""
      a
      b
      """#),
    Script(
      "order counts",
      "cd $T; { { echo a; echo b >&2; } 2>&1 > f; } | sed 's/^/p:/'; cat f",
      #"""
      p:b
      a
      """#),
    Script(
      "descriptors above two",
      "cd $T; exec 3> f; echo x >&3; echo y >&3; exec 3>&-; cat f",
      #"""
      x
      y
      """#),
    Script(
      "read from a descriptor",
      #"cd $T; printf '1\n2\n' > f; exec 4< f; read a <&4; read b <&4; exec 4<&-; echo $b $a"#,
      "2 1"),
    Script(
      "of compound commands",
      #"cd $T; for i in 1 2; do echo $i; done > f; cat f; if true; then echo x; fi >> f; cat f; while read l; do echo "l $l"; done < f"#,
      #"""
      1
      2
      1
      2
      x
      l 1
      l 2
      l x
      """#),
    Script(
      "of builtins only for them",
      "cd $T; echo a > f; echo b; cat f",
      #"""
      b
      a
      """#),
    Script(
      "no such file",
      "cat < /nope/x 2>/dev/null; echo $?; echo x 2>/dev/null > /nope/x; echo $?",
      #"""
      2
      2
      """#),
    Script(
      "a failed redirection skips the command",
      "{ echo no; } < /nope 2>/dev/null; echo $?",
      "2"),
    Script(
      "only a redirection makes a file",
      "cd $T; > f; test -e f && echo there; wc -c < f | tr -d ' '",
      #"""
      there
      0
      """#),
    Script(
      "in the middle and before",
      "cd $T; > f echo a b; cat f; echo 1 > f 2; cat f",
      #"""
      a b
      1 2
      """#),
    Script(
      "close",
      "(echo x >&-) 2>/dev/null; echo $?",
      "1"),
    Script(
      "here-document",
      #"""
      cat <<E
      a $((1+1)) $HOME_
        b \$x
      E
      echo after
      """#,
      #"""
      a 2 
        b $x
      after
      """#),
    Script(
      "here-document quoted",
      #"""
      x=1
      cat <<'E'
      $x `y` \z
      E
      """#,
      #"$x `y` \z"#),
    Script(
      "here-document with tabs stripped",
      #"""
      cat <<-E
      \#ta
      \#t\#tb
      \#tE
      echo c
      """#,
      #"""
      a
      b
      c
      """#),
    Script(
      "two here-documents",
      #"""
      cat <<A; cat <<B
      1
      A
      2
      B
      """#,
      #"""
      1
      2
      """#),
    Script(
      "here-document in a pipe",
      #"""
      cat <<E | tr a b
      aaa
      E
      """#,
      "bbb"),
    Script(
      "here-document with expansions",
      #"""
      x='a  b'; cat <<E
      $x ${x%b} `echo q` "$x" 'z'
      E
      """#,
      #"a  b a   q "a  b" 'z'"#),
    Script(
      "here-document in a loop",
      #"""
      for i in 1 2; do cat <<E
      <$i>
      E
      done
      """#,
      #"""
      <1>
      <2>
      """#),
    Script(
      "here-document delimiter with blank",
      #"""
      cat << 'E F'
      x
      E F
      """#,
      "x"),
    Script(
      "big here-document",
      #"""
      x=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; x=$x$x$x$x$x$x$x$x$x$x; x=$x$x$x$x$x$x$x$x$x$x; wc -c <<E | tr -d ' '
      $x$x$x$x$x$x$x$x$x$x
      E
      """#,
      "100001"),
  ]

  static let background = [
    Script(
      "ampersand",
      "cd $T; (echo x > f) & wait; cat f",
      "x"),
    Script(
      "last background process",
      "sleep 0.01 & [ $! -gt 0 ] && echo ok; wait",
      "ok"),
    Script(
      "status of starting is 0",
      "false & echo $?; wait",
      "0"),
    Script(
      "list in the background",
      "cd $T; true && echo a > f & wait; cat f",
      "a"),
  ]
}
