import IPC
import PageTable
import Protocols
import Testing

@testable import VMServer

@Suite("VM: running out of memory")
struct PressureTests {
  typealias Stage = CacheTests.Stage

  private func pressure(_ system: TestSystem) throws -> PageCache.Pressure.Reply { try system.call(PageCache.Pressure(), from: .init(slot: 200, generation: 0)) }

  /// A process touches memory until `left` frames are free.
  @discardableResult
  private func take(_ system: TestSystem, _ process: Endpoint, leaving left: UInt64) throws -> UInt64 {
    let memory = try system.map(process, pages: system.vm.frames.managed)
    var touched: UInt64 = 0
    while system.vm.frames.available(.user) > left, system.write(process, memory + touched << 12, 1) { touched += 1 }
    #expect(system.vm.frames.available(.user) <= left)
    return memory
  }

  /// Takes what is left until somebody has to wait or is killed.
  @discardableResult
  private func exhaust(_ system: TestSystem, _ hog: Endpoint, pages: UInt64) throws -> UInt64 {
    let memory = try system.map(hog, pages: pages)
    var touched: UInt64 = 0
    while touched < pages, system.write(hog, memory + touched << 12, 1) { touched += 1 }
    #expect(touched < pages)
    return touched
  }

  private func take(_ stage: Stage, _ position: UInt64 = 0, inode: UInt64 = 7) -> UInt64? {
    do { return try stage.system.call(PageCache.TakeChanged(mount: 1, inode: inode, position: position, destination: stage.buffer), from: stage.vfs).count } catch { return nil }
  }

  /// What VFS does when it is asked.
  private func writeBack(_ stage: Stage, inode: UInt64 = 7, error: Errno? = nil) throws -> Int {
    var position: UInt64 = 0
    var count = 0
    while let found = take(stage, position, inode: inode) {
      if error != nil { try stage.system.call(PageCache.NotWritten(mount: 1, inode: inode), from: stage.vfs) }
      position = found + 4096
      count += 1
    }
    try stage.system.call(PageCache.WroteBack(mount: 1, inode: inode, error: error), from: stage.vfs)
    return count
  }

  @Test("V93 changed pages are written back when somebody needs memory; he waits meanwhile, then goes on, and nobody dies")
  func writtenBack() throws {
    let stage = try Stage(frames: 600, floors: true)
    let a = try FileMappingTests.map(stage, pages: 300, shared: true)
    for page in 0..<300 as Range<UInt64> {
      if page % 8 == 0 { try stage.fill(7, page: page, count: min(8, 300 - page)) }
      stage.set(stage.process, a + page << 12, [page])
    }
    // Above an eighth nobody waits, but VFS is asked.
    #expect(stage.system.kernel.writeBacks.map(\.inode) == [7] && stage.system.kernel.exceptions.isEmpty)
    let other = stage.system.process()
    try exhaust(stage.system, other, pages: 400)
    #expect(stage.system.kernel.exceptions.isEmpty && stage.system.kernel.writeBacks.count == 1)
    #expect(try pressure(stage.system).waiting == 1)
    stage.system.expectSound()
    #expect(try writeBack(stage) == 300)
    #expect(stage.system.kernel.replies.map(\.to) == [other] && stage.system.kernel.replies[0].message.type == 0)
    let now = try pressure(stage.system)
    #expect(now.waiting == 0 && now.waits == 1 && now.kills == 0 && now.writeBacks == 1 && now.unmapped > 0 && now.changed == 0)
    stage.system.expectSound()
    // What is still there is right, and what is gone is asked for again.
    for page in 0..<300 as Range<UInt64> {
      if let word = stage.word(a + page << 12) { #expect(word == page) } else { #expect(stage.system.kernel.pageRequests.last?.position == page << 12) }
      if stage.system.vm.parked != nil { break }
    }
    stage.system.expectSound()
  }

  @Test("V93 a page that did not get to the disk stays changed; when nothing can be written the rule of the victim goes on")
  func deadDisk() throws {
    let stage = try Stage(frames: 600, floors: true)
    let a = try FileMappingTests.map(stage, pages: 40, shared: true)
    for page in 0..<40 as Range<UInt64> {
      if page % 8 == 0 { try stage.fill(7, page: page, count: 8) }
      stage.set(stage.process, a + page << 12, [page])
    }
    let hog = stage.system.process()
    try exhaust(stage.system, hog, pages: 600)
    #expect(stage.system.kernel.writeBacks.count == 1 && stage.system.kernel.exceptions.isEmpty)
    #expect(try writeBack(stage, error: .ioError) == 40)
    #expect(try pressure(stage.system).changed == 40)
    #expect(stage.system.kernel.exceptions.map(\.event.thread) == [hog] && stage.system.kernel.exceptions[0].event.signal == 9)
    stage.system.exit(hog)
    for page in 0..<40 as Range<UInt64> { #expect(stage.word(a + page << 12) == page) }
    #expect(take(stage) == 0)
    stage.system.expectSound()
  }

  @Test("V93 a page that is written while it goes to the disk is changed again")
  func changedAgain() throws {
    let stage = try Stage()
    let a = try FileMappingTests.map(stage, shared: true)
    try stage.fill(7, page: 0, count: 8)
    stage.set(stage.process, a, [1])
    #expect(take(stage) == 0)
    stage.set(stage.process, a, [2])
    #expect(take(stage, 4096) == nil)
    #expect(try pressure(stage.system).changed == 1)
    #expect(take(stage) == 0 && stage.system.readWord(stage.vfs, stage.buffer) == 2)
    #expect(take(stage, 4096) == nil)
    #expect(try pressure(stage.system).changed == 0)
    stage.system.expectSound()
  }

  @Test("V93 V91 clean pages are taken out of those who map them when nothing else is left, across fork; locked ones never")
  func unmapped() throws {
    let stage = try Stage(frames: 700, floors: true)
    let a = try FileMappingTests.map(stage, pages: 200), locked = try FileMappingTests.map(stage, inode: 8, pages: 16)
    for page in stride(from: 0, to: 200, by: 8) as StrideTo<UInt64> { try stage.fill(7, page: page, count: 8) }
    try stage.fill(8, page: 0, count: 16)
    for page in 0..<200 as Range<UInt64> { #expect(stage.word(a + page << 12) == Stage.pattern(7, page)) }
    try stage.system.call(VM.MLock(address: locked, length: 16 << 12), from: stage.process)
    let child = try stage.system.fork(stage.process)
    stage.system.expectSound()
    let hog = stage.system.process()
    try exhaust(stage.system, hog, pages: 700)
    #expect(try pressure(stage.system).unmapped >= 190)
    #expect(stage.system.kernel.exceptions.map(\.event.thread) == [hog])
    stage.system.expectSound()
    let requests = stage.system.kernel.pageRequests.count
    let faults = stage.system.space(stage.process).pointee.fileFaults
    for page in 0..<16 as Range<UInt64> { #expect(stage.word(locked + page << 12) == Stage.pattern(8, page)) }
    #expect(stage.system.kernel.pageRequests.count == requests && stage.system.space(stage.process).pointee.fileFaults == faults)
    stage.system.exit(hog)
    #expect(stage.system.touch(child, a + 100 << 12, .read) == nil)
    #expect(stage.system.kernel.pageRequests.last?.position == 100 << 12)
    try stage.fill(7, page: 100)
    #expect(stage.system.readWord(child, a + 100 << 12) == Stage.pattern(7, 100))
    stage.system.exit(child)
    stage.system.expectSound()
  }

  @Test("V93 the victim is who has most, unless who asked has at least half of that; one line says who and why")
  func victims() throws {
    let stage = try Stage(frames: 1800, floors: true)
    let hog = stage.system.process(), small = stage.system.process()
    let hogMemory = try take(stage.system, hog, leaving: 400)
    let memory = try stage.system.map(small, pages: 1000)
    var own: UInt64 = 0
    while own < 1000, stage.system.write(small, memory + own << 12, 2) { own += 1 }
    #expect(own > 250 && own < 400)
    // The hog dies though it did not ask. Who asked waits.
    #expect(stage.system.kernel.exceptions.map(\.event.thread) == [hog] && stage.system.kernel.exceptions[0].event.signal == 9)
    let log = stage.system.kernel.log
    #expect(log.hasPrefix("VM: out of memory: (thread \(small.slot)) wrote to a page; killing (thread \(hog.slot)): "))
    #expect(log.hasSuffix(" KiB, most of all\n") && log.split(separator: "\n").count == 1)
    // As long as it has not gone nobody else is killed, whoever asks, itself too.
    let third = try stage.system.map(stage.process, pages: 4)
    #expect(!stage.system.write(stage.process, third, 1) && !stage.system.write(hog, hogMemory + 1790 << 12, 1))
    #expect(try pressure(stage.system).waiting == 3 && pressure(stage.system).kills == 1)
    stage.system.expectSound()
    stage.system.exit(hog)
    #expect(stage.system.kernel.replies.map(\.to) == [small, stage.process] && stage.system.kernel.replies.allSatisfy { $0.message.type == 0 })
    #expect(stage.system.write(small, memory + own << 12, 2) && stage.system.write(stage.process, third, 1))
    for page in 0..<own { #expect(stage.system.read(small, memory + page << 12) == 2) }
    #expect(stage.system.kernel.exceptions.count == 1)
    // With more than half of the most, who asks is killed himself.
    let second = stage.system.process()
    try take(stage.system, second, leaving: 350)
    while own < 1000, stage.system.write(small, memory + own << 12, 2) { own += 1 }
    #expect(own < 1000 && stage.system.kernel.exceptions.last?.event.thread == small)
    #expect(stage.system.kernel.log.hasSuffix("it asked and has at least half of the most\n"))
    stage.system.exit(small)
    stage.system.expectSound()
  }

  @Test("V93 a supervisor whose queue is full hears of the victim later; a victim that waits itself is forgotten")
  func slowSupervisor() throws {
    let stage = try Stage(frames: 800, floors: true)
    let hog = stage.system.process()
    let memory = try take(stage.system, hog, leaving: 40)
    stage.system.kernel.queueIsFull = true
    let fresh = try stage.system.map(stage.process, pages: 60)
    var own: UInt64 = 0
    while own < 60, stage.system.write(stage.process, fresh + own << 12, 1) { own += 1 }
    #expect(own < 60 && stage.system.kernel.exceptions.isEmpty && stage.system.vm.pressure.dying != 0)
    #expect(!stage.system.write(hog, memory + 790 << 12, 1))
    stage.system.kernel.queueIsFull = false
    #expect(try pressure(stage.system).waiting == 2)
    #expect(stage.system.kernel.exceptions.map(\.event.thread) == [hog] && stage.system.kernel.exceptions[0].event.signal == 9)
    stage.system.exit(hog)
    #expect(try pressure(stage.system).waiting == 0 && stage.system.kernel.replies.map(\.to) == [stage.process])
    #expect(stage.system.vm.pressure.dying == 0)
    stage.system.expectSound()
  }

  @Test("V93 the first process is never the victim: it goes on when another has gone, and dies only alone")
  func firstProcess() throws {
    let system = TestSystem(frames: 600, floors: true)
    let spawn = VM.Spawn(name: ("rs" as StaticString).packed, slot: UInt32(Endpoint.initProcess.slot), restart: 0, supervisor: .pm, priority: 5)
    let first = try system.call(spawn, from: .rs).thread
    #expect(first == .initProcess)
    let other = system.process()
    system.write(other, AddressSpace.stackTop - 64, 1)
    let memory = try system.map(first, pages: 590)
    var own: UInt64 = 0
    while own < 590, system.write(first, memory + own << 12, 1) { own += 1 }
    #expect(system.kernel.exceptions.map(\.event.thread) == [other])
    system.exit(other)
    #expect(system.write(first, memory + own << 12, 1))
    while own < 590, system.write(first, memory + own << 12, 1) { own += 1 }
    #expect(system.kernel.exceptions.map(\.event.thread) == [other, first])
    system.expectSound()
  }

  @Test("V93 a call without frames is an error, though threads wait for some: mlock, fork, exec; the bytes of all stay")
  func calls() throws {
    let stage = try Stage(frames: 500, floors: true)
    stage.set(stage.process, stage.memory, [99])
    let hog = stage.system.process()
    try exhaust(stage.system, hog, pages: 500)
    let fresh = try? stage.system.map(stage.process, pages: 20)
    if let fresh { #expect(stage.system.error(VM.MLock(address: fresh, length: 20 << 12), from: stage.process) == .wouldBlock) }
    while (try? stage.system.fork(stage.process)) != nil {}
    #expect(stage.system.error(VM.Fork(parent: stage.process), from: .pm) == .noMemory)
    #expect(stage.system.error(VM.ExecBegin(process: stage.process), from: .vfs) == .noMemory)
    #expect(stage.word(stage.memory) == 99 && stage.system.kernel.exceptions.count == 1)
    stage.system.expectSound()
  }
}
