import IPC
import PageTable
import Protocols
import Testing

@testable import VMServer

@Suite("VM: the page cache")
struct CacheTests {
  /// VFS with 64 KiB of memory at `buffer`, a process with memory at `memory`.
  final class Stage {
    let system: TestSystem
    let vfs: Endpoint
    let process: Endpoint
    let buffer: UInt64
    let memory: UInt64

    init(frames: UInt64 = 2048, floors: Bool = false) throws {
      system = TestSystem(frames: frames, floors: floors)
      vfs = system.service(.vfs)
      process = system.process()
      buffer = try system.map(vfs, pages: 16)
      memory = try system.map(process, pages: 16)
      for page in 0..<16 { system.write(vfs, buffer + UInt64(page) << 12, 0) }
    }

    /// Fills pages from `page` on, each word of a page telling which one it is.
    @discardableResult
    func fill(_ inode: UInt64, page: UInt64, count: UInt64 = 1, length: UInt64? = nil, mount: UInt32 = 1, mark: UInt64 = 0) throws -> UInt64 {
      for index in 0..<count {
        set(vfs, buffer + index << 12, Array(repeating: Self.pattern(inode, page + index) + mark, count: 512))
      }
      return try system.call(
        PageCache.Fill(mount: mount, inode: inode, position: page << 12, source: buffer, length: length ?? count << 12), from: vfs).count
    }

    /// Writes words where only one page is touched.
    func set(_ thread: Endpoint, _ address: UInt64, _ words: [UInt64]) {
      guard let physical = system.touch(thread, address, .write) else {
        Issue.record("no memory at \(String(address, radix: 16))")
        return
      }
      words.withUnsafeBytes { (system.window + Int(physical)).copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
    }

    func word(_ address: UInt64) -> UInt64? { system.readWord(process, address) }

    static func pattern(_ inode: UInt64, _ page: UInt64) -> UInt64 { inode << 32 | (page + 1) << 8 }

    func read(_ inode: UInt64, at position: UInt64, _ length: UInt64, to address: UInt64? = nil, mount: UInt32 = 1) throws -> UInt64 {
      try system.call(
        PageCache.Read(process: process, mount: mount, inode: inode, position: position, address: address ?? memory, length: length), from: vfs).count
    }
  }

  @Test("V34 a read finds each page of a file by its index, up to the first that is missing")
  func reads() throws {
    let stage = try Stage()
    // Pages near and far: trees of one to four levels, grown upwards.
    for page in [0, 1, 2, 511, 512, 600_000, 300_000_000] as [UInt64] { #expect(try stage.fill(7, page: page) == 1) }
    stage.system.expectSound()
    for page in [0, 1, 2, 511, 512, 600_000, 300_000_000] as [UInt64] {
      #expect(try stage.read(7, at: page << 12, 4096) == 4096)
      #expect(stage.word(stage.memory) == Stage.pattern(7, page))
    }
    #expect(try stage.read(7, at: 0, 5 << 12) == 3 << 12)
    #expect(try stage.read(7, at: 100, 4096, to: stage.memory + 13) == 4096)
    #expect(try stage.read(7, at: 5 << 12, 4096) == 0)
    #expect(try stage.read(8, at: 0, 4096) == 0)
    #expect(try stage.read(7, at: 0, 4096, mount: 2) == 0)
    stage.system.expectSound()
  }

  @Test("V23 a page that is there is not overwritten by one that comes later; the tail of the last page is zero")
  func fills() throws {
    let stage = try Stage()
    #expect(try stage.fill(7, page: 1) == 1)
    #expect(try stage.fill(7, page: 0, count: 3, length: 8200, mark: 5) == 3)
    for (page, mark) in [(0, 5), (1, 0), (2, 5)] as [(UInt64, UInt64)] {
      #expect(try stage.read(7, at: page << 12, 8) == 8)
      #expect(stage.word(stage.memory) == Stage.pattern(7, page) + mark)
    }
    #expect(try stage.read(7, at: 8192, 4096) == 4096)
    #expect(stage.word(stage.memory + 8) == 0)
    #expect(stage.word(stage.memory + 4088) == 0)
    stage.system.expectSound()
  }

  @Test("M-N9 truncation drops what lies behind and zeroes the rest of the last page; writes change only pages that are there")
  func truncates() throws {
    let stage = try Stage()
    try stage.fill(7, page: 0, count: 8)
    try stage.system.call(PageCache.Truncate(mount: 1, inode: 7, size: 2 << 12 | 16), from: stage.vfs)
    #expect(try stage.read(7, at: 0, 8 << 12) == 3 << 12)
    #expect(stage.word(stage.memory + 2 << 12 + 8) == Stage.pattern(7, 2))
    #expect(stage.word(stage.memory + 2 << 12 + 16) == 0)
    stage.set(stage.vfs, stage.buffer, [0xABCD])
    try stage.system.call(PageCache.Write(mount: 1, inode: 7, position: 8, source: stage.buffer, length: 8, size: 2 << 12 | 16), from: stage.vfs)
    try stage.system.call(PageCache.Write(mount: 1, inode: 7, position: 3 << 12, source: stage.buffer, length: 8, size: 2 << 12 | 16), from: stage.vfs)
    #expect(try stage.read(7, at: 0, 8 << 12) == 3 << 12)
    #expect(stage.word(stage.memory + 8) == 0xABCD)
    #expect(stage.word(stage.memory) == Stage.pattern(7, 0))
    try stage.system.call(PageCache.Truncate(mount: 1, inode: 7, size: 0), from: stage.vfs)
    #expect(stage.system.vm.frames.cache == 0)
    stage.system.expectSound()
  }

  @Test("V93 a cache full of pages takes memory from nobody: free memory stays the same, and who needs it gets it")
  func givesUp() throws {
    let stage = try Stage(frames: 512)
    let before = stage.system.information.free
    for page in 0..<600 as Range<UInt64> { #expect(try stage.fill(7, page: page) == 1) }
    #expect(stage.system.vm.frames.evictions > 100)
    #expect(stage.system.information.free == before)
    // What was used last is still there, what was not is gone.
    #expect(try stage.read(7, at: 599 << 12, 4096) == 4096)
    #expect(try stage.read(7, at: 0, 4096) == 0)
    stage.system.expectSound()
    // A process touches all there is.
    let all = stage.system.information.free - 8
    let address = try stage.system.map(stage.process, pages: all)
    for page in 0..<all - 4 { #expect(stage.system.write(stage.process, address + page << 12, 1)) }
    stage.system.expectSound()
    #expect(stage.system.vm.frames.idle < 16)
    try stage.system.unmap(stage.process, address, pages: all)
    try stage.system.call(PageCache.Forget(mount: 1, inode: 0), from: stage.vfs)
    #expect(stage.system.vm.frames.cache == 0 && stage.system.vm.files.used == 0)
    stage.system.expectSound()
  }

  @Test("M-A6 contiguous memory while the cache has nearly all frames: what the call was promised is not what the run takes", arguments: [1, 2, 5, 40] as [UInt64])
  func runs(pages: UInt64) throws {
    let stage = try Stage(frames: 512)
    let driver = stage.system.service(.disk)
    for page in 0..<600 as Range<UInt64> { try stage.fill(7, page: page) }
    // Not one frame is free but those that the cache gives up.
    while stage.system.vm.frames.free > 0 {
      try stage.system.vm.frames.reserve(1, .service)
      _ = stage.system.vm.frames.take(.metadata)
    }
    let memory = try stage.system.call(VM.MapContiguous(length: pages << 12), from: driver)
    for page in 0..<pages { #expect(stage.system.frame(driver, memory.address + page << 12) == memory.physical + page << 12) }
    stage.system.expectSound()
  }

  @Test("The page used longest ago goes first")
  func order() throws {
    let stage = try Stage()
    try stage.fill(7, page: 0, count: 4)
    #expect(try stage.read(7, at: 0, 8) == 8)
    #expect(try stage.read(7, at: 2 << 12, 8) == 8)
    var left: [UInt64] = []
    for _ in 0..<4 {
      stage.system.vm.frames.evict()
      left.append((0..<4).reduce(0) { $0 | (stage.system.vm.frames.cached(stage.system.vm.files.find(1, 7)!, $1) == nil ? 1 << $1 : 0) })
    }
    #expect(left == [0b0010, 0b1010, 0b1011, 0b1111])
    stage.system.expectSound()
  }

  @Test("More files than records: the file that nobody asked for makes room")
  func manyFiles() throws {
    let stage = try Stage()
    let limit = UInt64(stage.system.vm.files.limit)
    for inode in 1...limit + 50 {
      #expect(try stage.fill(inode, page: 0) == 1)
      if inode > 2 { #expect(try stage.read(1, at: 0, 8) == 8) }
    }
    #expect(stage.system.vm.files.used == limit)
    stage.system.expectSound()
  }

  @Test("SEC26 only VFS may speak of files, and only processes' memory is reached")
  func permissions() throws {
    let stage = try Stage()
    try stage.fill(7, page: 0)
    let call = PageCache.Read(process: stage.process, mount: 1, inode: 7, position: 0, address: stage.memory, length: 8)
    #expect(stage.system.error(call, from: stage.process) == .notPermitted)
    #expect(stage.system.error(call, from: .pm) == .notPermitted)
    #expect(stage.system.error(PageCache.Forget(mount: 1, inode: 7), from: stage.process) == .notPermitted)
    let driver = stage.system.service(.tty)
    var other = call
    other.process = driver
    #expect(stage.system.error(other, from: stage.vfs) == .noSuchProcess)
    other = call
    for address in [0, 4096, UInt64.max, UInt64.max - 4, 1 << 47, AddressSpace.stub] {
      other.address = address
      #expect(stage.system.error(other, from: stage.vfs) == .badAddress)
    }
    #expect(try stage.system.call(PageCache.Information(), from: stage.process).pages == 1)
    stage.system.expectSound()
  }

  @Test("Any fields: an error or a sound cache (SEC20)", arguments: [UInt64(1), 2, 3])
  func fuzz(seed: UInt64) throws {
    let stage = try Stage(frames: 700)
    var random = Random(state: seed)
    let interesting: [UInt64] = [0, 1, 8, 4095, 4096, 4097, 1 << 20, 1 << 47, UInt64(Int64.max), UInt64.max, UInt64.max - 4095, stage.buffer, stage.memory]
    for _ in 0..<3000 {
      func any() -> UInt64 { random.next() % 3 == 0 ? random.next() : interesting[Int(random.next() % UInt64(interesting.count))] }
      let numbers = PageCache.Number.allCases
      var message = Message(type: numbers[Int(random.next() % UInt64(numbers.count))].rawValue)
      message.payload = (any(), any(), any(), any(), any(), any(), any())
      // Half of the time the file is one that is there.
      if random.next() % 2 == 0 {
        message.payload.0 = UInt64(stage.process.raw) | 1 << 32
        message.payload.1 = 7
      } else if random.next() % 2 == 0 {
        message.payload.0 = 1
        message.payload.1 = 7
      }
      _ = stage.system.deliver(message, from: stage.vfs)
    }
    stage.system.expectSound()
  }
}
