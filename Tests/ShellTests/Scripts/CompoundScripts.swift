// Scripts and what they must print and return. The outputs are those of dash 0.5.12 on Debian 12, except where a comment says so.

extension Script {
  static let compound = [
    Script(
      "if elif else",
      "for x in 1 2 3; do if [ $x = 1 ]; then echo one; elif [ $x = 2 ]; then echo two; else echo many; fi; done",
      #"""
      one
      two
      many
      """#),
    Script(
      "if without a true branch is 0",
      "if false; then :; fi; echo $?",
      "0"),
    Script(
      "while",
      "i=0; while [ $i -lt 3 ]; do echo $i; i=$((i+1)); done; echo $?",
      #"""
      0
      1
      2
      0
      """#),
    Script(
      "until",
      "i=3; until [ $i -eq 0 ]; do i=$((i-1)); done; echo $i",
      "0"),
    Script(
      "break and continue",
      "for i in 1 2 3 4 5; do [ $i = 2 ] && continue; [ $i = 4 ] && break; echo $i; done",
      #"""
      1
      3
      """#),
    Script(
      "break two levels",
      "for i in 1 2; do for j in a b; do [ $j = b ] && break 2; echo $i$j; done; done; echo out",
      #"""
      1a
      out
      """#),
    Script(
      "continue two levels",
      "for i in 1 2; do for j in a b; do [ $j = b ] && continue 2; echo $i$j; done; echo no; done",
      #"""
      1a
      2a
      """#),
    Script(
      "break in the condition",
      "while true; do while break 2; do :; done; done; echo ok",
      "ok"),
    Script(
      "for over parameters",
      #"set -- x 'y z'; for i; do echo "<$i>"; done; for i do echo $i; done"#,
      #"""
      <x>
      <y z>
      x
      y z
      """#),
    Script(
      "for over nothing",
      "for i in; do echo no; done; echo $?; for i in $nope; do echo no; done",
      "0"),
    Script(
      "for on several lines",
      #"""
      for i in a \
       b
      do
       echo $i
      done
      """#,
      #"""
      a
      b
      """#),
    Script(
      "case",
      "for x in a bc d.e ''; do case $x in a) echo 1;; b*|c) echo 2;; *.?) echo 3;; '') echo 4;; esac; done",
      #"""
      1
      2
      3
      4
      """#),
    Script(
      "case without a match",
      "case x in y) echo no;; esac; echo $?",
      "0"),
    Script(
      "case quoted pattern",
      #"case '*' in '*') echo star;; esac; x='*'; case abc in "$x") echo no;; $x) echo yes;; esac"#,
      #"""
      star
      yes
      """#),
    Script(
      "case brackets",
      "for x in a5 b x1 Q; do case $x in [a-c][0-9]) echo 1;; [!a-z]) echo 2;; *) echo 3;; esac; done",
      #"""
      1
      3
      3
      2
      """#),
    Script(
      "case last arm without semicolons",
      #"""
      case a in
       a) echo x
      esac
      """#,
      "x"),
    Script(
      "case empty arm",
      "case a in a) ;; *) echo no;; esac; echo $?",
      "0"),
    Script(
      "nested",
      "if true; then for i in 1 2; do case $i in 1) while false; do :; done; echo a;; *) { echo b; };; esac; done; fi",
      #"""
      a
      b
      """#),
    Script(
      "status of a loop",
      "for i in 1 2; do false; done; echo $?; while false; do :; done; echo $?",
      #"""
      1
      0
      """#),
    Script(
      "reserved words are words elsewhere",
      "echo if then else fi do done { } ! case in esac for while",
      "if then else fi do done { } ! case in esac for while"),
  ]

  static let functions = [
    Script(
      "arguments",
      #"f() { echo "$# $1 $2"; }; f a 'b c'; set -- z; f; echo $1"#,
      #"""
      2 a b c
      0  
      z
      """#),
    Script(
      "status and return",
      "f() { return 3; echo no; }; f; echo $?; g() { false; }; g; echo $?; h() { false; return; }; h; echo $?",
      #"""
      3
      1
      1
      """#),
    Script(
      "variables are global",
      "f() { x=2; }; x=1; f; echo $x",
      "2"),
    Script(
      "recursion",
      "f() { if [ $1 -gt 0 ]; then echo $1; f $(($1-1)); fi; }; f 3",
      #"""
      3
      2
      1
      """#),
    Script(
      "redefinition",
      "f() { echo 1; }; f() { echo 2; }; f",
      "2"),
    Script(
      "redirection of a call",
      "cd $T; f() { echo x; }; f > o; cat o",
      "x"),
    Script(
      "return in a loop",
      "f() { for i in 1 2 3; do [ $i = 2 ] && return 5; echo $i; done; }; f; echo $?",
      #"""
      1
      5
      """#),
    Script(
      "body of any kind",
      "f() ( x=2; echo in ); x=1; f; echo $x; g() if true; then echo g; fi; g",
      #"""
      in
      1
      g
      """#),
    Script(
      "assignment before a call",
      "f() { echo $x; }; x=1; x=2 f",
      "2"),
    Script(
      "unset -f",
      "f() { echo f; }; unset -f f; f 2>/dev/null; echo $?",
      "127"),
  ]
}
