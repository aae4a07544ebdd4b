import IPC
import PageTable
import Protocols

// The stack with which a program starts (System V ABI, 3.4.1): argc, argv[], 0, envp[], 0, auxiliary vector, and the
// strings above it.
extension VirtualMemory {
  private enum Auxiliary {
    static var pageSize: UInt64 { 6 }
    static var entry: UInt64 { 9 }
    /// The address of 16 bytes that differ each time.
    static var random: UInt64 { 25 }
    /// Words of the whole vector: three pairs and the end.
    static var words: UInt64 { 8 }
  }

  /// Lays the stack of `space` out of the argument block at `block` in `source`. Returns the stack pointer.
  mutating func buildStack<K: Transport>(
    _ space: Space.Pointer, entry: UInt64, from source: Space.Pointer, _ block: UInt64, _ length: UInt64, _ ipc: inout K
  ) throws(Errno) -> UInt64 {
    guard length >= 8, length <= ArgumentBlock.limit else { throw .argumentListTooLong }
    let strings = (space.pointee.layout.stackTop &- (length &- 8)) & ~15
    // First our copy, then a look at it: what nobody else sees cannot change between the two.
    let header = (strings &- 8) & ~15
    try copy(to: space, header, from: source, block, 8, &ipc)
    if length > 8 { try copy(to: space, strings, from: source, block &+ 8, length &- 8, &ipc) }
    let counts = (frames.bytes(try frameToWrite(space, header)) + Int(header & 4095)).load(as: UInt64.self)
    let arguments = counts & 0xFFFF_FFFF
    let environment = counts >> 32
    guard arguments <= UInt64(ArgumentBlock.countLimit), environment <= UInt64(ArgumentBlock.countLimit) else {
      throw .argumentListTooLong
    }
    return try writeVectors(space, entry: entry, strings: strings, length &- 8, arguments, environment)
  }

  /// The stack of a program that starts with its own name only.
  mutating func buildStack(_ space: Space.Pointer, entry: UInt64, name: RS.Name) throws(Errno) -> UInt64 {
    let strings = space.pointee.layout.stackTop &- 32
    try write(space, strings, word: name.0)
    try write(space, strings &+ 8, word: name.1)
    var length: UInt64 = 1
    while length < 17, (length <= 8 ? name.0 >> (8 &* (length &- 1)) : name.1 >> (8 &* (length &- 9))) & 0xFF != 0 { length &+= 1 }
    return try writeVectors(space, entry: entry, strings: strings, length, 1, 0)
  }

  /// Everything below `count` bytes of strings that are in place.
  private mutating func writeVectors(
    _ space: Space.Pointer, entry: UInt64, strings: UInt64, _ count: UInt64, _ arguments: UInt64, _ environment: UInt64
  ) throws(Errno) -> UInt64 {
    let words = 1 &+ arguments &+ 1 &+ environment &+ 1 &+ Auxiliary.words
    // Between them and the strings the bytes of AT_RANDOM.
    let random = (strings &- 16) & ~15
    try write(space, random, word: self.random.next())
    try write(space, random &+ 8, word: self.random.next())
    let pointer = (random &- 16 &- 8 &* words) & ~15
    try write(space, pointer, word: arguments)
    // Without arguments argv is its final 0 alone.
    if arguments == 0 { try write(space, pointer &+ 8, word: 0) }
    var slot = pointer &+ (arguments == 0 ? 16 : 8)
    var found: UInt64 = 0
    var at = strings
    let end = strings &+ count
    while at < end {
      guard found < arguments &+ environment else { throw .invalidArgument }
      try write(space, slot, word: at)
      if found == 0 { space.pointee.name = try nameOfProgram(space, at, end) }
      found &+= 1
      slot &+= 8
      if found == arguments {
        try write(space, slot, word: 0)
        slot &+= 8
      }
      at = try endOfString(space, at, end)
    }
    guard found == arguments &+ environment else { throw .invalidArgument }
    let tail = pointer &+ 8 &* (words &- 1 &- Auxiliary.words)
    try write(space, tail, word: 0)
    try write(space, tail &+ 8, word: Auxiliary.pageSize)
    try write(space, tail &+ 16, word: Page.size)
    try write(space, tail &+ 24, word: Auxiliary.entry)
    try write(space, tail &+ 32, word: entry)
    try write(space, tail &+ 40, word: Auxiliary.random)
    try write(space, tail &+ 48, word: random)
    try write(space, tail &+ 56, word: 0)
    try write(space, tail &+ 64, word: 0)
    return pointer
  }

  /// The last part of the path that is the first argument, up to 16 bytes of it.
  private mutating func nameOfProgram(_ space: Space.Pointer, _ start: UInt64, _ end: UInt64) throws(Errno) -> RS.Name {
    var name: RS.Name = (0, 0)
    var count: UInt64 = 0
    var at = start
    var bytes = frames.bytes(try frameToWrite(space, at))
    while at < end {
      if at & 4095 == 0 { bytes = frames.bytes(try frameToWrite(space, at)) }
      let byte = UInt64(bytes.load(fromByteOffset: Int(at & 4095), as: UInt8.self))
      if byte == 0 { break }
      if byte == 0x2F {
        name = (0, 0)
        count = 0
      } else if count < 16 {
        if count < 8 { name.0 |= byte &<< (8 &* count) } else { name.1 |= byte &<< (8 &* (count &- 8)) }
        count &+= 1
      }
      at &+= 1
    }
    return name
  }

  /// The address after the zero byte that ends the string at `start`.
  private mutating func endOfString(_ space: Space.Pointer, _ start: UInt64, _ end: UInt64) throws(Errno) -> UInt64 {
    var at = start
    while at < end {
      let bytes = frames.bytes(try frameToWrite(space, at))
      let stop = min(end, Page.down(at) &+ Page.size)
      while at < stop {
        if bytes.load(fromByteOffset: Int(at & 4095), as: UInt8.self) == 0 { return at &+ 1 }
        at &+= 1
      }
    }
    throw .invalidArgument
  }
}
