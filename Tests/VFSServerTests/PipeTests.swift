import IPC
import Protocols
import Testing
@testable import VFSServer

private typealias Flags = VFS.OpenFlags

@Suite("pipes")
struct PipeTests {
  let world = World()
  let p: Client
  let q: Client
  let r: Int64
  let w: Int64
  let capacity = Limits.small.pipeCapacity
  init() throws {
    p = Client(world, slot: 64)
    (r, w) = try p.pipe()
    q = Client(world, parent: p, slot: 65)
  }
  var signals: [PM.SignalProcess] { world.toPM.filter { $0.type == PM.SignalProcess.number }.map { $0.body() } }

  @Test("what is written is read, in order")
  func order() throws {
    try p.write(w, "one")
    try p.write(w, "two")
    #expect(try q.text(r, 4) == "onet")
    #expect(try q.text(r) == "wo")
    world.audit()
  }

  @Test("a reader waits for bytes without a worker, and other calls go on")
  func readerWaits() throws {
    q.start(q.readCall(r, 10))
    #expect(q.answer() == nil)
    world.audit()
    try p.write(w, "late")
    #expect(try q.answer()?.reply(VFS.Count.self).count == 4)
    #expect(world.read(q.endpoint, Client.data, 4) == Array("late".utf8))
    world.audit()
  }

  @Test("the end: 0 when the last writer is gone, for who waits and who comes")
  func end() throws {
    try q.close(w)
    q.start(q.readCall(r, 10))
    try p.write(w, "x")
    #expect(try q.answer()?.reply(VFS.Count.self).count == 1)
    q.start(q.readCall(r, 10))
    try p.close(w)
    #expect(try q.answer()?.reply(VFS.Count.self).count == 0)
    #expect(try q.read(r) == [])
    world.audit()
  }

  @Test("bytes that were written before the writer went are still read")
  func rest() throws {
    try q.close(w)
    try p.write(w, "rest")
    p.exit()
    #expect(try q.text(r) == "rest")
    #expect(try q.text(r) == "")
    world.audit()
  }

  @Test("no reader: EPIPE, and SIGPIPE by way of PM before the answer")
  func broken() throws {
    try p.close(r)
    q.exit()
    #expect(failure { try p.write(w, "x") } == .brokenPipe)
    #expect(signals.count == 1 && signals[0].process == p.endpoint && signals[0].signal == 13)
    #expect(failure { try p.write(w, [UInt8]()) } == nil)
    world.audit()
  }

  @Test("M-F13 the reader goes in the middle of a long write: the signal, and the part that was written as the count")
  func brokenInTheMiddle() throws {
    try p.close(r)
    p.start(p.writeCall(w, [UInt8](repeating: 7, count: capacity + 5000)))
    #expect(p.answer() == nil)
    q.exit()
    #expect(try p.answer()?.reply(VFS.Count.self).count == UInt64(capacity))
    world.run()
    #expect(signals.count == 1)
    world.audit()
  }

  @Test("writes up to PIPE_BUF are whole or wait; longer ones are split")
  func atomic() throws {
    try p.write(w, [UInt8](repeating: 1, count: capacity - 4095))
    p.start(p.writeCall(w, [UInt8](repeating: 2, count: 4096)))
    #expect(p.answer() == nil)
    #expect(try q.fileStat(r).size == UInt64(capacity - 4095))
    _ = try q.read(r, 1)
    #expect(try p.answer()?.reply(VFS.Count.self).count == 4096)
    #expect(try q.read(r, capacity + 10).count == capacity)
    world.audit()
  }

  @Test("two writers of PIPE_BUF bytes never mix")
  func neverMixed() throws {
    for _ in 0..<(capacity / 4096) { try p.write(w, [UInt8](repeating: 0, count: 4096)) }
    p.start(p.writeCall(w, [UInt8](repeating: 1, count: 4096)))
    q.start(q.writeCall(w, [UInt8](repeating: 2, count: 4096)))
    let reader = Client(world, parent: q, slot: 66)
    var all: [UInt8] = []
    while all.count < capacity + 8192 { all += try reader.read(r, 1000) }
    #expect(all[capacity..<capacity + 4096].allSatisfy { $0 == 1 })
    #expect(all[(capacity + 4096)...].allSatisfy { $0 == 2 })
    #expect(p.answer() != nil && q.answer() != nil)
    world.audit()
  }

  @Test("a write longer than the pipe goes through as it is read, without losing a byte")
  func long() throws {
    let bytes = (0..<capacity * 4 + 123).map { UInt8(truncatingIfNeeded: $0 &* 13 ^ $0 >> 7) }
    p.start(p.writeCall(w, bytes))
    var all: [UInt8] = []
    while all.count < bytes.count { all += try q.read(r, 5000) }
    #expect(all == bytes)
    #expect(try p.answer()?.reply(VFS.Count.self).count == UInt64(bytes.count))
    world.audit()
  }

  @Test("a long write that finds a reader waiting goes on when that reader has emptied the pipe")
  func longWriteMeetsReader() throws {
    q.start(q.readCall(r, capacity * 4))
    p.start(p.writeCall(w, [UInt8](repeating: 7, count: capacity * 2 + 10)))
    #expect(try q.answer()?.reply(VFS.Count.self).count == UInt64(capacity))
    #expect(try q.read(r, capacity * 2).count == capacity)
    #expect(try q.read(r, capacity).count == 10)
    #expect(try p.answer()?.reply(VFS.Count.self).count == UInt64(capacity) * 2 + 10)
    world.audit()
  }

  @Test("O_NONBLOCK: EAGAIN when empty or full, a part of a long write")
  func nonBlocking() throws {
    _ = try p.fileControl(r, 4, UInt64(Flags.nonBlocking))
    _ = try p.fileControl(w, 4, UInt64(Flags.nonBlocking))
    #expect(failure { try p.read(r) } == .wouldBlock)
    #expect(try p.write(w, [UInt8](repeating: 1, count: capacity + 1)) == capacity)
    #expect(failure { try p.write(w, "x") } == .wouldBlock)
    #expect(failure { try p.write(w, [UInt8](repeating: 1, count: 10_000)) } == .wouldBlock)
    _ = try q.read(r, 100)
    #expect(failure { try p.write(w, [UInt8](repeating: 1, count: 101)) } == .wouldBlock)
    #expect(try p.write(w, [UInt8](repeating: 1, count: 5000)) == 100)
    world.audit()
  }

  @Test("several readers are served in the order they came")
  func fair() throws {
    let readers = (0..<5).map { Client(world, parent: p, slot: 70 + $0) }
    for reader in readers { reader.start(reader.readCall(r, 1)) }
    try p.write(w, "abc")
    for index in 0..<5 { #expect((readers[index].answer() != nil) == (index < 3)) }
    #expect(world.read(readers[1].endpoint, Client.data, 1) == Array("b".utf8))
    p.exit()
    q.exit()
    for reader in readers[..<3] { reader.exit() }
    #expect(readers[3].answer() == nil)  // readers hold writing ends too
    world.audit()
  }

  @Test("a reader that is killed while it waits leaves the queue; the next gets the bytes")
  func killedReader() throws {
    let second = Client(world, parent: p, slot: 66)
    q.start(q.readCall(r, 5))
    second.start(second.readCall(r, 5))
    q.exit()
    try p.write(w, "hello")
    #expect(try second.answer()?.reply(VFS.Count.self).count == 5)
    world.audit()
  }

  @Test("a small write waits behind a large one; when that is cancelled it goes on")
  func cancelledWriter() throws {
    try p.write(w, [UInt8](repeating: 0, count: capacity - 100))
    p.start(p.writeCall(w, [UInt8](repeating: 1, count: 4096)))
    q.start(q.writeCall(w, [UInt8](repeating: 2, count: 50)))
    #expect(p.answer() == nil && q.answer() == nil)
    p.cancel()
    #expect(failure { try p.answer()!.reply(VFS.Count.self) } == .interrupted)
    #expect(try q.answer()?.reply(VFS.Count.self).count == 50)
    world.audit()
  }

  @Test("M-F13 a signal interrupts: EINTR, or what was transferred")
  func cancel() throws {
    q.start(q.readCall(r, 10))
    q.cancel()
    #expect(failure { try q.answer()!.reply(VFS.Count.self) } == .interrupted)
    q.cancel()
    #expect(q.answer() == nil)
    p.start(p.writeCall(w, [UInt8](repeating: 1, count: capacity + 1)))
    p.cancel()
    #expect(try p.answer()?.reply(VFS.Count.self).count == UInt64(capacity))
    world.audit()
  }

  @Test("M-F13 SA_RESTART: the library is told to ask again if nothing was transferred, and only for that signal")
  func cancelAndRestart() throws {
    q.start(q.readCall(r, 10))
    q.cancel(restart: true)
    #expect(failure { try q.answer()!.reply(VFS.Count.self) } == .restarted)
    q.start(q.readCall(r, 10))
    q.cancel()
    #expect(failure { try q.answer()!.reply(VFS.Count.self) } == .interrupted)
    p.start(p.writeCall(w, [UInt8](repeating: 1, count: capacity + 1)))
    p.cancel(restart: true)
    #expect(try p.answer()?.reply(VFS.Count.self).count == UInt64(capacity))
    world.audit()
  }

  @Test("a bad buffer is EFAULT and takes nothing out, also for one that waits")
  func badBuffer() throws {
    try p.write(w, "abc")
    #expect(failure { try q.call(VFS.Read(descriptor: r, address: 0, length: 3)) } == .badAddress)
    #expect(try q.text(r) == "abc")
    q.start(VFS.Read(descriptor: r, address: 0, length: 3))
    let second = Client(world, parent: p, slot: 66)
    second.start(second.readCall(r, 3))
    try p.write(w, "xyz")
    #expect(failure { try q.answer()!.reply(VFS.Count.self) } == .badAddress)
    #expect(try second.answer()?.reply(VFS.Count.self).count == 3)
    #expect(failure { try p.call(VFS.Write(descriptor: w, address: .max - 3, length: 3)) } == .badAddress)
    world.audit()
  }

  @Test("a pipe cannot be sought, truncated, listed or controlled; its flags are checked")
  func notAFile() throws {
    #expect(failure { try p.seek(r, 0) } == .illegalSeek)
    #expect(failure { try p.call(VFS.FileTruncate(descriptor: w, size: 0)) } == .invalidArgument)
    #expect(failure { try p.call(VFS.ReadDirectory(descriptor: r, address: Client.data, length: 100)) } == .notDirectory)
    #expect(failure { try p.call(VFS.FileSync(descriptor: r)) } == .invalidArgument)
    #expect(failure { try p.call(VFS.Control(descriptor: r, request: Char.Request.tcGets, argument: 0)) } == .notTerminal)
    #expect(try p.fileStat(r).mode & VFS.Mode.typeMask == VFS.Mode.fifo)
    #expect(failure { try p.pipe(Flags.append) } == .invalidArgument)
    #expect(failure { try p.read(w) } == .badFileDescriptor)
    #expect(failure { try p.write(r, "x") } == .badFileDescriptor)
    let (a, _) = try p.pipe(Flags.nonBlocking | Flags.closeOnExec)
    #expect(try p.fileControl(a, 1) == 1)
    #expect(failure { try p.read(a) } == .wouldBlock)
    world.audit()
  }

  @Test("M-M3 the table of pipes is full: ENFILE, and one more after one is closed")
  func exhausted() throws {
    var ends: [(Int64, Int64)] = []
    for _ in 1..<Limits.small.pipes { ends.append(try p.pipe()) }
    #expect(failure { try p.pipe() } == .tooManyOpenFilesInSystem)
    try p.close(ends[0].0)
    try p.close(ends[0].1)
    _ = try p.pipe()
    p.exit()
    q.exit()
    world.run()
    #expect(world.pipesInUse == 0)
    world.audit()
  }
}
