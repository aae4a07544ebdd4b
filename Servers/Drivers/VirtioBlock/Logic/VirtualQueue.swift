/// A split virtqueue (virtio 1.2, 2.7) in the legacy layout: descriptors, the ring of what we offer, and on the
/// next page boundary the ring of what the device has used. What the device writes there may be anything.
struct VirtualQueue<Memory: DMAMemory> {
  let memory: Memory
  let size: Int
  private var offered: UInt16 = 0
  private var seen: UInt16 = 0

  /// Queues larger than this do not fit the area kept for the rings.
  static var sizeLimit: Int { 1024 }
  /// Bytes of a queue of `sizeLimit`, rounded up to pages.
  static var area: Int { 32 << 10 }

  private var availableRing: Int { size * 16 }
  private var usedRing: Int { (availableRing + 6 + size * 2 + 4095) & ~4095 }

  init(_ memory: Memory, size: Int) {
    self.memory = memory
    self.size = size
    clear()
  }

  /// As after a reset of the device.
  mutating func clear() {
    offered = 0
    seen = 0
    for offset in stride(from: 0, to: usedRing + 6 + size * 8, by: 8) { memory.write64(offset, 0) }
  }

  enum DescriptorFlag {
    static var next: UInt16 { 1 }
    static var deviceWrites: UInt16 { 2 }
  }

  func describe(_ index: Int, physical: UInt64, length: Int, flags: UInt16, next: Int) {
    memory.write64(index * 16, physical)
    memory.write32(index * 16 + 8, UInt32(length))
    memory.write16(index * 16 + 12, flags)
    memory.write16(index * 16 + 14, UInt16(next))
  }

  /// Offers the chain that begins at descriptor `head`; the device looks when it is notified.
  mutating func offer(_ head: Int) {
    memory.write16(availableRing + 4 + (Int(offered) & (size - 1)) * 2, UInt16(head))
    offered &+= 1
    memory.write16(availableRing + 2, offered)
  }

  enum Used {
    case none
    case chain(head: UInt32, length: UInt32)
    /// The device says that it used more than it was given.
    case nonsense
  }

  /// The next chain that the device is done with.
  /// - Parameter inFlight: how many it can have used at most.
  mutating func takeUsed(inFlight: Int) -> Used {
    let index = memory.read16(usedRing + 2)
    let fresh = Int(index &- seen)
    if fresh == 0 { return .none }
    guard fresh <= inFlight else { return .nonsense }
    let element = usedRing + 4 + (Int(seen) & (size - 1)) * 8
    seen &+= 1
    return .chain(head: memory.read32(element), length: memory.read32(element + 4))
  }
}
