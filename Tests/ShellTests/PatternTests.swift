import Testing

@testable import Shell

@Suite("Patterns") struct PatternTests {
  @Test("matches", arguments: [
    ("abc", "abc", true), ("abc", "ab", false), ("", "", true), ("", "a", false), ("*", "", true), ("*", "anything/at.all", true), ("a*", "a", true), ("a*", "ba", false),
    ("*a", "bca", true), ("a*b*c", "a1b2c", true), ("a*b*c", "acb", false), ("**", "x", true), ("?", "x", true), ("?", "", false), ("??", "x", false), ("a?c", "abc", true),
    ("[abc]", "b", true), ("[abc]", "d", false), ("[a-c]x", "bx", true), ("[!a-c]", "d", true), ("[!a-c]", "a", false), ("[^a]", "b", true), ("[]a]", "]", true), ("[]a]", "a", true),
    ("[!]a]", "b", true), ("[!]a]", "]", false), ("[a-]", "-", true), ("[-a]", "-", true), ("[[:digit:]]", "5", true), ("[[:digit:]x]", "x", true), ("[![:space:]]", "a", true),
    ("[![:space:]]", " ", false), ("[", "[", true), ("[a", "[a", true), ("a[", "a[", true), ("[z-a]", "m", false), ("*.[ch]", "main.c", true), ("*.[ch]", "main.o", false),
    ("[[:nope:]]", "n", false), ("*aab", "aaaaab", true), ("a*a*a*b", "aaaaaaac", false), ("[[:upper:]][[:lower:]]*", "Word", true), ("\\", "\\", true),
  ]) func matches(_ pattern: String, _ text: String, _ expected: Bool) {
    #expect(Pattern(Array(pattern.utf8)).matches(Array(text.utf8)) == expected)
  }

  @Test("a quoted character stands for itself") func quoted() {
    let star = Pattern(Array("a*".utf8), quoted: [0, 1])
    #expect(star.matches(Array("a*".utf8)))
    #expect(!star.matches(Array("ab".utf8)))
    #expect(!star.isSpecial)
    let bracket = Pattern(Array("[a]".utf8), quoted: [1, 0, 0])
    #expect(bracket.matches(Array("[a]".utf8)))
    let closing = Pattern(Array("[a]b]".utf8), quoted: [0, 0, 1, 0, 0])
    #expect(closing.matches([0x5D]) && closing.matches([0x62]) && !closing.matches([0x63]))
  }

  @Test("many stars take no exponential time") func time() {
    let pattern = Pattern(Array((String(repeating: "a*", count: 50) + "b").utf8))
    #expect(!pattern.matches([UInt8](repeating: 0x61, count: 5000)))
  }
}
