/// A split virtqueue in the legacy layout as the device sees it (virtio 1.2, 2.7): descriptors, the ring of what the driver
/// offers, on the next page boundary the ring of what is used. All of it is the driver's to write, so nothing is believed.
struct VirtioQueue<Memory: GuestMemory> {
  let memory: Memory
  static var size: Int { 256 }
  private static var availableRing: Int { size * 16 }
  private static var usedRing: Int { (availableRing + 6 + size * 2 + 4095) & ~4095 }
  private static var length: Int { usedRing + 6 + size * 8 }

  /// Physical page number; 0: none.
  var frame: UInt32 = 0
  private var seen: UInt16 = 0
  private var used: UInt16 = 0

  init(_ memory: Memory) { self.memory = memory }

  mutating func reset() {
    frame = 0
    seen = 0
    used = 0
  }

  private var ring: UnsafeMutableRawPointer? { frame == 0 ? nil : memory.bytes(UInt64(frame) << 12, UInt64(Self.length)) }

  enum Offer {
    case none
    /// The first descriptor of a chain.
    case head(UInt16)
    /// The driver has written nonsense.
    case broken
  }

  /// The next chain that the driver has offered.
  mutating func next() -> Offer {
    guard let ring else { return .broken }
    let index = (ring + Self.availableRing + 2).load(as: UInt16.self)
    if index == seen { return .none }
    guard Int(index &- seen) <= Self.size else { return .broken }
    let head = (ring + Self.availableRing + 4 + Int(seen) % Self.size * 2).load(as: UInt16.self)
    guard Int(head) < Self.size else { return .broken }
    seen &+= 1
    return .head(head)
  }

  struct Part {
    var bytes: UnsafeMutableRawBufferPointer
    /// By the device.
    var isWritable: Bool
  }

  /// The parts of a chain; nil if one is outside RAM, empty, or the chain has no end.
  func chain(_ head: UInt16) -> [Part]? {
    guard let ring else { return nil }
    var parts: [Part] = []
    var index = Int(head)
    while parts.count < Self.size {
      let descriptor = ring + index * 16
      let length = UInt64((descriptor + 8).load(as: UInt32.self))
      let flags = (descriptor + 12).load(as: UInt16.self)
      guard length > 0, flags & 4 == 0, let start = memory.bytes(descriptor.load(as: UInt64.self), length) else { return nil }
      parts.append(Part(bytes: UnsafeMutableRawBufferPointer(start: start, count: Int(length)), isWritable: flags & 2 != 0))
      if flags & 1 == 0 { return parts }
      index = Int((descriptor + 14).load(as: UInt16.self))
      guard index < Self.size else { return nil }
    }
    return nil
  }

  /// Says that the chain at `head` is done, with `written` bytes of it filled. True if the driver wants to be interrupted.
  mutating func complete(_ head: UInt16, written: UInt32) -> Bool {
    guard let ring else { return false }
    let element = ring + Self.usedRing + 4 + Int(used) % Self.size * 8
    element.storeBytes(of: UInt32(head), as: UInt32.self)
    element.storeBytes(of: written, toByteOffset: 4, as: UInt32.self)
    used &+= 1
    ring.storeBytes(of: used, toByteOffset: Self.usedRing + 2, as: UInt16.self)
    return (ring + Self.availableRing).load(as: UInt16.self) & 1 == 0
  }
}
