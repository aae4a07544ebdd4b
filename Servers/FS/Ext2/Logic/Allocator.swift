import IPC

/// Which blocks and inodes are free: bitmaps, and counts in descriptors and superblock that always agree.
extension Volume {
  // MARK: Blocks

  func group(of block: UInt32) -> Int { Int((block - geometry.firstDataBlock) / geometry.blocksPerGroup) }

  /// Whether `block` may belong to a file: inside the file system and none of its own structures.
  func isData(_ block: UInt32) -> Bool {
    guard block > geometry.firstDataBlock, block < geometry.blocks else { return false }
    let index = group(of: block)
    let group = groups[index]
    return block - geometry.firstBlock(of: UInt32(index)) >= group.copies && block != group.blockBitmap
      && block != group.inodeBitmap && block &- group.inodeTable >= geometry.tableBlocks
  }

  /// A free block, as near behind `goal` as can be; marked as used.
  func allocateBlock(near goal: UInt32) throws(Errno) -> UInt32 {
    if freeBlocks == 0 { throw .noSpace }
    let goal = goal > geometry.firstDataBlock && goal < geometry.blocks ? goal : geometry.firstDataBlock
    let home = group(of: goal)
    var start = Int(goal - geometry.firstBlock(of: UInt32(home)))
    // Home once more at the end: what lies before the goal.
    for step in 0...groups.count {
      let index = (home + step) % groups.count
      if groups[index].freeBlocks > 0, let block = try allocateBlock(in: index, from: start) { return block }
      start = 0
    }
    throw .noSpace
  }

  private func allocateBlock(in index: Int, from start: Int) throws(Errno) -> UInt32? {
    var group = groups[index]
    let bitmap = try cache.read(group.blockBitmap)
    guard let bit = Self.firstClear(bitmap, from: start, limit: Int(geometry.blockCount(of: UInt32(index)))) else { return nil }
    let block = geometry.firstBlock(of: UInt32(index)) + UInt32(bit)
    guard isData(block) else { throw damaged("damaged: a block bitmap says that metadata is free") }
    Self.set(bitmap, bit)
    cache.changed(group.blockBitmap)
    group.freeBlocks -= 1
    freeBlocks -= 1
    try storeGroup(index, group)
    return block
  }

  /// Gives a block back. One that is free already is damage: so a cycle of pointers comes to an end.
  func release(_ block: UInt32) throws(Errno) {
    guard isData(block) else { throw damaged("damaged: a pointer leads outside the data") }
    let index = group(of: block)
    var group = groups[index]
    let bitmap = try cache.read(group.blockBitmap)
    let bit = Int(block - geometry.firstBlock(of: UInt32(index)))
    guard Self.isSet(bitmap, bit) else { throw damaged("damaged: a block is freed twice") }
    Self.clear(bitmap, bit)
    cache.changed(group.blockBitmap)
    group.freeBlocks += 1
    freeBlocks += 1
    try storeGroup(index, group)
    cache.forget(block)
  }

  // MARK: Inodes

  /// A free inode: files near their directory, directories where there is room. Marked as used.
  func allocateInode(isDirectory: Bool, parent: UInt32) throws(Errno) -> UInt32 {
    if freeInodes == 0 { throw .noSpace }
    let home = Int((parent - 1) / geometry.inodesPerGroup)
    let first = isDirectory ? roomiestGroup(home) : home
    for step in 0..<groups.count {
      let index = (first + step) % groups.count
      if groups[index].freeInodes > 0, let number = try allocateInode(in: index, isDirectory) { return number }
    }
    throw .noSpace
  }

  /// Among the groups with at least the average of free inodes, the one with the most free blocks.
  private func roomiestGroup(_ home: Int) -> Int {
    let average = freeInodes / UInt64(groups.count)
    var best = home
    var most: UInt32 = 0
    for step in 0..<groups.count {
      let index = (home + step) % groups.count
      let group = groups[index]
      if group.freeInodes > 0, UInt64(group.freeInodes) >= average, group.freeBlocks > most {
        best = index
        most = group.freeBlocks
      }
    }
    return best
  }

  private func allocateInode(in index: Int, _ isDirectory: Bool) throws(Errno) -> UInt32? {
    var group = groups[index]
    let bitmap = try cache.read(group.inodeBitmap)
    let start = index == 0 ? Int(geometry.firstInode) - 1 : 0
    guard let bit = Self.firstClear(bitmap, from: start, limit: Int(geometry.inodesPerGroup)) else { return nil }
    let number = UInt32(index) * geometry.inodesPerGroup + UInt32(bit) + 1
    guard isValid(number) else { return nil }
    Self.set(bitmap, bit)
    cache.changed(group.inodeBitmap)
    group.freeInodes -= 1
    freeInodes -= 1
    if isDirectory { group.directories += 1 }
    try storeGroup(index, group)
    return number
  }

  func releaseInode(_ number: UInt32, isDirectory: Bool) throws(Errno) {
    let index = Int((number - 1) / geometry.inodesPerGroup)
    var group = groups[index]
    let bitmap = try cache.read(group.inodeBitmap)
    let bit = Int((number - 1) % geometry.inodesPerGroup)
    guard Self.isSet(bitmap, bit) else { throw damaged("damaged: an inode is freed twice") }
    Self.clear(bitmap, bit)
    cache.changed(group.inodeBitmap)
    group.freeInodes += 1
    freeInodes += 1
    if isDirectory, group.directories > 0 { group.directories -= 1 }
    try storeGroup(index, group)
  }

  // MARK: Bits

  static func isSet(_ bitmap: UnsafeMutableRawPointer, _ bit: Int) -> Bool {
    bitmap.load(fromByteOffset: bit >> 3, as: UInt8.self) & 1 << (bit & 7) != 0
  }
  static func set(_ bitmap: UnsafeMutableRawPointer, _ bit: Int) {
    let byte = bitmap.load(fromByteOffset: bit >> 3, as: UInt8.self)
    bitmap.storeBytes(of: byte | 1 << (bit & 7), toByteOffset: bit >> 3, as: UInt8.self)
  }
  static func clear(_ bitmap: UnsafeMutableRawPointer, _ bit: Int) {
    let byte = bitmap.load(fromByteOffset: bit >> 3, as: UInt8.self)
    bitmap.storeBytes(of: byte & ~(1 << (bit & 7)), toByteOffset: bit >> 3, as: UInt8.self)
  }

  /// The first clear bit in start ..< limit.
  static func firstClear(_ bitmap: UnsafeMutableRawPointer, from start: Int, limit: Int) -> Int? {
    var bit = start
    while bit < limit {
      let word = bitmap.load(fromByteOffset: (bit >> 6) * 8, as: UInt64.self) | (1 << UInt64(bit & 63) - 1)
      if word != .max {
        let found = bit & ~63 + (~word).trailingZeroBitCount
        return found < limit ? found : nil
      }
      bit = (bit | 63) + 1
    }
    return nil
  }
}
