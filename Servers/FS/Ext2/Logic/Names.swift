import IPC
import Protocols

/// Giving and taking names. Each call checks and reserves first; the entry is written last of what can fail.
extension Volume {
  static var linkLimit: UInt16 { 32000 }

  /// The root, to begin with.
  public func root() throws(Errno) -> FS.Node {
    let inode = try load(Geometry.root)
    try refer(inode)
    return node(inode)
  }

  public func lookup(_ name: UnsafeRawBufferPointer, in number: UInt64) throws(Errno) -> FS.Node {
    let directory = try directory(number)
    guard name.count <= 255 else { throw .nameTooLong }
    guard let entry = try find(name, in: directory) else { throw .noSuchFile }
    let inode = try linked(entry.inode)
    try refer(inode)
    return node(inode)
  }

  public func create(_ name: UnsafeRawBufferPointer, in number: UInt64, mode: UInt32) throws(Errno) -> FS.Node {
    guard references.count < References.limit else { throw .tooManyOpenFilesInSystem }
    let inode = try add(name, to: number, mode: FileType.regular | UInt16(truncatingIfNeeded: mode & 0o7777), text: nil)
    try refer(inode)
    return node(inode)
  }

  public func symbolicLink(_ name: UnsafeRawBufferPointer, in number: UInt64, to text: UnsafeRawBufferPointer) throws(Errno) {
    guard text.count > 0 else { throw .noSuchFile }
    guard text.count < geometry.blockSize else { throw .nameTooLong }
    for byte in text where byte == 0 { throw .invalidArgument }
    _ = try add(name, to: number, mode: FileType.symbolicLink | 0o777, text: text)
  }

  public func makeDirectory(_ name: UnsafeRawBufferPointer, in number: UInt64, mode: UInt32) throws(Errno) {
    _ = try add(name, to: number, mode: FileType.directory | UInt16(truncatingIfNeeded: mode & 0o7777), text: nil)
  }

  /// What a new name may be.
  private func check(_ name: UnsafeRawBufferPointer) throws(Errno) {
    guard name.count > 0 else { throw .noSuchFile }
    guard name.count <= 255 else { throw .nameTooLong }
    for byte in name where byte == 0 || byte == 0x2F { throw .invalidArgument }
  }

  func isDots(_ name: UnsafeRawBufferPointer) -> Bool {
    name.count == 1 && name[0] == 0x2E || name.count == 2 && name[0] == 0x2E && name[1] == 0x2E
  }

  /// A directory in which names may be added.
  private func livingDirectory(_ number: UInt64) throws(Errno) -> Inode {
    let directory = try directory(number)
    guard directory.links > 0 else { throw .noSuchFile }
    return directory
  }

  /// A new inode under a new name.
  private func add(_ name: UnsafeRawBufferPointer, to number: UInt64, mode: UInt16, text: UnsafeRawBufferPointer?) throws(Errno) -> Inode {
    try check(name)
    var directory = try livingDirectory(number)
    var room: Room? = nil
    if try find(name, in: directory, needed: Self.entryLength(name.count), room: &room) != nil { throw .fileExists }
    let isDirectory = mode & FileType.mask == FileType.directory
    if isDirectory, directory.links >= Self.linkLimit { throw .tooManyLinks }
    try beginChange()
    let free = try allocateInode(isDirectory: isDirectory, parent: directory.number)
    var inode = Inode(number: free, mode: mode, now: now)
    do throws(Errno) {
      try storeNew(inode)
      if let text { try putText(text, &inode) }
      if isDirectory { try putDots(&inode, parent: directory.number) }
      inode.links = isDirectory ? 2 : 1
      try store(inode)
      try insert(name, free, mode: mode, into: &directory, room: room)
    } catch {
      try undo(&inode)
      throw error
    }
    if isDirectory {
      directory.links += 1
      try store(directory)
    }
    return inode
  }

  /// All bytes of an inode that was free, also those that we never use.
  private func storeNew(_ inode: Inode) throws(Errno) {
    let index = inode.number - 1
    let byte = Int(index % geometry.inodesPerGroup) * geometry.inodeSize
    let block = groups[Int(index / geometry.inodesPerGroup)].inodeTable + UInt32(byte >> geometry.blockShift)
    let raw = try cache.read(block) + byte & (geometry.blockSize - 1)
    raw.initializeMemory(as: UInt8.self, repeating: 0, count: geometry.inodeSize)
    inode.store(to: raw)
    cache.changed(block)
  }

  /// A new inode that got no name goes back.
  private func undo(_ inode: inout Inode) throws(Errno) {
    if isReadOnly { return }
    if !isFastLink(inode) { try shrink(&inode, to: 0) }
    inode.links = 0
    inode.size = 0
    inode.deleted = now == 0 ? 1 : now
    try store(inode)
    try releaseInode(inode.number, isDirectory: inode.isDirectory)
  }

  private func putText(_ text: UnsafeRawBufferPointer, _ inode: inout Inode) throws(Errno) {
    if text.count < 60 {
      withUnsafeMutableBytes(of: &inode.pointers) { $0.copyMemory(from: text) }
    } else {
      let block = try mapForWriting(&inode, 0, near: 0).block
      try cache.zeroed(block).copyMemory(from: text.baseAddress.unsafelyUnwrapped, byteCount: text.count)
    }
    inode.size = UInt64(text.count)
  }

  private func putDots(_ inode: inout Inode, parent: UInt32) throws(Errno) {
    let block = try mapForWriting(&inode, 0, near: 0).block
    let raw = try cache.zeroed(block)
    var dots: UInt16 = 0x2E2E
    withUnsafeBytes(of: &dots) { dots in
      putEntry(raw, inode.number, UnsafeRawBufferPointer(rebasing: dots[..<1]), FileType.directory, 12)
      putEntry(raw + 12, parent, dots, FileType.directory, geometry.blockSize - 12)
    }
    inode.size = UInt64(geometry.blockSize)
  }

  // MARK: Taking names away

  public func unlink(_ name: UnsafeRawBufferPointer, in number: UInt64) throws(Errno) {
    var directory = try directory(number)
    if isDots(name) { throw .isDirectory }
    guard let entry = try find(name, in: directory) else { throw .noSuchFile }
    var inode = try linked(entry.inode)
    if inode.isDirectory { throw .isDirectory }
    try beginChange()
    try remove(entry, from: &directory)
    inode.links -= 1
    inode.changed = now
    try dropped(inode)
  }

  public func removeDirectory(_ name: UnsafeRawBufferPointer, in number: UInt64) throws(Errno) {
    var directory = try directory(number)
    if isDots(name) { throw name.count == 1 ? .invalidArgument : .notEmpty }
    guard let entry = try find(name, in: directory) else { throw .noSuchFile }
    guard entry.inode != Geometry.root, entry.inode != directory.number else { throw damaged("damaged: a directory contains itself") }
    var inode = try linked(entry.inode)
    guard inode.isDirectory else { throw .notDirectory }
    guard try isEmpty(inode) else { throw .notEmpty }
    try beginChange()
    try remove(entry, from: &directory)
    if directory.links > 2 { directory.links -= 1 }
    try store(directory)
    inode.links = 0
    inode.changed = now
    try dropped(inode)
  }

  public func link(_ target: UInt64, as name: UnsafeRawBufferPointer, in number: UInt64) throws(Errno) {
    try check(name)
    var inode = try inode(target)
    if inode.isDirectory { throw .notPermitted }
    guard inode.links > 0 else { throw .noSuchFile }
    guard inode.links < Self.linkLimit else { throw .tooManyLinks }
    var directory = try livingDirectory(number)
    var room: Room? = nil
    if try find(name, in: directory, needed: Self.entryLength(name.count), room: &room) != nil { throw .fileExists }
    try beginChange()
    try insert(name, inode.number, mode: inode.mode, into: &directory, room: room)
    inode.links += 1
    inode.changed = now
    try store(inode)
  }
}
