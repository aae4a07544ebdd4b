import IPC

/// The buffer cache: a fixed pool of blocks, found by a hash, replaced by a clock with a second chance, written
/// back when asked, when pressed or by age (the server's alarm).
///
/// The pool has two zones. Blocks of metadata come one by one; blocks of file data come as runs, so that blocks
/// that are neighbours on the device are neighbours in memory: one request loads 64 KiB, one kernel call copies
/// them to the client.
///
/// A pointer into the cache holds until the next call that may load a block.
struct Cache<Device: BlockDevice> {
  struct Slot {
    var block: UInt32
    /// The next slot of the same bucket, or -1.
    var next: Int32
    /// Looked at again since it was loaded, or since the hand passed.
    var isUsed: Bool
    var isDirty: Bool
  }

  struct Zone {
    var first, end, hand: Int
    var count: Int { end - first }
  }

  enum Kind { case metadata, data }

  static var empty: UInt32 { .max }
  /// The most blocks in one request: 64 KiB.
  let runLimit: Int
  let shift: Int
  var device: Device
  let allocation: UnsafeMutableRawPointer
  let memory: UnsafeMutableRawPointer
  let slots: UnsafeMutablePointer<Slot>
  let buckets: UnsafeMutablePointer<Int32>
  let bucketMask: UInt32
  /// For sorting the dirty blocks: one word a slot.
  let order: UnsafeMutablePointer<UInt64>
  /// For writing neighbours on the device that are not neighbours in memory.
  let staging: UnsafeMutableRawPointer
  var metadata, data: Zone
  var dirtyCount = 0

  /// - Parameter bytes: size of the pool; a third of it for metadata.
  init(device: Device, blockShift: Int, bytes: Int) {
    self.device = device
    shift = blockShift
    runLimit = (64 << 10) >> blockShift
    let count = max(bytes >> blockShift, 8 * runLimit)
    let inMetadata = max(count / 3, 32)
    metadata = Zone(first: 0, end: inMetadata, hand: 0)
    data = Zone(first: inMetadata, end: count, hand: inMetadata)
    // Page-aligned by hand: a copy of one block then touches one page.
    allocation = .allocate(byteCount: count << blockShift + 4096, alignment: 16)
    memory = allocation.alignedUp(toMultipleOf: 4096)
    slots = .allocate(capacity: count)
    slots.initialize(repeating: Slot(block: Self.empty, next: -1, isUsed: false, isDirty: false), count: count)
    var bucketCount = 64
    while bucketCount < count { bucketCount *= 2 }
    buckets = .allocate(capacity: bucketCount)
    buckets.initialize(repeating: -1, count: bucketCount)
    bucketMask = UInt32(bucketCount - 1)
    // Touched now: writing back, by which memory becomes free, must not fail for want of a page.
    order = .allocate(capacity: count)
    order.initialize(repeating: 0, count: count)
    staging = .allocate(byteCount: 64 << 10, alignment: 16)
    staging.initializeMemory(as: UInt8.self, repeating: 0, count: 64 << 10)
  }

  func deallocate() {
    allocation.deallocate()
    slots.deallocate()
    buckets.deallocate()
    order.deallocate()
    staging.deallocate()
  }

  var blockSize: Int { 1 << shift }

  @inline(__always) func address(_ slot: Int) -> UnsafeMutableRawPointer { memory + slot << shift }

  /// The slot that holds `block`, or -1.
  @inline(__always) func find(_ block: UInt32) -> Int {
    var slot = buckets[Int(block & bucketMask)]
    while slot >= 0 {
      if slots[Int(slot)].block == block { return Int(slot) }
      slot = slots[Int(slot)].next
    }
    return -1
  }

  // MARK: Getting blocks

  /// The block's contents, loaded if need be.
  mutating func read(_ block: UInt32, _ kind: Kind = .metadata) throws(Errno) -> UnsafeMutableRawPointer {
    let slot = find(block)
    if slot >= 0 {
      slots[slot].isUsed = true
      return address(slot)
    }
    return address(try load(block, count: 1, kind))
  }

  /// The block with every byte zero, not loaded; dirty.
  mutating func zeroed(_ block: UInt32, _ kind: Kind = .metadata) throws(Errno) -> UnsafeMutableRawPointer {
    var slot = find(block)
    if slot < 0 { slot = try claim(block, count: 1, kind) }
    address(slot).initializeMemory(as: UInt8.self, repeating: 0, count: blockSize)
    markDirty(slot)
    return address(slot)
  }

  /// Neighbouring slots for `count` blocks that are not in the cache; the caller replaces every byte of them at
  /// once. Not dirty yet.
  mutating func claim(_ block: UInt32, count: Int, _ kind: Kind) throws(Errno) -> Int {
    let slot = try take(count, kind)
    for index in 0..<count { insert(block + UInt32(index), at: slot + index) }
    return slot
  }

  /// Loads `count` neighbours, none of which is in the cache, into neighbouring slots; the first slot.
  mutating func load(_ block: UInt32, count: Int, _ kind: Kind) throws(Errno) -> Int {
    let slot = try take(count, kind)
    try device.read(
      at: UInt64(block) << UInt64(shift), into: UnsafeMutableRawBufferPointer(start: address(slot), count: count << shift))
    for index in 0..<count { insert(block + UInt32(index), at: slot + index) }
    return slot
  }

  /// What was written to the block whose contents `read` gave must reach the device.
  mutating func changed(_ block: UInt32) {
    let slot = find(block)
    precondition(slot >= 0, "changed a block that is not in the cache")
    markDirty(slot)
  }

  mutating func markDirty(_ slot: Int) {
    if !slots[slot].isDirty {
      slots[slot].isDirty = true
      dirtyCount += 1
    }
    slots[slot].isUsed = true
  }

  /// The block was freed, or its slot never filled: nothing of it is written any more.
  mutating func forget(_ block: UInt32) {
    let slot = find(block)
    if slot >= 0 { remove(slot) }
  }

  // MARK: The table

  private mutating func insert(_ block: UInt32, at slot: Int) {
    let bucket = Int(block & bucketMask)
    slots[slot] = Slot(block: block, next: buckets[bucket], isUsed: false, isDirty: false)
    buckets[bucket] = Int32(truncatingIfNeeded: slot)
  }

  private mutating func remove(_ slot: Int) {
    let block = slots[slot].block
    if block == Self.empty { return }
    if slots[slot].isDirty { dirtyCount -= 1 }
    let bucket = Int(block & bucketMask)
    let next = slots[slot].next
    if Int(buckets[bucket]) == slot {
      buckets[bucket] = next
    } else {
      var at = Int(buckets[bucket])
      while Int(slots[at].next) != slot { at = Int(slots[at].next) }
      slots[at].next = next
    }
    slots[slot] = Slot(block: Self.empty, next: -1, isUsed: false, isDirty: false)
  }

  /// Empties `count` neighbouring slots of the zone and gives the first.
  private mutating func take(_ count: Int, _ kind: Kind) throws(Errno) -> Int {
    var zone = kind == .metadata ? metadata : data
    for attempt in 0..<2 {
      var run = 0
      var index = zone.hand
      for _ in 0..<2 * zone.count + count {
        if index == zone.end {
          index = zone.first
          run = 0
        }
        if slots[index].isDirty {
          run = 0
        } else if slots[index].isUsed {
          slots[index].isUsed = false
          run = 0
        } else {
          run += 1
        }
        index += 1
        if run == count {
          zone.hand = index
          if kind == .metadata { metadata = zone } else { data = zone }
          for slot in index - count..<index { remove(slot) }
          return index - count
        }
      }
      if attempt == 0 { try writeBack() }
    }
    throw .ioError
  }
}
