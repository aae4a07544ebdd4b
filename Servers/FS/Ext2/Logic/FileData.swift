import IPC
import Protocols

/// Reading files: runs of blocks that are neighbours in the cache go to the client in one copy.
extension Volume {
  /// How many bytes were read: fewer than asked only at the end of the file.
  public func read<M: ClientMemory>(_ number: UInt64, at position: UInt64, count: UInt64, into memory: inout M) throws(Errno) -> UInt64 {
    let inode = try inode(number)
    try Self.requireData(inode)
    guard position < inode.size else { return 0 }
    let total = Int(min(count, inode.size - position, 1 << 30))
    let shift = UInt64(geometry.blockShift)
    var done = 0
    while done < total {
      let index = (position + UInt64(done)) >> shift
      let offset = Int((position + UInt64(done)) & (1 << shift - 1))
      let block = try map(inode, index)
      var blocks = 1
      if block == 0 {
        let amount = min(geometry.blockSize - offset, total - done)
        zeros.initializeMemory(as: UInt8.self, repeating: 0, count: amount)
        try memory.copyOut(zeros, count: amount, at: done)
        done += amount
        continue
      }
      var slot = cache.find(block)
      if slot >= 0 {
        cache.slots[slot].isUsed = true
      } else {
        slot = try fetch(inode, index, block, wanted: (offset + total - done + geometry.blockSize - 1) >> geometry.blockShift)
      }
      // Loading pointer blocks replaces slots of the metadata zone only.
      if slot >= cache.data.first {
        let limit = min(total - done, Int(Kernel.copyLimit) - geometry.blockSize)
        while blocks << geometry.blockShift - offset < limit {
          let next = try map(inode, index + UInt64(blocks))
          guard next == block + UInt32(blocks), cache.find(next) == slot + blocks else { break }
          blocks += 1
        }
      }
      let amount = min(blocks << geometry.blockShift - offset, total - done)
      try memory.copyOut(cache.address(slot) + offset, count: amount, at: done)
      done += amount
    }
    references.setNextBlock(of: inode.number, UInt32(truncatingIfNeeded: (position + UInt64(done)) >> shift))
    return UInt64(done)
  }

  private static func requireData(_ inode: Inode) throws(Errno) {
    if inode.isDirectory { throw .isDirectory }
    if !inode.isRegular { throw .invalidArgument }
  }

  /// Where the third scratch block stands: zeros for holes.
  private var zeros: UnsafeMutableRawPointer { scratch + 2 << geometry.blockShift }

  /// Loads the block and its neighbours: as many as are wanted, or 64 KiB if the file is read in sequence.
  private func fetch(_ inode: Inode, _ index: UInt64, _ block: UInt32, wanted: Int) throws(Errno) -> Int {
    let isSequential = index == 0 || references.nextBlock(of: inode.number) == UInt32(truncatingIfNeeded: index)
    let inFile = (inode.size - index << UInt64(geometry.blockShift) + UInt64(geometry.blockSize - 1)) >> UInt64(geometry.blockShift)
    let limit = min(isSequential ? cache.runLimit : wanted, cache.runLimit, Int(min(inFile, 1 << 20)))
    var count = 1
    while count < limit {
      // What is ahead may be damaged: that is the business of who reads it.
      let next = (try? map(inode, index + UInt64(count))) ?? 0
      guard next == block + UInt32(count), cache.find(next) < 0 else { break }
      count += 1
    }
    if count > 1, let slot = try? cache.load(block, count: count, .data) { return slot }
    return try cache.load(block, count: 1, .data)
  }

  // MARK: Writing

  /// How many bytes were written, fewer only if the device is full, and the size then.
  /// - Parameter position: `UInt64.max` appends.
  public func write<M: ClientMemory>(_ number: UInt64, at position: UInt64, count: UInt64, from memory: inout M) throws(Errno) -> (count: UInt64, size: UInt64) {
    var inode = try inode(number)
    try Self.requireData(inode)
    try beginChange()
    let start = position == .max ? inode.size : position
    guard start < geometry.largestFile else { throw .fileTooLarge }
    let total = Int(min(count, geometry.largestFile - start, 1 << 30))
    if total == 0 { return (0, inode.size) }
    if start > inode.size { try clearTail(inode) }
    var done = 0
    var failure: Errno? = nil
    do throws(Errno) {
      try write(&inode, start, total, &done, &memory)
    } catch { failure = error }
    if inode.size >= 1 << 31 { try noteLargeFile() }
    if failure != nil {
      // Blocks that were added for what then was not written go back.
      if !isReadOnly { try shrink(&inode, to: inode.size) }
    }
    inode.modified = now
    inode.changed = now
    try store(inode)
    if let failure, done == 0 || failure != .noSpace { throw failure }
    return (UInt64(done), inode.size)
  }

  /// Blocks of the file from `index` on that are neighbours on the device.
  private struct Extent {
    var block: UInt32
    var count: Int
    /// Bit n: block n was a hole; its contents are nothing yet.
    var fresh: UInt64
  }

  private func write<M: ClientMemory>(_ inode: inout Inode, _ start: UInt64, _ total: Int, _ done: inout Int, _ memory: inout M) throws(Errno) {
    let shift = UInt64(geometry.blockShift)
    let mask = geometry.blockSize - 1
    var goal: UInt32 = 0
    if start >> shift > 0, case let before = try map(inode, start >> shift - 1), before != 0 { goal = before + 1 }
    // A block that was mapped but is no neighbour of the extent before it.
    var carried: (block: UInt32, isFresh: Bool)? = nil
    while done < total {
      let at = start + UInt64(done)
      let index = at >> shift
      let offset = Int(at) & mask
      let first: (block: UInt32, isFresh: Bool)
      if let carried { first = carried } else { first = try mapForWriting(&inode, index, near: goal) }
      carried = nil
      var extent = Extent(block: first.block, count: 1, fresh: first.isFresh ? 1 : 0)
      var amount = min(geometry.blockSize - offset, total - done)
      var shortage: Errno? = nil
      if offset == 0, amount == geometry.blockSize {
        while extent.count < cache.runLimit, total - done - amount >= geometry.blockSize {
          do throws(Errno) {
            let next = try mapForWriting(&inode, index + UInt64(extent.count), near: extent.block + UInt32(extent.count))
            if next.block != extent.block + UInt32(extent.count) {
              carried = next
              break
            }
            if next.isFresh { extent.fresh |= 1 << UInt64(extent.count) }
            extent.count += 1
            amount += geometry.blockSize
          } catch {
            shortage = error
            break
          }
        }
      }
      do throws(Errno) {
        if amount & mask == 0 { try replace(extent, done, &memory) } else { try patch(extent, offset, amount, done, &memory) }
      } catch {
        try clear(extent)
        if let carried, carried.isFresh { _ = try cache.zeroed(carried.block, .data) }
        throw error
      }
      done += amount
      inode.size = max(inode.size, start + UInt64(done))
      goal = extent.block + UInt32(extent.count)
      if let shortage { throw shortage }
    }
  }

  /// Whole blocks: nothing needs to be loaded. Those not in the cache get neighbouring slots.
  private func replace<M: ClientMemory>(_ extent: Extent, _ done: Int, _ memory: inout M) throws(Errno) {
    var at = 0
    while at < extent.count {
      let block = extent.block + UInt32(at)
      var slot = cache.find(block)
      var run = 1
      let wasCached = slot >= 0
      if wasCached {
        while at + run < extent.count, cache.find(block + UInt32(run)) == slot + run { run += 1 }
      } else {
        while at + run < extent.count, cache.find(block + UInt32(run)) < 0 { run += 1 }
        slot = try cache.claim(block, count: run, .data)
      }
      do throws(Errno) {
        try memory.copyIn(cache.address(slot), count: run << geometry.blockShift, at: done + at << geometry.blockShift)
      } catch {
        // The slots hold neither the old nor the new.
        if !wasCached { for index in 0..<run { cache.forget(block + UInt32(index)) } }
        throw error
      }
      for index in 0..<run { cache.markDirty(slot + index) }
      at += run
    }
  }

  /// A part of one block.
  private func patch<M: ClientMemory>(_ extent: Extent, _ offset: Int, _ amount: Int, _ done: Int, _ memory: inout M) throws(Errno) {
    let raw = extent.fresh != 0 ? try cache.zeroed(extent.block, .data) : try cache.read(extent.block, .data)
    try memory.copyIn(raw + offset, count: amount, at: done)
    cache.changed(extent.block)
  }

  /// After a failed copy: a block that was a hole reads as zeros, never as what it held before (M-N9).
  private func clear(_ extent: Extent) throws(Errno) {
    for index in 0..<extent.count where extent.fresh & 1 << UInt64(index) != 0 {
      let block = extent.block + UInt32(index)
      if cache.find(block) < 0 { _ = try cache.zeroed(block, .data) }
    }
  }

  // MARK: Size

  /// ftruncate(2): what is cut off is gone, what is added reads as zeros.
  public func truncate(_ number: UInt64, to size: UInt64) throws(Errno) {
    var inode = try inode(number)
    try Self.requireData(inode)
    guard size <= geometry.largestFile else { throw .fileTooLarge }
    try beginChange()
    inode.modified = now
    inode.changed = now
    if size < inode.size {
      do throws(Errno) {
        try shrink(&inode, to: size)
      } catch {
        // What was freed before the error must not be pointed at any more.
        try store(inode)
        throw error
      }
    } else if size > inode.size {
      try clearTail(inode)
      inode.size = size
      if size >= 1 << 31 { try noteLargeFile() }
    }
    try store(inode)
  }

  /// Bytes behind the end in the last block become zero before the file grows over them.
  private func clearTail(_ inode: Inode) throws(Errno) {
    let tail = Int(inode.size & UInt64(geometry.blockSize - 1))
    if tail == 0 { return }
    let block = try map(inode, inode.size >> UInt64(geometry.blockShift))
    if block == 0 { return }
    (try cache.read(block, .data) + tail).initializeMemory(as: UInt8.self, repeating: 0, count: geometry.blockSize - tail)
    cache.changed(block)
  }
}
