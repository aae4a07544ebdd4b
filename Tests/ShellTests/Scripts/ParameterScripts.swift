// Scripts and what they must print and return. The outputs are those of dash 0.5.12 on Debian 12, except where a comment says so.

extension Script {
  static let parameters = [
    Script(
      "default value",
      "unset x; e=; echo ${x-a} ${x:-b} [${e-c}] ${e:-d} ${x-}.",
      "a b [] d ."),
    Script(
      "assign default",
      "unset x; echo ${x=1} $x; e=; echo ${e:=2} $e",
      #"""
      1 1
      2 2
      """#),
    Script(
      "alternative",
      "x=1; e=; unset u; echo [${x+a}] [${e+b}] [${e:+c}] [${u+d}]",
      "[a] [b] [] []"),
    Script(
      "error if unset",
      "(echo ${u?gone}) 2>/dev/null; echo $?",
      "2"),
    Script(
      "length",
      "x=hello; echo ${#x} ${#nope}; set -- a b c; echo $# ${#} ${#1}",
      #"""
      5 0
      3 3 1
      """#),
    Script(
      "cut suffix",
      "x=a/b/c.d.e; echo ${x%.*} ${x%%.*} ${x%/*} ${x%%/*} ${x%z}",
      "a/b/c.d a/b/c a/b a a/b/c.d.e"),
    Script(
      "cut prefix",
      "x=a/b/c.d.e; echo ${x#*/} ${x##*/} ${x#z} ${x#a}",
      "b/c.d.e c.d.e a/b/c.d.e /b/c.d.e"),
    Script(
      "a quoted pattern is text",
      #"x='a*b*'; echo ${x%'*'} ${x%"b*"} "${x#a\*}" "#,
      "a*b a* b*"),
    Script(
      "nested expansions",
      #"unset x y; z=3; echo ${x:-${y:-$z}} "${x:-"${y:-q r}"}" "#,
      "3 q r"),
    Script(
      "braces end names",
      "x=1; xy=2; echo ${x}y $xy $x-y",
      "1y 2 1-y"),
    Script(
      "positional parameters beyond nine",
      "set -- a b c d e f g h i j k; echo $10 ${10} ${11}",
      "a0 j k"),
    Script(
      "at and star quoted",
      #"set -- 'a b' c; for i in "$@"; do echo "<$i>"; done; for i in "$*"; do echo "<$i>"; done"#,
      #"""
      <a b>
      <c>
      <a b c>
      """#),
    Script(
      "at and star unquoted",
      #"set -- 'a b' c; for i in $@; do echo "<$i>"; done; for i in $*; do echo "<$i>"; done"#,
      #"""
      <a>
      <b>
      <c>
      <a>
      <b>
      <c>
      """#),
    Script(
      "at within a word",
      #"set -- a b c; for i in "x$@y"; do echo "<$i>"; done"#,
      #"""
      <xa>
      <b>
      <cy>
      """#),
    Script(
      "at with nothing is no field",
      #"set --; set -- "$@" a; echo $#; set --; set -- "$*"; echo $#"#,
      #"""
      1
      1
      """#),
    Script(
      "star joins by the first of IFS",
      #"set -- a b c; IFS=-; echo "$*"; IFS=; echo "$*" "#,
      #"""
      a-b-c
      abc
      """#),
    Script(
      "special parameters",
      "true; echo $?; false; echo $?; (exit 7); echo $?",
      #"""
      0
      1
      7
      """#),
    Script(
      "default with several words unquoted",
      #"unset u; set -- ${u:-a b "c d"}; echo $#"#,
      "3"),
    Script(
      "default with several words quoted",
      #"unset u; set -- "${u:-a b c}"; echo $#"#,
      "1"),
    Script(
      "assignment does not split",
      #"x='a   b'; y=$x; echo "$y"; y=$(echo 'c   d'); echo "$y" "#,
      #"""
      a   b
      c   d
      """#),
    Script(
      "tilde",
      #"HOME=/h; echo ~ ~/x a~ "~" \~"#,
      "/h /h/x a~ ~ ~"),
    Script(
      "at alternative idiom",
      #"set -- 'a b' c; set -- ${1+"$@"}; echo $#"#,
      "2"),
    Script(
      "set -u",
      "(set -u; echo $nope; echo no) 2>/dev/null; echo $?; set -u; echo ${nope-ok}",
      #"""
      2
      ok
      """#),
    Script(
      "shift",
      "set -- a b c d; shift; echo $1 $#; shift 2; echo $1 $#",
      #"""
      b 3
      d 1
      """#),
    Script(
      "assignments in one command see each other",
      "a=1 b=$a; echo $b",
      "1"),
    Script(
      "value with glob characters quoted",
      #"x='*'; echo "$x" '?' "#,
      "* ?"),
  ]

  static let arithmetic = [
    Script(
      "operators",
      "echo $((1+2*3)) $(((1+2)*3)) $((7/2)) $((-7/2)) $((7%3)) $((-7%3)) $((1<<4)) $((256>>3))",
      "7 9 3 -3 1 -1 16 32"),
    Script(
      "comparison and logic",
      "echo $((1<2)) $((2<=1)) $((3==3)) $((3!=3)) $((1&&0)) $((1||0)) $((!5)) $((~0))",
      "1 0 1 0 0 1 0 -1"),
    Script(
      "bits",
      "echo $((6&3)) $((6|3)) $((6^3))",
      "2 7 5"),
    Script(
      "conditional",
      "echo $((1?2:3)) $((0?2:3)) $((1?0?4:5:6))",
      "2 3 5"),
    Script(
      "variables",
      "x=4; y=3; echo $((x*y)) $(($x*$y)) $((nope+1))",
      "12 12 1"),
    Script(
      "assignment",
      "x=1; echo $((x=5)) $x $((x+=2)) $x $((x*=3)) $x",
      "5 5 7 7 21 21"),
    Script(
      "bases",
      "echo $((0x1F)) $((010)) $((0))",
      "31 8 0"),
    Script(
      "nested substitutions",
      "echo $(( $(echo 3) + `echo 4` ))",
      "7"),
    Script(
      "precedence",
      "echo $((1|2&3)) $((2+3<<1)) $((1+1==2)) $((5-3-1)) $((2*3%4))",
      "3 10 1 1 2"),
    Script(
      "division by zero is an error",
      "(echo $((1/0)); echo no) 2>/dev/null; echo $?",
      "2"),
    Script(
      "short circuit assigns nothing",
      "x=1; : $((0 && (x=2))); echo $x; : $((1 || (x=3))); echo $x",
      #"""
      1
      1
      """#),
    Script(
      "unary",
      "echo $((-3)) $((- -3)) $((+3)) $((2--3))",
      "-3 3 3 5"),
  ]

  static let substitution = [
    Script(
      "output without trailing newlines",
      #"x=$(printf 'a\n\n\n'); echo "[$x]" "#,
      "[a]"),
    Script(
      "nested",
      "echo $(echo $(echo $(echo deep)))",
      "deep"),
    Script(
      "backquotes",
      #"echo `echo a` `echo \`echo b\`` "`echo "c d"`" "#,
      "a b c d"),
    Script(
      "quotes inside",
      #"echo "$(echo "a  b" 'c)')" "#,
      "a  b c)"),
    Script(
      "status is that of the command",
      "x=$(exit 3); echo $?; x=$(true); echo $?; y=1 x=$(false); echo $?",
      #"""
      3
      0
      1
      """#),
    Script(
      "case inside parentheses",
      "echo $(case a in (a) echo x;; esac)",
      "x"),
    Script(
      "comment inside",
      #"""
      echo $(echo a # not ) the end
      )
      """#,
      "a"),
    Script(
      "variables do not leak out",
      "x=1; y=$(x=2; echo $x); echo $x $y",
      "1 2"),
    Script(
      "here-document inside",
      #"""
      echo $(cat <<E
      in here
      E
      )
      """#,
      "in here"),
    Script(
      "empty",
      #"x=$(); echo "[$x]"; echo [$( )]"#,
      #"""
      []
      []
      """#),
  ]
}
