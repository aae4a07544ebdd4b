import IPC

/// VM's page cache: pages of files, one copy of each for all. VFS alone may call it. A file is named by the number
/// that VFS gave its mount, which no later mount has, and its inode. Positions and lengths in bytes.
public enum PageCache {
  public enum Number: Int32, CaseIterable {
    case read = 0x180, fill, write, truncate, forget, information
  }

  /// The most that one call moves; more is cut.
  @inlinable public static var limit: UInt64 { 256 << 10 }

  /// Copies from the file's pages to `address` in the memory of `process` (a user process that waits for VFS, or VFS
  /// itself), up to the first page that is not there. The reply's count is 0 if the first is not. `.badAddress` only
  /// if nothing was copied.
  public struct Read: Call {
    public static var number: Int32 { Number.read.rawValue }
    public var process: Endpoint
    public var mount: UInt32
    public var inode, position, address, length: UInt64
    public init(process: Endpoint, mount: UInt32, inode: UInt64, position: UInt64, address: UInt64, length: UInt64) {
      self.process = process
      self.mount = mount
      self.inode = inode
      self.position = position
      self.address = address
      self.length = length
    }
    public typealias Reply = VFS.Count
  }

  /// Gives the file pages, copied from VFS's memory at `source`. `position` is a multiple of 4096; the rest of the
  /// last page is zero. A page that is there already stays as it is, since it is newer. The count is that of the
  /// pages that are there now; 0 if there is no memory for even one.
  public struct Fill: Call {
    public static var number: Int32 { Number.fill.rawValue }
    public var mount: UInt32
    public var reserved: UInt32 = 0
    public var inode, position, source, length: UInt64
    public init(mount: UInt32, inode: UInt64, position: UInt64, source: UInt64, length: UInt64) {
      self.mount = mount
      self.inode = inode
      self.position = position
      self.source = source
      self.length = length
    }
    public typealias Reply = VFS.Count
  }

  /// Bytes were written to the file: pages that are there change, others stay away.
  public struct Write: Call {
    public static var number: Int32 { Number.write.rawValue }
    public var mount: UInt32
    public var reserved: UInt32 = 0
    public var inode, position, source, length: UInt64
    public init(mount: UInt32, inode: UInt64, position: UInt64, source: UInt64, length: UInt64) {
      self.mount = mount
      self.inode = inode
      self.position = position
      self.source = source
      self.length = length
    }
  }

  /// The file has `size` bytes now: pages behind go, what follows in the last page is zero (M-N9).
  public struct Truncate: Call {
    public static var number: Int32 { Number.truncate.rawValue }
    public var mount: UInt32
    public var reserved: UInt32 = 0
    public var inode, size: UInt64
    public init(mount: UInt32, inode: UInt64, size: UInt64) {
      self.mount = mount
      self.inode = inode
      self.size = size
    }
  }

  /// The file is gone, or with inode 0 the whole mount: so are its pages.
  public struct Forget: Call {
    public static var number: Int32 { Number.forget.rawValue }
    public var mount: UInt32
    public var reserved: UInt32 = 0
    public var inode: UInt64
    public init(mount: UInt32, inode: UInt64) {
      self.mount = mount
      self.inode = inode
    }
  }

  /// What there is of it. Everybody may ask.
  public struct Information: Call {
    public static var number: Int32 { Number.information.rawValue }
    public init() {}
    public struct Reply: Wire {
      /// In frames: pages of files; of these such as only the cache holds, which count as free since they are as soon
      /// as somebody wants them; frames of the trees that find them.
      public var pages, idle, nodes: UInt64
      /// Files with pages, and pages found, filled and given up since boot.
      public var files, hits, fills, evictions: UInt64
      public init(pages: UInt64, idle: UInt64, nodes: UInt64, files: UInt64, hits: UInt64, fills: UInt64, evictions: UInt64) {
        self.pages = pages
        self.idle = idle
        self.nodes = nodes
        self.files = files
        self.hits = hits
        self.fills = fills
        self.evictions = evictions
      }
    }
  }
}
