import Testing

@testable import Shell

@Suite("Arithmetic") struct ArithmeticTests {
  func evaluate(_ text: String, _ context: FakeContext = FakeContext([("x", "4"), ("y", "3"), ("e", "")])) throws -> Int {
    var arithmetic = Arithmetic(Array(text.utf8), context)
    return try arithmetic.evaluate()
  }

  @Test("values", arguments: [
    ("1", 1), (" 1 + 2 ", 3), ("2*3+4", 10), ("2+3*4", 14), ("(2+3)*4", 20), ("10-4-3", 3), ("100/7", 14), ("-100/7", -14), ("100%7", 2), ("-100%7", -2),
    ("1<<10", 1024), ("1024>>3", 128), ("-8>>1", -4), ("1<2", 1), ("2<1", 0), ("2<=2", 1), ("3>=4", 0), ("3==3", 1), ("3!=3", 0), ("12&10", 8), ("12|10", 14), ("12^10", 6),
    ("~0", -1), ("!0", 1), ("!7", 0), ("-5", -5), ("+5", 5), ("- - 5", 5), ("!!3", 1), ("1&&2", 1), ("1&&0", 0), ("0||0", 0), ("0||9", 1), ("1?2:3", 2), ("0?2:3", 3),
    ("0?1:0?2:3", 3), ("x", 4), ("x*y", 12), ("none", 0), ("e+1", 1), ("x=7", 7), ("x+=1", 5), ("x-=1", 3), ("x*=y", 12), ("x/=2", 2), ("x%=3", 1), ("x<<=2", 16), ("x>>=1", 2),
    ("x&=5", 4), ("x|=3", 7), ("x^=6", 2), ("a=b=3", 3), ("0x10", 16), ("0XfF", 255), ("017", 15), ("0", 0), ("1|2&3^1", 3), ("1+2<<3", 24), ("5>3==1", 1), ("2&&0||1", 1),
    ("1 ? 0 ? 4 : 5 : 6", 5), ("(1, 2)", -99), ("9223372036854775807+1", Int.min), ("-9223372036854775807-1", Int.min), ("(-9223372036854775807-1)/-1", Int.min),
    ("(-9223372036854775807-1)%-1", 0), ("1<<63", Int.min), ("1<<64", 1), ("1 0", -99), ("08", -99), ("1 +", -99), ("(1", -99), ("1)", -99), ("", -99), ("a b", -99), ("3 = 4", -99),
    ("1/0", -99), ("1%0", -99), ("0&&1/0", 0), ("1||1/0", 1), ("1?2:1/0", 2), ("@", -99), ("2**3", -99),
  ]) func value(_ text: String, _ value: Int) throws {
    if value == -99 {
      #expect(throws: ExpansionError.self) { try evaluate(text) }
    } else {
      #expect(try evaluate(text) == value)
    }
  }

  @Test("what is not evaluated assigns nothing") func idle() throws {
    let context = FakeContext([("x", "1")])
    #expect(try evaluate("0 && (x = 2), 1".replacing(", 1", with: ""), context) == 0)
    #expect(try evaluate("1 || (x = 3)", context) == 1)
    #expect(try evaluate("1 ? 5 : (x = 4)", context) == 5)
    #expect(context.value(of: Array("x".utf8)) == Array("1".utf8))
    #expect(try evaluate("0 ? 5 : (x = 4)", context) == 4)
    #expect(context.value(of: Array("x".utf8)) == Array("4".utf8))
  }

  @Test("nesting has a bound", arguments: ["(", "-", "!", "x=", "1?"]) func nesting(_ piece: String) {
    #expect(throws: ExpansionError.self) { try evaluate(String(repeating: piece, count: 100_000) + "1") }
  }
}
