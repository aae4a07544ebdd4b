import IPC

// Calls of VFS that concern descriptors as a whole, the working directory, devices and mounts.
extension VFS {
  /// dup(2) with `target` -1, else dup2(2).
  public struct Duplicate: Call {
    public static var number: Int32 { Number.duplicate.rawValue }
    public var descriptor, target: Int64
    public init(descriptor: Int64, target: Int64) {
      self.descriptor = descriptor
      self.target = target
    }
    public typealias Reply = Descriptor
  }

  /// pipe2(2); flags as `OpenFlags`.
  public struct Pipe: Call {
    public static var number: Int32 { Number.pipe.rawValue }
    public var flags: UInt64
    public init(flags: UInt64) { self.flags = flags }
    public struct Reply: Wire {
      public var readEnd, writeEnd: Int64
      public init(readEnd: Int64, writeEnd: Int64) {
        self.readEnd = readEnd
        self.writeEnd = writeEnd
      }
    }
  }

  public struct ChangeDirectory: Call {
    public static var number: Int32 { Number.changeDirectory.rawValue }
    public var path, length: UInt64
    public init(path: UInt64, length: UInt64) {
      self.path = path
      self.length = length
    }
  }

  /// getcwd(2): the path without a zero byte; `.outOfRange` if it does not fit.
  public struct CurrentDirectory: Call {
    public static var number: Int32 { Number.currentDirectory.rawValue }
    public var address, capacity: UInt64
    public init(address: UInt64, capacity: UInt64) {
      self.address = address
      self.capacity = capacity
    }
    public typealias Reply = Count
  }

  /// ioctl(2): see `Char.Request`. `argument` is a number, or an address in the caller's memory of as many
  /// bytes as the request says.
  public struct Control: Call {
    public static var number: Int32 { Number.control.rawValue }
    public var descriptor: Int64
    public var request, argument: UInt64
    public init(descriptor: Int64, request: UInt64, argument: UInt64) {
      self.descriptor = descriptor
      self.request = request
      self.argument = argument
    }
    public struct Reply: Wire {
      public var result: Int64
      public init(result: Int64) { self.result = result }
    }
  }

  /// fcntl(2): F_DUPFD 0, F_GETFD 1, F_SETFD 2, F_GETFL 3, F_SETFL 4.
  public struct FileControl: Call {
    public static var number: Int32 { Number.fileControl.rawValue }
    public var descriptor: Int64
    public var command, argument: UInt64
    public init(descriptor: Int64, command: UInt64, argument: UInt64) {
      self.descriptor = descriptor
      self.command = command
      self.argument = argument
    }
    public typealias Reply = Control.Reply
  }

  /// sync(2), but answered when everything is on the devices.
  public struct Sync: Call {
    public static var number: Int32 { Number.sync.rawValue }
    public init() {}
  }

  public struct FileSync: Call {
    public static var number: Int32 { Number.fileSync.rawValue }
    public var descriptor: Int64
    public init(descriptor: Int64) { self.descriptor = descriptor }
  }

  /// Mounts the block device file at `source` on the directory `target`. Only the `extfs` server is free for
  /// this: `.busy` if it has a mount. With `MountFlags.memory` an empty file system without a disk; nobody looks at `source`.
  public struct Mount: Call {
    public static var number: Int32 { Number.mount.rawValue }
    public var source, sourceLength, target, targetLength, flags: UInt64
    public init(source: UInt64, sourceLength: UInt64, target: UInt64, targetLength: UInt64, flags: UInt64) {
      self.source = source
      self.sourceLength = sourceLength
      self.target = target
      self.targetLength = targetLength
      self.flags = flags
    }
  }

  public enum MountFlags {
    @inlinable public static var readOnly: UInt64 { 1 }
    /// tmpfs: files that are memory and nothing else. The flags above bit 11 are the most bytes that all of them may have, in
    /// whole pages; 0: half of memory.
    @inlinable public static var memory: UInt64 { 2 }
    @inlinable public static func limit(_ flags: UInt64) -> UInt64 { flags & ~4095 }
  }

  public struct Unmount: Call {
    public static var number: Int32 { Number.unmount.rawValue }
    public var path, length: UInt64
    public init(path: UInt64, length: UInt64) {
      self.path = path
      self.length = length
    }
  }

  /// access(2).
  public struct Access: Call {
    public static var number: Int32 { Number.access.rawValue }
    public var path, length, mode: UInt64
    public init(path: UInt64, length: UInt64, mode: UInt64) {
      self.path = path
      self.length = length
      self.mode = mode
    }
  }

  /// statfs(2) in short.
  public struct FileSystemStatistics: Call {
    public static var number: Int32 { Number.fileSystemStatistics.rawValue }
    public var path, length: UInt64
    public init(path: UInt64, length: UInt64) {
      self.path = path
      self.length = length
    }
    public typealias Reply = FS.Statistics.Reply
  }

  /// The mount at the first used place at or after `index` of VFS's table; `.noSuchFile` after the last. For
  /// processes, and for proc, which makes /proc/mounts of it.
  public struct MountInformation: Call {
    public static var number: Int32 { Number.mountInformation.rawValue }
    public var index: UInt64
    public init(index: UInt64) { self.index = index }
    public struct Reply: Wire {
      /// The place it was found at: ask on from `index + 1`.
      public var index: UInt16
      /// Bit 0: read-only.
      public var flags: UInt16
      /// `.none`: /dev, which VFS makes itself.
      public var server: Endpoint
      /// The block device; `.none` if there is none.
      public var driver: Endpoint
      public var minor: UInt32
      /// Where it lies, zero-padded, cut to 40 bytes.
      public var path: (UInt64, UInt64, UInt64, UInt64, UInt64)
      public init(index: UInt16, flags: UInt16, server: Endpoint, driver: Endpoint, minor: UInt32, path: (UInt64, UInt64, UInt64, UInt64, UInt64)) {
        self.index = index
        self.flags = flags
        self.server = server
        self.driver = driver
        self.minor = minor
        self.path = path
      }
    }
  }
}
