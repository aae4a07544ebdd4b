import IPC
import PageTable
import Protocols
import Testing

@testable import VMServer

@Suite("VM: calls that need pages of files which nobody has read")
struct WaitingTests {
  typealias Stage = CacheTests.Stage

  private func lock(_ stage: Stage, _ address: UInt64, pages: UInt64) -> Errno? {
    stage.system.error(VM.MLock(address: address, length: pages << 12), from: stage.process)
  }

  private func fail(_ stage: Stage, page: UInt64, _ error: Errno) throws {
    try stage.system.call(PageCache.Fail(mount: 1, inode: 7, position: page << 12, error: error), from: stage.vfs)
  }

  private func locked(_ stage: Stage) -> UInt64 { stage.system.space(stage.process).pointee.regions.totals.locked }

  @Test("V91 mlock of pages that the cache lacks waits for each; then all are locked, and none faults any more", arguments: [false, true])
  func locks(all: Bool) throws {
    let stage = try Stage()
    let a = try FileMappingTests.map(stage, pages: 40)
    if all {
      #expect(stage.system.error(VM.MLockAll(flags: VM.LockAll.current), from: stage.process) == .timedOut)
    } else {
      #expect(lock(stage, a, pages: 40) == .timedOut)
    }
    var fills: UInt64 = 0
    while stage.system.kernel.replies.isEmpty, fills < 40 {
      #expect(stage.system.kernel.pageRequests.count == Int(fills) + 1 && locked(stage) == 0)
      let request = stage.system.kernel.pageRequests.last!
      #expect(request.position == fills << 14 && request.isAhead == 0)
      try stage.fill(7, page: request.position >> 12, count: 4)
      fills += 1
      stage.system.expectSound()
    }
    #expect(fills == 10 && stage.system.kernel.replies.map(\.to) == [stage.process] && stage.system.kernel.replies[0].message.type == 0)
    #expect(locked(stage) >= 40 && stage.system.vm.parked == nil)
    let faults = stage.system.vm.faults
    for page: UInt64 in 0..<40 {
      #expect(stage.word(a + page << 12) == Stage.pattern(7, page))
      #expect(stage.system.write(stage.process, a + page << 12, 1))
    }
    #expect(stage.system.vm.faults == faults)
    stage.system.expectSound()
  }

  @Test("V91 V28 a process that is gone while its mlock waits leaves nothing, whatever VFS says then", arguments: [true, false])
  func exit(good: Bool) throws {
    let stage = try Stage()
    let a = try FileMappingTests.map(stage)
    #expect(lock(stage, a, pages: 8) == .timedOut)
    stage.system.exit(stage.process)
    stage.system.expectSound()
    if good { try stage.fill(7, page: 0) } else { try fail(stage, page: 0, .ioError) }
    #expect(stage.system.vm.parked == nil && stage.system.vm.unsent == 0)
    #expect(stage.system.kernel.replies.isEmpty && stage.system.kernel.exceptions.isEmpty)
    stage.system.expectSound()
  }

  @Test("V91 mlock of a page that cannot be had: ENOMEM if it cannot be read, EAGAIN without memory; nothing is locked, nobody gets a signal")
  func failures() throws {
    let stage = try Stage()
    let a = try FileMappingTests.map(stage)
    for (error, answer) in [(Errno.ioError, Errno.noMemory), (.noMemory, .wouldBlock)] {
      #expect(lock(stage, a, pages: 8) == .timedOut)
      try fail(stage, page: 0, .wouldBlock)
      #expect(stage.system.kernel.replies.isEmpty)
      try fail(stage, page: 0, error)
      #expect(stage.system.kernel.replies.last?.message.type == Message(error: answer).type)
      #expect(locked(stage) == 0 && stage.system.vm.parked == nil && stage.system.kernel.exceptions.isEmpty)
      stage.system.kernel.replies = []
      stage.system.expectSound()
    }
  }

  @Test("V91 mlock of pages that go as fast as they come ends with EAGAIN")
  func bound() throws {
    let stage = try Stage()
    try stage.system.call(VM.SetLimit(resource: VM.Resource.locked, soft: 2 << 12, hard: 8 << 20), from: stage.process)
    let a = try FileMappingTests.map(stage, pages: 2)
    #expect(lock(stage, a, pages: 2) == .timedOut)
    var rounds = 0
    while stage.system.kernel.replies.isEmpty, rounds < 100 {
      try stage.fill(7, page: 0)
      for size: UInt64 in [0, 8192] { try stage.system.call(PageCache.Truncate(mount: 1, inode: 7, size: size), from: stage.vfs) }
      if stage.system.kernel.replies.isEmpty { try stage.fill(7, page: 1) }
      try stage.system.call(PageCache.Truncate(mount: 1, inode: 7, size: 4096), from: stage.vfs)
      try stage.system.call(PageCache.Truncate(mount: 1, inode: 7, size: 8192), from: stage.vfs)
      rounds += 1
    }
    #expect(rounds < 100 && stage.system.kernel.replies.last?.message.type == Message(error: .wouldBlock).type)
    #expect(locked(stage) == 0 && stage.system.vm.parked == nil)
    stage.system.expectSound()
  }

  @Test("V90 WILLNEED and mapping locked memory have pages of files fetched, 16 runs at a time, and wait for none", arguments: [false, true])
  func willNeed(locked: Bool) throws {
    let stage = try Stage()
    let a = try FileMappingTests.map(stage, pages: 400, flags: locked ? VM.Flags.locked : 0)
    if !locked {
      #expect(stage.system.kernel.pageRequests.isEmpty)
      stage.system.kernel.queueIsFull = true
      #expect(stage.system.error(VM.MAdvise(address: a, length: 400 << 12, advice: VM.Advice.willNeed), from: stage.process) == nil)
      #expect(stage.system.kernel.pageRequests.isEmpty && stage.system.vm.unsent == 0)
      stage.system.kernel.queueIsFull = false
      #expect(stage.system.error(VM.MAdvise(address: a, length: 400 << 12, advice: VM.Advice.willNeed), from: stage.process) == nil)
    }
    #expect(stage.system.kernel.pageRequests.map(\.position) == (0..<16).map { $0 << 16 })
    #expect(stage.system.kernel.pageRequests.allSatisfy { $0.isAhead == 1 } && stage.system.vm.parked == nil)
    try stage.fill(7, page: 0, count: 16)
    #expect(stage.word(a + 15 << 12) == Stage.pattern(7, 15))
    #expect(stage.system.kernel.pageRequests.count == 16 && stage.system.kernel.replies.isEmpty)
    stage.system.expectSound()
  }
}
