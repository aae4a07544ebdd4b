// Scripts and what they must print and return. The outputs are those of dash 0.5.12 on Debian 12, except where a comment says so.

extension Script {
  static let quoting = [
    // Our echo leaves backslashes alone, as POSIX allows; that of dash does not.
    Script(
      "single quotes keep everything",
      #"echo 'a  $x `b` \n "q"'"#,
      #"a  $x `b` \n "q""#),
    Script(
      "double quotes keep blanks and expand",
      #"x='1  2'; echo "[$x]" [$x]"#,
      "[1  2] [1 2]"),
    Script(
      "backslash quotes one character",
      #"echo a\ \ b \$x \" \' \\"#,
      #"a  b $x " ' \"#),
    // Our echo leaves backslashes alone, as POSIX allows; that of dash does not.
    Script(
      "backslash in double quotes keeps itself before others",
      #"echo "\a \\ \" \$x \`""#,
      #"\a \ " $x `"#),
    Script(
      "backslash newline joins lines",
      #"""
      echo a\
      b 'c\
      d' "e\
      f"
      """#,
      #"""
      ab c\
      d ef
      """#),
    Script(
      "quotes in the middle of a word",
      #"echo a'b c'd"e f"g"#,
      "ab cde fg"),
    Script(
      "empty quotes are fields",
      #"set -- '' "" ''""; echo $#"#,
      "3"),
    Script(
      "single quote within double",
      #"echo "it's""#,
      "it's"),
    Script(
      "a hash is a comment only at the start of a word",
      #"""
      echo a#b #c
      echo x''#d #e
      """#,
      #"""
      a#b
      x#d
      """#),
    Script(
      "dollar alone stands for itself",
      #"echo $ "$" a$ $/ "$ x""#,
      "$ $ a$ $/ $ x"),
    Script(
      "an unset variable leaves no field",
      "set -- $nope a $nope; echo $#",
      "1"),
    Script(
      "newlines in quotes",
      #"""
      echo 'a
      b' "c
      d"
      """#,
      #"""
      a
      b c
      d
      """#),
    Script(
      "adjacent empty expansions and quotes",
      #"e=; set -- $e"" ""$e ""; echo $#"#,
      "3"),
  ]

  static let splitting = [
    Script(
      "blanks",
      #"""
      x='  a  b\#tc
       d '; set -- $x; echo $#:$1:$4
      """#,
      "4:a:d"),
    Script(
      "colon keeps empty fields",
      #"IFS=:; x=a::b:; set -- $x; echo $#; for i in $x; do echo "<$i>"; done"#,
      #"""
      3
      <a>
      <>
      <b>
      """#),
    Script(
      "leading colon",
      "IFS=:; x=:a; set -- $x; echo $#",
      "2"),
    Script(
      "colon and blank",
      #"IFS=' :'; x=' a : b  c:: d '; for i in $x; do echo "<$i>"; done"#,
      #"""
      <a>
      <b>
      <c>
      <>
      <d>
      """#),
    Script(
      "empty IFS does not split",
      "IFS=; x='a b'; set -- $x; echo $#",
      "1"),
    Script(
      "unset IFS splits at blanks",
      "unset IFS; x='a b'; set -- $x; echo $#",
      "2"),
    Script(
      "literal text is not split",
      "IFS=x; echo axb; y=axb; echo $y",
      #"""
      axb
      a b
      """#),
    Script(
      "substitutions are split",
      #"set -- $(echo a b; echo c); echo $#; set -- "$(echo a b; echo c)"; echo $#"#,
      #"""
      3
      1
      """#),
    Script(
      "joined pieces",
      #"x='a b'; set -- 1$x'2 3'; echo $# "$1" "$2" "#,
      "2 1a b2 3"),
  ]

  static let globbing = [
    Script(
      "star",
      "cd $T; touch b a .h c.x; echo *; echo *.x; echo .h*",
      #"""
      a b c.x
      c.x
      .h
      """#),
    Script(
      "question mark and brackets",
      "cd $T; touch a1 a2 b1 ab; echo ?1; echo a[12]; echo [!a]*; echo [a-b]?",
      #"""
      a1 b1
      a1 a2
      b1
      a1 a2 ab b1
      """#),
    Script(
      "no match stays",
      #"cd $T; echo *.none '*' "*" \*"#,
      "*.none * * *"),
    Script(
      "directories",
      "cd $T; mkdir d e; touch d/x e/x e/y; echo */x; echo */; echo e/*; echo ./*/y",
      #"""
      d/x e/x
      d/ e/
      e/x e/y
      ./e/y
      """#),
    Script(
      "from variables",
      #"cd $T; touch a b; x='*'; echo $x; echo "$x" "#,
      #"""
      a b
      *
      """#),
    Script(
      "mixed with quotes",
      #"cd $T; touch 'a b' 'a*c'; echo a*; echo 'a*'*; echo a\**"#,
      #"""
      a b a*c
      a*c
      a*c
      """#),
    Script(
      "in for and case",
      "cd $T; touch 1 2; for i in *; do echo $i; done; case * in '*') echo same;; esac",
      #"""
      1
      2
      same
      """#),
    Script(
      "not in assignments",
      #"cd $T; touch f; x=*; echo "$x" "#,
      "*"),
    Script(
      "classes",
      "cd $T; touch a 1 B; echo [[:digit:]] [[:upper:]]",
      "1 B"),
    Script(
      "absolute",
      "echo /bi[n] /de[v]",
      "/bin /dev"),
  ]
}
