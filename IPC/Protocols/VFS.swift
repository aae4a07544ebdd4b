import IPC

/// Calls to VFS. Paths and buffers are (address, length) in the caller's memory: VFS may reach it while the
/// caller waits. Path lengths are in bytes, without a terminating zero, 1 ... 4095.
public enum VFS {
  public enum Number: Int32, CaseIterable {
    case open = 0x300, close, read, write, seek, stat, fileStat, readDirectory
    case unlink, removeDirectory, makeDirectory, rename, link, symbolicLink, readLink
    case truncate, fileTruncate, changeMode, duplicate, pipe, changeDirectory, currentDirectory
    case control, fileControl, sync, fileSync, mount, unmount, access
    case execLoad, processForked, processExited, cancel, serviceUp, fileSystemStatistics
    case mountInformation
    case mapFile, syncMemory, pageRequest, fileUnmapped
    case bringPage, writeBack
  }

  public struct Descriptor: Wire {
    public var descriptor: Int64
    public init(descriptor: Int64) { self.descriptor = descriptor }
  }

  public struct Count: Wire {
    public var count: UInt64
    public init(count: UInt64) { self.count = count }
  }

  /// open(2) flags as on Linux.
  public enum OpenFlags {
    @inlinable public static var readOnly: UInt32 { 0 }
    @inlinable public static var writeOnly: UInt32 { 1 }
    @inlinable public static var readWrite: UInt32 { 2 }
    @inlinable public static var accessMask: UInt32 { 3 }
    @inlinable public static var create: UInt32 { 0o100 }
    @inlinable public static var exclusive: UInt32 { 0o200 }
    @inlinable public static var truncate: UInt32 { 0o1000 }
    @inlinable public static var append: UInt32 { 0o2000 }
    @inlinable public static var nonBlocking: UInt32 { 0o4000 }
    @inlinable public static var directory: UInt32 { 0o200000 }
    @inlinable public static var noFollow: UInt32 { 0o400000 }
    @inlinable public static var closeOnExec: UInt32 { 0o2000000 }
  }

  /// st_mode bits.
  public enum Mode {
    @inlinable public static var typeMask: UInt32 { 0o170000 }
    @inlinable public static var fifo: UInt32 { 0o010000 }
    @inlinable public static var character: UInt32 { 0o020000 }
    @inlinable public static var directory: UInt32 { 0o040000 }
    @inlinable public static var block: UInt32 { 0o060000 }
    @inlinable public static var regular: UInt32 { 0o100000 }
    @inlinable public static var symbolicLink: UInt32 { 0o120000 }
  }

  /// open(2).
  public struct Open: Call {
    public static var number: Int32 { Number.open.rawValue }
    public var path, length: UInt64
    public var flags, mode: UInt32
    public init(path: UInt64, length: UInt64, flags: UInt32, mode: UInt32) {
      self.path = path
      self.length = length
      self.flags = flags
      self.mode = mode
    }
    public typealias Reply = Descriptor
  }

  public struct Close: Call {
    public static var number: Int32 { Number.close.rawValue }
    public var descriptor: Int64
    public init(descriptor: Int64) { self.descriptor = descriptor }
  }

  public struct Read: Call {
    public static var number: Int32 { Number.read.rawValue }
    public var descriptor: Int64
    public var address, length: UInt64
    public init(descriptor: Int64, address: UInt64, length: UInt64) {
      self.descriptor = descriptor
      self.address = address
      self.length = length
    }
    public typealias Reply = Count
  }

  public struct Write: Call {
    public static var number: Int32 { Number.write.rawValue }
    public var descriptor: Int64
    public var address, length: UInt64
    public init(descriptor: Int64, address: UInt64, length: UInt64) {
      self.descriptor = descriptor
      self.address = address
      self.length = length
    }
    public typealias Reply = Count
  }

  /// lseek(2): whence 0 set, 1 current, 2 end.
  public struct Seek: Call {
    public static var number: Int32 { Number.seek.rawValue }
    public var descriptor, offset: Int64
    public var whence: UInt64
    public init(descriptor: Int64, offset: Int64, whence: UInt64) {
      self.descriptor = descriptor
      self.offset = offset
      self.whence = whence
    }
    public struct Reply: Wire {
      public var offset: Int64
      public init(offset: Int64) { self.offset = offset }
    }
  }

  /// What stat(2) says, as one message.
  public struct Attributes: Wire {
    public var inode: UInt64
    public var size: UInt64
    public var mode: UInt32
    public var links: UInt32
    public var device: UInt32
    /// For device files: major (service slot) << 16 | minor.
    public var special: UInt32
    /// Seconds since 1970.
    public var modified: UInt64
    /// In units of 512 bytes.
    public var blocks: UInt64
    public init(inode: UInt64, size: UInt64, mode: UInt32, links: UInt32, device: UInt32, special: UInt32, modified: UInt64, blocks: UInt64) {
      self.inode = inode
      self.size = size
      self.mode = mode
      self.links = links
      self.device = device
      self.special = special
      self.modified = modified
      self.blocks = blocks
    }
  }

  /// stat(2), or lstat(2) with `follow` 0.
  public struct Stat: Call {
    public static var number: Int32 { Number.stat.rawValue }
    public var path, length, follow: UInt64
    public init(path: UInt64, length: UInt64, follow: UInt64) {
      self.path = path
      self.length = length
      self.follow = follow
    }
    public typealias Reply = Attributes
  }

  public struct FileStat: Call {
    public static var number: Int32 { Number.fileStat.rawValue }
    public var descriptor: Int64
    public init(descriptor: Int64) { self.descriptor = descriptor }
    public typealias Reply = Attributes
  }

  /// getdents64(2): whole `DirectoryEntry` records; count 0 at the end.
  public struct ReadDirectory: Call {
    public static var number: Int32 { Number.readDirectory.rawValue }
    public var descriptor: Int64
    public var address, length: UInt64
    public init(descriptor: Int64, address: UInt64, length: UInt64) {
      self.descriptor = descriptor
      self.address = address
      self.length = length
    }
    public typealias Reply = Count
  }
}

/// linux_dirent64: what ReadDirectory puts into the buffer, records of 8-byte-aligned length.
///
///     0 UInt64 inode, 8 Int64 offset of the next, 16 UInt16 record length, 18 UInt8 type (DT_*), 19 name, 0
public enum DirectoryEntry {
  public static let nameOffset = 19
  @inlinable public static var unknown: UInt8 { 0 }
  @inlinable public static var fifo: UInt8 { 1 }
  @inlinable public static var character: UInt8 { 2 }
  @inlinable public static var directory: UInt8 { 4 }
  @inlinable public static var block: UInt8 { 6 }
  @inlinable public static var regular: UInt8 { 8 }
  @inlinable public static var symbolicLink: UInt8 { 10 }
  /// Bytes of a record for a name of `count` bytes.
  public static func length(nameCount count: Int) -> Int { (nameOffset + count + 1 + 7) & ~7 }
}
