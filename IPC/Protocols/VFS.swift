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

  /// A call with one path.
  public struct Unlink: Call {
    public static var number: Int32 { Number.unlink.rawValue }
    public var path, length: UInt64
    public init(path: UInt64, length: UInt64) {
      self.path = path
      self.length = length
    }
  }

  public struct RemoveDirectory: Call {
    public static var number: Int32 { Number.removeDirectory.rawValue }
    public var path, length: UInt64
    public init(path: UInt64, length: UInt64) {
      self.path = path
      self.length = length
    }
  }

  public struct MakeDirectory: Call {
    public static var number: Int32 { Number.makeDirectory.rawValue }
    public var path, length, mode: UInt64
    public init(path: UInt64, length: UInt64, mode: UInt64) {
      self.path = path
      self.length = length
      self.mode = mode
    }
  }

  /// rename(2).
  public struct Rename: Call {
    public static var number: Int32 { Number.rename.rawValue }
    public var from, fromLength, to, toLength: UInt64
    public init(from: UInt64, fromLength: UInt64, to: UInt64, toLength: UInt64) {
      self.from = from
      self.fromLength = fromLength
      self.to = to
      self.toLength = toLength
    }
  }

  /// link(2).
  public struct Link: Call {
    public static var number: Int32 { Number.link.rawValue }
    public var from, fromLength, to, toLength: UInt64
    public init(from: UInt64, fromLength: UInt64, to: UInt64, toLength: UInt64) {
      self.from = from
      self.fromLength = fromLength
      self.to = to
      self.toLength = toLength
    }
  }

  /// symlink(2): `target` is the text, `path` the new name.
  public struct SymbolicLink: Call {
    public static var number: Int32 { Number.symbolicLink.rawValue }
    public var target, targetLength, path, length: UInt64
    public init(target: UInt64, targetLength: UInt64, path: UInt64, length: UInt64) {
      self.target = target
      self.targetLength = targetLength
      self.path = path
      self.length = length
    }
  }

  /// readlink(2).
  public struct ReadLink: Call {
    public static var number: Int32 { Number.readLink.rawValue }
    public var path, length, address, capacity: UInt64
    public init(path: UInt64, length: UInt64, address: UInt64, capacity: UInt64) {
      self.path = path
      self.length = length
      self.address = address
      self.capacity = capacity
    }
    public typealias Reply = Count
  }

  /// truncate(2).
  public struct Truncate: Call {
    public static var number: Int32 { Number.truncate.rawValue }
    public var path, length, size: UInt64
    public init(path: UInt64, length: UInt64, size: UInt64) {
      self.path = path
      self.length = length
      self.size = size
    }
  }

  public struct FileTruncate: Call {
    public static var number: Int32 { Number.fileTruncate.rawValue }
    public var descriptor: Int64
    public var size: UInt64
    public init(descriptor: Int64, size: UInt64) {
      self.descriptor = descriptor
      self.size = size
    }
  }

  public struct ChangeMode: Call {
    public static var number: Int32 { Number.changeMode.rawValue }
    public var path, length, mode: UInt64
    public init(path: UInt64, length: UInt64, mode: UInt64) {
      self.path = path
      self.length = length
      self.mode = mode
    }
  }

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
  /// this: `.busy` if it has a mount. Flags bit 0: read-only.
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

  // MARK: From other servers, asynchronous with a token

  /// From PM: loads a program into `process` (VM.Exec...). The path and the argument block are in the memory
  /// of the process, which waits for PM; VFS reads the path through `Grant` of PM (see `PM` README), the
  /// block is VM's business. Closes close-on-exec descriptors on success. The reply's type 0: the process runs
  /// the new image and must not be answered. Errors: nothing has changed.
  public struct ExecLoad: Call {
    public static var number: Int32 { Number.execLoad.rawValue }
    public var process: Endpoint
    public var pathLength: UInt32
    /// PM's grant (`GrantCaller`) of the path, readable by VFS.
    public var grant: UInt64
    public var arguments: UInt64
    public var argumentsLength: UInt64
    public init(process: Endpoint, grant: UInt64, pathLength: UInt32, arguments: UInt64, argumentsLength: UInt64) {
      self.process = process
      self.pathLength = pathLength
      self.grant = grant
      self.arguments = arguments
      self.argumentsLength = argumentsLength
    }
  }

  /// From PM: `child` has copies of the descriptors and directory of `parent`; `parent` `.none` for init, which
  /// starts with none. Not answered. It arrives before anything that the child sends.
  public struct ProcessForked: Call {
    public static var number: Int32 { Number.processForked.rawValue }
    public var parent, child: Endpoint
    public init(parent: Endpoint, child: Endpoint) {
      self.parent = parent
      self.child = child
    }
  }

  /// From PM: the process is gone; close everything, drop what it waited for. Not answered.
  public struct ProcessExited: Call {
    public static var number: Int32 { Number.processExited.rawValue }
    public var process: Endpoint
    public var reserved: UInt32 = 0
    public init(process: Endpoint) { self.process = process }
  }

  /// From PM: a signal for a process that may wait in VFS: if it does on something that can last (terminal,
  /// pipe), answer it `.interrupted`, or with what was transferred. Not answered.
  public struct Cancel: Call {
    public static var number: Int32 { Number.cancel.rawValue }
    public var process: Endpoint
    public var reserved: UInt32 = 0
    public init(process: Endpoint) { self.process = process }
  }

  /// From RS: a service started or came back; VFS repeats what it had asked of its old life, in the order
  /// that M-F4 demands. Also sent when a service is down or given up: then repeating fails with `.deadEndpoint`,
  /// which is how those who wait get their error. Not answered.
  public struct ServiceUp: Call {
    public static var number: Int32 { Number.serviceUp.rawValue }
    public var service: Endpoint
    public var restarts: UInt32
    public init(service: Endpoint, restarts: UInt32) {
      self.service = service
      self.restarts = restarts
    }
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
