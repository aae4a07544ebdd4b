import IPC
import Protocols

/// Directories: blocks of entries, each with the length to the next. A hash index (`dir_index`) is an overlay that
/// readers may ignore and writers must drop.
///
///     0 UInt32 inode (0: free), 4 UInt16 length, 6 UInt8 length of the name, 7 UInt8 type, 8 name
extension Volume {
  /// A directory of more blocks than this is damage.
  var directoryBlockLimit: UInt32 { min(geometry.blocks, 1 << 16) }

  /// An entry and where it stands.
  struct Entry {
    var inode: UInt32
    var block: UInt32
    var offset: Int
    /// The entry before it in the block, -1 if it is the first.
    var previous: Int
  }

  /// A place with enough room for a new entry.
  struct Room {
    var block: UInt32
    var offset: Int
  }

  static func entryLength(_ name: Int) -> Int { (8 + name + 3) & ~3 }

  /// The device's block with number `index` of a directory; a hole is damage.
  func directoryBlock(_ directory: Inode, _ index: UInt64) throws(Errno) -> UInt32 {
    let block = try map(directory, index)
    guard block != 0 else { throw damaged("damaged: a directory has a hole") }
    return block
  }

  func directoryBlocks(_ directory: Inode) -> UInt64 { directory.size >> UInt64(geometry.blockShift) }

  /// The length of the entry at `offset`; throws if it cannot be.
  @inline(__always)
  func checkedLength(_ raw: UnsafeMutableRawPointer, _ offset: Int) throws(Errno) -> Int {
    let length = Int(raw.load(fromByteOffset: offset + 4, as: UInt16.self))
    let name = Int(raw.load(fromByteOffset: offset + 6, as: UInt8.self))
    guard length >= 8, length & 3 == 0, offset + length <= geometry.blockSize,
      8 + name <= length || raw.load(fromByteOffset: offset, as: UInt32.self) == 0
    else { throw damaged("damaged: a directory entry has an impossible length") }
    return length
  }

  /// The entry called `name`.
  func find(_ name: UnsafeRawBufferPointer, in directory: Inode) throws(Errno) -> Entry? {
    var room: Room? = nil
    return try find(name, in: directory, needed: .max, room: &room)
  }

  /// The same; if it is not there, `room` is the first place with `needed` bytes.
  func find(_ name: UnsafeRawBufferPointer, in directory: Inode, needed: Int, room: inout Room?) throws(Errno) -> Entry? {
    for index in 0..<directoryBlocks(directory) {
      let block = try directoryBlock(directory, index)
      let raw = try cache.read(block)
      var offset = 0
      var previous = -1
      while offset < geometry.blockSize {
        let length = try checkedLength(raw, offset)
        let inode = raw.load(fromByteOffset: offset, as: UInt32.self)
        let count = Int(raw.load(fromByteOffset: offset + 6, as: UInt8.self))
        if inode != 0, count == name.count, Self.isSame(raw + offset + 8, name) {
          return Entry(inode: inode, block: block, offset: offset, previous: previous)
        }
        if room == nil, length - (inode == 0 ? 0 : Self.entryLength(count)) >= needed { room = Room(block: block, offset: offset) }
        previous = offset
        offset += length
      }
    }
    return nil
  }

  private static func isSame(_ bytes: UnsafeMutableRawPointer, _ name: UnsafeRawBufferPointer) -> Bool {
    for index in 0..<name.count where bytes.load(fromByteOffset: index, as: UInt8.self) != name[index] { return false }
    return true
  }

  /// Adds an entry, in `room` or in a new block, and stores the directory.
  func insert(_ name: UnsafeRawBufferPointer, _ inode: UInt32, mode: UInt16, into directory: inout Inode, room: Room?) throws(Errno) {
    if let room {
      let raw = try cache.read(room.block)
      var offset = room.offset
      var length = Int(raw.load(fromByteOffset: offset + 4, as: UInt16.self))
      if raw.load(fromByteOffset: offset, as: UInt32.self) != 0 {
        let used = Self.entryLength(Int(raw.load(fromByteOffset: offset + 6, as: UInt8.self)))
        raw.storeBytes(of: UInt16(used), toByteOffset: offset + 4, as: UInt16.self)
        offset += used
        length -= used
      }
      putEntry(raw + offset, inode, name, mode, length)
      cache.changed(room.block)
    } else {
      let index = directoryBlocks(directory)
      guard index < UInt64(directoryBlockLimit) else { throw .fileTooLarge }
      let goal = index > 0 ? try map(directory, index - 1) + 1 : 0
      do throws(Errno) {
        let block = try mapForWriting(&directory, index, near: goal).block
        let raw = try cache.zeroed(block)
        putEntry(raw, inode, name, mode, geometry.blockSize)
      } catch {
        try shrink(&directory, to: directory.size)
        try store(directory)
        throw error
      }
      directory.size += UInt64(geometry.blockSize)
    }
    try storeChanged(&directory)
  }

  func putEntry(_ raw: UnsafeMutableRawPointer, _ inode: UInt32, _ name: UnsafeRawBufferPointer, _ mode: UInt16, _ length: Int) {
    raw.storeBytes(of: inode, as: UInt32.self)
    raw.storeBytes(of: UInt16(truncatingIfNeeded: length), toByteOffset: 4, as: UInt16.self)
    raw.storeBytes(of: UInt8(name.count), toByteOffset: 6, as: UInt8.self)
    raw.storeBytes(of: geometry.hasFileType ? Self.entryType(mode) : 0, toByteOffset: 7, as: UInt8.self)
    (raw + 8).copyMemory(from: name.baseAddress.unsafelyUnwrapped, byteCount: name.count)
  }

  /// Takes an entry out: its room goes to the one before it.
  func remove(_ entry: Entry, from directory: inout Inode) throws(Errno) {
    let raw = try cache.read(entry.block)
    if entry.previous >= 0 {
      let length = raw.load(fromByteOffset: entry.offset + 4, as: UInt16.self)
      let before = raw.load(fromByteOffset: entry.previous + 4, as: UInt16.self)
      raw.storeBytes(of: before + length, toByteOffset: entry.previous + 4, as: UInt16.self)
    }
    raw.storeBytes(of: 0, toByteOffset: entry.offset, as: UInt32.self)
    cache.changed(entry.block)
    try storeChanged(&directory)
  }

  /// Lets an entry name another inode.
  func redirect(_ entry: Entry, to inode: UInt32, mode: UInt16) throws(Errno) {
    let raw = try cache.read(entry.block) + entry.offset
    raw.storeBytes(of: inode, as: UInt32.self)
    if geometry.hasFileType { raw.storeBytes(of: Self.entryType(mode), toByteOffset: 7, as: UInt8.self) }
    cache.changed(entry.block)
  }

  /// A directory whose entries changed: its times, and no index any more.
  func storeChanged(_ directory: inout Inode) throws(Errno) {
    directory.modified = now
    directory.changed = now
    directory.flags &= ~InodeFlag.index
    try store(directory)
  }

  /// Nothing in it but "." and "..".
  func isEmpty(_ directory: Inode) throws(Errno) -> Bool {
    for index in 0..<directoryBlocks(directory) {
      let raw = try cache.read(try directoryBlock(directory, index))
      var offset = 0
      while offset < geometry.blockSize {
        let length = try checkedLength(raw, offset)
        if raw.load(fromByteOffset: offset, as: UInt32.self) != 0 {
          let count = raw.load(fromByteOffset: offset + 6, as: UInt8.self)
          let dots = raw.loadUnaligned(fromByteOffset: offset + 8, as: UInt16.self)
          guard count == 1 && dots & 0xFF == 0x2E || count == 2 && dots == 0x2E2E else { return false }
        }
        offset += length
      }
    }
    return true
  }

  // MARK: Types

  static func entryType(_ mode: UInt16) -> UInt8 {
    switch mode & FileType.mask {
    case FileType.regular: 1
    case FileType.directory: 2
    case FileType.character: 3
    case FileType.block: 4
    case FileType.fifo: 5
    case FileType.socket: 6
    case FileType.symbolicLink: 7
    default: 0
    }
  }

  static func listedType(_ type: UInt8) -> UInt8 {
    switch type {
    case 1: DirectoryEntry.regular
    case 2: DirectoryEntry.directory
    case 3: DirectoryEntry.character
    case 4: DirectoryEntry.block
    case 5: DirectoryEntry.fifo
    case 6: 12
    case 7: DirectoryEntry.symbolicLink
    default: DirectoryEntry.unknown
    }
  }
}
