/// Reads static ELF64 executables: used by the kernel for VM, by VM for the boot archive, by VFS for exec. Any
/// bytes are acceptable input; only a sound image yields segments (SEC41). System V ABI, chapters 4 and 5.
public struct ELF: BitwiseCopyable {
  public var entry: UInt64
  public var programHeaders: Int
  public var programHeaderOffset: UInt64

  /// As much of the file's start as `init` and `segment` need, at most.
  public static let headerLimit = 4096
  public static let segmentLimit = 16

  /// A part of the file to be loaded. `fileLength` <= `memoryLength`, no wrap, inside user memory, not both
  /// writable and executable.
  public struct Segment: BitwiseCopyable {
    public var address, memoryLength, fileOffset, fileLength: UInt64
    public var writable, executable: Bool
  }

  /// Nil if this is no static x86-64 executable, or its headers are not within `header`.
  /// - Parameter header: the first bytes of the file.
  public init?(header: UnsafeRawBufferPointer) {
    guard header.count >= 64,
      header.loadUnaligned(fromByteOffset: 0, as: UInt32.self) == 0x464C_457F,
      header[4] == 2, header[5] == 1, header[6] == 1,
      header.loadUnaligned(fromByteOffset: 16, as: UInt16.self) == 2,  // ET_EXEC
      header.loadUnaligned(fromByteOffset: 18, as: UInt16.self) == 62  // EM_X86_64
    else { return nil }
    entry = header.loadUnaligned(fromByteOffset: 24, as: UInt64.self)
    programHeaderOffset = header.loadUnaligned(fromByteOffset: 32, as: UInt64.self)
    let size = header.loadUnaligned(fromByteOffset: 54, as: UInt16.self)
    programHeaders = Int(header.loadUnaligned(fromByteOffset: 56, as: UInt16.self))
    guard size == 56, programHeaders > 0, programHeaders <= Self.segmentLimit,
      programHeaderOffset <= UInt64(header.count),
      UInt64(header.count) - programHeaderOffset >= UInt64(programHeaders) * 56
    else { return nil }
  }

  public enum Header {
    /// Not to be loaded.
    case other
    case load(Segment)
    case invalid
  }

  /// Program header `index` (0 ..< programHeaders). `userRange` bounds what may be loaded.
  public func segment(_ index: Int, header: UnsafeRawBufferPointer, userStart: UInt64, userEnd: UInt64) -> Header {
    guard index >= 0, index < programHeaders else { return .invalid }
    let at = Int(programHeaderOffset) + index * 56
    guard header.count >= at + 56 else { return .invalid }
    let type = header.loadUnaligned(fromByteOffset: at, as: UInt32.self)
    if type == 2 || type == 3 { return .invalid }  // PT_DYNAMIC, PT_INTERP: not static
    guard type == 1 else { return .other }
    let flags = header.loadUnaligned(fromByteOffset: at + 4, as: UInt32.self)
    let segment = Segment(
      address: header.loadUnaligned(fromByteOffset: at + 16, as: UInt64.self),
      memoryLength: header.loadUnaligned(fromByteOffset: at + 40, as: UInt64.self),
      fileOffset: header.loadUnaligned(fromByteOffset: at + 8, as: UInt64.self),
      fileLength: header.loadUnaligned(fromByteOffset: at + 32, as: UInt64.self),
      writable: flags & 2 != 0, executable: flags & 1 != 0)
    if segment.memoryLength == 0 { return .other }
    let (end, wraps) = segment.address.addingReportingOverflow(segment.memoryLength)
    guard !wraps, segment.address >= userStart, end <= userEnd,
      segment.fileLength <= segment.memoryLength,
      !segment.fileOffset.addingReportingOverflow(segment.fileLength).overflow,
      !(segment.writable && segment.executable)
    else { return .invalid }
    return .load(segment)
  }
}
