import IPC

/// What a group descriptor says, checked, plus how many blocks at the group's start are copies of the
/// superblock and the descriptors.
struct Group {
  var blockBitmap, inodeBitmap, inodeTable: UInt32
  var freeBlocks, freeInodes, directories: UInt32
  var copies: UInt32

  /// Every number must lie inside the group: without `flex_bg` nothing else is allowed.
  init(_ raw: UnsafeRawPointer, index: UInt32, in geometry: Geometry) throws(Refusal) {
    func word(_ at: Int) -> UInt32 { raw.loadUnaligned(fromByteOffset: at, as: UInt32.self) }
    func half(_ at: Int) -> UInt32 { UInt32(raw.loadUnaligned(fromByteOffset: at, as: UInt16.self)) }
    blockBitmap = word(0)
    inodeBitmap = word(4)
    inodeTable = word(8)
    freeBlocks = half(12)
    freeInodes = half(14)
    directories = half(16)
    let first = geometry.firstBlock(of: index)
    let count = geometry.blockCount(of: index)
    copies = geometry.hasCopies(index) ? 1 + geometry.descriptorBlocks + geometry.reservedDescriptorBlocks : 0
    let refusal = Refusal(reason: "damaged group descriptor", bits: index)
    guard copies < count else { throw refusal }
    let usable = first + copies..<first + count
    guard usable.contains(blockBitmap), usable.contains(inodeBitmap), usable.contains(inodeTable),
      UInt64(inodeTable) + UInt64(geometry.tableBlocks) <= UInt64(usable.upperBound), blockBitmap != inodeBitmap,
      !(inodeTable..<inodeTable + geometry.tableBlocks).contains(blockBitmap),
      !(inodeTable..<inodeTable + geometry.tableBlocks).contains(inodeBitmap),
      freeBlocks <= count, freeInodes <= geometry.inodesPerGroup, directories <= geometry.inodesPerGroup
    else { throw refusal }
  }
}

/// All group descriptors in memory; the blocks they came from are changed along with them.
struct Groups {
  let count: Int
  private let table: UnsafeMutablePointer<Group>

  init(count: Int) {
    self.count = count
    table = .allocate(capacity: count)
  }

  func deallocate() { table.deallocate() }

  subscript(_ index: Int) -> Group {
    get {
      precondition(index >= 0 && index < count, "no such group")
      return table[index]
    }
    nonmutating set {
      precondition(index >= 0 && index < count, "no such group")
      table[index] = newValue
    }
  }
}
