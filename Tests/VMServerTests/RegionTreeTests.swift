import IPC
import PageTable
import Testing

@testable import VMServer

@Suite struct RegionTreeTests {
  private func region(_ start: UInt64, _ pages: UInt64) -> Region.Pointer {
    let pointer = Region.Pointer.allocate(capacity: 1)
    pointer.initialize(to: Region(PageRange(start: start, end: start + pages << 12), .anonymous, kind: 0, protection: 3, allowed: 7))
    return pointer
  }

  private func height(_ node: Region.Pointer?) -> Int {
    guard let node else { return 0 }
    let left = height(node.pointee.left)
    let right = height(node.pointee.right)
    #expect(abs(left - right) <= 1)
    #expect(Int(node.pointee.height) == max(left, right) + 1)
    return max(left, right) + 1
  }

  @Test("V39 V40 inserting and removing keeps the tree balanced and in order", arguments: [1, 2, 3])
  func random(_ seed: UInt64) {
    var random = Random(state: seed)
    var tree = RegionTree()
    var live: [UInt64: Region.Pointer] = [:]
    for step in 0..<6000 {
      let start = UInt64(0x10 + random.below(500) * 4) << 12
      if let known = live[start] {
        tree.remove(known)
        known.deallocate()
        live[start] = nil
      } else {
        let new = region(start, UInt64(1 + random.below(4)))
        tree.insert(new)
        live[start] = new
      }
      #expect(tree.count == UInt64(live.count))
      guard step % 20 == 0 else { continue }
      _ = height(tree.root)
      let sorted = live.values.sorted { $0.pointee.start < $1.pointee.start }
      var at = tree.lowest(above: 0)
      for expected in sorted {
        #expect(at == expected)
        at = at.flatMap { tree.next($0) }
      }
      #expect(at == nil)
      for _ in 0..<10 {
        let address = UInt64(random.below(2100)) << 12
        #expect(tree.find(address) == sorted.first { $0.pointee.start <= address && address < $0.pointee.end })
        #expect(tree.lowest(above: address) == sorted.first { $0.pointee.end > address })
      }
    }
    for pointer in live.values { pointer.deallocate() }
  }

  @Test("V41 placeAnywhere finds the lowest room that a linear search finds", arguments: [7, 8])
  func gaps(_ seed: UInt64) {
    var random = Random(state: seed)
    for _ in 0..<300 {
      var tree = RegionTree()
      var sorted: [(UInt64, UInt64)] = []
      var at: UInt64 = 0x10
      for _ in 0..<random.below(60) {
        // Room is rare, so that a gap the tree forgets is missed.
        at += UInt64(random.below(random.below(12) == 0 ? 12 : 2))
        let pages = UInt64(1 + random.below(5))
        tree.insert(region(at << 12, pages))
        sorted.append((at, at + pages))
        at += pages
      }
      let bounds = (UInt64(0x10 + random.below(40)), UInt64(0x40 + random.below(300)))
      let pages = UInt64(1 + random.below(6))
      // A linear search for room of `pages` + 2.
      var start = bounds.0
      for (first, end) in sorted {
        if end <= start { continue }
        if first >= start + pages + 2 { break }
        start = max(start, end)
      }
      let expected = start + pages + 2 <= bounds.1 ? (start + 1) << 12 : nil
      let found = try? tree.placeAnywhere(pages << 12, in: PageRange(start: bounds.0 << 12, end: bounds.1 << 12))
      #expect(found?.start == expected)
    }
  }

  @Test("V41 alignments from 4 KiB to 1 GiB are kept; 0, overflow and no room are three errors")
  func placing() throws {
    var tree = RegionTree()
    let bounds = PageRange(start: 0x1000_0000, end: 0x10_0000_0000)
    for shift: UInt64 in 12...30 {
      let place = try tree.placeAnywhere(0x3000, alignment: 1 << shift, in: bounds)
      #expect(place.start % (1 << shift) == 0 && place.pages == 3)
      #expect(tree.first(in: PageRange(start: place.start - 0x1000, end: place.end + 0x1000)) == nil)
      tree.insert(region(place.start, 3))
    }
    #expect(throws: Errno.invalidArgument) { try tree.placeAnywhere(0, in: bounds) }
    #expect(throws: Errno.invalidArgument) { try tree.placeAnywhere(1, alignment: 0x1800, in: bounds) }
    #expect(throws: Errno.overflow) { try tree.placeAnywhere(UInt64.max, in: bounds) }
    #expect(throws: Errno.noMemory) { try tree.placeAnywhere(1 << 40, in: bounds) }
    #expect(throws: Errno.fileExists) { try tree.placeSpecifically(bounds.start + 0x1000, 0x1000) }
    #expect(throws: Errno.invalidArgument) { try tree.placeSpecifically(0x1234, 0x1000) }
    #expect(throws: Errno.overflow) { try tree.placeSpecifically(0x2000, UInt64.max) }
    #expect(throws: Errno.noMemory) { try tree.placeSpecifically(0x2000, 0x1000) }
    #expect(throws: Errno.noMemory) { try tree.placeSpecifically(AddressSpace.userEnd - 0x1000, 0x2000) }
    #expect(try tree.placeSpecifically(0x7000_0000_0000, 0x1000).pages == 1)
  }

  @Test("V41 two requests one after the other never get the same range") func distinct() throws {
    var tree = RegionTree()
    let bounds = PageRange(start: 0x10_0000, end: 0x20_0000)
    var ranges: [PageRange] = []
    while let place = try? tree.placeAnywhere(0x2000, in: bounds) {
      #expect(ranges.allSatisfy { $0.end < place.start || place.end < $0.start })
      ranges.append(place)
      tree.insert(region(place.start, 2))
    }
    #expect(ranges.count == 0x100 / 3 - 0 || ranges.count == (0x100 - 1) / 3)
  }

  @Test("V43 sizes are whole pages") func wholePages() throws {
    #expect(try RegionTree().placeAnywhere(1, in: PageRange(start: 0x10_0000, end: 0x20_0000)).pages == 1)
  }
}
