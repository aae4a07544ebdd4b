import IPC
import PageTable
import Protocols
import Testing

@testable import VMServer

@Suite("VM: where things lie in a space") struct LayoutTests {
  @Test("ChaCha with 8 rounds says what its author's does") func knownAnswer() {
    var random = Randomness(seed: (0, 0, 0, 0))
    // Key and nonce of zeros (draft-strombergson-chacha-test-vectors-01, TC1).
    #expect(random.next().byteSwapped == 0x3E00_EF2F_895F_40D6)
    #expect(random.next().byteSwapped == 0x7F5B_B8E8_1F09_A5A1)
    #expect(random.next().byteSwapped == 0x2C84_0EC3_CE9A_7F3B)
    #expect(random.next().byteSwapped == 0x181B_E188_EF71_1A1E)
    var other = Randomness(seed: (0, 0, 0, 1 << 63))
    let words = Set((0..<1000).map { _ in other.next() } + (0..<1000).map { _ in random.next() })
    #expect(words.count == 2000)
  }

  /// Whether values spread evenly over `cells` cells: chi-square within 6 standard deviations of what is expected.
  private func isEven(_ values: [UInt64], cells: Int, _ cell: (UInt64) -> Int) -> Bool {
    var counts = [Int](repeating: 0, count: cells)
    for value in values { counts[cell(value)] += 1 }
    let expected = Double(values.count) / Double(cells)
    let square = counts.reduce(0.0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
    return abs(square - Double(cells - 1)) < 6 * (2 * Double(cells - 1)).squareRoot()
  }

  @Test("S11 each address has as many values as the bits say, all alike, aligned, never outside its limits", arguments: [1, 2, 3] as [UInt64])
  func distribution(_ seed: UInt64) {
    var random = Randomness(seed: (seed, 0, 0, 0))
    let layouts = (0..<200_000).map { _ in Layout(&random) }
    let gaps = layouts.map { $0.heapGap >> 12 }
    #expect(Set(gaps).count == 1 << 13 && layouts.allSatisfy { $0.heapGap & 4095 == 0 })
    #expect(isEven(gaps, cells: 1 << 13) { Int($0) })
    for (values, bits) in [
      (layouts.map { (AddressSpace.stackTop - $0.stackTop) >> 12 }, Layout.stackBits), (layouts.map { ($0.mmapBase - AddressSpace.mmapStart) >> 12 }, Layout.mmapBits),
    ] {
      #expect(values.allSatisfy { $0 < 1 << bits })
      // High and low bits alike; and hardly a value twice but by chance.
      #expect(isEven(values, cells: 1024) { Int($0 >> (bits - 10)) } && isEven(values, cells: 1024) { Int($0 & 1023) })
      let pairs = Double(values.count) * Double(values.count) / 2 / Double(1 << bits)
      #expect(abs(Double(values.count - Set(values).count) - pairs) < 0.1 * pairs + 6 * pairs.squareRoot())
    }
    #expect(layouts.allSatisfy { $0.stackTop & 4095 == 0 && $0.mmapBase & 4095 == 0 && $0.mmapBase < AddressSpace.mmapEnd >> 1 })
    #expect(layouts.allSatisfy { $0.stackTop - StackLimits.largest - StackLimits.guardSize > AddressSpace.stubEnd })
  }

  private func line(_ words: String, seed: (UInt64, UInt64, UInt64, UInt64) = (9, 9, 9, 9)) -> (UInt64, Bool) {
    let system = TestSystem(frames: 256, commandLine: words)
    system.boot.pointee.seed = seed
    let found = VirtualMemory.seed(UnsafePointer(system.boot))
    return (found.seed.0, found.isRandom)
  }

  @Test("the words norandom and seed=N; without a seed nothing is random") func words() {
    #expect(line("") == (9, true) && line("batch root=ram") == (9, true))
    #expect(line("norandom") == (9, false) && line("a norandom b") == (9, false) && line("norandomly xnorandom") == (9, true))
    #expect(line("seed=77 batch") == (77, true) && line("x seed=0") == (0, true) && line("seed=5 norandom") == (5, false))
    #expect(line("seed=") == (9, true) && line("seed=12x") == (9, true) && line("seed=99999999999999999999") == (9, true))
    #expect(line("", seed: (0, 0, 0, 0)) == (0, false) && line("", seed: (0, 0, 0, 1)) == (0, true))
  }

  /// exec of a program of one page and its heap.
  private func exec(_ system: TestSystem, _ process: Endpoint, _ vfs: Endpoint) throws {
    let area = try system.map(process, pages: 1)
    system.fill(process, area, [1, 0, 0, 0, 0, 0, 0, 0] + Array("prog".utf8) + [0])
    try system.call(VM.ExecBegin(process: process), from: vfs)
    try system.call(VM.ExecMap(process: process, address: 0x60_0000, length: 10, protection: 3), from: vfs)
    try system.call(VM.ExecMap(process: process, address: 0x40_0000, length: 5000, protection: 5), from: vfs)
    try system.call(VM.ExecCommit(process: process, entry: 0x40_0000, arguments: area, argumentsLength: 13), from: vfs)
  }

  /// The auxiliary vector of a program that has not run yet.
  private func auxiliary(_ system: TestSystem, _ process: Endpoint) -> [UInt64: UInt64] {
    var at = system.kernel.threads[process.slot]!.stack + 8
    var ends = 0
    while ends < 2 {
      if system.readWord(process, at) == 0 { ends += 1 }
      at += 8
    }
    var found: [UInt64: UInt64] = [:]
    while let key = system.readWord(process, at), key != 0 {
      found[key] = system.readWord(process, at + 8)
      at += 16
    }
    return found
  }

  @Test("S11 exec chooses anew, fork inherits; stack, mmap and heap begin where the layout says, with their guards; AT_RANDOM differs") func spaces() throws {
    let system = TestSystem(frames: 4096, commandLine: "seed=4711")
    let vfs = system.service(.vfs)
    let process = system.process()
    var seen: [Layout] = []
    var bytes: Set<UInt64> = []
    for _ in 0..<40 {
      try exec(system, process, vfs)
      let layout = system.space(process).pointee.layout
      seen.append(layout)
      let stack = system.regions(process).first { $0.kind == VM.RegionKind.stack }!
      #expect(stack.end == layout.stackTop && stack.end - stack.start == StackLimits.size)
      let below = system.regions(process).first { $0.kind == VM.RegionKind.reserved }!
      #expect(below.end == stack.start && below.end - below.start == StackLimits.guardSize)
      let pointer = system.kernel.threads[process.slot]!.stack
      #expect(pointer & 15 == 0 && pointer < stack.end && pointer > stack.end - 8192 && system.readWord(process, pointer) == 1)
      // Of the two parts of the program the higher counts, though it came first.
      #expect(try system.call(VM.Brk(address: 0), from: process).address == 0x60_1000 + layout.heapGap)
      let first = try system.map(process, pages: 3), second = try system.map(process, pages: 1)
      #expect(first == layout.mmapBase + 4096 && second == first + 4 << 12)
      let random = try #require(auxiliary(system, process)[25])
      #expect(random & 15 == 0)
      bytes.insert(system.readWord(process, random)!)
      bytes.insert(system.readWord(process, random + 8)!)
      #expect(system.write(process, stack.end - 4096, 1) && system.touch(process, stack.end - 65536, .write, stack: stack.end - 65536) != nil)
      system.expectSound()
    }
    #expect(bytes.count == 80)
    #expect(Set(seen.map(\.stackTop)).count == 40 && Set(seen.map(\.mmapBase)).count == 40 && Set(seen.map(\.heapGap)).count > 35)
    let child = try system.fork(process)
    #expect(system.space(child).pointee.layout.mmapBase == seen.last!.mmapBase && system.space(child).pointee.layout.stackTop == seen.last!.stackTop)
    system.expectSound()
  }

  @Test("V41 when all above its beginning is used up, mmap takes what is below") func below() throws {
    let system = TestSystem(frames: 1024, commandLine: "seed=1")
    let vfs = system.service(.vfs)
    let process = system.process()
    try exec(system, process, vfs)
    let base = system.space(process).pointee.layout.mmapBase
    let rest = AddressSpace.mmapEnd - base - 2 << 12
    #expect(try system.map(process, pages: rest >> 12, protection: 0) == base + 4096)
    let address = try system.map(process, pages: 5)
    #expect(address >= AddressSpace.mmapStart && address < base && system.write(process, address, 1))
    system.expectSound()
  }
}
