import IPC
import PMServer
import Protocols
import ServerKit

/// Kernel, VM, VFS and RS as PM sees them. It records what PM does and answers as they would.
final class World {
  struct Thread {
    var endpoint: Endpoint
    var isStopped = false
    /// Waits for a reply from that server.
    var peer = Endpoint.pm
    var hasSignal = false
    /// Signals whose handlers were entered, with the mask that was saved.
    var handled: [(signal: UInt32, mask: UInt64)] = []
    var time: UInt64 = 0
    /// Its stack pointer, and the alternate stack that came with its last signal.
    var stack: UInt64 = 0x7000_0000
    var alternate: (base: UInt64, size: UInt64) = (0, 0)
  }

  var clock: UInt64 = 1_000
  var threads: [Int: Thread] = [64: Thread(endpoint: .initProcess, isStopped: true, peer: .none)]
  var generations: [Int: UInt32] = [:]
  var alarmAt: UInt64 = 0
  var toVFS: [Message] = []
  var answers: [Endpoint: Message] = [:]
  var shutdowns: [UInt64] = []
  var grants: Set<UInt64> = []
  var lastGrant: UInt64 = 0
  var log = ""

  /// What goes wrong.
  var forkFails: Errno?
  var queueIsFull = false
  var signalFails: Errno?
  var signalReturnFails = false
  /// The mask that SignalReturn finds in the frame; nil: the last saved one.
  var frameMask: UInt64?
  var limit = 4000

  func thread(_ endpoint: Endpoint) -> Thread? {
    guard let thread = threads[endpoint.slot], thread.endpoint == endpoint else { return nil }
    return thread
  }
}

struct FakeKernel: Transport {
  let world: World
  mutating func send(_ message: Message, to destination: Endpoint) throws(Errno) { throw .notPermitted }
  mutating func receive(from source: Endpoint, deadline: UInt64) throws(Errno) -> Delivery { throw .notPermitted }
  mutating func replyReceive(_ reply: Message, to caller: Endpoint) throws(Errno) -> Delivery { throw .notPermitted }
  mutating func notify(_ destination: Endpoint) throws(Errno) { throw .notPermitted }

  mutating func reply(_ message: Message, to caller: Endpoint) throws(Errno) {
    guard world.thread(caller) != nil else { throw .deadEndpoint }
    world.answers[caller] = message
  }

  mutating func sendAsync(_ message: Message, to destination: Endpoint) throws(Errno) {
    if destination == .vfs {
      if world.queueIsFull { throw .wouldBlock }
      world.toVFS.append(message)
    } else {
      world.answers[destination] = message
    }
  }

  mutating func sendRec(_ message: Message, to destination: Endpoint) throws(Errno) -> Message {
    switch message.type {
    case VM.Fork.number: return fork(message.body())
    case VM.Exit.number:
      let process = (message.body() as VM.Exit).process
      guard world.thread(process) != nil else { return Message(error: .noSuchProcess) }
      world.threads[process.slot] = nil
      return Message(reply: Done())
    case RS.Shutdown.number:
      world.shutdowns.append((message.body() as RS.Shutdown).status)
      return Message(reply: Done())
    default: throw .deadEndpoint
    }
  }

  private func fork(_ call: VM.Fork) -> Message {
    if let error = world.forkFails { return Message(error: error) }
    guard world.thread(call.parent) != nil else { return Message(error: .noSuchProcess) }
    guard let slot = (65..<world.limit).first(where: { world.threads[$0] == nil }) else { return Message(error: .noMemory) }
    world.generations[slot, default: 0] += 1
    let child = Endpoint(slot: slot, generation: world.generations[slot]!)
    world.threads[slot] = World.Thread(endpoint: child)
    return Message(reply: Kernel.ThreadReply(thread: child))
  }

  mutating func kernel(_ message: Message) -> Message {
    switch message.type {
    case Kernel.Clock.number: return Message(reply: Kernel.Clock.Reply(now: world.clock, threadTime: 0))
    case Kernel.Alarm.number: world.alarmAt = (message.body() as Kernel.Alarm).deadline
    case Kernel.ThreadStart.number: return hold((message.body() as Kernel.ThreadStart).thread, false)
    case Kernel.ThreadStop.number: return hold((message.body() as Kernel.ThreadStop).thread, true)
    case Kernel.ThreadInfo.number:
      guard let thread = world.threads[Int((message.body() as Kernel.ThreadInfo).slot)] else { return Message(error: .noSuchProcess) }
      return Message(reply: Kernel.ThreadInfo.Reply(
        thread: thread.endpoint,
        state: thread.peer == .none ? Kernel.ThreadState.running : Kernel.ThreadState.waitingForReply, peer: thread.peer,
        priority: 5, time: thread.time, messages: 0, instruction: 0, stack: thread.stack))
    case Kernel.Signal.number: return signal(message.body())
    case Kernel.SignalReturn.number:
      let call: Kernel.SignalReturn = message.body()
      guard !world.signalReturnFails, let saved = world.thread(call.thread)?.handled.last?.mask else { return Message(error: .badAddress) }
      world.threads[call.thread.slot]!.hasSignal = false
      return Message(reply: Kernel.SignalReturn.Reply(mask: world.frameMask ?? saved))
    case Kernel.GrantCaller.number:
      world.lastGrant += 1
      world.grants.insert(world.lastGrant)
      return Message(reply: Kernel.GrantReply(id: world.lastGrant))
    case Kernel.GrantRevoke.number: world.grants.remove((message.body() as Kernel.GrantRevoke).id)
    case Kernel.Log.number:
      let call: Kernel.Log = message.body()
      world.log += withUnsafeBytes(of: call.text) { String(decoding: $0.prefix(Int(call.count)), as: UTF8.self) }
    default: return Message(error: .notPermitted)
    }
    return Message(reply: Done())
  }

  private func hold(_ thread: Endpoint, _ stopped: Bool) -> Message {
    guard world.thread(thread) != nil else { return Message(error: .noSuchProcess) }
    world.threads[thread.slot]!.isStopped = stopped
    return Message(reply: Done())
  }

  private func signal(_ call: Kernel.Signal) -> Message {
    if let error = world.signalFails { return Message(error: error) }
    guard let thread = world.thread(call.thread) else { return Message(error: .noSuchProcess) }
    let deferred = thread.peer != .none
    if deferred && thread.hasSignal { return Message(error: .busy) }
    world.threads[call.thread.slot]!.handled.append((call.signal, call.mask))
    world.threads[call.thread.slot]!.alternate = (call.stackBase, call.stackSize)
    if deferred { world.threads[call.thread.slot]!.hasSignal = true }
    return Message(reply: Kernel.Signal.Reply(deferred: deferred ? 1 : 0))
  }
}

/// PM in its world. Processes are endpoints; `Shell` is the first child of init.
struct SystemUnderTest {
  let world = World()
  var kernel: FakeKernel
  var pm = ProcessManager<FakeKernel>()

  init() {
    kernel = FakeKernel(world: world)
    var message = Message(PM.Adopt(process: .initProcess, name: (0x7469_6E69, 0)))
    message.source = .rs
    message.token = 7
    _ = pm.handle(Delivery(message: message, flags: .asynchronous), &kernel)
  }

  /// A request of a process; nil: it waits for the answer.
  mutating func ask<C: Call>(_ call: C, from source: Endpoint, flags: Delivery.Flags = .request) -> Result<C.Reply, Errno>? {
    var message = Message(call)
    message.source = source
    if world.thread(source) != nil { world.threads[source.slot]!.peer = .pm }
    world.answers[source] = nil
    let answer = pm.handle(Delivery(message: message, flags: flags), &kernel)
    if let answer { settle(source, answer) }
    guard let message = answer ?? world.answers[source] else { return nil }
    world.answers[source] = nil
    do throws(Errno) { return .success(try message.reply()) } catch { return .failure(error) }
  }

  /// The reply has reached the process: it runs, and a signal that was kept for it is delivered.
  private func settle(_ process: Endpoint, _ answer: Message) {
    guard world.thread(process) != nil else { return }
    world.threads[process.slot]!.peer = .none
    world.threads[process.slot]!.hasSignal = false
  }

  /// What a process that waits has been answered since.
  mutating func answer<Reply: Wire>(_ process: Endpoint, _: Reply.Type = Reply.self) -> Result<Reply, Errno>? {
    guard let message = world.answers.removeValue(forKey: process) else { return nil }
    settle(process, message)
    do throws(Errno) { return .success(try message.reply()) } catch { return .failure(error) }
  }

  /// An asynchronous message from a server.
  mutating func tell<C: Call>(_ call: C, from source: Endpoint, flags: Delivery.Flags = .asynchronous) {
    var message = Message(call)
    message.source = source
    _ = pm.handle(Delivery(message: message, flags: flags), &kernel)
  }

  mutating func fork(_ parent: Endpoint = .initProcess) -> Endpoint {
    guard case .success(let reply)? = ask(PM.Fork(), from: parent) else { return .none }
    let child = endpoint(Int32(reply.id))
    _ = answer(child, PM.IDReply.self)
    return child
  }

  mutating func endpoint(_ id: Int32) -> Endpoint {
    guard case .success(let reply)? = ask(PM.EndpointOf(id: Int64(id)), from: .proc) else { return .none }
    return reply.thread
  }

  mutating func identity(_ process: Endpoint) -> PM.Identity.Reply? {
    guard case .success(let reply)? = ask(PM.Identity(), from: process) else { return nil }
    return reply
  }

  mutating func id(_ process: Endpoint) -> Int32 { identity(process)?.id ?? 0 }

  mutating func exit(_ process: Endpoint, _ status: Int64 = 0) { _ = ask(PM.Exit(status: status), from: process) }

  mutating func wait(_ process: Endpoint, _ id: Int32 = -1, _ options: UInt32 = 0) -> Result<PM.WaitPID.Reply, Errno>? {
    ask(PM.WaitPID(id: id, options: options), from: process)
  }

  mutating func kill(_ id: Int32, _ signal: UInt32, from source: Endpoint = .initProcess) -> Errno? {
    ask(PM.Kill(id: id, signal: signal), from: source)?.error
  }

  mutating func handle(_ process: Endpoint, _ signal: UInt32, flags: UInt32 = 0, mask: UInt64 = 0, handler: UInt64 = 0x40_1000) {
    _ = ask(PM.SignalAction(signal: signal, flags: flags, handler: handler, restorer: 0x40_2000, mask: mask), from: process)
  }

  /// Time passes, the alarm goes off.
  mutating func pass(_ nanoseconds: UInt64) {
    let end = world.clock + nanoseconds
    while world.alarmAt != 0, world.alarmAt <= end {
      world.clock = max(world.clock, world.alarmAt)
      world.alarmAt = 0  // it goes off once
      pm.notified(by: .kernel, events: KernelEvent.alarm, &kernel)
    }
    world.clock = end
  }

  /// VFS's answer to the last `ExecLoad`.
  mutating func loaded(_ error: Errno? = nil, token: UInt64? = nil, from source: Endpoint = .vfs) {
    guard let load = world.toVFS.last(where: { $0.type == VFS.ExecLoad.number }) else { return }
    var message = error.map { Message(error: $0) } ?? Message(reply: VFS.ExecLoad.Reply(name: (0x6D61_7267_6F72_70, 0, 0)))
    message.source = source
    message.token = token ?? load.token
    _ = pm.handle(Delivery(message: message, flags: .asynchronous), &kernel)
  }

  /// VFS's answer to the last `BringPage`.
  mutating func brought(_ error: Errno? = nil) {
    guard let request = world.toVFS.last(where: { $0.type == VFS.BringPage.number }) else { return }
    var message = error.map { Message(error: $0) } ?? Message(reply: Done())
    message.source = .vfs
    message.token = request.token
    _ = pm.handle(Delivery(message: message, flags: .asynchronous), &kernel)
  }

  func isAlive(_ process: Endpoint) -> Bool { world.thread(process) != nil }
  func handled(_ process: Endpoint) -> [UInt32] { world.thread(process)?.handled.map(\.signal) ?? [] }
  func sent<C: Call>(_: C.Type) -> [C] { world.toVFS.filter { $0.type == C.number }.map { $0.body() } }
}

extension Result where Failure == Errno {
  var error: Errno? { if case .failure(let error) = self { error } else { nil } }
  var value: Success? { if case .success(let value) = self { value } else { nil } }
}
