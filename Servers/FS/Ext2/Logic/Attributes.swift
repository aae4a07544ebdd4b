import IPC
import Protocols

/// What stat(2), chmod(2), utime(2) and readlink(2) ask.
extension Volume {
  func node(_ inode: Inode) -> FS.Node {
    let isDevice = inode.type == FileType.character || inode.type == FileType.block
    return FS.Node(
      inode: UInt64(inode.number), size: inode.size, mode: UInt32(inode.mode), links: UInt32(inode.links),
      special: isDevice ? Self.special(inode) : 0, blocks: inode.sectors, modified: UInt64(inode.modified))
  }

  /// Old device numbers stand in the first pointer in 16 bits, new ones in the second.
  private static func special(_ inode: Inode) -> UInt32 {
    let old = inode.pointers[0]
    if old != 0 { return (old >> 8 & 0xFF) << 16 | old & 0xFF }
    let new = inode.pointers[1]
    return (new >> 8 & 0xFFF) << 16 | new & 0xFF | (new >> 12 & 0xFF00)
  }

  public func attributes(_ number: UInt64) throws(Errno) -> FS.Node { node(try inode(number)) }

  /// - Parameter fields: bit 0 permissions, bit 1 time of the last change.
  public func setAttributes(_ number: UInt64, fields: UInt32, mode: UInt32, modified: UInt64) throws(Errno) {
    var inode = try inode(number)
    try beginChange()
    if fields & 1 != 0 { inode.mode = inode.type | UInt16(truncatingIfNeeded: mode & 0o7777) }
    if fields & 2 != 0 { inode.modified = UInt32(clamping: modified) }
    inode.changed = now
    try store(inode)
  }

  /// The text of a symbolic link, cut to `capacity`.
  public func readLink<M: ClientMemory>(_ number: UInt64, capacity: UInt64, into memory: inout M) throws(Errno) -> UInt64 {
    let inode = try inode(number)
    guard inode.isSymbolicLink else { throw .invalidArgument }
    let count = Int(min(inode.size, capacity, UInt64(geometry.blockSize)))
    if isFastLink(inode) {
      guard inode.size < 60 else { throw damaged("damaged: a symbolic link is too long") }
      scratch.storeBytes(of: inode.pointers, as: InlineArray<15, UInt32>.self)
      try memory.copyOut(scratch, count: count, at: 0)
    } else {
      let block = try map(inode, 0)
      guard block != 0, inode.size < UInt64(geometry.blockSize) else { throw damaged("damaged: a symbolic link has no text") }
      try memory.copyOut(try cache.read(block), count: count, at: 0)
    }
    return UInt64(count)
  }
}
