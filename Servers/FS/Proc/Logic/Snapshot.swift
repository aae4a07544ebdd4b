import IPC
import Protocols
import ServerKit

/// The text of one file, as it was when somebody read its beginning. Whoever reads on gets the rest of the same
/// text, not a mixture of two moments.
struct Snapshot: BitwiseCopyable {
  static let capacity = 32 << 10
  let bytes: UnsafeMutableRawPointer
  /// 0: none.
  var inode: UInt64 = 0
  var count = 0
  var lastUse: UInt64 = 0

  init() {
    bytes = UnsafeMutableRawPointer.allocate(byteCount: Self.capacity, alignment: 16)
    // Resident from the start: reading /proc/kernel must not change what it tells.
    bytes.initializeMemory(as: UInt8.self, repeating: 0, count: Self.capacity)
  }

  /// What does not fit is cut off.
  mutating func append(_ line: Text) {
    line.withBytes { append($0) }
  }

  mutating func append(_ part: UnsafeRawBufferPointer) {
    let room = min(part.count, Self.capacity - count)
    guard room > 0, let start = part.baseAddress else { return }
    (bytes + count).copyMemory(from: start, byteCount: room)
    count += room
  }

  mutating func append(_ text: StaticString) {
    text.withUTF8Buffer { append(UnsafeRawBufferPointer($0)) }
  }

  /// A line of `/proc/kernel` and its like.
  mutating func append(_ name: StaticString, _ value: UInt64, _ end: StaticString = "\n") {
    var line = Text(name)
    line.append(byte: UInt8(ascii: " "))
    line.append(value)
    line.append(end)
    append(line)
  }
}
