import IPC

/// Buffered input from a descriptor: blocks, bytes or lines.
public final class Input {
  public let descriptor: Int
  private let buffer: UnsafeMutableRawBufferPointer
  private var start = 0
  private var end = 0
  private var ended = false

  public init(descriptor: Int, capacity: Int = 16 << 10) {
    self.descriptor = descriptor
    buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 16)
  }

  deinit { buffer.deallocate() }

  /// The bytes that are there, at least one; empty at the end. Valid until the next call.
  public func block() throws(Errno) -> UnsafeRawBufferPointer {
    if start == end { try fill() }
    let bytes = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[start..<end])
    start = end
    return bytes
  }

  /// The next line without its newline; nil at the end. A last line without a newline is a line.
  public func line() throws(Errno) -> [UInt8]? { try lineAndEnding()?.text }

  /// The next line, and whether a newline ended it.
  public func lineAndEnding() throws(Errno) -> (text: [UInt8], ended: Bool)? {
    var text: [UInt8] = []
    var any = false
    while true {
      if start == end { try fill() }
      if start == end { return any ? (text, false) : nil }
      any = true
      var at = start
      while at < end, buffer[at] != 0x0A { at += 1 }
      text.append(contentsOf: UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[start..<at]))
      if at < end {
        start = at + 1
        return (text, true)
      }
      start = end
    }
  }

  private func fill() throws(Errno) {
    start = 0
    end = 0
    if ended { return }
    end = try read(descriptor, into: buffer)
    ended = end == 0
  }
}
