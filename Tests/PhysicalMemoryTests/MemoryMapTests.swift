import BootImage
import Testing

@testable import PhysicalMemory

/// A map from loader ranges, and what was done to each.
func makeMap(_ ranges: [(UInt64, UInt64)]) -> (map: MemoryMap, repairs: [MemoryMap.Repair]) {
  var map = MemoryMap()
  let repairs = ranges.map { map.add(base: $0.0, length: $0.1) }
  return (map, repairs)
}

func list(_ map: MemoryMap) -> [PhysicalRange] { (0..<map.count).map { map[$0] } }

/// Sorted, page-aligned, not empty, not touching.
func expectSound(_ map: MemoryMap) {
  var previous: UInt64? = nil
  for range in list(map) {
    #expect(range.base % 4096 == 0 && range.length % 4096 == 0 && range.length > 0)
    #expect(range.end <= MemoryMap.limit)
    if let previous { #expect(range.base > previous) }
    previous = range.end
  }
}

@Suite struct MemoryMapTests {
  @Test("V1 an unaligned range shrinks to whole pages")
  func rounding() {
    let (map, repairs) = makeMap([(0x7FE4_1810, 0xE_E7F0)])
    #expect(list(map) == [PhysicalRange(base: 0x7FE4_2000, length: 0xE_E000)])
    #expect(repairs[0].contains(.rounded))
  }

  @Test("V1 a range without a whole page is dropped, and the drop reported")
  func tooSmall() {
    for range: (UInt64, UInt64) in [(0x1001, 0xFFE), (0, 0), (0x2000, 0xFFF), (0x1FFF, 0x1000), (0x1234, 1)] {
      let (map, repairs) = makeMap([range])
      #expect(map.count == 0)
      #expect(repairs[0].contains(.dropped))
    }
  }

  @Test("V1 the order of the input does not matter")
  func sorted() {
    let (map, repairs) = makeMap([(0x9000, 0x1000), (0x1000, 0x1000), (0x5000, 0x2000)])
    #expect(list(map).map(\.base) == [0x1000, 0x5000, 0x9000])
    #expect(repairs.allSatisfy { $0 == .none })
  }

  @Test("V1 overlapping and touching ranges become one")
  func merging() {
    let (map, repairs) = makeMap([(0x1000, 0x3000), (0x3000, 0x3000), (0x6000, 0x1000), (0x0, 0x1000)])
    #expect(list(map) == [PhysicalRange(base: 0, length: 0x7000)])
    #expect(repairs[1].contains(.merged) && repairs[2] == .none)
  }

  @Test("V1 one range over many swallows them")
  func swallowing() {
    let (map, _) = makeMap([(0x1000, 0x1000), (0x4000, 0x1000), (0x8000, 0x1000), (0, 0x10000)])
    #expect(list(map) == [PhysicalRange(base: 0, length: 0x10000)])
  }

  @Test("V1 ranges that wrap around or go beyond what can be mapped are clipped")
  func clipping() {
    let (map, repairs) = makeMap([(0x10_0000, .max), (MemoryMap.limit, 0x1000), (.max - 5, 10)])
    #expect(list(map) == [PhysicalRange(base: 0x10_0000, length: MemoryMap.limit - 0x10_0000)])
    #expect(repairs[0].contains(.clipped) && repairs[1].contains(.dropped) && repairs[2].contains(.dropped))
  }

  @Test("V1 of more ranges than there is room for the largest stay")
  func overflow() {
    var map = MemoryMap()
    for index in 0..<64 {
      let repair = map.add(base: UInt64(index) << 20, length: 0x2000)
      #expect(repair == .none)
    }
    let small = map.add(base: 100 << 20, length: 0x1000)
    #expect(small.contains(.displaced))
    #expect(map.count == 64 && !map.contains(100 << 20, length: 0x1000))
    let large = map.add(base: 101 << 20, length: 0x8000)
    #expect(large.contains(.displaced))
    #expect(map.count == 64 && map.contains(101 << 20, length: 0x8000))
    expectSound(map)
  }

  @Test("removing splits, cuts and rounds outwards")
  func removing() {
    var (map, _) = makeMap([(0x10000, 0x10000)])
    map.remove(base: 0x14001, length: 1)
    #expect(list(map) == [PhysicalRange(base: 0x10000, length: 0x4000), PhysicalRange(base: 0x15000, length: 0xB000)])
    map.remove(base: 0, length: 0x11000)
    map.remove(base: 0x1F000, length: .max)
    #expect(list(map) == [PhysicalRange(base: 0x11000, length: 0x3000), PhysicalRange(base: 0x15000, length: 0xA000)])
    map.remove(base: 0x11000, length: 0)
    #expect(map.total == 0xD000)
    map.remove(base: 0, length: MemoryMap.limit)
    #expect(map.count == 0 && map.end == 0)
  }

  @Test("a hole in a full table costs the smallest range, never a wrong one")
  func removingFromFull() {
    var map = MemoryMap()
    for index in 0..<64 { _ = map.add(base: UInt64(index) << 20, length: index == 7 ? 0x1000 : 0x4000) }
    let whole = map.remove(base: 20 << 20 | 0x1000, length: 0x1000)
    #expect(!whole)
    expectSound(map)
    #expect(!map.contains(20 << 20 | 0x1000, length: 1))
  }

  @Test("taking gives aligned, disjoint pieces from the bottom up")
  func taking() {
    var (map, _) = makeMap([(0x3000, 0x4000), (0x20_0000, 0x40_0000)])
    let first = map.take(0x1000)
    #expect(first == 0x3000)
    let four = map.take(0x3001)
    #expect(four == 0x20_0000)  // four pages: the first range has three left
    let aligned = map.take(0x20_0000, alignment: 0x20_0000)
    #expect(aligned == 0x40_0000)
    let fifth = map.take(0x1000, lowest: 0x5000)
    #expect(fifth == 0x5000)
    let sixth = map.take(0x1000, lowest: 0x5000)
    #expect(sixth == 0x6000)
    let lowest = map.take(0x1000)
    #expect(lowest == 0x4000)
    let tooMuch = map.take(0x100_0000)
    #expect(tooMuch == nil)
    expectSound(map)
  }

  @Test("an archive on page boundaries stays, one across them gets whole pages elsewhere that it does not overlap")
  func inPlace() {
    var scratch = MemoryMap()
    var (map, _) = makeMap([(0x10_0000, 0x10_0000)])
    let stays = map.takeInPlace(PhysicalRange(base: 0x18_0000, length: 0x2345), scratch: &scratch)
    #expect(stays == 0x18_0000)
    #expect(list(map) == [PhysicalRange(base: 0x10_0000, length: 0x8_0000), PhysicalRange(base: 0x18_3000, length: 0x7_D000)])
    let moves = map.takeInPlace(PhysicalRange(base: 0x10_0010, length: 0x2000), scratch: &scratch)
    #expect(moves == 0x10_3000, "the three pages that it touches are still to be read")
    #expect(map.contains(0x10_0000, length: 0x3000), "but are free afterwards")
    let outside = map.takeInPlace(PhysicalRange(base: 0x40_0000, length: 0x1000), scratch: &scratch)
    #expect(outside == 0x10_0000, "what is not in memory that we have is copied too")
    let tooLarge = map.takeInPlace(PhysicalRange(base: 0x40_0000, length: 0x100_0000), scratch: &scratch)
    #expect(tooLarge == nil)
    expectSound(map)
  }

  /// Against a set of pages: the same ranges, added and removed by the simplest code there is.
  @Test("V1 10,000 random maps are sound, and no frame is outside an input range")
  func random() {
    let seed = UInt64.random(in: 1 ... .max)
    print("memory map seed \(seed)")
    var generator = Generator(state: seed)
    for _ in 0..<10_000 {
      var map = MemoryMap()
      var pages = Set<UInt64>()
      for _ in 0..<Int.random(in: 1...12, using: &generator) {
        let base = UInt64.random(in: 0..<0x40_000, using: &generator)
        let length = UInt64.random(in: 0..<0x8000, using: &generator)
        if Bool.random(using: &generator) || map.count == 0 {
          _ = map.add(base: base, length: length)
          let first = (base + 4095) / 4096, last = (base + length) / 4096
          if first < last { for page in first..<last { pages.insert(page) } }
        } else {
          map.remove(base: base, length: length)
          if length > 0 { for page in base / 4096...(base + length - 1) / 4096 { pages.remove(page) } }
        }
      }
      let found = Set(list(map).flatMap { $0.base / 4096..<$0.end / 4096 })
      guard found == pages, map.total == UInt64(pages.count) * 4096 else {
        Issue.record("seed \(seed)")
        return
      }
      expectSound(map)
    }
  }
}

/// SplitMix64.
struct Generator: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }
}
