import IPC
import PageTable
import Protocols
import Testing

@testable import VMServer

@Suite struct ExecTests {
  let system = TestSystem()
  let process: Endpoint
  let vfs: Endpoint
  let buffer: UInt64
  let arguments: UInt64 = 0x50_0000

  init() throws {
    process = system.process()
    vfs = system.service(.vfs)
    buffer = try system.map(vfs, pages: 4)
    try system.call(VM.Brk(address: 0x50_0000 + 64 << 12), from: process)
  }

  private func block(_ arguments: [String], _ environment: [String], counts: (UInt32, UInt32)? = nil) -> [UInt8] {
    let (first, second) = counts ?? (UInt32(arguments.count), UInt32(environment.count))
    var bytes = withUnsafeBytes(of: UInt64(second) << 32 | UInt64(first)) { Array($0) }
    for text in arguments + environment { bytes += Array(text.utf8) + [0] }
    return bytes
  }

  /// Text at 0x400000, data at 0x402000 with zeroed memory behind it.
  private func build() throws {
    try system.call(VM.ExecBegin(process: process), from: vfs)
    try system.call(VM.ExecMap(process: process, address: 0x40_0000, length: 5000, protection: 5), from: vfs)
    try system.call(VM.ExecMap(process: process, address: 0x40_2010, length: 9000, protection: 3), from: vfs)
    system.fill(vfs, buffer, (0..<5000).map { UInt8(truncatingIfNeeded: $0) })
    try system.call(VM.ExecWrite(process: process, address: 0x40_0000, source: buffer, length: 5000), from: vfs)
    try system.call(VM.ExecWrite(process: process, address: 0x40_2010, source: buffer + 1000, length: 100), from: vfs)
  }

  private func commit(_ block: [UInt8], entry: UInt64 = 0x40_0010) throws(Errno) {
    system.fill(process, arguments, block)
    try system.call(VM.ExecCommit(process: process, entry: entry, arguments: arguments, argumentsLength: UInt64(block.count)), from: vfs)
  }

  @Test("exec: the new image replaces the old one at the commit") func whole() throws {
    let mapping = try system.map(process, pages: 3)
    system.write(process, mapping, 5)
    try build()
    #expect(system.read(process, mapping) == 5)  // the old space is whole until then
    system.expectSound()
    try commit(block(["prog", "a b", ""], ["HOME=/"]))
    #expect(system.read(process, mapping) == nil)
    #expect(system.bytes(process, 0x40_0FF0, 32) == (0xFF0..<0x1010).map { UInt8(truncatingIfNeeded: $0) })
    #expect(system.read(process, 0x40_2010) == UInt8(truncatingIfNeeded: 1000))
    #expect(system.read(process, 0x40_2000) == 0 && system.read(process, 0x40_2074) == 0 && system.read(process, 0x40_4FFF) == 0 && system.read(process, 0x40_5000) == nil)
    #expect(!system.write(process, 0x40_0000, 1) && system.write(process, 0x40_2010, 1))
    #expect(system.touch(process, 0x40_0010, .execute) != nil && system.touch(process, 0x40_2010, .execute) == nil)
    let thread = system.kernel.threads[process.slot]!
    #expect(thread.entry == 0x40_0010 && thread.endpoint == process)
    #expect(try system.call(VM.Brk(address: 0), from: process).address == 0x40_5000)
    #expect(system.space(process).pointee.supervisor == .pm)
    system.expectSound()
    system.exit(process)
    system.expectSound()
  }

  @Test("exec: the start-up stack is System V's", arguments: [(0, 0), (1, 0), (3, 2), (0, 2), (40, 60)])
  func startStack(_ argumentCount: Int, _ environmentCount: Int) throws {
    let texts = (0..<argumentCount).map { "argument \($0)" }
    let settings = (0..<environmentCount).map { "NAME\($0)=value" }
    try build()
    try commit(block(texts, settings))
    let stack = system.kernel.threads[process.slot]!.stack
    #expect(stack % 16 == 0)
    var at = stack
    func next() -> UInt64 {
      defer { at += 8 }
      return system.readWord(process, at) ?? 0xBAD
    }
    func string(_ address: UInt64) -> String {
      var bytes: [UInt8] = []
      while let byte = system.read(process, address + UInt64(bytes.count)), byte != 0 { bytes.append(byte) }
      return String(decoding: bytes, as: UTF8.self)
    }
    #expect(next() == UInt64(argumentCount))
    #expect((0..<argumentCount).map { _ in string(next()) } == texts)
    #expect(next() == 0)
    #expect((0..<environmentCount).map { _ in string(next()) } == settings)
    #expect(next() == 0)
    #expect((0..<5).map { _ in next() } == [6, 4096, 9, 0x40_0010, 25])
    let random = next()
    #expect(random & 15 == 0 && random > at && random + 16 <= AddressSpace.stackTop)
    #expect(next() == 0 && next() == 0)
    #expect(system.write(process, stack - 8, 1))
  }

  @Test("exec: argument blocks that lie are errors, and the old space is whole") func badBlocks() throws {
    let mapping = try system.map(process, pages: 1)
    system.write(process, mapping, 5)
    let free = system.information.free
    let bad: [(block: [UInt8], length: UInt64?, error: Errno)] = [
      (block(["a"], [], counts: (2, 0)), nil, .invalidArgument), (block(["a", "b"], [], counts: (1, 0)), nil, .invalidArgument),
      (block(["a"], [], counts: (5000, 0)), nil, .argumentListTooLong), (block([], [], counts: (0, UInt32.max)), nil, .argumentListTooLong),
      (block(["a"], []).dropLast(), nil, .invalidArgument), (block(["a"], []), 7, .argumentListTooLong),
      (block(["a"], []), ArgumentBlock.limit + 1, .argumentListTooLong), (block(["a"], []), 1 << 63, .argumentListTooLong),
      (block(["a"], []), 100_000, .invalidArgument),
    ]
    for (bytes, length, expected) in bad {
      try build()
      system.fill(process, arguments, bytes)
      let call = VM.ExecCommit(process: process, entry: 0x40_0010, arguments: arguments, argumentsLength: length ?? UInt64(bytes.count))
      #expect(system.error(call, from: vfs) == expected)
      try system.call(VM.ExecAbort(process: process), from: vfs)
      #expect(system.read(process, mapping) == 5)
      system.expectSound()
    }
    for address in [0, 0x1000, AddressSpace.kernelLinear, UInt64.max - 4, 0x5000_0000, AddressSpace.stub + 4092] {
      try build()
      let call = VM.ExecCommit(process: process, entry: 0x40_0010, arguments: address, argumentsLength: 16)
      #expect(system.error(call, from: vfs) == .badAddress)
      try system.call(VM.ExecAbort(process: process), from: vfs)
    }
    #expect(system.information.free >= free - 40)
    #expect(system.read(process, mapping) == 5)
    system.expectSound()
  }

  @Test("SEC41 an entry outside of executable memory is refused", arguments: [0x40_2010, 0, UInt64.max, AddressSpace.stackTop - 8])
  func entry(_ entry: UInt64) throws {
    try build()
    #expect(throws: Errno.notExecutable) { try commit(block(["a"], []), entry: entry) }
    try system.call(VM.ExecAbort(process: process), from: vfs)
    #expect(system.write(process, arguments, 1))
    system.expectSound()
  }

  @Test("exec: segments that overlap, wrap, or lie where programs must not be are refused") func badSegments() throws {
    try build()
    for (address, length): (UInt64, UInt64) in [
      (0x40_0FFF, 1), (0x3F_F000, 0x2000), (0, 4096), (0xF000, 4096), (AddressSpace.stackTop - 4096, 4096), (AddressSpace.stub, 1),
      (UInt64.max, 2), (0x60_0000, UInt64.max), (0x60_0000, 0), (AddressSpace.kernelLinear, 4096), (0x60_0000, 1 << 40),
    ] {
      #expect(system.error(VM.ExecMap(process: process, address: address, length: length, protection: 3), from: vfs) == .notExecutable)
    }
    #expect(system.error(VM.ExecMap(process: process, address: 0x60_0000, length: 1, protection: 7), from: vfs) == .accessDenied)
    for (address, source, length): (UInt64, UInt64, UInt64) in [
      (0x60_0000, buffer, 1), (0x40_1FFF, buffer, 2), (0x40_0000, 0x1000, 1), (0x40_0000, buffer, 100_000), (AddressSpace.stub, buffer, 1),
      (UInt64.max, buffer, 10), (0x40_0000, UInt64.max - 3, 10),
    ] {
      let expected: Errno? = address == 0x40_1FFF ? nil : .badAddress
      #expect(system.error(VM.ExecWrite(process: process, address: address, source: source, length: length), from: vfs) == expected)
    }
    #expect(system.error(VM.ExecWrite(process: process, address: 0x40_0000, source: buffer, length: Kernel.copyLimit + 1), from: vfs) == .invalidArgument)
    try system.call(VM.ExecAbort(process: process), from: vfs)
    system.expectSound()
  }

  @Test("exec: abort, a second begin and exit give the half-built space back") func abort() throws {
    system.fill(vfs, buffer, [UInt8](repeating: 0, count: 5000))
    let before = system.information
    try build()
    try system.call(VM.ExecAbort(process: process), from: vfs)
    let built = system.information
    #expect(built.spaces == before.spaces && built.regions == before.regions && built.free == before.free)
    try build()
    try build()
    #expect(system.information.spaces == before.spaces + 1)
    try system.call(VM.ExecAbort(process: process), from: vfs)
    #expect(system.information.free == built.free)
    #expect(system.error(VM.ExecAbort(process: process), from: vfs) == nil)
    #expect(system.error(VM.ExecMap(process: process, address: 0x40_0000, length: 1, protection: 3), from: vfs) == .invalidArgument)
    try build()
    system.exit(process)
    #expect(system.information.spaces == before.spaces - 1)
    system.expectSound()
  }

  @Test("exec: an error of the kernel leaves the old space whole") func kernelError() throws {
    try build()
    system.kernel.failing = (.threadExec, .deadEndpoint)
    #expect(throws: Errno.deadEndpoint) { try commit(block(["a"], [])) }
    system.kernel.failing = nil
    #expect(system.write(process, arguments, 1))
    system.expectSound()
    try commit(block(["a"], []))
    system.expectSound()
  }

  @Test("V97 exec again and again leaves memory as it was") func again() throws {
    var free: UInt64?
    for _ in 0..<50 {
      try build()
      system.fill(process, AddressSpace.stackTop - 64, block(["a"], []))
      try system.call(VM.ExecCommit(process: process, entry: 0x40_0010, arguments: AddressSpace.stackTop - 64, argumentsLength: 10), from: vfs)
      if let free { #expect(system.information.free == free) }
      free = system.information.free
    }
    system.expectSound()
  }

  @Test("exec: the image is not for munmap; a fork of a process in exec copies the old space") func protected() throws {
    try build()
    let child = try system.fork(process)
    #expect(system.read(child, 0x40_0000) == nil)
    try commit(block(["a"], []))
    #expect(system.error(VM.MUnmap(address: 0x40_0000, length: 4096), from: process) == .notPermitted)
    #expect(system.error(VM.MProtect(address: 0x40_2000, length: 4096, protection: 1), from: process) == .notPermitted)
    system.expectSound()
  }

  // MARK: Programs that are shown

  private func image(_ stage: CacheTests.Stage, _ address: UInt64, page: UInt64, length: UInt64, _ protection: UInt32, inode: UInt64 = 9) -> PageCache.Map {
    PageCache.Map(
      process: stage.process, mount: 1, inode: inode, position: page << 12, address: address, length: length, size: 4 << 20,
      protection: protection, allowed: protection, flags: VM.Flags.private | PageCache.Map.image)
  }

  /// A program of 4 MiB of text, data of two pages and a half, and bss.
  private func begin(_ stage: CacheTests.Stage) throws {
    let system = stage.system
    try system.call(VM.ExecBegin(process: stage.process), from: stage.vfs)
    #expect(try system.call(image(stage, 0x40_0000, page: 0, length: (4 << 20) - 0x3800, 5), from: stage.vfs).isFirst == 1)
    #expect(try system.call(image(stage, 0x90_1000, page: 1021, length: 8192, 3), from: stage.vfs).isFirst == 0)
    try system.call(VM.ExecMap(process: stage.process, address: 0x90_3000, length: 9000, protection: 3), from: stage.vfs)
    try system.call(VM.ExecWrite(process: stage.process, address: 0x90_3000, source: stage.buffer, length: 2048), from: stage.vfs)
  }

  private func commit(_ stage: CacheTests.Stage) throws {
    let system = stage.system
    let area = try system.map(stage.process, pages: 1)
    system.fill(stage.process, area, block(["p"], []))
    try system.call(VM.ExecCommit(process: stage.process, entry: 0x40_0010, arguments: area, argumentsLength: 10), from: stage.vfs)
  }

  @Test("V20 of a program of 4 MiB, three pages are touched: three faults, three requests, at most three windows; text is the file's, data is copied when written")
  func paged() throws {
    let stage = try CacheTests.Stage()
    let system = stage.system
    for page: UInt64 in 0..<1 { system.write(stage.vfs, stage.buffer + page << 12, 0x77) }
    try begin(stage)
    system.expectSound()
    try commit(stage)
    #expect(system.kernel.unmapped.isEmpty)
    for page: UInt64 in [0, 300, 900] {
      #expect(system.touch(stage.process, 0x40_0000 + page << 12, .execute) == nil)
      #expect(system.kernel.pageRequests.last?.position == page << 12)
      try stage.fill(9, page: page, count: 4)
      #expect(stage.word(0x40_0000 + page << 12) == CacheTests.Stage.pattern(9, page))
    }
    #expect(system.kernel.pageRequests.count == 3 && system.space(stage.process).pointee.fileFaults == 3)
    let text = system.regions(stage.process).first { $0.start == 0x40_0000 }!
    #expect(text.resident == 12 && text.kind == VM.RegionKind.image && text.protection == 5)
    #expect(!system.write(stage.process, 0x40_0000, 1) && system.error(VM.MUnmap(address: 0x40_0000, length: 4096), from: stage.process) == .notPermitted)
    // Data: a copy of the file's page when it is written, the file's again after DONTNEED.
    try stage.fill(9, page: 1021, count: 3)
    stage.set(stage.process, 0x90_1000, [5])
    #expect(stage.word(0x90_1000) == 5 && stage.word(0x90_2000) == CacheTests.Stage.pattern(9, 1022))
    #expect(system.read(stage.process, 0x90_3000) == 0x77 && system.read(stage.process, 0x90_3800) == 0)
    try system.call(VM.MAdvise(address: 0x90_1000, length: 8192, advice: VM.Advice.dontNeed), from: stage.process)
    #expect(stage.word(0x90_1000) == CacheTests.Stage.pattern(9, 1021))
    #expect(system.error(VM.MAdvise(address: 0x90_3000, length: 4096, advice: VM.Advice.dontNeed), from: stage.process) == .invalidArgument)
    system.expectSound()
    #expect(try system.call(VM.Brk(address: 0), from: stage.process).address == 0x90_6000)
    let child = try system.fork(stage.process)
    system.exit(stage.process)
    #expect(system.kernel.unmapped.isEmpty && system.readWord(child, 0x40_0000) == CacheTests.Stage.pattern(9, 0))
    system.exit(child)
    #expect(system.kernel.unmapped.map(\.inode) == [9])
    system.expectSound()
  }

  @Test("an exec that is given up, or fails at any reservation, tells VFS of each file that nobody shows any more")
  func abandoned() throws {
    let stage = try CacheTests.Stage()
    try begin(stage)
    try stage.system.call(VM.ExecAbort(process: stage.process), from: stage.vfs)
    #expect(stage.system.kernel.unmapped.map(\.inode) == [9])
    stage.system.expectSound()
    for failing: UInt64 in 1...60 {
      var mapped = 0
      stage.system.kernel.unmapped = []
      stage.system.vm.failReservation(after: failing)
      do {
        try stage.system.call(VM.ExecBegin(process: stage.process), from: stage.vfs)
        for (address, page) in [(0x40_0000, 0), (0x80_0000, 5), (0xA0_0000, 7)] as [(UInt64, UInt64)] {
          if try stage.system.call(image(stage, address, page: page, length: 4096, 1, inode: 20 + page), from: stage.vfs).isFirst == 1 { mapped += 1 }
        }
      } catch {}
      stage.system.vm.failReservation(after: 0)
      _ = stage.system.error(VM.ExecAbort(process: stage.process), from: stage.vfs)
      #expect(stage.system.kernel.unmapped.count == mapped)
      stage.system.expectSound()
    }
  }

  @Test("what VFS may not ask for a program: no space that is built, kernel memory, what is taken, odd places, shared pages")
  func imageErrors() throws {
    let stage = try CacheTests.Stage()
    let good = image(stage, 0x40_0000, page: 0, length: 4096, 5)
    #expect(stage.system.error(good, from: stage.vfs) == .invalidArgument)
    try stage.system.call(VM.ExecBegin(process: stage.process), from: stage.vfs)
    func error(_ change: (inout PageCache.Map) -> Void) -> Errno? {
      var call = good
      change(&call)
      return stage.system.error(call, from: stage.vfs)
    }
    #expect(error { $0.address = 0x40_0010 } == .invalidArgument && error { $0.position = 7 } == .invalidArgument)
    #expect(error { $0.flags = VM.Flags.shared | PageCache.Map.image } == .invalidArgument && error { $0.mount = 0 } == .invalidArgument)
    #expect(error { $0.protection = 7 } == .accessDenied)
    #expect(error { $0.length = 0 } == .notExecutable && error { $0.address = 0 } == .notExecutable && error { $0.length = .max } == .notExecutable)
    #expect(error { $0.address = AddressSpace.mmapStart } == .notExecutable && error { $0.position = UInt64.max & ~4095 } == .notExecutable)
    #expect(error { _ in } == nil && error { _ in } == .notExecutable)
    #expect(stage.system.error(good, from: .pm) == .notPermitted)
    stage.system.expectSound()
  }
}
