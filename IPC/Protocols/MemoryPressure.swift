import IPC

// When memory runs out: what VM asks of VFS, what VFS answers, and what everybody may know of it.
extension VFS {
  /// From VM, without an answer: takes what processes have changed in pages of this file to its file system, as fsync(2) would.
  /// `PageCache.WroteBack` follows, always.
  public struct WriteBack: Call {
    public static var number: Int32 { Number.writeBack.rawValue }
    public var mount: UInt32
    public var reserved: UInt32 = 0
    public var inode: UInt64
    public init(mount: UInt32, inode: UInt64) {
      self.mount = mount
      self.inode = inode
    }
  }
}

extension PageCache {
  /// The page that `TakeChanged` gave last did not get to the file system: it stays changed.
  public struct NotWritten: Call {
    public static var number: Int32 { Number.notWritten.rawValue }
    public var mount: UInt32
    public var reserved: UInt32 = 0
    public var inode: UInt64
    public init(mount: UInt32, inode: UInt64) {
      self.mount = mount
      self.inode = inode
    }
  }

  /// `VFS.WriteBack` is done: 0, or the first error.
  public struct WroteBack: Call {
    public static var number: Int32 { Number.wroteBack.rawValue }
    public var mount: UInt32
    public var error: Int32
    public var inode: UInt64
    public init(mount: UInt32, inode: UInt64, error: Errno? = nil) {
      self.mount = mount
      self.error = error?.rawValue ?? 0
      self.inode = inode
    }
  }

  /// How short memory is and was. Everybody may ask.
  public struct Pressure: Call {
    public static var number: Int32 { Number.pressure.rawValue }
    /// Whose charge is asked for; `.none` for nobody's.
    public var process: Endpoint
    public var reserved: UInt32 = 0
    public init(process: Endpoint = .none) { self.process = process }
    public struct Reply: Wire {
      /// Frames that would be free if the process ended: pages that nobody else has, and page tables.
      public var charge: UInt64
      /// Pages that processes have changed and file systems do not know; threads that wait for memory now.
      public var changed, waiting: UInt64
      /// Since boot: processes that were killed for memory, faults that waited for it, files that were written back for it, pages of
      /// files that were taken out of processes for it.
      public var kills, waits, writeBacks, unmapped: UInt64
      public init(charge: UInt64, changed: UInt64, waiting: UInt64, kills: UInt64, waits: UInt64, writeBacks: UInt64, unmapped: UInt64) {
        self.charge = charge
        self.changed = changed
        self.waiting = waiting
        self.kills = kills
        self.waits = waits
        self.writeBacks = writeBacks
        self.unmapped = unmapped
      }
    }
  }
}
