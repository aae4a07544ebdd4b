/// What was typed: completed lines in front, the line being edited behind, in one ring. Reads take from the
/// front, editing takes back from the end.
public struct InputQueue: BitwiseCopyable {
  public static let capacity = 4096
  /// In place of a character: the end of a file that was typed.
  static let endOfFile: UInt16 = 0x100

  var ring = InlineArray<4096, UInt16>(repeating: 0)
  /// Counted from the start, never wrapped: front <= committed <= back <= front + capacity.
  var front = 0, committed = 0, back = 0

  var free: Int { Self.capacity - (back - front) }
  var edited: Int { back - committed }

  subscript(_ position: Int) -> UInt16 { ring[position & (Self.capacity - 1)] }

  mutating func append(_ entry: UInt16) {
    guard free > 0 else { return }
    ring[back & (Self.capacity - 1)] = entry
    back += 1
  }

  mutating func commit() { committed = back }

  mutating func removeLast() {
    if back > committed { back -= 1 }
  }

  mutating func removeFirst(_ count: Int) { front = min(front + count, committed) }

  mutating func clear() {
    front = back
    committed = back
  }
}

/// What is on its way to the screen.
public struct OutputQueue: BitwiseCopyable {
  public static let capacity = 4096

  var ring = InlineArray<4096, UInt8>(repeating: 0)
  var front = 0, back = 0

  public var isEmpty: Bool { front == back }
  var free: Int { Self.capacity - (back - front) }

  mutating func append(_ byte: UInt8) {
    guard free > 0 else { return }
    ring[back & (Self.capacity - 1)] = byte
    back += 1
  }

  mutating func removeFirst() -> UInt8? {
    guard front < back else { return nil }
    front += 1
    return ring[(front - 1) & (Self.capacity - 1)]
  }

  mutating func clear() { front = back }
}
