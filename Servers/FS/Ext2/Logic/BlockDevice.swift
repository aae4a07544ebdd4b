import IPC

/// Where a file system lives: a driver behind `sendRec` on metal, an image file in a test.
public protocol BlockDevice {
  /// Bytes.
  var size: UInt64 { get }
  var isReadOnly: Bool { get }
  /// Fills the whole buffer or fails.
  mutating func read(at position: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(Errno)
  mutating func write(at position: UInt64, from buffer: UnsafeRawBufferPointer) throws(Errno)
  /// Returns when everything written is on the medium.
  mutating func flush() throws(Errno)
}

/// Where file data comes from and goes to: a grant of VFS's client on metal, a buffer in a test.
public protocol ClientMemory {
  mutating func copyOut(_ source: UnsafeRawPointer, count: Int, at offset: Int) throws(Errno)
  mutating func copyIn(_ target: UnsafeMutableRawPointer, count: Int, at offset: Int) throws(Errno)
}
