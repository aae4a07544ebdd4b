import IPC
import Testing

@testable import POSIX

func bytes(_ text: String) -> Bytes { Array(text.utf8) }
func text(_ bytes: Bytes) -> String { String(decoding: bytes, as: UTF8.self) }

@Suite("Bytes as text") struct BytesTests {
  @Test("comparison with literals") func comparison() {
    #expect(bytes("cd") == "cd")
    #expect(bytes("cd") != "cde")
    #expect(bytes("") == "")
    #expect(bytes("abc").starts(with: "ab") && !bytes("a").starts(with: "ab"))
    #expect(UInt8(ascii: "x") == "x")
    switch bytes("two") {
    case "one": Issue.record("one")
    case "two": break
    default: Issue.record("default")
    }
  }

  @Test("order is that of the bytes") func order() {
    #expect(isLess(bytes("a"), bytes("b")) && isLess(bytes("a"), bytes("aa")) && isLess(bytes("B"), bytes("a")))
    #expect(!isLess(bytes("a"), bytes("a")) && isLess([], bytes("a")) && isLess(bytes("z"), [0x80]))
  }

  @Test("numbers to text", arguments: [(0, "0"), (7, "7"), (-7, "-7"), (Int.max, "9223372036854775807"), (Int.min, "-9223372036854775808")])
  func decimals(_ number: Int, _ expected: String) { #expect(text(decimal(number)) == expected) }

  @Test("digits of other bases, with zeros in front") func bases() {
    #expect(text(digits(255, base: 16)) == "ff")
    #expect(text(digits(8, base: 8, width: 4)) == "0010")
    #expect(text(digits(.max, base: 2)).count == 64)
    #expect(text(digits(0, base: 10, width: 3)) == "000")
  }

  @Test("text to numbers", arguments: [
    ("0", 0), ("42", 42), ("-1", -1), ("+1", 1), ("9223372036854775807", Int.max), ("", nil), ("-", nil), ("1x", nil), (" 1", nil), ("9223372036854775808", nil), ("99999999999999999999999", nil), ("--1", nil),
  ]) func numbers(_ word: String, _ expected: Int?) { #expect(integer(bytes(word)) == expected) }

  @Test("the largest unsigned number, and one more") func unsigned() {
    #expect(number(bytes("18446744073709551615")) == .max)
    #expect(number(bytes("18446744073709551616")) == nil)
    #expect(number(bytes("-1")) == nil)
  }

  @Test("filling") func filling() {
    #expect(text(right(bytes("ab"), 4)) == "  ab" && text(left(bytes("ab"), 4)) == "ab  " && text(right(bytes("abc"), 2)) == "abc")
  }

  @Test("splitting") func splitting() {
    #expect(split(bytes("a:b::c"), at: ":").map(text) == ["a", "b", "", "c"])
    #expect(split([], at: ":").map(text) == [""])
  }

  @Test("names of services as words") func names() throws {
    let words = try #require(packed(bytes("virtio-disk")))
    #expect(text(POSIX.text(inWords: words)) == "virtio-disk")
    #expect(packed(bytes("exactly16letters")).map { text(POSIX.text(inWords: $0)) } == "exactly16letters")
    #expect(packed(bytes("seventeen-letters")) == nil && packed([]) == nil)
  }

  @Test("paths", arguments: [("/a/b", "b"), ("/a/b/", "b"), ("a", "a"), ("/", "/"), ("//", "/"), ("a//", "a")])
  func baseNames(_ path: String, _ name: String) { #expect(text(baseName(bytes(path))) == name) }

  @Test("joining paths") func joining() {
    #expect(text(join(bytes("a"), bytes("b"))) == "a/b" && text(join(bytes("/"), bytes("b"))) == "/b" && text(join([], bytes("b"))) == "b")
  }

  @Test("character classes") func classes() {
    var set = ByteSet()
    set.insert(class: bytes("xdigit"))
    #expect((0...255).filter { set.contains(UInt8($0)) }.count == 22)
    set.invert()
    #expect(set.contains(0) && !set.contains(0x41))
    let counts = ["alpha": 52, "digit": 10, "alnum": 62, "upper": 26, "lower": 26, "space": 6, "blank": 2, "punct": 32, "print": 95, "graph": 94, "cntrl": 33, "none": 0]
    for (name, count) in counts {
      var set = ByteSet()
      set.insert(class: bytes(name))
      #expect((0...255).filter { set.contains(UInt8($0)) }.count == count, "\(name)")
    }
  }

  @Test("errors in POSIX's words") func errors() {
    #expect(Bytes(errorText(.noSuchFile)) == "No such file or directory")
    #expect(Bytes(errorText(.notEmpty)) == "Directory not empty")
    #expect(Bytes(errorText(Errno(rawValue: 4000))) == "Unknown error")
    #expect(Bytes(signalText(11)) == "Segmentation fault")
  }

  @Test("signals by name and number", arguments: [("9", 9), ("KILL", 9), ("SIGKILL", 9), ("kill", 9), ("sigterm", 15), ("0", 0), ("65", nil), ("FOO", nil), ("", nil)])
  func signals(_ word: String, _ signal: Int?) { #expect(Signal.parse(bytes(word)) == signal) }
}
