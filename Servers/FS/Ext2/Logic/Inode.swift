import IPC

enum FileType {
  static var mask: UInt16 { 0xF000 }
  static var fifo: UInt16 { 0x1000 }
  static var character: UInt16 { 0x2000 }
  static var directory: UInt16 { 0x4000 }
  static var block: UInt16 { 0x6000 }
  static var regular: UInt16 { 0x8000 }
  static var symbolicLink: UInt16 { 0xA000 }
  static var socket: UInt16 { 0xC000 }
}

enum InodeFlag {
  /// The directory has a hash index, which a change would make wrong.
  static var index: UInt32 { 0x1000 }
  /// Compressed, extents, inline data: not ours to read.
  static var unknown: UInt32 { 0x4 | 0x80000 | 0x1000_0000 }
}

/// An inode as a value: loaded, changed, stored. What it does not name (owner, generation) stays as it is on
/// the device.
struct Inode {
  var number: UInt32
  var mode: UInt16
  var links: UInt16
  var size: UInt64
  /// In units of 512 bytes, pointers and attribute block included.
  var sectors: UInt32
  var flags: UInt32
  var accessed, changed, modified, deleted: UInt32
  /// The block of extended attributes, 0 for none.
  var attributes: UInt32
  var pointers: InlineArray<15, UInt32>

  /// A new one, with nothing in it.
  init(number: UInt32, mode: UInt16, now: UInt32) {
    self.number = number
    self.mode = mode
    links = 0
    size = 0
    sectors = 0
    flags = 0
    accessed = now
    changed = now
    modified = now
    deleted = 0
    attributes = 0
    pointers = InlineArray(repeating: 0)
  }

  init(number: UInt32, _ raw: UnsafeRawPointer) {
    func word(_ at: Int) -> UInt32 { raw.loadUnaligned(fromByteOffset: at, as: UInt32.self) }
    self.number = number
    mode = raw.loadUnaligned(fromByteOffset: 0, as: UInt16.self)
    links = raw.loadUnaligned(fromByteOffset: 26, as: UInt16.self)
    size = UInt64(word(4))
    accessed = word(8)
    changed = word(12)
    modified = word(16)
    deleted = word(20)
    sectors = word(28)
    flags = word(32)
    attributes = word(104)
    pointers = raw.loadUnaligned(fromByteOffset: 40, as: InlineArray<15, UInt32>.self)
    if isRegular { size |= UInt64(word(108)) << 32 }
  }

  func store(to raw: UnsafeMutableRawPointer) {
    func put(_ value: UInt32, _ at: Int) { raw.storeBytes(of: value, toByteOffset: at, as: UInt32.self) }
    raw.storeBytes(of: mode, toByteOffset: 0, as: UInt16.self)
    raw.storeBytes(of: links, toByteOffset: 26, as: UInt16.self)
    put(UInt32(truncatingIfNeeded: size), 4)
    put(accessed, 8)
    put(changed, 12)
    put(modified, 16)
    put(deleted, 20)
    put(sectors, 28)
    put(flags, 32)
    put(attributes, 104)
    raw.storeBytes(of: pointers, toByteOffset: 40, as: InlineArray<15, UInt32>.self)
    if isRegular { put(UInt32(truncatingIfNeeded: size >> 32), 108) }
  }

  var type: UInt16 { mode & FileType.mask }
  var isDirectory: Bool { type == FileType.directory }
  var isRegular: Bool { type == FileType.regular }
  var isSymbolicLink: Bool { type == FileType.symbolicLink }
}
