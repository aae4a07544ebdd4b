import IPC
import PageTable
import Protocols
import Testing

@testable import VMServer

@Suite("VM: files in memory")
struct FileMappingTests {
  typealias Stage = CacheTests.Stage

  static func map(
    _ stage: Stage, _ process: Endpoint? = nil, inode: UInt64 = 7, page: UInt64 = 0, pages: UInt64 = 8, size: UInt64? = nil,
    protection: UInt32 = TestSystem.readWrite, allowed: UInt32 = 7, shared: Bool = false, at address: UInt64 = 0, flags: UInt32 = 0
  ) throws -> UInt64 {
    try stage.system.call(
      PageCache.Map(
        process: process ?? stage.process, mount: 1, inode: inode, position: page << 12, address: address, length: pages << 12,
        size: size ?? (page + pages) << 12, protection: protection, allowed: allowed,
        flags: flags | (shared ? VM.Flags.shared : VM.Flags.private)), from: stage.vfs).address
  }

  private func fail(_ stage: Stage, page: UInt64, _ error: Errno = .ioError, inode: UInt64 = 7) throws {
    try stage.system.call(PageCache.Fail(mount: 1, inode: inode, position: page << 12, error: error), from: stage.vfs)
  }

  @Test("V22 V23 V84 two faults on one page are one request; nobody sees the page before it is filled, then both go on")
  func twoFaults() throws {
    let stage = try Stage()
    let other = stage.system.process()
    let a = try Self.map(stage), b = try Self.map(stage, other)
    #expect(stage.system.touch(stage.process, a + 3 << 12, .read) == nil)
    #expect(stage.system.touch(other, b + 3 << 12, .write) == nil)
    #expect(stage.system.kernel.pageRequests.count == 1 && stage.system.kernel.pageRequests[0].position == 3 << 12)
    #expect(stage.system.frame(stage.process, a + 3 << 12) == 0 && stage.system.frame(other, b + 3 << 12) == 0)
    #expect(stage.system.kernel.replies.isEmpty)
    stage.system.expectSound()
    try stage.fill(7, page: 3)
    #expect(stage.system.kernel.replies.map(\.to.raw).sorted() == [stage.process.raw, other.raw].sorted())
    #expect(stage.system.kernel.replies.allSatisfy { $0.message.type == 0 })
    #expect(stage.word(a + 3 << 12) == Stage.pattern(7, 3))
    #expect(stage.system.kernel.pageRequests.count == 1)
    // One reads the file's frame, the other wrote to a copy.
    #expect(stage.system.frame(stage.process, a + 3 << 12) != stage.system.frame(other, b + 3 << 12))
    stage.system.expectSound()
  }

  @Test("V25 V24 the counter of file pages, and zero bytes behind the end of the file")
  func counted() throws {
    let stage = try Stage()
    let a = try Self.map(stage, size: 4096 + 16)
    try stage.fill(7, page: 0, count: 2, length: 4096 + 16)
    for _ in 0..<3 { #expect(stage.word(a) == Stage.pattern(7, 0)) }
    #expect(stage.word(a + 4096 + 8) == Stage.pattern(7, 1) && stage.word(a + 4096 + 16) == 0)
    #expect(stage.system.space(stage.process).pointee.fileFaults == 1, "the second page came with the first")
    stage.system.expectSound()
  }

  @Test("V29 S2 behind the end of the file: SIGBUS to who touches it, and to nobody when the file has grown; then it can be mapped whole")
  func end() throws {
    let stage = try Stage()
    let a = try Self.map(stage, pages: 4, size: 4097)
    try stage.fill(7, page: 0, count: 2)
    #expect(stage.word(a + 4096) != nil)
    #expect(stage.system.touch(stage.process, a + 2 << 12, .read) == nil)
    #expect(stage.system.kernel.exceptions.last?.event.signal == 7 && stage.system.kernel.exceptions.last?.event.address == a + 2 << 12)
    try stage.system.call(PageCache.Write(mount: 1, inode: 7, position: 2 << 12, source: stage.buffer, length: 8, size: 3 << 12), from: stage.vfs)
    try stage.fill(7, page: 2)
    #expect(stage.word(a + 2 << 12) == Stage.pattern(7, 2))
    #expect(stage.system.touch(stage.process, a + 3 << 12, .write) == nil)
    #expect(stage.system.kernel.exceptions.count == 2)
    let whole = try Self.map(stage, pages: 3, size: 3 << 12)
    #expect(stage.word(whole + 2 << 12) == Stage.pattern(7, 2))
    stage.system.expectSound()
  }

  @Test("V62 S1 private pages of files are copied on write, across fork too")
  func privately() throws {
    let stage = try Stage()
    let a = try Self.map(stage)
    try stage.fill(7, page: 0, count: 8)
    #expect(stage.word(a) == Stage.pattern(7, 0))
    stage.set(stage.process, a, [1])
    let child = try stage.system.fork(stage.process)
    stage.set(child, a, [2])
    stage.set(child, a + 4096, [2])
    #expect(stage.word(a) == 1 && stage.word(a + 4096) == Stage.pattern(7, 1))
    #expect(stage.system.readWord(child, a) == 2 && stage.system.readWord(child, a + 4096) == 2)
    stage.system.expectSound()
    #expect(try stage.read(7, at: 0, 8192) == 8192)
    #expect(stage.word(stage.memory) == Stage.pattern(7, 0) && stage.word(stage.memory + 4096) == Stage.pattern(7, 1))
    stage.system.exit(child)
    #expect(stage.system.kernel.unmapped.isEmpty)
    stage.system.expectSound()
  }

  @Test("Shared pages are the file's: read and write see them, changes are taken once, and noticed again")
  func shared() throws {
    let stage = try Stage()
    let a = try Self.map(stage, shared: true)
    try stage.fill(7, page: 0, count: 8)
    let child = try stage.system.fork(stage.process)
    func changed() -> UInt64? {
      do { return try stage.system.call(PageCache.TakeChanged(mount: 1, inode: 7, position: 0, destination: stage.buffer), from: stage.vfs).count >> 12 } catch { return nil }
    }
    #expect(stage.word(a + 2 << 12) == Stage.pattern(7, 2))
    #expect(changed() == nil)
    stage.set(child, a + 2 << 12, [5])
    stage.set(stage.process, a + 4 << 12, [6])
    #expect(stage.word(a + 2 << 12) == 5)
    #expect(try stage.read(7, at: 2 << 12, 8) == 8)
    #expect(stage.word(stage.memory) == 5)
    stage.system.expectSound()
    #expect(changed() == 2 && stage.system.readWord(stage.vfs, stage.buffer) == 5)
    #expect(changed() == 4 && changed() == nil)
    stage.set(stage.process, a + 2 << 12 + 8, [9])
    #expect(stage.system.readWord(child, a + 2 << 12 + 8) == 9)
    stage.system.exit(child)
    stage.system.exit(stage.process)
    // The page is kept until VFS has taken it.
    #expect(stage.system.kernel.unmapped.map(\.changed) == [1])
    stage.system.expectSound()
    #expect(changed() == 2 && stage.system.vm.frames.idle == 7)
    // What VFS is writing is idle when VFS asks for the next.
    #expect(changed() == nil && stage.system.vm.frames.idle == 8)
    stage.system.expectSound()
  }

  @Test("V35 M-B5 holes and splits: every part keeps its place in the file")
  func splits() throws {
    let stage = try Stage()
    try stage.fill(7, page: 0, count: 16)
    let a = try Self.map(stage, page: 2, pages: 12, size: 16 << 12)
    for hole in [0, 3, 4, 8] as [UInt64] { try stage.system.unmap(stage.process, a + hole << 12, pages: 1) }
    for page in 0..<12 as Range<UInt64> {
      let there = ![0, 3, 4, 8].contains(page)
      #expect(stage.word(a + page << 12) == (there ? Stage.pattern(7, page + 2) : nil))
    }
    stage.system.expectSound()
    try stage.system.unmap(stage.process, a, pages: 12)
    #expect(stage.system.kernel.unmapped.count == 1)
    stage.system.expectSound()
  }

  @Test("M-N9 X12 truncation takes pages from all who map the file; grown again it is zero")
  func truncated() throws {
    let stage = try Stage()
    let other = stage.system.process()
    let a = try Self.map(stage, shared: true), b = try Self.map(stage, other)
    try stage.fill(7, page: 0, count: 8)
    for page in 0..<8 as Range<UInt64> {
      stage.set(stage.process, a + page << 12, [page])
      stage.set(other, b + page << 12, [100 + page])
    }
    try stage.system.call(PageCache.Truncate(mount: 1, inode: 7, size: 2 << 12 | 4), from: stage.vfs)
    stage.system.expectSound()
    #expect(stage.word(a + 3 << 12) == nil && stage.system.readWord(other, b + 5 << 12) == nil)
    #expect(stage.system.kernel.exceptions.suffix(2).allSatisfy { $0.event.signal == 7 })
    #expect(stage.word(a + 1 << 12) == 1 && stage.system.readWord(other, b + 1 << 12) == 101)
    #expect(stage.system.vm.files.find(1, 7)?.pointee.changed == 3)
    try stage.system.call(PageCache.Truncate(mount: 1, inode: 7, size: 8 << 12), from: stage.vfs)
    #expect(stage.system.touch(stage.process, a + 3 << 12, .read) == nil)
    #expect(stage.system.kernel.pageRequests.last?.position == 3 << 12)
    stage.system.expectSound()
  }

  /// Tables of all levels are shared after a fork; truncation empties them for all who show them, and needs no memory for that.
  @Test("V94 X12 truncation reaches pages in tables that a fork left shared, whichever allocation would fail", arguments: [0, 1, 2, 511, 513] as [UInt64])
  func truncatedShared(kept: UInt64) throws {
    let stage = try Stage()
    let other = stage.system.process()
    let a = try Self.map(stage, pages: 1024, shared: true, at: 0x2000_0000_0000, flags: VM.Flags.fixed)
    let b = try Self.map(stage, other, pages: 1024, at: 0x2000_0000_0000 + 7 << 12, flags: VM.Flags.fixed)
    let pages: [UInt64] = [0, 1, 2, 510, 511, 512, 513, 1023]
    for page in pages {
      try stage.fill(7, page: page)
      stage.set(stage.process, a + page << 12, [page])
      stage.set(other, b + page << 12, [100 + page])
    }
    var all = [(stage.process, a), (other, b)]
    for (process, address) in [(stage.process, a), (other, b), (stage.process, a)] { all.append((try stage.system.fork(process), address)) }
    all.append((try stage.system.fork(all[2].0), a))
    // One of them has tables of his own, one has let go of a part.
    stage.set(all[3].0, b + 1 << 12, [1])
    try stage.system.unmap(all[4].0, a, pages: 512)
    for (process, address) in all { for page in pages { _ = stage.system.readWord(process, address + page << 12) } }
    stage.system.expectSound()
    stage.system.vm.frames.failing = 1
    try stage.system.call(PageCache.Truncate(mount: 1, inode: 7, size: kept << 12), from: stage.vfs)
    stage.system.vm.frames.failing = 0
    stage.system.expectSound()
    for (process, address) in all {
      for page in pages where page >= kept { #expect(stage.system.frame(process, address + page << 12) == 0) }
      for page in pages where page < kept && !(process == all[4].0 && page < 512) { #expect(stage.system.readWord(process, address + page << 12) != nil) }
    }
    for (process, _) in all { stage.system.exit(process) }
    stage.system.expectSound()
  }

  @Test("V85 servers that bring pages never wait for one: their copy fails, and VFS learns which page it was")
  func refused() throws {
    let stage = try Stage()
    let a = try Self.map(stage)
    #expect(stage.system.error(PageCache.Missing(process: stage.process), from: stage.vfs) == .noSuchFile)
    for _ in 0..<2 { #expect(!stage.system.kernelWrite(stage.process, a + 5 << 12 + 9, 1)) }
    let place = try stage.system.call(PageCache.Missing(process: stage.process), from: stage.vfs)
    #expect(place.mount == 1 && place.inode == 7 && place.position == 5 << 12)
    #expect(stage.system.error(PageCache.Missing(process: stage.process), from: stage.vfs) == .noSuchFile)
    #expect(stage.system.kernel.pageRequests.isEmpty && stage.system.vm.parked == nil)
    try stage.fill(7, page: 5)
    #expect(stage.system.kernelWrite(stage.process, a + 5 << 12 + 9, 1))
    // VM's own copy to a page that is not there.
    try stage.fill(8, page: 0)
    #expect(stage.system.error(PageCache.Read(process: stage.process, mount: 1, inode: 8, position: 0, address: a, length: 8), from: stage.vfs) == .badAddress)
    #expect(try stage.system.call(PageCache.Missing(process: stage.process), from: stage.vfs).position == 0)
    stage.system.expectSound()
  }

  @Test("A full queue of VFS delays requests and words of farewell, it loses none")
  func fullQueue() throws {
    let stage = try Stage()
    let a = try Self.map(stage)
    stage.system.kernel.queueIsFull = true
    #expect(stage.system.touch(stage.process, a, .read) == nil)
    let child = try stage.system.fork(stage.process)
    #expect(stage.system.touch(child, a + 4096, .read) == nil)
    stage.system.exit(child)
    stage.system.exit(stage.process)
    #expect(stage.system.kernel.pageRequests.isEmpty && stage.system.kernel.unmapped.isEmpty)
    stage.system.kernel.queueIsFull = false
    _ = stage.system.information
    #expect(stage.system.kernel.pageRequests.map(\.position).sorted() == [0, 4096] && stage.system.kernel.unmapped.count == 1)
    try stage.fill(7, page: 0, count: 2)
    #expect(stage.system.vm.parked == nil && stage.system.kernel.replies.isEmpty)
    stage.system.expectSound()
  }

  @Test("V22 V93 VFS had no place for a request: it is asked again at VFS's next word, once, and nobody dies for it")
  func crowded() throws {
    let stage = try Stage()
    let other = stage.system.process()
    let a = try Self.map(stage), b = try Self.map(stage, other)
    for (process, address) in [(stage.process, a + 4096), (other, b + 4096), (other, b + 8192)] {
      #expect(stage.system.touch(process, address, .read) == nil)
    }
    #expect(stage.system.kernel.pageRequests.map(\.position) == [4096, 8192])
    for page: UInt64 in [1, 2] { try fail(stage, page: page, .wouldBlock) }
    _ = stage.system.information
    #expect(stage.system.kernel.pageRequests.count == 2, "not while VFS has said nothing else")
    #expect(stage.system.kernel.exceptions.isEmpty && stage.system.kernel.replies.isEmpty)
    #expect(try stage.system.call(PageCache.Pressure(process: .none), from: stage.vfs).waiting == 0)
    #expect(stage.system.kernel.pageRequests.map(\.position).sorted() == [4096, 4096, 8192, 8192])
    // Full again, then not.
    try fail(stage, page: 1, .wouldBlock)
    try stage.fill(7, page: 2)
    #expect(stage.system.kernel.pageRequests.count == 5 && stage.system.kernel.pageRequests.last?.position == 4096)
    try stage.fill(7, page: 1)
    #expect(stage.system.vm.parked == nil && stage.system.vm.unsent == 0 && stage.system.kernel.exceptions.isEmpty)
    #expect(Set(stage.system.kernel.replies.map(\.to.raw)) == [stage.process.raw, other.raw])
    stage.system.expectSound()
  }

  @Test("V93 no memory for a page: SIGKILL; an error of the file system: SIGBUS")
  func failures() throws {
    let stage = try Stage()
    let a = try Self.map(stage)
    for (error, signal) in [(Errno.noMemory, 9), (.ioError, 7), (.noSpace, 7)] as [(Errno, UInt32)] {
      #expect(stage.system.touch(stage.process, a, .write) == nil)
      try fail(stage, page: 0, error)
      #expect(stage.system.kernel.exceptions.last?.event.signal == signal)
      #expect(stage.system.kernel.replies.last?.message.type != 0)
      stage.system.expectSound()
    }
  }

  /// Each order of up to six events on one page.
  @Test("V28 X2 all orders of two faults, munmap, good and bad answers and exit: never an entry outside a region, never a thread forgotten")
  func orders() throws {
    enum Event: CaseIterable { case faultA, faultB, unmap, good, bad, exit }
    var runs = 0
    func run(_ events: [Event]) throws {
      let stage = try Stage(frames: 600)
      let child: Endpoint
      let a = try Self.map(stage, pages: 1)
      child = try stage.system.fork(stage.process)
      var isMapped = true, isAlive = true
      var waiting: Set<UInt32> = []
      for event in events {
        switch event {
        case .faultA where !waiting.contains(stage.process.raw) && isAlive: fault(stage.process)
        case .faultB where !waiting.contains(child.raw): fault(child)
        // The thread itself waits; so somebody else must do it, as a debugger would.
        case .unmap where isMapped && isAlive:
          try stage.system.unmap(stage.process, a, pages: 1)
          isMapped = false
        case .good:
          try stage.fill(7, page: 0)
          waiting = []
        case .bad:
          try fail(stage, page: 0)
          waiting = []
        case .exit where isAlive:
          stage.system.exit(stage.process)
          isAlive = false
          waiting.remove(stage.process.raw)
        default: break
        }
        let problems = stage.system.audit()
        if !problems.isEmpty { Issue.record("\(events): \(problems.prefix(3))") }
        let answered = Set(stage.system.kernel.replies.map(\.to.raw))
        #expect(waiting.isDisjoint(with: answered), "\(events)")
      }
      try fail(stage, page: 0)
      #expect(stage.system.vm.parked == nil && stage.system.vm.unsent == 0, "\(events)")
      func fault(_ thread: Endpoint) {
        stage.system.kernel.replies.removeAll { $0.to == thread }
        let before = stage.system.kernel.exceptions.count
        if stage.system.touch(thread, a, .read) == nil, stage.system.kernel.exceptions.count == before { waiting.insert(thread.raw) }
      }
      runs += 1
    }
    func extend(_ events: [Event]) throws {
      try run(events)
      guard events.count < 4 else { return }
      for event in Event.allCases where events.last != event { try extend(events + [event]) }
    }
    for event in Event.allCases { try extend([event]) }
    #expect(runs == 6 + 30 + 150 + 750)
  }

  @Test("SEC26 only VFS maps files; any fields are an error or a sound space")
  func permissions() throws {
    let stage = try Stage()
    let call = PageCache.Map(
      process: stage.process, mount: 1, inode: 7, position: 0, address: 0, length: 4096, size: 4096, protection: 1, allowed: 7, flags: VM.Flags.private)
    #expect(stage.system.error(call, from: stage.process) == .notPermitted)
    var wrong = call
    wrong.process = stage.system.service(.tty)
    #expect(stage.system.error(wrong, from: stage.vfs) == .noSuchProcess)
    wrong = call
    wrong.flags = VM.Flags.private | VM.Flags.shared
    #expect(stage.system.error(wrong, from: stage.vfs) == .invalidArgument)
    wrong = call
    wrong.position = 5
    #expect(stage.system.error(wrong, from: stage.vfs) == .invalidArgument)
    wrong = call
    wrong.position = UInt64.max & ~4095
    #expect(stage.system.error(wrong, from: stage.vfs) == .overflow)
    wrong = call
    wrong.protection = 3 | 1 << 8
    #expect(stage.system.error(wrong, from: stage.vfs) == .accessDenied)
    let a = try Self.map(stage, protection: 1, allowed: 5, shared: true)
    #expect(stage.system.error(VM.MProtect(address: a, length: 4096, protection: 3), from: stage.process) == .accessDenied)
    stage.system.expectSound()
  }
}
