import IPC
import Protocols

/// The kernel's command line, as VM hands it out: words between blanks. At most 512 bytes.
public struct CommandLine: BitwiseCopyable {
  var bytes = InlineArray<512, UInt8>(repeating: 0)
  public private(set) var count = 0

  public init<T: Transport>(_ ipc: inout T) {
    do throws(Errno) {
      while count < 512 {
        let text = try ipc.call(.vm, VM.CommandLine(offset: UInt64(count))).text
        let before = count
        withUnsafeBytes(of: text) {
          for byte in $0 where count < 512 && byte != 0 && count - before < 48 {
            bytes[count] = byte
            count += 1
          }
        }
        if count - before < 48 { break }
      }
    } catch {}  // no VM that tells, no words
  }

  public init(_ text: StaticString) {
    text.withUTF8Buffer {
      for byte in $0 where count < 512 {
        bytes[count] = byte
        count += 1
      }
    }
  }

  /// The whole line.
  public func withBytes(_ body: (UnsafeRawBufferPointer) -> Void) {
    withUnsafeBytes(of: bytes) { body(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
  }

  /// Whether one of the words is `word`.
  public func has(_ word: StaticString) -> Bool {
    guard let rest = rest(after: word) else { return false }
    return rest.isEmpty
  }

  /// What follows `prefix` in the first word that begins with it, such as the path after `run=`.
  public func value(_ prefix: StaticString) -> [UInt8]? {
    guard let rest = rest(after: prefix) else { return nil }
    return rest.map { bytes[$0] }
  }

  /// Where the first word that begins with `prefix` goes on after it; the whole word first, if there is one.
  private func rest(after prefix: StaticString) -> Range<Int>? {
    prefix.withUTF8Buffer { prefix in
      var found: Range<Int>?
      var start = 0
      while start < count {
        var end = start
        while end < count, bytes[end] > 0x20 { end += 1 }
        if end - start >= prefix.count {
          var same = true
          for index in 0..<prefix.count where bytes[start + index] != prefix[index] { same = false }
          if same, found == nil || end - start == prefix.count { found = start + prefix.count..<end }
        }
        start = end + 1
      }
      return found
    }
  }
}
