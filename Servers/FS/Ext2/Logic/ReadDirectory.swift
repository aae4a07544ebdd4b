import IPC
import Protocols

/// Listing a directory. A position is a byte in it; an entry that was merged away meanwhile is stepped over.
extension Volume {
  /// Whole records from `position` on: how many bytes, and where to go on. Nothing at the end.
  public func readDirectory<M: ClientMemory>(
    _ number: UInt64, from position: UInt64, count: UInt64, into memory: inout M
  ) throws(Errno) -> (count: UInt64, next: UInt64) {
    let directory = try directory(number)
    let capacity = Int(min(count, UInt64(3 << geometry.blockShift)))
    var filled = 0
    var next = position
    let shift = UInt64(geometry.blockShift)
    var index = position >> shift
    var begin = Int(position & UInt64(geometry.blockSize - 1))
    filling: while index < directoryBlocks(directory) {
      let raw = try cache.read(try directoryBlock(directory, index))
      var offset = 0
      while offset < geometry.blockSize {
        let length = try checkedLength(raw, offset)
        let after = index << shift + UInt64(offset + length)
        let inode = raw.load(fromByteOffset: offset, as: UInt32.self)
        if offset >= begin, inode != 0 {
          let name = Int(raw.load(fromByteOffset: offset + 6, as: UInt8.self))
          let record = DirectoryEntry.length(nameCount: name)
          if filled + record > capacity {
            if filled == 0 { throw .invalidArgument }
            break filling
          }
          list(raw + offset, inode, name, after, record, at: filled)
          filled += record
        }
        if offset >= begin { next = after }
        offset += length
      }
      index += 1
      begin = 0
    }
    if filled > 0 { try memory.copyOut(scratch, count: filled, at: 0) }
    return (UInt64(filled), next)
  }

  private func list(_ entry: UnsafeMutableRawPointer, _ inode: UInt32, _ name: Int, _ next: UInt64, _ record: Int, at filled: Int) {
    let out = scratch + filled
    out.storeBytes(of: UInt64(inode), as: UInt64.self)
    out.storeBytes(of: next, toByteOffset: 8, as: UInt64.self)
    out.storeBytes(of: UInt16(record), toByteOffset: 16, as: UInt16.self)
    let type = geometry.hasFileType ? Self.listedType(entry.load(fromByteOffset: 7, as: UInt8.self)) : DirectoryEntry.unknown
    out.storeBytes(of: type, toByteOffset: 18, as: UInt8.self)
    (out + DirectoryEntry.nameOffset).copyMemory(from: entry + 8, byteCount: name)
    let used = DirectoryEntry.nameOffset + name
    (out + used).initializeMemory(as: UInt8.self, repeating: 0, count: record - used)
  }
}
