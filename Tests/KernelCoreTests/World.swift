import IPC
import PageTable
import Protocols
import SimulatedArch
import Testing

@testable import KernelCore

/// A kernel on a simulated machine, with VM in it. A test names the thread that traps; the world lets it run first,
/// as if it had been its turn.
final class World {
  typealias Pointer = Thread<SimulatedContext>.Pointer

  var core: Core<SimulatedMachine>
  private let tables: UnsafeMutableRawPointer

  /// Everything that can be allowed.
  static let all = Privileges(kernelCalls: ~0, sendTo: ~0, lines: ~0, asynchronousQuota: 16, grantQuota: 32)
  /// What a plain service may do.
  static let plain = Privileges(kernelCalls: ~0, sendTo: ~0, lines: 0, asynchronousQuota: 8, grantQuota: 8)

  init(threads: Int = 96, grants: Int = 64, envelopes: Int = 32, frames: Int = 1024) {
    let limits = Limits(threads: threads, grants: grants, envelopes: envelopes)
    tables = .allocate(byteCount: Core<SimulatedMachine>.memoryNeeded(limits), alignment: 64)
    var machine = SimulatedMachine(frames: frames)
    let root = machine.takeFrame()!
    core = Core(machine: machine, limits: limits, memory: tables)
    core.setBootPrivileges(slot: 1, World.all, priority: 1)
    core.setBootPrivileges(slot: 2, World.all, priority: 1)
    core.createFirst(root: root, space: 1, entry: 0x40_0000, stack: 0x50_0000)
  }

  deinit {
    core.machine.ram.deallocate()
    tables.deallocate()
  }

  // MARK: Threads

  func pointer(_ endpoint: Endpoint) -> Pointer { core.lookup(endpoint)! }
  subscript(_ endpoint: Endpoint) -> Thread<SimulatedContext> { pointer(endpoint).pointee }
  /// The first thread that waits for an answer of `endpoint`.
  func asker(of endpoint: Endpoint) -> Pointer? {
    (1..<core.limits.threads).lazy.map { self.core.threads + $0 }.first { $0.pointee.state == .waiting && $0.pointee.peer == self.pointer(endpoint) }
  }
  func root(_ endpoint: Endpoint) -> UInt64 { self[endpoint].root }

  /// A thread that runs, made by VM. Its space has the number of its slot.
  @discardableResult
  func spawn(slot: UInt32 = 0, priority: UInt32 = 4, supervisor: Endpoint = .rs, privileges: Privileges? = nil, start: Bool = true) -> Endpoint {
    let root = core.machine.takeFrame()!
    let call = Kernel.ThreadCreate(
      root: root, space: 0, entry: 0x40_0000, stack: 0x7000_0000, slot: slot, supervisor: supervisor, priority: priority)
    let thread = try! kernel(.vm, call).thread
    pointer(thread).pointee.space = UInt32(thread.slot)
    if let privileges {
      pointer(thread).pointee.privileges = privileges
    } else if thread.isService, thread != .rs {
      pointer(thread).pointee.privileges = World.plain
    }
    if start { try! kernel(.vm, Kernel.ThreadStart(thread: thread)) }
    return thread
  }

  /// Lets `thread` be the one that runs.
  func run(_ thread: Endpoint) {
    let next = pointer(thread)
    if core.current == next { return }
    precondition(next.pointee.canRun, "\(thread.slot) cannot run")
    if let last = core.current, last.pointee.canRun { core.enqueue(last) }
    core.dequeue(next)
    core.run(next)
  }

  func blocked(_ thread: Endpoint) -> Bool { self[thread].state != .runnable }

  // MARK: Traps

  /// One trap of `thread`. What it got is in its registers if it is not blocked.
  func trap(
    _ thread: Endpoint, _ operation: TrapOperation, to destination: Endpoint = .none, from source: Endpoint = .none,
    deadline: UInt64 = 0, _ message: Message = Message()
  ) {
    run(thread)
    let me = pointer(thread)
    precondition(!me.pointee.rerun, "\(thread.slot) is in the middle of a call")
    me.pointee.context.rax = operation.rawValue
    me.pointee.context.rdi = UInt64(destination.raw)
    me.pointee.context.rsi = UInt64(source.raw)
    me.pointee.context.rdx = deadline
    me.pointee.context.message = message
    core.trap()
    // It may not have been its turn.
    core.schedule()
    check()
  }

  func check() {
    if let broken = core.brokenInvariant() { Issue.record("invariant: \(broken)") }
  }

  /// What the last trap of `thread` has returned, nil while it waits.
  func status(_ thread: Endpoint) -> Errno? {
    blocked(thread) ? nil : Errno(rawValue: Int32(-self[thread].context.status))
  }
  func delivery(_ thread: Endpoint) -> Delivery? {
    guard !blocked(thread), self[thread].context.status == 0 else { return nil }
    return Delivery(message: self[thread].context.message, flags: self[thread].context.flags)
  }

  @discardableResult
  func send(_ thread: Endpoint, _ destination: Endpoint, _ message: Message = Message(type: 7)) -> Errno? {
    trap(thread, .send, to: destination, message)
    return status(thread)
  }
  @discardableResult
  func sendRec(_ thread: Endpoint, _ destination: Endpoint, _ message: Message = Message(type: 7)) -> Errno? {
    trap(thread, .sendRec, to: destination, message)
    return status(thread)
  }
  /// Nil if it waits now or failed.
  @discardableResult
  func receive(_ thread: Endpoint, from source: Endpoint = .any, deadline: UInt64 = 0) -> Delivery? {
    trap(thread, .receive, from: source, deadline: deadline)
    return delivery(thread)
  }
  @discardableResult
  func reply(_ thread: Endpoint, _ caller: Endpoint, _ message: Message = Message()) -> Errno? {
    trap(thread, .reply, to: caller, message)
    return status(thread)
  }
  @discardableResult
  func replyReceive(_ thread: Endpoint, _ caller: Endpoint, _ message: Message = Message()) -> Delivery? {
    trap(thread, .replyReceive, to: caller, from: .any, message)
    return delivery(thread)
  }
  @discardableResult
  func notify(_ thread: Endpoint, _ destination: Endpoint) -> Errno? {
    trap(thread, .notify, to: destination)
    return status(thread)
  }
  @discardableResult
  func sendAsync(_ thread: Endpoint, _ destination: Endpoint, _ message: Message = Message(type: 7)) -> Errno? {
    trap(thread, .sendAsync, to: destination, message)
    return status(thread)
  }

  /// A kernel call that is answered at once.
  @discardableResult
  func kernel<C: Call>(_ thread: Endpoint, _ call: C) throws(Errno) -> C.Reply {
    trap(thread, .kernelCall, to: .kernel, Message(call))
    return try answer(thread, call)
  }
  /// The answer to a kernel call that may have had to wait.
  @discardableResult
  func answer<C: Call>(_ thread: Endpoint, _: C) throws(Errno) -> C.Reply {
    guard !blocked(thread) else { throw Errno(rawValue: 9999) }
    guard self[thread].context.status == 0 else { throw Errno(rawValue: Int32(-self[thread].context.status)) }
    return try self[thread].context.message.reply()
  }
  /// The error of a kernel call, nil if there is none.
  func error<C: Call>(_ thread: Endpoint, _ call: C) -> Errno? {
    do throws(Errno) {
      try kernel(thread, call)
      return nil
    } catch { return error }
  }

  /// `server` has received a request of `client`, who waits for the answer.
  func engage(_ client: Endpoint, _ server: Endpoint, _ message: Message = Message(type: 7)) {
    sendRec(client, server, message)
    receive(server)
  }

  // MARK: Memory

  /// `count` pages of RAM at `address` of a thread's space.
  func map(_ thread: Endpoint, _ address: UInt64, pages: Int = 1, writable: Bool = true) {
    let flags = PageEntry.present | PageEntry.user | (writable ? PageEntry.writable : 0)
    for page in 0..<UInt64(pages) {
      let frame = core.machine.takeFrame()!
      core.machine.map(root(thread), address + page * 4096, frame: frame, flags: flags)
    }
  }
  func store(_ thread: Endpoint, _ address: UInt64, _ bytes: [UInt8]) { #expect(core.machine.store(root(thread), address, bytes)) }
  func load(_ thread: Endpoint, _ address: UInt64, _ count: Int) -> [UInt8] { core.machine.load(root(thread), address, count) ?? [] }

  /// The page fault that VM has received, if that is what it has.
  func pageFault() -> KernelEvent.PageFault? {
    guard let delivery = delivery(.vm), delivery.isFromKernel, delivery.isRequest,
      delivery.message.type == KernelEvent.PageFault.number
    else { return nil }
    return delivery.message.body()
  }

  func statistics() -> Kernel.Statistics.Reply { core.statistics() }
  func info(_ thread: Endpoint) -> Kernel.ThreadInfo.Reply {
    try! core.threadInfo(Kernel.ThreadInfo(slot: UInt64(thread.slot)))
  }
  func wait(_ nanoseconds: UInt64) {
    core.machine.clock += nanoseconds
    core.timer()
    check()
  }
}

extension Errno {
  static var done: Errno { Errno(rawValue: 0) }
}
extension Message {
  /// With a payload to be recognised by.
  init(type: Int32, _ word: UInt64) {
    self.init(type: type)
    payload.0 = word
  }
}
