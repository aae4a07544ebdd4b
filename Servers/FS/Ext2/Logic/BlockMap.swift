import IPC

/// From a file's block to the device's: twelve pointers in the inode, then one, two and three levels of blocks
/// of pointers. A pointer of 0 is a hole, which reads as zeros (M-N9).
extension Volume {
  /// Levels of pointer blocks above block `index` of a file, and its place below them; nil beyond the last.
  private func level(_ index: UInt64) -> (depth: Int, rest: UInt64)? {
    if index < 12 { return (0, index) }
    var rest = index - 12
    for depth in 1...3 {
      let span = UInt64(1) << UInt64(depth * geometry.pointerShift)
      if rest < span { return (depth, rest) }
      rest -= span
    }
    return nil
  }

  private func slot(_ rest: UInt64, _ depth: Int) -> Int {
    Int(rest >> UInt64((depth - 1) * geometry.pointerShift)) & (1 << geometry.pointerShift - 1)
  }

  func checked(_ pointer: UInt32) throws(Errno) -> UInt32 {
    if pointer != 0, !isData(pointer) { throw damaged("damaged: a pointer leads outside the data") }
    return pointer
  }

  /// The device's block, 0 for a hole.
  func map(_ inode: Inode, _ index: UInt64) throws(Errno) -> UInt32 {
    if index < 12 { return try checked(inode.pointers[Int(index)]) }
    guard let (depth, rest) = level(index) else { return 0 }
    var block = try checked(inode.pointers[11 + depth])
    var remaining = depth
    while remaining > 0, block != 0 {
      let raw = try cache.read(block)
      block = try checked(raw.load(fromByteOffset: slot(rest, remaining) * 4, as: UInt32.self))
      remaining -= 1
    }
    return block
  }

  /// The device's block, allocated near `goal` if it was a hole; then `isFresh`, and its contents are nothing yet.
  /// On failure pointer blocks may have been added: the caller shrinks the file to what it has.
  func mapForWriting(_ inode: inout Inode, _ index: UInt64, near goal: UInt32) throws(Errno) -> (block: UInt32, isFresh: Bool) {
    guard let (depth, rest) = level(index) else { throw .fileTooLarge }
    let top = depth == 0 ? Int(index) : 11 + depth
    var block = try checked(inode.pointers[top])
    var goal = goal
    var isFresh = false
    if block == 0 {
      block = try allocateFor(&inode, near: goal)
      if depth > 0 { try clearFresh(block, &inode) }
      inode.pointers[top] = block
      isFresh = true
    }
    var remaining = depth
    while remaining > 0 {
      let raw = try cache.read(block)
      let at = slot(rest, remaining) * 4
      var next = try checked(raw.load(fromByteOffset: at, as: UInt32.self))
      isFresh = next == 0
      if next == 0 {
        if goal == 0 { goal = block + 1 }
        next = try allocateFor(&inode, near: goal)
        if remaining > 1 { try clearFresh(next, &inode) }
        // Allocating may have moved this block out of the cache.
        try cache.read(block).storeBytes(of: next, toByteOffset: at, as: UInt32.self)
        cache.changed(block)
      }
      block = next
      remaining -= 1
    }
    return (block, isFresh)
  }

  private func allocateFor(_ inode: inout Inode, near goal: UInt32) throws(Errno) -> UInt32 {
    let block = try allocateBlock(near: goal == 0 ? firstGoal(inode.number) : goal)
    inode.sectors = inode.sectors &+ geometry.sectorsPerBlock
    return block
  }

  /// A new block of pointers holds none.
  private func clearFresh(_ block: UInt32, _ inode: inout Inode) throws(Errno) {
    do throws(Errno) { _ = try cache.zeroed(block) } catch {
      try release(block)
      inode.sectors = inode.sectors &- geometry.sectorsPerBlock
      throw error
    }
  }

  /// The start of the group of the inode, where its first block would be best.
  func firstGoal(_ number: UInt32) -> UInt32 {
    geometry.firstBlock(of: (number - 1) / geometry.inodesPerGroup)
  }

  // MARK: Shrinking

  /// Frees the blocks from byte `size` on and clears the rest of the last block. Sets `size`; the caller stores.
  func shrink(_ inode: inout Inode, to size: UInt64) throws(Errno) {
    let kept = (size + UInt64(geometry.blockSize) - 1) >> UInt64(geometry.blockShift)
    let tail = Int(size & UInt64(geometry.blockSize - 1))
    if tail != 0 {
      let last = try map(inode, kept - 1)
      if last != 0 {
        let raw = try cache.read(last, .data)
        (raw + tail).initializeMemory(as: UInt8.self, repeating: 0, count: geometry.blockSize - tail)
        cache.changed(last)
      }
    }
    inode.size = size
    for index in 0..<12 where UInt64(index) >= kept && inode.pointers[index] != 0 {
      let block = inode.pointers[index]
      inode.pointers[index] = 0
      try releaseFor(&inode, block)
    }
    var start: UInt64 = 12
    for depth in 1...3 {
      let span = UInt64(1) << UInt64(depth * geometry.pointerShift)
      let block = try checked(inode.pointers[11 + depth])
      if block != 0, kept < start + span {
        if kept <= start {
          inode.pointers[11 + depth] = 0
          try releaseTree(&inode, block, depth)
        } else {
          try releasePart(&inode, block, depth, from: kept - start)
        }
      }
      start += span
    }
  }

  private func releaseFor(_ inode: inout Inode, _ block: UInt32) throws(Errno) {
    try release(block)
    inode.sectors = inode.sectors &- min(geometry.sectorsPerBlock, inode.sectors)
  }

  /// Frees a pointer block and all below it. The block itself goes first, so that a cycle meets a free block.
  private func releaseTree(_ inode: inout Inode, _ block: UInt32, _ depth: Int) throws(Errno) {
    let raw = try cache.read(block)
    let copy = scratch + (depth - 1) << geometry.blockShift
    copy.copyMemory(from: raw, byteCount: geometry.blockSize)
    try releaseFor(&inode, block)
    for index in 0..<1 << geometry.pointerShift {
      let next = copy.load(fromByteOffset: index * 4, as: UInt32.self)
      if next == 0 { continue }
      if depth > 1 { try releaseTree(&inode, try checked(next), depth - 1) } else { try releaseFor(&inode, next) }
    }
  }

  /// Frees what stands below a pointer block from place `start` (> 0) on.
  private func releasePart(_ inode: inout Inode, _ block: UInt32, _ depth: Int, from start: UInt64) throws(Errno) {
    let spanShift = UInt64((depth - 1) * geometry.pointerShift)
    var index = Int(start >> spanShift)
    let inside = start & (1 << spanShift - 1)
    if inside != 0 {
      let next = try checked(try cache.read(block).load(fromByteOffset: index * 4, as: UInt32.self))
      if next != 0 { try releasePart(&inode, next, depth - 1, from: inside) }
      index += 1
    }
    while index < 1 << geometry.pointerShift {
      let raw = try cache.read(block)
      let next = raw.load(fromByteOffset: index * 4, as: UInt32.self)
      if next != 0 {
        raw.storeBytes(of: 0, toByteOffset: index * 4, as: UInt32.self)
        cache.changed(block)
        if depth > 1 { try releaseTree(&inode, try checked(next), depth - 1) } else { try releaseFor(&inode, next) }
      }
      index += 1
    }
  }
}
