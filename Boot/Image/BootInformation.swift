import IPC

/// A range of physical memory, in bytes; page-aligned once repaired (V1).
public struct PhysicalRange: Wire, Equatable {
  public var base, length: UInt64
  @inlinable public init(base: UInt64, length: UInt64) {
    self.base = base
    self.length = length
  }
  @inlinable public var end: UInt64 { base &+ length }
  @inlinable public static func == (a: PhysicalRange, b: PhysicalRange) -> Bool { a.base == b.base && a.length == b.length }
}

/// What the kernel tells VM: mapped read-only at `AddressSpace.vmBootInformation`, at most two pages.
public struct BootInformation: BitwiseCopyable {
  public static let magic: UInt64 = 0x4150_5553_424F_4F54  // "APUSBOOT"
  public static let rangeLimit = 64
  public static let commandLineLimit = 512

  public var magic: UInt64
  /// All RAM in use by somebody or free, for the totals, in bytes.
  public var totalMemory: UInt64
  /// The boot archive, page-aligned; its frames are not in `free`.
  public var archive: PhysicalRange
  /// The frame of the stub page.
  public var stubFrame: UInt64
  /// VM's own top table.
  public var vmRoot: UInt64
  /// End of RAM: the size of VM's window.
  public var memoryEnd: UInt64
  public var commandLineLength: UInt64
  /// What nobody outside can know, for addresses and AT_RANDOM; zero if the host gives none.
  public var seed: (UInt64, UInt64, UInt64, UInt64)
  public var freeCount: UInt64
  /// Frames that VM may hand out: sorted, disjoint, aligned, never below 1 MiB, none of the kernel's or VM's.
  public var free: InlineArray<64, PhysicalRange>
  public var commandLine: InlineArray<512, UInt8>

  public init() {
    magic = Self.magic
    totalMemory = 0
    archive = PhysicalRange(base: 0, length: 0)
    stubFrame = 0
    vmRoot = 0
    memoryEnd = 0
    commandLineLength = 0
    seed = (0, 0, 0, 0)
    freeCount = 0
    free = InlineArray(repeating: PhysicalRange(base: 0, length: 0))
    commandLine = InlineArray(repeating: 0)
  }
}
