import IPC

/// VM's page cache: pages of files, one copy of each for all. VFS alone may call it. A file is named by the number
/// that VFS gave its mount, which no later mount has, and its inode. Positions and lengths in bytes.
///
/// A mount without a disk is a *store* (`MakeStore`). Its files are the same to all calls, but that their pages have no other home:
/// VM makes a missing one of zero bytes when it is needed, keeps it until `Truncate` or `Forget`, and asks VFS for none.
public enum PageCache {
  public enum Number: Int32, CaseIterable {
    case read = 0x180, fill, write, truncate, forget, information
    case map, fail, missing, mapping, takeChanged
    case makeStore, put, storeInformation
    case notWritten, wroteBack, pressure
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

  /// Bytes were written to the file, which has `size` bytes now: pages that are there change, others stay away.
  public struct Write: Call {
    public static var number: Int32 { Number.write.rawValue }
    public var mount: UInt32
    public var reserved: UInt32 = 0
    public var inode, position, source, length, size: UInt64
    public init(mount: UInt32, inode: UInt64, position: UInt64, source: UInt64, length: UInt64, size: UInt64) {
      self.mount = mount
      self.inode = inode
      self.position = position
      self.source = source
      self.length = length
      self.size = size
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

  /// mmap(2) of a file for a process: as `VM.MMap`, with the file's size and the position that `address` shows. With `image`
  /// among the flags a part of the program that exec builds for the process (`VM.ExecBegin`): private, at exactly `address`.
  public struct Map: Call {
    public static var number: Int32 { Number.map.rawValue }
    /// For `flags`, beside `VM.Flags`.
    @inlinable public static var image: UInt32 { 1 << 31 }
    public var process: Endpoint
    public var mount: UInt32
    public var inode, position, address, length, size: UInt64
    /// `VM.Protection` in bits 0...7; in bits 8...15 the most that mprotect may make of it (V53).
    public var protection: UInt32
    /// `VM.Flags`.
    public var flags: UInt32
    public init(
      process: Endpoint, mount: UInt32, inode: UInt64, position: UInt64, address: UInt64, length: UInt64, size: UInt64,
      protection: UInt32, allowed: UInt32, flags: UInt32
    ) {
      self.process = process
      self.mount = mount
      self.inode = inode
      self.position = position
      self.address = address
      self.length = length
      self.size = size
      self.protection = protection | allowed << 8
      self.flags = flags
    }
    public struct Reply: Wire {
      public var address: UInt64
      /// 1: the file was not mapped before; VFS holds it until `VFS.FileUnmapped`, which comes once for each such reply.
      public var isFirst: UInt64
      public init(address: UInt64, isFirst: UInt64) {
        self.address = address
        self.isFirst = isFirst
      }
    }
  }

  /// A page that VM asked for (`VFS.PageRequest`) cannot be had: whoever waits for it gets SIGBUS, but for `Errno.noMemory`:
  /// then he waits for memory, and `.wouldBlock`, no place for the request: VM sends it again.
  public struct Fail: Call {
    public static var number: Int32 { Number.fail.rawValue }
    public var mount: UInt32
    public var error: Int32
    public var inode, position: UInt64
    public init(mount: UInt32, inode: UInt64, position: UInt64, error: Errno) {
      self.mount = mount
      self.error = error.rawValue
      self.inode = inode
      self.position = position
    }
  }

  /// After a copy from or to a process's memory failed: the page of a file that VM refused to wait for, since VFS itself
  /// has to bring it. `.noSuchFile`: it was no such page. Asking clears it.
  public struct Missing: Call {
    public static var number: Int32 { Number.missing.rawValue }
    public var process: Endpoint
    public var reserved: UInt32 = 0
    public init(process: Endpoint) { self.process = process }
    public typealias Reply = Place
  }

  /// Which file a process shows at an address, and where in it; mount 0 for other memory, `.noMemory` if nothing is there.
  public struct Mapping: Call {
    public static var number: Int32 { Number.mapping.rawValue }
    public var process: Endpoint
    public var reserved: UInt32 = 0
    public var address: UInt64
    public init(process: Endpoint, address: UInt64) {
      self.process = process
      self.address = address
    }
    public typealias Reply = Place
  }

  /// A place in a file.
  public struct Place: Wire {
    public var mount: UInt32
    /// 1: changes there are the file's.
    public var isShared: UInt32
    public var inode, position: UInt64
    /// `Mapping`: where the region ends, in the process's addresses.
    public var end: UInt64
    public init(mount: UInt32, isShared: UInt32, inode: UInt64, position: UInt64, end: UInt64) {
      self.mount = mount
      self.isShared = isShared
      self.inode = inode
      self.position = position
      self.end = end
    }
  }

  /// Copies the first page at or behind `position` that processes have changed to `destination` in VFS's memory, 4096
  /// bytes. With the next `TakeChanged` for the file, or `WroteBack`, the page counts as unchanged unless it was written again, or
  /// `NotWritten` came in between. `.noSuchFile` if there is none.
  public struct TakeChanged: Call {
    public static var number: Int32 { Number.takeChanged.rawValue }
    public var mount: UInt32
    public var reserved: UInt32 = 0
    public var inode, position, destination: UInt64
    public init(mount: UInt32, inode: UInt64, position: UInt64, destination: UInt64) {
      self.mount = mount
      self.inode = inode
      self.position = position
      self.destination = destination
    }
    public typealias Reply = VFS.Count
  }

  /// From now on files of `mount` are memory and nothing else. All their pages together are at most `pages`; 0: half of what
  /// VM has. `.fileExists`: it is one already; `.noSpace`: there are eight. `Forget` of the whole mount ends it.
  public struct MakeStore: Call {
    public static var number: Int32 { Number.makeStore.rawValue }
    public var mount: UInt32
    public var reserved: UInt32 = 0
    public var pages: UInt64
    public init(mount: UInt32, pages: UInt64) {
      self.mount = mount
      self.pages = pages
    }
  }

  /// Writes to a file of a store from `address` in the memory of `process` (a user process that waits for VFS, or VFS itself).
  /// The file has `size` bytes before; if it grows, what was between its end and `position` is zero. The reply's count is less than
  /// `length` where pages or memory run out, or the process's memory ends; an error only if it would be 0: `.noSpace`, `.badAddress`.
  public struct Put: Call {
    public static var number: Int32 { Number.put.rawValue }
    public var process: Endpoint
    public var mount: UInt32
    public var inode, position, address, length, size: UInt64
    public init(process: Endpoint, mount: UInt32, inode: UInt64, position: UInt64, address: UInt64, length: UInt64, size: UInt64) {
      self.process = process
      self.mount = mount
      self.inode = inode
      self.position = position
      self.address = address
      self.length = length
      self.size = size
    }
    public typealias Reply = VFS.Count
  }

  /// Of a store, or with mount 0 of all together; `.noSuchFile` if there is no such. Everybody may ask.
  public struct StoreInformation: Call {
    public static var number: Int32 { Number.storeInformation.rawValue }
    public var mount: UInt32
    public var reserved: UInt32 = 0
    public init(mount: UInt32) { self.mount = mount }
    public struct Reply: Wire {
      /// Pages of files, how many there may be, and frames of the trees that find them. They are never given up, so they are in
      /// `Information.pages` and `VM.Information.user` and not among what is free.
      public var pages, limit, nodes: UInt64
      /// Files that have pages or are mapped.
      public var files: UInt64
      public init(pages: UInt64, limit: UInt64, nodes: UInt64, files: UInt64) {
        self.pages = pages
        self.limit = limit
        self.nodes = nodes
        self.files = files
      }
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
