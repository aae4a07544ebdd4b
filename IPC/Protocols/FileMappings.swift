import IPC

// Files in memory: what programs ask VFS, and what VM tells it.
extension VFS {
  /// mmap(2) of a regular file. `.accessDenied` if the descriptor's mode does not allow it, `.operationNotSupportedByDevice`
  /// for what has no pages.
  public struct MapFile: Call {
    public static var number: Int32 { Number.mapFile.rawValue }
    public var descriptor: Int64
    public var address, length, offset: UInt64
    /// `VM.Protection` and `VM.Flags`.
    public var protection, flags: UInt32
    public init(descriptor: Int64, address: UInt64, length: UInt64, offset: UInt64, protection: UInt32, flags: UInt32) {
      self.descriptor = descriptor
      self.address = address
      self.length = length
      self.offset = offset
      self.protection = protection
      self.flags = flags
    }
    public typealias Reply = VM.AddressReply
  }

  /// The part of msync(2) that concerns files: what the caller has changed in shared pages of files within the range goes
  /// to their file systems.
  public struct SyncMemory: Call {
    public static var number: Int32 { Number.syncMemory.rawValue }
    public var address, length: UInt64
    public init(address: UInt64, length: UInt64) {
      self.address = address
      self.length = length
    }
  }

  /// From VM, without an answer: a thread waits for this page of a file. `PageCache.Fill` or `PageCache.Fail` follows. With `isAhead`
  /// nobody waits: it is advice, done when there is room for it, and brings more pages behind.
  public struct PageRequest: Call {
    public static var number: Int32 { Number.pageRequest.rawValue }
    public var mount: UInt32
    public var isAhead: UInt32
    public var inode, position: UInt64
    public init(mount: UInt32, inode: UInt64, position: UInt64, isAhead: Bool = false) {
      self.mount = mount
      self.isAhead = isAhead ? 1 : 0
      self.inode = inode
      self.position = position
    }
  }

  /// From VM, without an answer: nobody maps the file any more, and `changed` of its pages are not the file system's yet.
  public struct FileUnmapped: Call {
    public static var number: Int32 { Number.fileUnmapped.rawValue }
    public var mount: UInt32
    public var changed: UInt32
    public var inode: UInt64
    public init(mount: UInt32, changed: UInt32, inode: UInt64) {
      self.mount = mount
      self.changed = changed
      self.inode = inode
    }
  }
}
