import IPC
import Protocols
import ServerKit

/// The text of one file, as it was when somebody read its beginning. Whoever reads on gets the rest of the same
/// text, not a mixture of two moments. A text that is longer than the memory for it stands here in parts, each made when the one
/// before it has been read.
struct Snapshot: BitwiseCopyable {
  static let capacity = 32 << 10
  /// Nobody's text is longer, 65,536 regions with names take 10 MiB: where reading ends if who is asked has no end.
  static let longest: UInt64 = 16 << 20
  let bytes: UnsafeMutableRawPointer
  /// 0: none.
  var inode: UInt64 = 0
  /// Where in the file this part begins, and its length.
  var base: UInt64 = 0
  var count = 0
  /// What the next part begins with: an address of which the writer knows what it means; 0 if this is the last.
  var rest: UInt64 = 0
  var lastUse: UInt64 = 0

  init() {
    bytes = UnsafeMutableRawPointer.allocate(byteCount: Self.capacity, alignment: 16)
    // Resident from the start: reading /proc/kernel must not change what it tells.
    bytes.initializeMemory(as: UInt8.self, repeating: 0, count: Self.capacity)
  }

  /// Whether a line fits as a whole.
  func hasRoom(for line: Text) -> Bool { line.count <= Self.capacity - count }

  /// What does not fit is cut off.
  mutating func append(_ line: Text) {
    line.withBytes { append($0) }
  }

  /// The end of the part, in the file.
  var end: UInt64 { base + UInt64(count) }

  mutating func beginAgain() {
    inode = 0
    base = 0
    count = 0
    rest = 0
  }

  /// Before the next part is made.
  mutating func goOn() {
    inode = 0
    base = end
    count = 0
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
