/// Bytes in order.
public struct ByteQueue {
  private var bytes: [UInt8] = []
  private var head = 0

  public init() {}
  public var count: Int { bytes.count - head }
  public var isEmpty: Bool { head == bytes.count }

  public mutating func append(_ byte: UInt8) { bytes.append(byte) }
  public mutating func append(contentsOf more: some Sequence<UInt8>) { bytes.append(contentsOf: more) }

  public mutating func popFirst() -> UInt8? {
    guard head < bytes.count else { return nil }
    let byte = bytes[head]
    drop(1)
    return byte
  }

  /// The bytes without taking them.
  public func withBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
    bytes.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[head...])) }
  }

  /// Forgets the first `count`.
  public mutating func drop(_ count: Int) {
    head += min(count, self.count)
    if head == bytes.count {
      bytes.removeAll(keepingCapacity: true)
      head = 0
    } else if head > 4096, head * 2 > bytes.count {
      bytes.removeFirst(head)
      head = 0
    }
  }

  public mutating func removeAll() {
    bytes = []
    head = 0
  }
}
