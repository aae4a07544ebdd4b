import IPC

/// Inodes on the device: where they stand, and which of them a request may touch.
extension Volume {
  func isValid(_ number: UInt32) -> Bool {
    number == Geometry.root || number >= geometry.firstInode && number <= geometry.inodes
  }

  private func place(_ number: UInt32) -> (block: UInt32, offset: Int) {
    let index = number - 1
    let group = groups[Int(index / geometry.inodesPerGroup)]
    let byte = Int(index % geometry.inodesPerGroup) * geometry.inodeSize
    return (group.inodeTable + UInt32(byte >> geometry.blockShift), byte & (geometry.blockSize - 1))
  }

  /// The inode as it stands there, in use or not.
  func load(_ number: UInt32) throws(Errno) -> Inode {
    guard isValid(number) else { throw .invalidArgument }
    let (block, offset) = place(number)
    let inode = Inode(number: number, try cache.read(block) + offset)
    guard inode.flags & InodeFlag.unknown == 0 else { throw damaged("damaged: an inode has unknown flags") }
    let limit = inode.isDirectory ? UInt64(directoryBlockLimit) << UInt64(geometry.blockShift) : geometry.largestFile
    guard inode.size <= limit else { throw damaged("damaged: an inode has an impossible size") }
    return inode
  }

  func store(_ inode: Inode) throws(Errno) {
    let (block, offset) = place(inode.number)
    inode.store(to: try cache.read(block) + offset)
    cache.changed(block)
  }

  /// An inode that a message of VFS names.
  func inode(_ number: UInt64) throws(Errno) -> Inode {
    guard number <= UInt64(geometry.inodes) else { throw .invalidArgument }
    let inode = try load(UInt32(number))
    guard inode.mode != 0, inode.links > 0 || references.contains(inode.number) else { throw .noSuchFile }
    return inode
  }

  func directory(_ number: UInt64) throws(Errno) -> Inode {
    let inode = try inode(number)
    guard inode.isDirectory else { throw .notDirectory }
    return inode
  }

  /// An inode that a directory entry names.
  func linked(_ number: UInt32) throws(Errno) -> Inode {
    guard isValid(number) else { throw damaged("damaged: a directory entry names an impossible inode") }
    let inode = try load(number)
    guard inode.mode != 0, inode.links > 0 else { throw damaged("damaged: a directory entry names a free inode") }
    return inode
  }

  // MARK: References

  /// VFS learns of this inode: one reference more.
  func refer(_ inode: Inode) throws(Errno) {
    guard references.add(inode.number) else { throw .tooManyOpenFilesInSystem }
  }

  /// VFS gives back references; an inode without name and references is freed.
  public func forget(_ number: UInt64, count: UInt64) throws(Errno) {
    guard number <= UInt64(geometry.inodes), isValid(UInt32(number)) else { throw .invalidArgument }
    guard references.remove(UInt32(number), count: count) else { return }
    let inode = try load(UInt32(number))
    if inode.links == 0, inode.mode != 0 {
      orphans -= 1
      try beginChange()
      try free(inode)
    }
  }

  /// Called when a name of `inode` is gone and `links` is right: stores it, or frees it if nobody needs it.
  func dropped(_ inode: Inode) throws(Errno) {
    if inode.links > 0 {
      try store(inode)
    } else if references.contains(inode.number) {
      orphans += 1
      try store(inode)
    } else {
      try store(inode)
      try free(inode)
    }
  }

  private func free(_ inode: Inode) throws(Errno) {
    var inode = inode
    if inode.isRegular || inode.isDirectory || inode.isSymbolicLink && !isFastLink(inode) {
      try shrink(&inode, to: 0)
    }
    try releaseAttributes(&inode)
    inode.size = 0
    inode.deleted = now == 0 ? 1 : now
    try store(inode)
    try releaseInode(inode.number, isDirectory: inode.isDirectory)
  }

  /// The block of extended attributes may be shared by several inodes; it counts them.
  private func releaseAttributes(_ inode: inout Inode) throws(Errno) {
    let block = inode.attributes
    if block == 0 { return }
    guard isData(block) else { throw damaged("damaged: an attribute block lies outside the data") }
    let raw = try cache.read(block)
    guard raw.loadUnaligned(as: UInt32.self) == 0xEA02_0000 else { throw damaged("damaged: an attribute block is none") }
    let users = raw.loadUnaligned(fromByteOffset: 4, as: UInt32.self)
    if users > 1 {
      raw.storeBytes(of: users - 1, toByteOffset: 4, as: UInt32.self)
      cache.changed(block)
    } else {
      try release(block)
    }
    inode.attributes = 0
    inode.sectors = inode.sectors &- min(geometry.sectorsPerBlock, inode.sectors)
  }

  /// A symbolic link whose text stands in the inode itself.
  func isFastLink(_ inode: Inode) -> Bool {
    inode.isSymbolicLink && inode.sectors == (inode.attributes == 0 ? 0 : geometry.sectorsPerBlock)
  }
}
