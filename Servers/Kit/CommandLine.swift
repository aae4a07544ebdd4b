import IPC
import Protocols

/// The kernel's command line, as VM hands it out: words between blanks. At most 512 bytes.
public struct CommandLine: BitwiseCopyable {
  var bytes = InlineArray<512, UInt8>(repeating: 0)
  public private(set) var count = 0

  public init<T: Transport>(_ ipc: inout T) {
    do throws(Errno) {
      while count < 512 {
        var text = try ipc.call(.vm, VM.CommandLine(offset: UInt64(count))).text
        let before = count
        withUnsafeBytes(of: &text) {
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

  /// Whether one of the words is `word`.
  public func has(_ word: StaticString) -> Bool {
    word.withUTF8Buffer { word in
      var start = 0
      while start < count {
        var end = start
        while end < count, bytes[end] > 0x20 { end += 1 }
        if end - start == word.count {
          var same = true
          for index in 0..<word.count where bytes[start + index] != word[index] { same = false }
          if same { return true }
        }
        start = end + 1
      }
      return false
    }
  }
}
