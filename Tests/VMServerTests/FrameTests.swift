import BootImage
import IPC
import Testing

@testable import VMServer

@Suite struct FrameTests {
  private func take(_ system: TestSystem, _ count: Int = 1) throws -> [Frame] {
    try (0..<count).map { _ in
      try system.vm.frames.reserve(1, .service)
      return system.vm.frames.take(.user)
    }
  }
  private func record(_ system: TestSystem, _ address: UInt64) -> FrameRecord? { system.vm.frames.record(Frame(address: address))?.pointee }
  private func give(_ system: TestSystem, _ frame: Frame) {
    system.vm.frames.retire(frame)
    system.vm.frames.settle()
  }

  @Test("V4 frames come from every range in order, then there is an error, then a free one again")
  func ranges() throws {
    // The records take the start of the largest range; two ranges of 1 and 8 frames stand before it.
    let system = TestSystem(ranges: [
      PhysicalRange(base: 0x20_0000, length: 0x1000), PhysicalRange(base: 0x30_0000, length: 0x8000),
      PhysicalRange(base: 0x40_0000, length: 0x4_0000),
    ])
    #expect(system.vm.frames.managed == 1 + 8 + 64)
    let free = system.information.free
    let frames = try take(system, Int(free))
    var expected: [UInt64] = [0x20_0]
    // The table of the page cache's files has the first three of the eight.
    for number: UInt64 in 3..<8 { expected.append(0x300 + number) }
    #expect(Array(frames.prefix(6)).map(\.number) == expected)
    #expect(frames.map(\.number) == frames.map(\.number).sorted())
    #expect(Set(frames.map(\.number)).count == Int(free))
    #expect(throws: Errno.noMemory) { try take(system) }
    give(system, frames[5])
    #expect(try take(system) == [frames[5]])
  }

  @Test("V8 M-C2 frame 0 is never handed out, and no memory is an error of its own")
  func noFrameZero() throws {
    let system = TestSystem(frames: 200)
    let frames = try take(system, Int(system.information.free))
    #expect(!frames.contains(Frame(number: 0)))
    #expect(throws: Errno.noMemory) { try take(system) }
    #expect(record(system, 0) == nil)
  }

  @Test("V69 sections follow the memory map: holes have no records, metadata follows the amount of memory")
  func sections() throws {
    let system = TestSystem(ranges: [
      PhysicalRange(base: 0x20_0000, length: 0x10_0000), PhysicalRange(base: 0x1000_0000, length: 0x0900_0000),
      PhysicalRange(base: 0x1_4000_0000, length: 0x40_0000), PhysicalRange(base: 0x1_8000_0000, length: 0x1000),
    ])
    // 0x0900_0000 bytes are 36,864 frames, so that range has two sections.
    #expect(system.vm.frames.sectionCount == 5)
    for address: UInt64 in [0x20_0000, 0x2F_F000, 0x1000_0000, 0x18FF_F000, 0x1_4000_0000, 0x1_403F_F000, 0x1_8000_0000] {
      #expect(record(system, address) != nil)
    }
    for address: UInt64 in [0, 0x1F_F000, 0x30_0000, 0x0FFF_F000, 0x1900_0000, 0x1_3FFF_F000, 0x1_4040_0000, 0x1_8000_1000, 1 << 45] {
      #expect(record(system, address) == nil)
    }
    let records = (system.vm.frames.managed * 24 + 4095) >> 12
    #expect(system.vm.frames.metadata <= records + 33)  // and the tables of spaces and of the page cache's files
  }

  @Test("V69 a record is 24 bytes, a region 120") func sizes() {
    #expect(MemoryLayout<FrameRecord>.stride == 24)
    #expect(MemoryLayout<Region>.stride <= 120)
    #expect(MemoryLayout<MemoryObject>.stride <= 48)
  }

  @Test("V89 the frame freed last is handed out first") func hotFirst() throws {
    let system = TestSystem()
    let frames = try take(system, 10)
    for frame in frames { give(system, frame) }
    #expect(try take(system, 10) == frames.reversed())
  }

  @Test("V89 M-B9 a retired frame is not handed out before the flush") func limbo() throws {
    let system = TestSystem(frames: 200)
    var frames = try take(system, Int(system.information.free))
    system.vm.frames.retire(frames.removeLast())
    #expect(throws: Errno.noMemory) { try take(system) }
    system.vm.frames.settle()
    #expect(try take(system).count == 1)
  }

  @Test("V78 contiguous frames come from fresh memory, then from freed runs") func runs() throws {
    let system = TestSystem(frames: 600)
    let free = system.information.free
    let run = try system.vm.frames.takeRun(16, .user, .service)
    #expect((0..<16).allSatisfy { record(system, run.address + $0 << 12)?.kind == .user })
    let frames = try take(system, Int(free) - 16)
    #expect(throws: Errno.noMemory) { try system.vm.frames.takeRun(2, .user, .service) }
    for frame in frames where frame.number % 2 == 0 { give(system, frame) }
    #expect(throws: Errno.noMemory) { try system.vm.frames.takeRun(2, .user, .service) }
    let sorted = frames.sorted { $0.number < $1.number }
    let odd = sorted.first { $0.number % 2 == 1 && $0.number > sorted[20].number }!
    give(system, odd)
    #expect(try system.vm.frames.takeRun(3, .user, .service) == Frame(number: odd.number - 1))
    #expect(system.information.free == free - 16 - UInt64(frames.count) + UInt64(frames.filter { $0.number % 2 == 0 }.count) + 1 - 3)
  }

  @Test("V67 X9 counts: one, several, back to one, free") func counts() throws {
    let system = TestSystem()
    let free = system.information.free
    let frame = try take(system)[0]
    for expected: UInt32 in 1...3 {
      system.vm.frames.retain(frame)
      #expect(record(system, frame.address)?.count == expected)
    }
    for _ in 0..<2 { system.vm.frames.release(frame) }
    let isAlone = system.vm.isSoleOwner(of: frame)
    #expect(isAlone)
    system.vm.frames.release(frame)
    system.vm.frames.settle()
    #expect(system.information.free == free)
  }

  @Test("V93 users leave a reserve that services can use") func floors() throws {
    let system = TestSystem(frames: 4096, floors: true)
    #expect(system.vm.frames.userFloor == 256 && system.vm.frames.serviceFloor == 16)
    try system.vm.frames.reserve(system.vm.frames.available(.user), .user)
    #expect(throws: Errno.noMemory) { try system.vm.frames.reserve(1, .user) }
    try system.vm.frames.reserve(240, .service)
    #expect(throws: Errno.noMemory) { try system.vm.frames.reserve(1, .service) }
  }

  @Test("V6 slabs: no overlap, last in first out, little overhead, an error when memory is out") func slabs() throws {
    let system = TestSystem(frames: 3000)
    let free = system.information.free
    var random = Random(state: 5)
    for size in [8, 24, 48, 88, 320] {
      var slab = Slab(size: size)
      var live: [UnsafeMutableRawPointer] = []
      var addresses: Set<Int> = []
      for _ in 0..<20_000 {
        if live.isEmpty || random.below(100) < 55 && live.count < 4000 {
          try slab.reserve(1, &system.vm.frames, .service)
          let record = slab.take()
          let address = Int(bitPattern: record)
          #expect(!addresses.contains(address) && address % 8 == 0)
          addresses.insert(address)
          live.append(record)
        } else {
          let record = live.remove(at: random.below(live.count))
          addresses.remove(Int(bitPattern: record))
          slab.give(record)
          #expect(slab.used == UInt64(live.count))
        }
      }
      let sorted = addresses.sorted()
      #expect(zip(sorted, sorted.dropFirst()).allSatisfy { $1 - $0 >= slab.size })
      for record in live { slab.give(record) }
      slab.trim(&system.vm.frames)
      system.vm.settle()
      #expect(system.information.free == free && slab.room == 0)
      if size <= 88 { #expect(Double(slab.perPage * slab.size) / 4096 > 0.95) }
    }
    var slab = Slab(size: 88)
    try slab.reserve(4, &system.vm.frames, .service)
    let some = (0..<4).map { _ in slab.take() }
    for record in some.dropFirst() { slab.give(record) }
    let again = (0..<3).map { _ in slab.take() }
    #expect(again == some.dropFirst().reversed())
    for record in some { slab.give(record) }
    #expect(throws: Errno.noMemory) { try slab.reserve(1_000_000, &system.vm.frames, .service) }
    slab.trim(&system.vm.frames)
    system.vm.settle()
    #expect(system.information.free == free)
  }
}
