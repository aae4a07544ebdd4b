// Scripts and what they must print and return. The outputs are those of dash 0.5.12 on Debian 12, except where a comment says so.

extension Script {
  static let builtins = [
    Script(
      "colon and true",
      ": a b; echo $?; true x; echo $?",
      #"""
      0
      0
      """#),
    Script(
      "echo",
      #"echo; echo -n a; echo b c; echo "" d"#,
      #"""

      ab c
       d
      """#),
    Script(
      "cd",
      "cd /tmp; pwd; cd /; pwd; cd -; echo $OLDPWD; cd /nope 2>/dev/null; echo $? $PWD",
      #"""
      /tmp
      /
      /tmp
      /
      2 /tmp
      """#),
    Script(
      "export",
      "x=1; export x; y=2; sh -c 'echo $x [$y]'; export z=3; sh -c 'echo $z'",
      #"""
      1 []
      3
      """#),
    Script(
      "assignment for one command",
      "x=1; x=2 sh -c 'echo $x'; echo $x",
      #"""
      2
      1
      """#),
    Script(
      "unset",
      "x=1; unset x; echo [${x-unset}]",
      "[unset]"),
    Script(
      "readonly",
      "(readonly x=1; x=2; echo no) 2>/dev/null; echo $?",
      "2"),
    Script(
      "set positional",
      "set a b; echo $1 $#; set -- -x y; echo $1; set --; echo $#",
      #"""
      a 2
      -x
      0
      """#),
    Script(
      "eval",
      "x='echo $y'; y=1; eval $x; eval 'z=5'; echo $z; eval; echo $?; eval 'false'; echo $?",
      #"""
      1
      5
      0
      1
      """#),
    Script(
      "dot",
      "cd $T; echo 'q=7; echo in $1' > s; set -- arg; . ./s; echo $q",
      #"""
      in arg
      7
      """#),
    Script(
      "dot with return",
      "cd $T; echo 'echo a; return 4; echo b' > s; . ./s; echo $?",
      #"""
      a
      4
      """#),
    Script(
      "exec replaces",
      "(exec echo a; echo b); echo c",
      #"""
      a
      c
      """#),
    Script(
      "exit",
      "sh -c 'exit 9'; echo $?; sh -c 'false; exit'; echo $?",
      #"""
      9
      1
      """#),
    Script(
      "read",
      #"printf 'a b c\n' | { read x y; echo "$x|$y"; }; printf ' a  b  \n' | { read x; echo "[$x]"; }"#,
      #"""
      a|b c
      [a  b]
      """#),
    // Our echo leaves backslashes alone, as POSIX allows; that of dash does not.
    Script(
      "read backslash",
      #"printf 'a\\\nb c\n' | { read x; echo "$x"; }; printf 'a\\tb\n' | { read -r x; echo "$x"; }"#,
      #"""
      ab c
      a\tb
      """#),
    Script(
      "read at the end",
      "printf 'last' | { read x; echo $? $x; read x; echo $? [$x]; }",
      #"""
      1 last
      1 []
      """#),
    Script(
      "read with IFS",
      #"echo a:b:c | { IFS=: read x y; echo "$x $y"; }"#,
      "a b:c"),
    Script(
      "test strings",
      "[ a = a ] && [ a != b ] && [ -n x ] && [ -z '' ] && [ x ] && ! [ '' ] && echo ok",
      "ok"),
    Script(
      "test numbers",
      "[ 1 -eq 01 ] && [ 1 -lt 2 ] && [ 2 -ge 2 ] && [ -3 -le -2 ] && [ 5 -ne 6 ] && [ 7 -gt 6 ] && echo ok",
      "ok"),
    Script(
      "test files",
      "cd $T; > e; echo x > f; mkdir d; ln -s f l; [ -e e ] && [ ! -s e ] && [ -s f ] && [ -f f ] && [ -d d ] && [ -h l ] && [ -L l ] && [ -r f ] && [ ! -e nope ] && [ ! -f d ] && echo ok",
      "ok"),
    Script(
      "test and or parentheses",
      #"[ a = a -a b = b ] && [ a = b -o b = b ] && [ ! a = b ] && [ \( a = a \) ] && echo ok"#,
      "ok"),
    Script(
      "test with operators as words",
      "[ = = = ] && [ ! ] && [ -n ] && [ '(' = '(' ] && echo ok",
      "ok"),
    Script(
      "test errors are 2",
      "[ a -eq 1 ] 2>/dev/null; echo $?; [ a 2>/dev/null; echo $?",
      #"""
      2
      2
      """#),
    Script(
      "printf",
      #"printf '%s-%s\n' a b c; printf '%d %5d|%-5d|%05d\n' 7 42 42 42; printf '%x %o %c%%\n' 255 8 xyz; printf 'no newline'; echo"#,
      #"""
      a-b
      c-
      7    42|42   |00042
      ff 10 x%
      no newline
      """#),
    Script(
      "printf escapes",
      #"printf 'a\tb\\n\101\n'; printf '%b' 'x\ny\n'"#,
      #"""
      a\#tb\nA
      x
      y
      """#),
    Script(
      "type and command",
      "command -v cd; command -v nosuch; echo $?; command echo x; cd() { echo mine; }; command cd /; pwd",
      #"""
      cd
      127
      x
      /
      """#),
    Script(
      "wait for all",
      "true & false & wait; echo $?",
      "0"),
    Script(
      "wait for one",
      "(exit 6) & wait $!; echo $?",
      "6"),
    Script(
      "kill a job",
      "sleep 50 & kill $!; wait $!; echo $?",
      "143"),
    Script(
      "set -e",
      "sh -c 'set -e; false; echo no'; echo $?; sh -c 'set -e; if false; then :; fi; false || true; ! true; echo yes'; echo $?",
      #"""
      1
      yes
      0
      """#),
    Script(
      "set -x goes to errors",
      "sh -c 'set -x; echo a b' 2>&1",
      #"""
      + echo a b
      a b
      """#),
    Script(
      "set -f",
      "cd /; set -f; echo *; set +f",
      "*"),
    Script(
      "not found is 127",
      "nosuchcommand 2>/dev/null; echo $?; ./nosuch 2>/dev/null; echo $?",
      #"""
      127
      127
      """#),
    Script(
      "not executable is 126",
      "cd $T; echo x > f; ./f 2>/dev/null; echo $?; /tmp 2>/dev/null; echo $?",
      #"""
      126
      126
      """#),
    Script(
      "a script without an interpreter line",
      "cd $T; echo 'echo script $1' > f; chmod +x f; ./f arg",
      "script arg"),
  ]
}
