import IPC

/// Calls to VM, which owns all user memory.
public enum VM {
  public enum Number: Int32, CaseIterable {
    case mmap = 0x100, munmap, mprotect, brk
    case fork, execBegin, execMap, execWrite, execCommit, execAbort, exit
    case spawn, release, mapPhysical, mapContiguous, mapModule, allowPhysical
    case information, regionInformation, commandLine
    case madvise, mincore, mlock, munlock, mlockall, msync, mremap, immutable, nameRegion, getLimit, setLimit, signalStack
    case lend, borrow, endLoan
  }

  public enum Protection {
    @inlinable public static var none: UInt32 { 0 }
    @inlinable public static var read: UInt32 { 1 }
    @inlinable public static var write: UInt32 { 2 }
    @inlinable public static var execute: UInt32 { 4 }
  }

  /// mmap(2) flags, as on Linux.
  public enum Flags {
    @inlinable public static var shared: UInt32 { 0x01 }
    @inlinable public static var `private`: UInt32 { 0x02 }
    @inlinable public static var fixed: UInt32 { 0x10 }
    @inlinable public static var anonymous: UInt32 { 0x20 }
    @inlinable public static var growsDown: UInt32 { 0x100 }
    /// mlock(2) at once; MAP_POPULATE: only have the pages there.
    @inlinable public static var locked: UInt32 { 0x2000 }
    @inlinable public static var populate: UInt32 { 0x8000 }
    @inlinable public static var stack: UInt32 { 0x20000 }
    @inlinable public static var fixedNoReplace: UInt32 { 0x100000 }
  }

  public struct AddressReply: Wire {
    public var address: UInt64
    public init(address: UInt64) { self.address = address }
  }

  /// mmap(2), anonymous memory. Lengths in bytes.
  public struct MMap: Call {
    public static var number: Int32 { Number.mmap.rawValue }
    public var address, length: UInt64
    public var protection, flags: UInt32
    public init(address: UInt64, length: UInt64, protection: UInt32, flags: UInt32) {
      self.address = address
      self.length = length
      self.protection = protection
      self.flags = flags
    }
    public typealias Reply = AddressReply
  }

  /// munmap(2).
  public struct MUnmap: Call {
    public static var number: Int32 { Number.munmap.rawValue }
    public var address, length: UInt64
    public init(address: UInt64, length: UInt64) {
      self.address = address
      self.length = length
    }
  }

  /// mprotect(2).
  public struct MProtect: Call {
    public static var number: Int32 { Number.mprotect.rawValue }
    public var address, length: UInt64
    public var protection: UInt32
    public var reserved: UInt32 = 0
    public init(address: UInt64, length: UInt64, protection: UInt32) {
      self.address = address
      self.length = length
      self.protection = protection
    }
  }

  /// brk(2) as Linux answers it: the break after the call, the old one if it could not be moved. 0 asks.
  public struct Brk: Call {
    public static var number: Int32 { Number.brk.rawValue }
    public var address: UInt64
    public init(address: UInt64) { self.address = address }
    public typealias Reply = AddressReply
  }

  /// A copy of the space and thread of `parent`, who waits for PM. PM only.
  public struct Fork: Call {
    public static var number: Int32 { Number.fork.rawValue }
    public var parent: Endpoint
    /// The child's process id, for what VM has to tell people; 0 if it has none.
    public var id: Int32
    public init(parent: Endpoint, id: Int32 = 0) {
      self.parent = parent
      self.id = id
    }
    public typealias Reply = Kernel.ThreadReply
  }

  /// Starts building a second space for `process`; its old one stays whole until `ExecCommit`. VFS only.
  public struct ExecBegin: Call {
    public static var number: Int32 { Number.execBegin.rawValue }
    public var process: Endpoint
    public var reserved: UInt32 = 0
    public init(process: Endpoint) { self.process = process }
  }

  /// Zeroed memory in the new space; addresses need not be aligned, the pages around them are used. VFS only.
  public struct ExecMap: Call {
    public static var number: Int32 { Number.execMap.rawValue }
    public var process: Endpoint
    public var protection: UInt32
    public var address, length: UInt64
    public init(process: Endpoint, address: UInt64, length: UInt64, protection: UInt32) {
      self.process = process
      self.protection = protection
      self.address = address
      self.length = length
    }
  }

  /// Copies `length` bytes, at most `Kernel.copyLimit`, from the caller's memory at `source` into the new space.
  /// VFS only.
  public struct ExecWrite: Call {
    public static var number: Int32 { Number.execWrite.rawValue }
    public var process: Endpoint
    public var reserved: UInt32 = 0
    public var address, source, length: UInt64
    public init(process: Endpoint, address: UInt64, source: UInt64, length: UInt64) {
      self.process = process
      self.address = address
      self.source = source
      self.length = length
    }
  }

  /// Builds the stack from the process's own argument block (`ArgumentBlock`), drops the old space and lets
  /// the process run at `entry`. On an error the old space is whole. VFS only.
  public struct ExecCommit: Call {
    public static var number: Int32 { Number.execCommit.rawValue }
    public var process: Endpoint
    public var reserved: UInt32 = 0
    public var entry: UInt64
    /// Where in the old space the argument block is, and its length in bytes (at most 128 KiB).
    public var arguments, argumentsLength: UInt64
    public init(process: Endpoint, entry: UInt64, arguments: UInt64, argumentsLength: UInt64) {
      self.process = process
      self.entry = entry
      self.arguments = arguments
      self.argumentsLength = argumentsLength
    }
  }

  public struct ExecAbort: Call {
    public static var number: Int32 { Number.execAbort.rawValue }
    public var process: Endpoint
    public var reserved: UInt32 = 0
    public init(process: Endpoint) { self.process = process }
  }

  /// Ends a process: space and thread are gone. PM only.
  public struct Exit: Call {
    public static var number: Int32 { Number.exit.rawValue }
    public var process: Endpoint
    public var reserved: UInt32 = 0
    public init(process: Endpoint) { self.process = process }
  }

  /// Builds a space from a module of the boot archive. With `slot` a service slot whose thread does not exist
  /// yet, or `Endpoint.initProcess.slot` for init. The thread is stopped. Unless `restart` is `Life.first` the slot's
  /// thread exists: its old space is freed (but for its contiguous memory, which the new life gets again, since the
  /// device may still write there) and the thread restarted. RS only.
  public struct Spawn: Call {
    public static var number: Int32 { Number.spawn.rawValue }
    /// The module's name in the boot archive, zero-padded.
    public var name: RS.Name
    public var slot: UInt32
    public var restart: UInt32
    public var supervisor: Endpoint
    public var priority: UInt32
    public init(name: RS.Name, slot: UInt32, restart: UInt32, supervisor: Endpoint, priority: UInt32) {
      self.name = name
      self.slot = slot
      self.restart = restart
      self.supervisor = supervisor
      self.priority = priority
    }
    public typealias Reply = Kernel.ThreadReply
  }

  /// `Spawn.restart`.
  public enum Life {
    @inlinable public static var first: UInt32 { 0 }
    /// After one that was ended, through no fault of its own.
    @inlinable public static var next: UInt32 { 1 }
    /// After one that ended by a fault of its own: `Kernel.ThreadRestart.fault`.
    @inlinable public static var afterFault: UInt32 { 2 }
  }

  /// Ends a service for good: space, contiguous memory and thread are gone. RS only.
  public struct Release: Call {
    public static var number: Int32 { Number.release.rawValue }
    public var service: Endpoint
    public var reserved: UInt32 = 0
    public init(service: Endpoint) { self.service = service }
  }

  /// Memory types for `MapPhysical`.
  public enum MemoryType {
    @inlinable public static var writeBack: UInt32 { 0 }
    @inlinable public static var uncacheable: UInt32 { 1 }
    @inlinable public static var writeCombining: UInt32 { 2 }
  }

  /// Maps device memory that RS allowed; never frames that belong to VM (V74).
  public struct MapPhysical: Call {
    public static var number: Int32 { Number.mapPhysical.rawValue }
    public var base, length: UInt64
    public var protection: UInt32
    public var type: UInt32
    public init(base: UInt64, length: UInt64, protection: UInt32, type: UInt32) {
      self.base = base
      self.length = length
      self.protection = protection
      self.type = type
    }
    public typealias Reply = AddressReply
  }

  /// Zeroed, physically contiguous memory for DMA, up to 4 MiB. Services only. The n-th such call of a
  /// restarted service gets the frames of the n-th of its last life if the length is the same.
  public struct MapContiguous: Call {
    public static var number: Int32 { Number.mapContiguous.rawValue }
    public var length: UInt64
    public init(length: UInt64) { self.length = length }
    public struct Reply: Wire {
      public var address, physical: UInt64
      public init(address: UInt64, physical: UInt64) {
        self.address = address
        self.physical = physical
      }
    }
  }

  /// Maps a module of the boot archive, shared and writable (the RAM disk's image). Services only.
  public struct MapModule: Call {
    public static var number: Int32 { Number.mapModule.rawValue }
    /// `.noSuchFile` if the archive has no such module.
    public var name: RS.Name
    public init(name: RS.Name) { self.name = name }
    public struct Reply: Wire {
      public var address, length: UInt64
      public init(address: UInt64, length: UInt64) {
        self.address = address
        self.length = length
      }
    }
  }

  /// Lets a service map this physical range. RS only.
  public struct AllowPhysical: Call {
    public static var number: Int32 { Number.allowPhysical.rawValue }
    public var service: Endpoint
    public var reserved: UInt32 = 0
    public var base, length: UInt64
    public init(service: Endpoint, base: UInt64, length: UInt64) {
      self.service = service
      self.base = base
      self.length = length
    }
  }

  /// Totals in frames of 4 KiB. Everybody may ask.
  public struct Information: Call {
    public static var number: Int32 { Number.information.rawValue }
    public init() {}
    public struct Reply: Wire {
      /// free + user + tables + metadata = total at all times (V80).
      public var total, free, user, tables, metadata: UInt64
      /// VM's records: what leaks when something that had a region or an object is gone and they are not.
      public var spaces, regions, objects: UInt32
      /// Page faults since boot, modulo 2^32.
      public var faults: UInt32
      public init(
        total: UInt64, free: UInt64, user: UInt64, tables: UInt64, metadata: UInt64, spaces: UInt32, regions: UInt32, objects: UInt32, faults: UInt32
      ) {
        self.total = total
        self.free = free
        self.user = user
        self.tables = tables
        self.metadata = metadata
        self.spaces = spaces
        self.regions = regions
        self.objects = objects
        self.faults = faults
      }
    }
  }

  /// The first region of `process` at or above `address`; `.noSuchFile` after the last. `.none` is oneself.
  public struct RegionInformation: Call {
    public static var number: Int32 { Number.regionInformation.rawValue }
    public var process: Endpoint
    public var reserved: UInt32 = 0
    public var address: UInt64
    public init(process: Endpoint, address: UInt64) {
      self.process = process
      self.address = address
    }
    public struct Reply: Wire {
      public var start, end: UInt64
      /// Where `start` is in the object behind it, in bytes; of devices the physical address.
      public var offset: UInt64
      /// What its owner calls it, or zero bytes.
      public var name: RS.Name
      /// `Protection`.
      public var protection: UInt8
      /// `RegionKind`.
      public var kind: UInt8
      /// `RegionFlags`.
      public var flags: UInt16
      /// Pages present, and of these shared with another space.
      public var resident, shared: UInt32
      /// The pages present, each divided by the number of those who map it; in KiB.
      public var proportional: UInt32
      public init(
        start: UInt64, end: UInt64, protection: UInt8, kind: UInt8, resident: UInt32, shared: UInt32, offset: UInt64 = 0,
        name: RS.Name = (0, 0), flags: UInt16 = 0, proportional: UInt32 = 0
      ) {
        self.start = start
        self.end = end
        self.offset = offset
        self.name = name
        self.protection = protection
        self.kind = kind
        self.flags = flags
        self.resident = resident
        self.shared = shared
        self.proportional = proportional
      }
    }
  }

  /// Bits of `RegionInformation.Reply.flags`.
  public enum RegionFlags {
    /// All who map it see each other's writes.
    @inlinable public static var shared: UInt16 { 1 }
    /// May be a stack.
    @inlinable public static var stack: UInt16 { 2 }
    @inlinable public static var immutable: UInt16 { 4 }
    @inlinable public static var locked: UInt16 { 8 }
    /// Made by mmap, so that munmap and the like apply.
    @inlinable public static var mapped: UInt16 { 16 }
    @inlinable public static var sequential: UInt16 { 32 }
    @inlinable public static var random: UInt16 { 64 }
    /// Private memory that is or was lent: what others may borrow.
    @inlinable public static var lent: UInt16 { 128 }
    /// Borrowed, and its lender has to leave it as it is.
    @inlinable public static var pinned: UInt16 { 256 }
  }

  public enum RegionKind {
    @inlinable public static var anonymous: UInt8 { 0 }
    @inlinable public static var stack: UInt8 { 1 }
    @inlinable public static var heap: UInt8 { 2 }
    @inlinable public static var physical: UInt8 { 3 }
    @inlinable public static var contiguous: UInt8 { 4 }
    @inlinable public static var module: UInt8 { 5 }
    @inlinable public static var stub: UInt8 { 6 }
    @inlinable public static var image: UInt8 { 7 }
    /// Kept free: below a stack.
    @inlinable public static var reserved: UInt8 { 8 }
    @inlinable public static var file: UInt8 { 9 }
    /// Memory of another space, lent by it.
    @inlinable public static var borrowed: UInt8 { 10 }
  }

  /// 48 bytes of the kernel command line from byte `offset` on, padded with zero bytes. Everybody may
  /// ask.
  public struct CommandLine: Call {
    public static var number: Int32 { Number.commandLine.rawValue }
    public var offset: UInt64
    public init(offset: UInt64) { self.offset = offset }
    public struct Reply: Wire {
      public var text: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)
      public init(text: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)) { self.text = text }
    }
  }
}
