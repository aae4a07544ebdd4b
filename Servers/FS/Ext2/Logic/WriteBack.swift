import IPC

/// Writing dirty blocks back: data before metadata, each zone in the order of the device, neighbours together.
extension Cache {
  /// Writes every dirty block. One that cannot be written stays dirty and is tried again next time; the first
  /// error is thrown once all others are out.
  mutating func writeBack() throws(Errno) {
    var failure: Errno? = nil
    writeBack(data, &failure)
    writeBack(metadata, &failure)
    if let failure { throw failure }
  }

  private mutating func writeBack(_ zone: Zone, _ failure: inout Errno?) {
    if dirtyCount == 0 { return }
    var count = 0
    for slot in zone.first..<zone.end where slots[slot].isDirty {
      order[count] = UInt64(slots[slot].block) << 32 | UInt64(slot)
      count += 1
    }
    sort(count)
    var start = 0
    while start < count {
      var end = start + 1
      while end < count, end - start < runLimit, order[end] >> 32 == order[end - 1] >> 32 + 1 { end += 1 }
      do throws(Errno) {
        try writeRun(start, end)
        for index in start..<end { slots[slot(index)].isDirty = false }
        dirtyCount -= end - start
      } catch {
        if failure == nil { failure = error }
      }
      start = end
    }
  }

  private func slot(_ index: Int) -> Int { Int(order[index] & 0xFFFF_FFFF) }

  private mutating func writeRun(_ start: Int, _ end: Int) throws(Errno) {
    let position = (order[start] >> 32) << UInt64(shift)
    var areNeighbours = true
    for index in start + 1..<max(end, start + 1) where slot(index) != slot(index - 1) + 1 { areNeighbours = false }
    var source = UnsafeRawPointer(address(slot(start)))
    if !areNeighbours {
      for index in start..<end { (staging + (index - start) << shift).copyMemory(from: address(slot(index)), byteCount: blockSize) }
      source = UnsafeRawPointer(staging)
    }
    try device.write(at: position, from: UnsafeRawBufferPointer(start: source, count: (end - start) << shift))
  }

  /// Shell sort: the order is nearly right most of the time, and this is small.
  private func sort(_ count: Int) {
    var gap = 1
    while gap < count / 3 { gap = gap * 3 + 1 }
    while gap > 0 {
      for index in stride(from: gap, to: max(count, gap), by: 1) {
        let value = order[index]
        var at = index
        while at >= gap, order[at - gap] > value {
          order[at] = order[at - gap]
          at -= gap
        }
        order[at] = value
      }
      gap /= 3
    }
  }
}
