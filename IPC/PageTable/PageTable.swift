/// The x86-64 page table as all three hosts have it: VM writes it, the MMU or a walk reads it. Intel SDM vol. 3,
/// 4.5. Four levels, 4 KiB pages; 2 MiB leaves at level 2.
public struct PageEntry: BitwiseCopyable, Equatable {
  public var raw: UInt64
  @inlinable public init(raw: UInt64) { self.raw = raw }
  @inlinable public init(frame: UInt64, flags: UInt64) { raw = frame & Self.frameMask | flags }

  @inlinable public static var present: UInt64 { 1 << 0 }
  @inlinable public static var writable: UInt64 { 1 << 1 }
  @inlinable public static var user: UInt64 { 1 << 2 }
  @inlinable public static var writeThrough: UInt64 { 1 << 3 }
  @inlinable public static var cacheDisable: UInt64 { 1 << 4 }
  @inlinable public static var accessed: UInt64 { 1 << 5 }
  @inlinable public static var dirty: UInt64 { 1 << 6 }
  /// A leaf at level 2 (2 MiB).
  @inlinable public static var large: UInt64 { 1 << 7 }
  /// In a 4 KiB leaf: bit 7 chooses PAT slots 4...7.
  @inlinable public static var pat: UInt64 { 1 << 7 }
  @inlinable public static var global: UInt64 { 1 << 8 }
  @inlinable public static var noExecute: UInt64 { 1 << 63 }
  @inlinable public static var frameMask: UInt64 { 0x000F_FFFF_FFFF_F000 }

  @inlinable public var isPresent: Bool { raw & Self.present != 0 }
  @inlinable public var isWritable: Bool { raw & Self.writable != 0 }
  @inlinable public var isUser: Bool { raw & Self.user != 0 }
  @inlinable public var isLarge: Bool { raw & Self.large != 0 }
  /// Physical address, a multiple of 4096.
  @inlinable public var frame: UInt64 { raw & Self.frameMask }
  @inlinable public static func == (a: PageEntry, b: PageEntry) -> Bool { a.raw == b.raw }
}

public enum Page {
  @inlinable public static var size: UInt64 { 4096 }
  @inlinable public static var shift: UInt64 { 12 }
  @inlinable public static var large: UInt64 { 2 << 20 }
  @inlinable public static var entries: Int { 512 }

  /// Index into the table of `level` (4 top ... 1 leaf tables).
  @inlinable public static func index(_ address: UInt64, level: UInt64) -> Int {
    Int(truncatingIfNeeded: address >> (3 &+ 9 &* level)) & 511
  }
  @inlinable public static func down(_ address: UInt64) -> UInt64 { address & ~(size - 1) }
  /// Rounds up; wraps to 0 at the very top.
  @inlinable public static func up(_ address: UInt64) -> UInt64 { (address &+ size &- 1) & ~(size - 1) }
}

/// Where things are in every space; what the kernel, VM and the linker scripts must agree on.
public enum AddressSpace {
  /// The first address a program can have; below it nothing is ever mapped (M-K1).
  @inlinable public static var userStart: UInt64 { 0x1_0000 }
  /// One page below the canonical hole stays free (SEC2).
  @inlinable public static var userEnd: UInt64 { 0x0000_7FFF_FFFF_F000 }
  /// Programs and servers are linked here: `Boot/Start/x86_64/user.ld`.
  @inlinable public static var imageStart: UInt64 { 0x40_0000 }
  /// The kernel's stub page, readable and executable in every space: `call` here traps into the kernel.
  @inlinable public static var stub: UInt64 { 0x0000_6000_0000_0000 }
  /// On Linux the stub is a page of code and more (`Arch/Linux/Stub`): up to here nobody else maps anything, on any host.
  @inlinable public static var stubEnd: UInt64 { stub + (1 << 20) }
  /// The first byte above every program's first stack; it grows down to a limit.
  @inlinable public static var stackTop: UInt64 { 0x0000_7FFF_F000_0000 }
  /// `mmap` looks for room from here on.
  @inlinable public static var mmapStart: UInt64 { 0x0000_2000_0000_0000 }
  @inlinable public static var mmapEnd: UInt64 { 0x0000_5000_0000_0000 }
  /// In VM's own space: all of RAM but the kernel's, at this address plus the physical one, writable.
  @inlinable public static var vmWindow: UInt64 { 0x0000_1000_0000_0000 }
  /// In VM's own space: `BootInformation`, read-only.
  @inlinable public static var vmBootInformation: UInt64 { 0x20_0000 }
  /// Kernel: linear map of RAM, and its image (physical 1 MiB is at `kernelImage + 1 MiB`).
  @inlinable public static var kernelLinear: UInt64 { 0xFFFF_8000_0000_0000 }
  @inlinable public static var kernelImage: UInt64 { 0xFFFF_FFFF_8000_0000 }
}
