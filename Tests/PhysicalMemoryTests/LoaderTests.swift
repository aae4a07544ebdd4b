import BootImage
import Testing

@testable import PhysicalMemory

enum Loader: CaseIterable { case pvh, multiboot2 }

/// Physical memory from 0x1000 on, as bytes that a test writes.
struct FakeMemory {
  var bytes = [UInt8](repeating: 0, count: 0x8000)

  mutating func put<T: FixedWidthInteger>(_ physical: Int, _ value: T) {
    withUnsafeBytes(of: value.littleEndian) { for (index, byte) in $0.enumerated() { bytes[physical - 0x1000 + index] = byte } }
  }

  mutating func put(_ physical: Int, text: String) {
    for (index, byte) in (Array(text.utf8) + [0]).enumerated() { bytes[physical - 0x1000 + index] = byte }
  }

  /// What the kernel would read from it. The report's tables live as long as the tests do.
  func report(_ loader: Loader, at: UInt64 = 0x1000, into storage: UnsafeMutableRawPointer = storage()) -> LoaderReport? {
    bytes.withUnsafeBytes {
      let view = PhysicalView(base: UInt(bitPattern: $0.baseAddress!) &- 0x1000, start: 0x1000, end: 0x9000)
      return switch loader {
      case .pvh: LoaderReport(pvh: at, view, storage: storage)
      case .multiboot2: LoaderReport(multiboot2: at, view, storage: storage)
      }
    }
  }

  static func storage() -> UnsafeMutableRawPointer { .allocate(byteCount: LoaderReport.storageSize, alignment: 8) }

  static func standard(_ loader: Loader, line: String) -> FakeMemory {
    switch loader {
    case .pvh: pvh(pc, line: line)
    case .multiboot2: multiboot2(pc, line: line)
    }
  }

  /// `hvm_start_info` at 0x1000 with a map of `ranges`, a command line and one module.
  static func pvh(_ ranges: [(base: UInt64, length: UInt64, type: UInt32)], line: String = "") -> FakeMemory {
    var memory = FakeMemory()
    memory.put(0x1000, UInt32(0x336E_C578))
    memory.put(0x1004, UInt32(1))
    memory.put(0x100C, UInt32(1))
    memory.put(0x1010, UInt64(0x1100))
    memory.put(0x1018, UInt64(0x1200))
    memory.put(0x1028, UInt64(0x2000))
    memory.put(0x1030, UInt32(ranges.count))
    memory.put(0x1100, UInt64(0xFE_0000))
    memory.put(0x1108, UInt64(0x1_2345))
    memory.put(0x1200, text: line)
    for (index, range) in ranges.enumerated() {
      memory.put(0x2000 + index * 24, range.base)
      memory.put(0x2008 + index * 24, range.length)
      memory.put(0x2010 + index * 24, range.type)
    }
    return memory
  }

  /// The same as Multiboot2 information.
  static func multiboot2(_ ranges: [(base: UInt64, length: UInt64, type: UInt32)], line: String = "") -> FakeMemory {
    var memory = FakeMemory()
    var at = 0x1008
    func next(_ type: UInt32, _ size: Int) {
      memory.put(at, type)
      memory.put(at + 4, UInt32(size))
    }
    next(1, 9 + line.utf8.count)
    memory.put(at + 8, text: line)
    at += (9 + line.utf8.count + 7) & ~7
    next(3, 17)
    memory.put(at + 8, UInt32(0xFE_0000))
    memory.put(at + 12, UInt32(0xFE_0000 + 0x1_2345))
    at += 24
    next(6, 16 + 24 * ranges.count)
    memory.put(at + 8, UInt32(24))
    for (index, range) in ranges.enumerated() {
      memory.put(at + 16 + index * 24, range.base)
      memory.put(at + 24 + index * 24, range.length)
      memory.put(at + 32 + index * 24, range.type)
    }
    at += 16 + 24 * ranges.count
    next(0, 8)
    memory.put(0x1000, UInt32(at + 8 - 0x1000))
    return memory
  }
}

let pc: [(base: UInt64, length: UInt64, type: UInt32)] = [
  (0, 0x9FC00, 1), (0x9FC00, 0x400, 2), (0xF0000, 0x10000, 2), (0x10_0000, 0xFEE_0000, 1), (0xFFE_0000, 0x2_0000, 2), (1 << 32, 1 << 30, 1),
]

@Suite struct LoaderTests {
  @Test("PVH and Multiboot2 give the same report", arguments: Loader.allCases)
  func reports(_ loader: Loader) throws {
    let report = try #require(FakeMemory.standard(loader, line: "batch ipc=int").report(loader))
    #expect(report.rangeCount == pc.count)
    #expect(report.archive == PhysicalRange(base: 0xFE_0000, length: 0x1_2345))
    #expect(report.commandLineLength == 13)
    var repairs = 0
    var map = MemoryMap()
    report.fill(&map) { _, _ in repairs += 1 }
    #expect(repairs == 1)  // the end of conventional memory is no page boundary
    #expect(list(map) == [
      PhysicalRange(base: 0, length: 0x9F000), PhysicalRange(base: 0x10_0000, length: 0xFEE_0000), PhysicalRange(base: 1 << 32, length: 1 << 30),
    ])
  }

  @Test("V1 what is reserved is not memory, even if it is reported as both")
  func reservedWins() throws {
    let memory = FakeMemory.pvh([(0x10_0000, 0x10_0000, 1), (0x14_0800, 0x1000, 2)])
    let report = try #require(memory.report(.pvh))
    var map = MemoryMap()
    report.fill(&map) { _, _ in }
    #expect(list(map) == [PhysicalRange(base: 0x10_0000, length: 0x4_0000), PhysicalRange(base: 0x14_2000, length: 0xB_E000)])
  }

  @Test("words of the command line are whole words")
  func words() throws {
    let memory = FakeMemory.pvh(pc, line: "batch ipc=integer root=ram")
    let report = try #require(memory.report(.pvh))
    #expect(report.hasWord("batch") && report.hasWord("root=ram"))
    #expect(!report.hasWord("ipc=int") && !report.hasWord("root") && !report.hasWord("atch"))
  }

  @Test("a command line without an end is cut off")
  func endlessLine() throws {
    let memory = FakeMemory.pvh(pc, line: String(repeating: "x", count: 2000))
    let report = try #require(memory.report(.pvh))
    #expect(report.commandLineLength == 512)
  }

  @Test("information that is none is refused")
  func nothing() {
    for loader in Loader.allCases { #expect(FakeMemory().report(loader) == nil) }
    #expect(FakeMemory.pvh([]).report(.pvh) == nil)
    for at: UInt64 in [0, 0xFFF, 0x8FFE, 0x9000, .max - 3] {
      for loader in Loader.allCases { #expect(FakeMemory.standard(loader, line: "").report(loader, at: at) == nil) }
    }
  }

  @Test("V1 random bytes in the information never lead outside of memory", arguments: Loader.allCases)
  func noise(_ loader: Loader) {
    let seed = UInt64.random(in: 1 ... .max)
    print("loader seed \(seed)")
    var generator = Generator(state: seed)
    let storage = FakeMemory.storage()
    for _ in 0..<5_000 {
      var memory = FakeMemory.standard(loader, line: "batch")
      for _ in 0..<Int.random(in: 1...40, using: &generator) {
        memory.bytes[Int.random(in: 4..<(Bool.random(using: &generator) ? 0x100 : 0x1200), using: &generator)] = .random(in: 0...255, using: &generator)
      }
      guard let report = memory.report(loader, into: storage) else { continue }
      var map = MemoryMap()
      report.fill(&map) { _, _ in }
      expectSound(map)
    }
  }
}
