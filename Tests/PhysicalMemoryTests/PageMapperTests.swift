import BootImage
import PageTable
import PhysicalMemory
import Testing

@Suite("The kernel's tables") struct PageMapperTests {
  private struct Frames: FrameAccess {
    let ram: UnsafeMutableRawPointer
    func pointer(_ physical: UInt64) -> UnsafeMutableRawPointer { ram + Int(physical) }
    func stop(_ reason: StaticString) -> Never { fatalError("\(reason)") }
  }

  private struct Leaf: Equatable {
    var address, frame, size: UInt64
  }

  /// Maps `ranges` as the kernel maps its linear map and reads the tables back.
  /// - Returns: all leaves from low to high and the number of tables; what is wrong with bits is an issue.
  private func map(_ ranges: [PhysicalRange], flags: UInt64) -> (leaves: [Leaf], tables: Int) {
    let size: UInt64 = 1 << 20
    let ram = UnsafeMutableRawPointer.allocate(byteCount: Int(size), alignment: 4096)
    defer { ram.deallocate() }
    ram.initializeMemory(as: UInt8.self, repeating: 0xEE, count: Int(size))
    let frames = Frames(ram: ram)
    var free = MemoryMap()
    _ = free.add(base: 0x1000, length: size - 0x1000)
    let mapper = PageMapper(frames, root: frames.zeroed(&free), user: false)
    for range in ranges { mapper.map(AddressSpace.kernelLinear + range.base, to: range.base, length: range.length, flags: flags, frames: &free) }

    var leaves: [Leaf] = []
    var tables = 0
    func visit(_ table: UInt64, _ level: UInt64, _ base: UInt64) {
      tables += 1
      for index in 0..<512 as Range<UInt64> {
        let entry = PageEntry(raw: (ram + Int(table)).load(fromByteOffset: Int(index) * 8, as: UInt64.self))
        guard entry.isPresent else { continue }
        var address = base | index << (3 + 9 * level)
        if level == 4, index >= 256 { address |= 0xFFFF << 48 }
        #expect(!entry.isUser)
        if level == 1 || level == 2 && entry.isLarge {
          // What flushes spare must be the leaf: the MMU asks no other entry for this bit (SDM vol. 3, 4.10.2.4).
          #expect(entry.raw & PageEntry.global == flags & PageEntry.global, "a leaf at \(String(address, radix: 16))")
          leaves.append(Leaf(address: address, frame: entry.frame, size: level == 1 ? Page.size : Page.large))
        } else {
          #expect(entry.raw & PageEntry.global == 0 && entry.raw & PageEntry.noExecute == 0, "level \(level), \(String(address, radix: 16))")
          visit(entry.frame, level - 1, address)
        }
      }
    }
    visit(mapper.root, 4, 0)
    return (leaves, tables)
  }

  private static let data = PageEntry.global | PageEntry.writable | PageEntry.noExecute
  private static let large = Page.large
  private static let ranges = [
    PhysicalRange(base: 0, length: 0x9_F000), PhysicalRange(base: 1 << 20, length: 15 << 20), PhysicalRange(base: 20 << 20, length: large + Page.size),
    PhysicalRange(base: 1 << 32, length: 1 << 30),
  ]

  @Test("S12 the global bit stands in every leaf of the kernel's, large or small, and in no entry that leads to a table", arguments: [data, PageEntry.global, PageEntry.writable])
  func globalBits(_ flags: UInt64) {
    let leaves = map(Self.ranges, flags: flags).leaves
    #expect(leaves.contains { $0.size == Page.large } && leaves.contains { $0.size == Page.size })
  }

  @Test("V88 the kernel's map of memory has large leaves wherever a whole one fits, each frame at its place, and few tables") func largeLeaves() {
    let (leaves, tables) = map(Self.ranges, flags: Self.data)
    for leaf in leaves { #expect(leaf.address == AddressSpace.kernelLinear + leaf.frame) }
    for range in Self.ranges {
      let own = leaves.filter { range.base <= $0.frame && $0.frame < range.end }
      #expect(own.reduce(0) { $0 + $1.size } == range.length)
      let first = (range.base + Self.large - 1) & ~(Self.large - 1)
      let expected = range.end > first ? (range.end - first) / Self.large : 0
      #expect(own.filter { $0.size == Page.large }.count == Int(expected))
    }
    #expect(tables <= 1 + 1 + 2 + 4)
  }
}
