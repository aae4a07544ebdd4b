import BootImage

/// What a boot loader says, in one form: the memory map as reported, the command line and the boot archive. Read
/// from raw bytes at physical addresses, all of them suspect: a field that points nowhere reads as absent. It keeps
/// its tables in memory that it is given, for the boot stack is small.
public struct LoaderReport: BitwiseCopyable {
  /// RAM and what is reserved inside it, in the loader's order.
  public let ranges: UnsafeMutablePointer<ReportedRange>
  public private(set) var rangeCount = 0
  public private(set) var archive = PhysicalRange(base: 0, length: 0)
  public let commandLine: UnsafeMutablePointer<UInt8>
  public private(set) var commandLineLength = 0

  public struct ReportedRange: BitwiseCopyable {
    public var base, length: UInt64
    public var isMemory: Bool
  }

  public static var rangeLimit: Int { 128 }
  /// Bytes that `init` wants, aligned to 8.
  public static var storageSize: Int { rangeLimit * MemoryLayout<ReportedRange>.stride + BootInformation.commandLineLimit }

  init(storage: UnsafeMutableRawPointer) {
    ranges = storage.bindMemory(to: ReportedRange.self, capacity: Self.rangeLimit)
    commandLine = (storage + Self.rangeLimit * MemoryLayout<ReportedRange>.stride).bindMemory(to: UInt8.self, capacity: BootInformation.commandLineLimit)
  }

  mutating func append(base: UInt64, length: UInt64, type: UInt32) {
    guard rangeCount < Self.rangeLimit else { return }
    ranges[rangeCount] = ReportedRange(base: base, length: length, isMemory: type == 1)
    rangeCount += 1
  }

  mutating func setCommandLine(_ physical: UInt64, _ memory: PhysicalView, limit: UInt64) {
    var at = physical
    commandLineLength = 0
    while commandLineLength < BootInformation.commandLineLimit, at < limit, let byte = memory.byte(at), byte != 0 {
      commandLine[commandLineLength] = byte
      commandLineLength += 1
      at += 1
    }
  }

  /// Makes `map` the usable memory. `repaired` is told of each range that was not as it should be.
  public func fill(_ map: inout MemoryMap, _ repaired: (ReportedRange, MemoryMap.Repair) -> Void) {
    for index in 0..<rangeCount where ranges[index].isMemory {
      let repair = map.add(base: ranges[index].base, length: ranges[index].length)
      if repair != .none { repaired(ranges[index], repair) }
    }
    for index in 0..<rangeCount where !ranges[index].isMemory {
      if !map.remove(base: ranges[index].base, length: ranges[index].length) { repaired(ranges[index], .displaced) }
    }
  }

  /// Whether the command line has this word, as in `ipc=int`.
  public func hasWord(_ word: StaticString) -> Bool {
    let size = word.utf8CodeUnitCount
    var start = 0
    while start + size <= commandLineLength {
      var equal = start == 0 || commandLine[start - 1] == 0x20
      if start + size < commandLineLength && commandLine[start + size] != 0x20 { equal = false }
      var index = 0
      while equal && index < size {
        equal = commandLine[start + index] == word.utf8Start[index]
        index += 1
      }
      if equal { return true }
      start += 1
    }
    return false
  }
}

/// Physical memory seen from here, up to an end.
public struct PhysicalView: BitwiseCopyable {
  /// Address of the physical address 0 (it need not exist itself).
  let base: UInt
  let start: UInt64
  let end: UInt64

  /// - Parameters:
  ///   - base: where physical address 0 would be.
  ///   - start, end: the physical addresses that can be read.
  public init(base: UInt, start: UInt64, end: UInt64) {
    self.base = base
    self.start = start
    self.end = end
  }

  func byte(_ physical: UInt64) -> UInt8? { load(physical) }

  func load<T: FixedWidthInteger & BitwiseCopyable>(_ physical: UInt64, as: T.Type = T.self) -> T? {
    let size = UInt64(MemoryLayout<T>.size)
    guard physical >= start, physical < end, end - physical >= size else { return nil }
    // Inside the view, and any bytes are a number.
    return UnsafeRawPointer(bitPattern: base &+ UInt(physical)).unsafelyUnwrapped.loadUnaligned(as: T.self)
  }
}

extension LoaderReport {
  /// `hvm_start_info` of the PVH boot ABI (Xen, `public/arch-x86/hvm/start_info.h`). Nil if it is none, or has no map.
  public init?(pvh at: UInt64, _ memory: PhysicalView, storage: UnsafeMutableRawPointer) {
    self.init(storage: storage)
    guard memory.load(at, as: UInt32.self) == 0x336E_C578, let version: UInt32 = memory.load(at &+ 4), version >= 1,
      let modules: UInt32 = memory.load(at &+ 12), let moduleList: UInt64 = memory.load(at &+ 16),
      let line: UInt64 = memory.load(at &+ 24), let map: UInt64 = memory.load(at &+ 40), let entries: UInt32 = memory.load(at &+ 48)
    else { return nil }
    for index in 0..<UInt64(min(entries, 128)) {
      let entry = map &+ index &* 24
      guard let base: UInt64 = memory.load(entry), let length: UInt64 = memory.load(entry &+ 8), let type: UInt32 = memory.load(entry &+ 16)
      else { break }
      append(base: base, length: length, type: type)
    }
    if modules > 0, let base: UInt64 = memory.load(moduleList), let length: UInt64 = memory.load(moduleList &+ 8) {
      archive = PhysicalRange(base: base, length: length)
    }
    if line != 0 { setCommandLine(line, memory, limit: line &+ 4096) }
    guard rangeCount > 0 else { return nil }
  }

  /// Multiboot2 information (specification 2.0, 3.6). Nil if it has no memory map.
  public init?(multiboot2 at: UInt64, _ memory: PhysicalView, storage: UnsafeMutableRawPointer) {
    self.init(storage: storage)
    guard let size: UInt32 = memory.load(at), size >= 16 else { return nil }
    let end = at &+ UInt64(size)
    var tag = at &+ 8
    while tag &+ 8 <= end, let type: UInt32 = memory.load(tag), let length: UInt32 = memory.load(tag &+ 4), length >= 8 {
      let tagEnd = tag &+ UInt64(length)
      guard type != 0, tagEnd <= end else { break }
      switch type {
      case 1: setCommandLine(tag &+ 8, memory, limit: tagEnd)
      case 3:
        if let first: UInt32 = memory.load(tag &+ 8), let last: UInt32 = memory.load(tag &+ 12), first < last, archive.length == 0 {
          archive = PhysicalRange(base: UInt64(first), length: UInt64(last - first))
        }
      case 6:
        guard let step: UInt32 = memory.load(tag &+ 8), step >= 24 else { break }
        var entry = tag &+ 16
        while entry &+ 24 <= tagEnd, let base: UInt64 = memory.load(entry), let length: UInt64 = memory.load(entry &+ 8),
          let type: UInt32 = memory.load(entry &+ 16)
        {
          append(base: base, length: length, type: type)
          entry = entry &+ UInt64(step)
        }
      default: break
      }
      tag = (tagEnd &+ 7) & ~7
    }
    guard rangeCount > 0 else { return nil }
  }
}
