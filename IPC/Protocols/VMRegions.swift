import IPC

// What a space may do with its own regions besides making and dropping them, as POSIX and Linux have it.
extension VM {
  /// madvise(2), numbers as on Linux.
  public enum Advice {
    @inlinable public static var normal: UInt32 { 0 }
    @inlinable public static var random: UInt32 { 1 }
    @inlinable public static var sequential: UInt32 { 2 }
    /// Have the pages there before they are touched.
    @inlinable public static var willNeed: UInt32 { 3 }
    /// Private memory is as it was when it was mapped; shared memory keeps its contents.
    @inlinable public static var dontNeed: UInt32 { 4 }
    /// Private anonymous memory whose contents may be lost.
    @inlinable public static var free: UInt32 { 8 }
  }

  /// madvise(2). `.noMemory` if part of the range is not mapped: then nothing has happened. `.invalidArgument`: an advice
  /// that the memory cannot take, an unaligned address.
  public struct MAdvise: Call {
    public static var number: Int32 { Number.madvise.rawValue }
    public var address, length: UInt64
    /// `Advice`.
    public var advice: UInt32
    public var reserved: UInt32 = 0
    public init(address: UInt64, length: UInt64, advice: UInt32) {
      self.address = address
      self.length = length
      self.advice = advice
    }
  }

  /// mincore(2) for at most `limit` pages from `address` on: bit n of the words says whether page n is in memory.
  /// `.noMemory` if one of them is not mapped.
  public struct MInCore: Call {
    public static var number: Int32 { Number.mincore.rawValue }
    public var address, pages: UInt64
    public init(address: UInt64, pages: UInt64) {
      self.address = address
      self.pages = pages
    }
    @inlinable public static var limit: UInt64 { 384 }
    public struct Reply: Wire {
      public var bits: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)
      public init(bits: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)) { self.bits = bits }
    }
  }

  /// mlock(2): the pages that the range touches are there when it returns, and no access to them faults until munlock,
  /// munmap or fork. `.noMemory`: part is not mapped or allows no access, or it would be more than RLIMIT_MEMLOCK.
  /// `.wouldBlock`: no frames. `.notPermitted`: the limit is 0.
  public struct MLock: Call {
    public static var number: Int32 { Number.mlock.rawValue }
    public var address, length: UInt64
    public init(address: UInt64, length: UInt64) {
      self.address = address
      self.length = length
    }
  }

  /// munlock(2).
  public struct MUnlock: Call {
    public static var number: Int32 { Number.munlock.rawValue }
    public var address, length: UInt64
    public init(address: UInt64, length: UInt64) {
      self.address = address
      self.length = length
    }
  }

  /// `MLockAll.flags`, as on Linux.
  public enum LockAll {
    /// All that is mapped now.
    @inlinable public static var current: UInt32 { 1 }
    /// All that is mapped later.
    @inlinable public static var future: UInt32 { 2 }
  }

  /// mlockall(2); with no flags munlockall(2).
  public struct MLockAll: Call {
    public static var number: Int32 { Number.mlockall.rawValue }
    public var flags: UInt32
    public var reserved: UInt32 = 0
    public init(flags: UInt32) { self.flags = flags }
  }

  /// `MSync.flags`, as on Linux.
  public enum Synchronize {
    @inlinable public static var asynchronously: UInt32 { 1 }
    @inlinable public static var invalidate: UInt32 { 2 }
    @inlinable public static var now: UInt32 { 4 }
  }

  /// msync(2). `.noMemory` if part of the range is not mapped; `.busy`: invalidating what is locked.
  public struct MSync: Call {
    public static var number: Int32 { Number.msync.rawValue }
    public var address, length: UInt64
    public var flags: UInt32
    public var reserved: UInt32 = 0
    public init(address: UInt64, length: UInt64, flags: UInt32) {
      self.address = address
      self.length = length
      self.flags = flags
    }
  }

  /// `MRemap.flags`, as on Linux.
  public enum Remap {
    @inlinable public static var mayMove: UInt32 { 1 }
    /// To exactly `newAddress`; what is there goes. Only with `mayMove`.
    @inlinable public static var fixed: UInt32 { 2 }
  }

  /// mremap(2). `.badAddress`: the old range is not within one region. `.noMemory`: no room where it is, and it may not
  /// move; or a limit. `.wouldBlock`: RLIMIT_MEMLOCK.
  public struct MRemap: Call {
    public static var number: Int32 { Number.mremap.rawValue }
    public var address, oldLength, newLength: UInt64
    public var flags: UInt32
    public var reserved: UInt32 = 0
    public var newAddress: UInt64
    public init(address: UInt64, oldLength: UInt64, newLength: UInt64, flags: UInt32, newAddress: UInt64 = 0) {
      self.address = address
      self.oldLength = oldLength
      self.newLength = newLength
      self.flags = flags
      self.newAddress = newAddress
    }
    public typealias Reply = AddressReply
  }

  /// Makes mappings immutable until the space ends: mmap over them, munmap, mprotect, mremap, madvise, naming and another
  /// such call are `.notPermitted` then; reading, writing and faults go on. `.noMemory` if part of the range is not mapped.
  public struct MImmutable: Call {
    public static var number: Int32 { Number.immutable.rawValue }
    public var address, length: UInt64
    public init(address: UInt64, length: UInt64) {
      self.address = address
      self.length = length
    }
  }

  /// prctl(2) PR_SET_VMA_ANON_NAME: a name of up to 15 bytes for mappings of memory, shown in the list of regions; an empty
  /// one takes the old one away. `.invalidArgument`: 16 bytes, or a byte that is not printable, or one of ``[]\$` ``.
  public struct NameRegion: Call {
    public static var number: Int32 { Number.nameRegion.rawValue }
    public var address, length: UInt64
    public var name: RS.Name
    public init(address: UInt64, length: UInt64, name: RS.Name) {
      self.address = address
      self.length = length
      self.name = name
    }
  }

  /// Besides the first stack and what MAP_STACK made, a stack pointer may lie in these bytes: sigaltstack(2) of the POSIX
  /// library says so. Size 0: nowhere else.
  public struct SignalStack: Call {
    public static var number: Int32 { Number.signalStack.rawValue }
    public var base, size: UInt64
    public init(base: UInt64, size: UInt64) {
      self.base = base
      self.size = size
    }
  }

  /// getrlimit(2), numbers as on Linux. VM keeps these four; others are `.invalidArgument`.
  public enum Resource {
    @inlinable public static var data: UInt32 { 2 }
    @inlinable public static var stack: UInt32 { 3 }
    @inlinable public static var locked: UInt32 { 8 }
    @inlinable public static var addressSpace: UInt32 { 9 }
    /// RLIM_INFINITY.
    @inlinable public static var unlimited: UInt64 { UInt64.max }
  }

  /// getrlimit(2) of `process`; `.none` is oneself.
  public struct GetLimit: Call {
    public static var number: Int32 { Number.getLimit.rawValue }
    public var process: Endpoint
    /// `Resource`.
    public var resource: UInt32
    public init(process: Endpoint = .none, resource: UInt32) {
      self.process = process
      self.resource = resource
    }
    public struct Reply: Wire {
      /// In bytes.
      public var soft, hard: UInt64
      public init(soft: UInt64, hard: UInt64) {
        self.soft = soft
        self.hard = hard
      }
    }
  }

  /// setrlimit(2), of oneself. `.invalidArgument`: soft above hard; `.notPermitted`: a higher hard limit.
  public struct SetLimit: Call {
    public static var number: Int32 { Number.setLimit.rawValue }
    /// `Resource`.
    public var resource: UInt32
    public var reserved: UInt32 = 0
    public var soft, hard: UInt64
    public init(resource: UInt32, soft: UInt64, hard: UInt64) {
      self.resource = resource
      self.soft = soft
      self.hard = hard
    }
  }
}
