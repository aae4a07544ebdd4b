import Foundation
import Testing

@testable import Programs

@Suite("SHA-256") struct DigestTests {
  private func digest(_ pieces: [[UInt8]]) -> String {
    var hash = SHA256()
    for piece in pieces { piece.withUnsafeBytes { hash.update($0) } }
    return text(hexadecimal(hash.finish()))
  }

  /// FIPS 180-4's examples and the empty message.
  @Test("known digests", arguments: [
    ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"), ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"),
    ("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu", "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"),
  ]) func known(_ message: String, _ expected: String) { #expect(digest([bytes(message)]) == expected) }

  @Test("a million times a") func million() {
    #expect(digest([[UInt8]](repeating: [UInt8](repeating: 0x61, count: 1000), count: 1000)) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
  }

  @Test("the pieces do not matter, whatever the length") func pieces() {
    for length in [0, 1, 54, 55, 56, 57, 63, 64, 65, 119, 120, 127, 128, 129, 1000] {
      let message = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 7) }
      let whole = digest([message])
      for piece in [1, 3, 63, 64, 65, 100] {
        #expect(digest(stride(from: 0, to: length, by: piece).map { Array(message[$0..<min($0 + piece, length)]) }) == whole, "\(length) by \(piece)")
      }
    }
  }

  @Test("lines of a list", arguments: [
    ("a", 64, "  file", "file"), ("A", 64, " *f g", "f g"), ("a", 63, "  file", nil), ("g", 64, "  file", nil), ("a", 64, "  ", nil), ("", 0, "", nil), ("a", 64, "file", nil),
  ] as [(String, Int, String, String?)]) func lines(_ digit: String, _ count: Int, _ rest: String, _ file: String?) {
    #expect(digestLine(bytes(String(repeating: digit, count: count) + rest)).map { text($0.file) } == file)
  }
}
