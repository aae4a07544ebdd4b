import IPC

/// What VFS asks of a file system: one component at a time, by inode number. All requests come by `sendAsync`
/// with a token in the last word (payloads hold 48 bytes at most); so VFS never waits. Names and data stand in
/// grants of VFS. Data grants are of VFS's client (`GrantCaller`): if the client dies, copying fails and so does
/// the request.
///
/// An inode number that a reply gave is valid until VFS has forgotten it (`Forget`), also if it was unlinked.
public enum FS {
  public enum Number: Int32, CaseIterable {
    case mount = 0x400, unmount, lookup, forget, read, write, truncate, attributes
    case create, makeDirectory, unlink, removeDirectory, rename, link
    case symbolicLink, readLink, readDirectory, setAttributes, sync, statistics
  }

  /// What VFS learns of an inode it meets. Each such reply adds one reference, given back by `Forget`.
  public struct Node: Wire {
    public var inode: UInt64
    public var size: UInt64
    public var mode: UInt32
    public var links: UInt32
    public var special: UInt32
    public var blocks: UInt32
    public var modified: UInt64
    public init(inode: UInt64, size: UInt64, mode: UInt32, links: UInt32, special: UInt32, blocks: UInt32, modified: UInt64) {
      self.inode = inode
      self.size = size
      self.mode = mode
      self.links = links
      self.special = special
      self.blocks = blocks
      self.modified = modified
    }
  }

  /// Opens the file system on block device (driver, minor); the reply is its root. What is not ext2, or has
  /// features this server does not know, is `.invalidArgument`, with a message on the kernel log that names
  /// them. Flags bit 0: read-only. The proc server ignores the device.
  public struct Mount: Call {
    public static var number: Int32 { Number.mount.rawValue }
    public var driver: Endpoint
    public var minor: UInt32
    public var flags: UInt64
    public init(driver: Endpoint, minor: UInt32, flags: UInt64) {
      self.driver = driver
      self.minor = minor
      self.flags = flags
    }
    public typealias Reply = Node
  }

  /// Writes everything out and forgets the device; `.busy` if inodes but the root are referenced.
  public struct Unmount: Call {
    public static var number: Int32 { Number.unmount.rawValue }
    public init() {}
  }

  /// Finds a name, given in VFS's grant at `offset`, 1 ... 255 bytes, never "." but perhaps "..".
  public struct Lookup: Call {
    public static var number: Int32 { Number.lookup.rawValue }
    public var directory: UInt64
    public var grant, offset: UInt64
    public var length: UInt64
    public init(directory: UInt64, grant: UInt64, offset: UInt64, length: UInt64) {
      self.directory = directory
      self.grant = grant
      self.offset = offset
      self.length = length
    }
    public typealias Reply = Node
  }

  /// Gives back `count` references. An inode without links and references is freed.
  public struct Forget: Call {
    public static var number: Int32 { Number.forget.rawValue }
    public var inode, count: UInt64
    public init(inode: UInt64, count: UInt64) {
      self.inode = inode
      self.count = count
    }
  }

  /// Reads into the grant; fewer bytes only at the end of the file.
  public struct Read: Call {
    public static var number: Int32 { Number.read.rawValue }
    public var inode, position, grant, offset, length: UInt64
    public init(inode: UInt64, position: UInt64, grant: UInt64, offset: UInt64, length: UInt64) {
      self.inode = inode
      self.position = position
      self.grant = grant
      self.offset = offset
      self.length = length
    }
    public typealias Reply = VFS.Count
  }

  /// Writes from the grant. Position `UInt64.max` appends. Fewer bytes only when the device is full.
  public struct Write: Call {
    public static var number: Int32 { Number.write.rawValue }
    public var inode, position, grant, offset, length: UInt64
    public init(inode: UInt64, position: UInt64, grant: UInt64, offset: UInt64, length: UInt64) {
      self.inode = inode
      self.position = position
      self.grant = grant
      self.offset = offset
      self.length = length
    }
    public struct Reply: Wire {
      public var count: UInt64
      /// The file's size afterwards.
      public var size: UInt64
      public init(count: UInt64, size: UInt64) {
        self.count = count
        self.size = size
      }
    }
  }

  public struct Truncate: Call {
    public static var number: Int32 { Number.truncate.rawValue }
    public var inode, size: UInt64
    public init(inode: UInt64, size: UInt64) {
      self.inode = inode
      self.size = size
    }
  }

  /// What the inode is now. Adds no reference.
  public struct Attributes: Call {
    public static var number: Int32 { Number.attributes.rawValue }
    public var inode: UInt64
    public init(inode: UInt64) { self.inode = inode }
    public typealias Reply = Node
  }

  /// A new regular file; `.fileExists` if the name is taken.
  public struct Create: Call {
    public static var number: Int32 { Number.create.rawValue }
    public var directory, grant, offset: UInt64
    public var length: UInt32
    public var mode: UInt32
    public init(directory: UInt64, grant: UInt64, offset: UInt64, length: UInt32, mode: UInt32) {
      self.directory = directory
      self.grant = grant
      self.offset = offset
      self.length = length
      self.mode = mode
    }
    public typealias Reply = Node
  }

  public struct MakeDirectory: Call {
    public static var number: Int32 { Number.makeDirectory.rawValue }
    public var directory, grant, offset: UInt64
    public var length: UInt32
    public var mode: UInt32
    public init(directory: UInt64, grant: UInt64, offset: UInt64, length: UInt32, mode: UInt32) {
      self.directory = directory
      self.grant = grant
      self.offset = offset
      self.length = length
      self.mode = mode
    }
  }

  public struct Unlink: Call {
    public static var number: Int32 { Number.unlink.rawValue }
    public var directory, grant, offset, length: UInt64
    public init(directory: UInt64, grant: UInt64, offset: UInt64, length: UInt64) {
      self.directory = directory
      self.grant = grant
      self.offset = offset
      self.length = length
    }
  }

  public struct RemoveDirectory: Call {
    public static var number: Int32 { Number.removeDirectory.rawValue }
    public var directory, grant, offset, length: UInt64
    public init(directory: UInt64, grant: UInt64, offset: UInt64, length: UInt64) {
      self.directory = directory
      self.grant = grant
      self.offset = offset
      self.length = length
    }
  }

  /// rename(2) within one file system. Both names stand in one grant, the first at `offset`, the second right
  /// behind it; `lengths` holds the first in bits 0...15, the second in bits 16...31.
  public struct Rename: Call {
    public static var number: Int32 { Number.rename.rawValue }
    public var from, to, grant, offset, lengths: UInt64
    public init(from: UInt64, to: UInt64, grant: UInt64, offset: UInt64, lengths: UInt64) {
      self.from = from
      self.to = to
      self.grant = grant
      self.offset = offset
      self.lengths = lengths
    }
  }

  /// A second name for `inode`.
  public struct Link: Call {
    public static var number: Int32 { Number.link.rawValue }
    public var inode, directory, grant, offset, length: UInt64
    public init(inode: UInt64, directory: UInt64, grant: UInt64, offset: UInt64, length: UInt64) {
      self.inode = inode
      self.directory = directory
      self.grant = grant
      self.offset = offset
      self.length = length
    }
  }

  /// The name, and right behind it in the same grant the target's text; `lengths` as in `Rename`.
  public struct SymbolicLink: Call {
    public static var number: Int32 { Number.symbolicLink.rawValue }
    public var directory, grant, offset, lengths: UInt64
    public init(directory: UInt64, grant: UInt64, offset: UInt64, lengths: UInt64) {
      self.directory = directory
      self.grant = grant
      self.offset = offset
      self.lengths = lengths
    }
  }

  public struct ReadLink: Call {
    public static var number: Int32 { Number.readLink.rawValue }
    public var inode, grant, offset, capacity: UInt64
    public init(inode: UInt64, grant: UInt64, offset: UInt64, capacity: UInt64) {
      self.inode = inode
      self.grant = grant
      self.offset = offset
      self.capacity = capacity
    }
    public typealias Reply = VFS.Count
  }

  /// Whole `DirectoryEntry` records from `position` on (0 first, else what the last reply said).
  public struct ReadDirectory: Call {
    public static var number: Int32 { Number.readDirectory.rawValue }
    public var inode, position, grant, offset, length: UInt64
    public init(inode: UInt64, position: UInt64, grant: UInt64, offset: UInt64, length: UInt64) {
      self.inode = inode
      self.position = position
      self.grant = grant
      self.offset = offset
      self.length = length
    }
    public struct Reply: Wire {
      public var count, next: UInt64
      public init(count: UInt64, next: UInt64) {
        self.count = count
        self.next = next
      }
    }
  }

  /// chmod and utime: a field with its bit in `fields` is set. Bit 0 permission bits of mode, bit 1 modified.
  public struct SetAttributes: Call {
    public static var number: Int32 { Number.setAttributes.rawValue }
    public var inode: UInt64
    public var fields, mode: UInt32
    public var modified: UInt64
    public init(inode: UInt64, fields: UInt32, mode: UInt32, modified: UInt64) {
      self.inode = inode
      self.fields = fields
      self.mode = mode
      self.modified = modified
    }
  }

  /// Answered when everything is on the device.
  public struct Sync: Call {
    public static var number: Int32 { Number.sync.rawValue }
    public init() {}
  }

  public struct Statistics: Call {
    public static var number: Int32 { Number.statistics.rawValue }
    public init() {}
    public struct Reply: Wire {
      public var blockSize, blocks, freeBlocks, inodes, freeInodes: UInt64
      public init(blockSize: UInt64, blocks: UInt64, freeBlocks: UInt64, inodes: UInt64, freeInodes: UInt64) {
        self.blockSize = blockSize
        self.blocks = blocks
        self.freeBlocks = freeBlocks
        self.inodes = inodes
        self.freeInodes = freeInodes
      }
    }
  }
}
