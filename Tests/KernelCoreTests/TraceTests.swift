import IPC
import Protocols
import SimulatedArch
import Testing

@testable import KernelCore

@Suite("Trace") struct TraceTests {
  let world = World()
  let client: Endpoint, server: Endpoint, other: Endpoint

  init() {
    server = world.spawn(slot: 5, privileges: World.all)
    other = world.spawn(slot: 6, privileges: World.all)
    client = world.spawn()
  }

  func start(_ what: Tracing = .messages) {
    world.core.machine.trace = []
    world.core.startTrace(what)
  }

  struct Event: Equatable, CustomStringConvertible {
    var kind: UInt32
    var from, to: Endpoint
    var type: Int32
    var flags: UInt64
    var description: String { "kind \(kind) \(from.slot)>\(to.slot) type \(type) flags \(flags)" }
    init(_ kind: UInt32, _ from: Endpoint, _ to: Endpoint, _ type: Int32, _ flags: UInt64 = 0) {
      self.kind = kind
      self.from = from
      self.to = to
      self.type = type
      self.flags = flags
    }
  }

  /// Since `start` or the last look.
  func seen() -> [Event] {
    defer { world.core.machine.trace = [] }
    return world.core.machine.trace.map { Event($0.kind, $0.from, $0.to, $0.message.type, $0.flags) }
  }

  @Test("off: nobody is told anything") func off() {
    world.engage(client, server)
    world.notify(other, server)
    #expect(seen() == [])
  }

  @Test("a request is seen when it is received, whether it had to queue or not, and its answer when it comes") func requests() {
    start()
    world.sendRec(client, server)
    #expect(seen() == [])
    world.receive(server)
    #expect(seen() == [Event(2, client, server, 7, 1)])
    world.reply(server, client, Message(type: 0))
    #expect(seen() == [Event(3, server, client, 0)])
  }

  @Test("by `tracedTrap` what the fast path would have done is seen too") func slow() {
    start()
    world.receive(server)
    world.run(client)
    let me = world.pointer(client)
    me.pointee.context.rax = TrapOperation.sendRec.rawValue
    me.pointee.context.rdi = UInt64(server.raw)
    me.pointee.context.message = Message(type: 9)
    world.core.tracedTrap()
    #expect(world.core.fastPath == 0)
    #expect(seen() == [Event(2, client, server, 9, 1)])
  }

  @Test("plain sends, notifications and asynchronous messages, waited for or queued") func others() {
    start()
    world.receive(server)
    world.send(other, server)
    #expect(seen() == [Event(1, other, server, 7)])
    world.send(other, server)
    world.receive(server)
    #expect(seen() == [Event(1, other, server, 7)])
    world.receive(server)
    world.sendAsync(other, server)
    #expect(seen() == [Event(5, other, server, 7, 4)])
    world.sendAsync(other, server)
    #expect(seen() == [])
    world.receive(server)
    #expect(seen() == [Event(5, other, server, 7, 4)])
    world.receive(server)
    world.notify(other, server)
    #expect(seen() == [Event(4, other, server, 0x900, 2)])
    world.notify(other, server)
    world.notify(other, server)
    world.receive(server)
    #expect(seen() == [Event(4, other, server, 0x900, 2)])
  }

  @Test("a page fault is a request in the name of who needs the page") func faults() {
    start()
    world.receive(.vm)
    world.run(client)
    world.core.pageFault(address: 0x1000, access: 0)
    #expect(seen() == [Event(6, client, .vm, 0x901, 9)])
    world.reply(.vm, client, Message(type: 0))
    #expect(seen() == [Event(7, .vm, client, 0)])
  }

  @Test("the end of a thread, its new life and the requests that come again") func lives() throws {
    world.spawn(slot: 2, privileges: World.all)
    world.engage(client, server, Message(type: 11))
    start()
    world.run(server)
    world.core.exception(vector: 13, signal: 11, address: 0)
    #expect(seen() == [Event(12, server, .rs, 11)])
    world.receive(.rs)
    #expect(seen() == [Event(5, .kernel, .rs, 0x902, 12)])
    let root = world.core.machine.takeFrame()!
    try world.kernel(.vm, Kernel.ThreadRestart(thread: server, root: root, space: 9, entry: 0x40_0000, stack: 0x7000_0000, fault: 0))
    #expect(seen() == [Event(11, .kernel, server, 0)])
    try world.kernel(.vm, Kernel.ThreadStart(thread: server))
    world.receive(server)
    #expect(seen() == [Event(2, client, server, 11, 17)])
    world.sendRec(other, server)
    try world.kernel(.vm, Kernel.ThreadDestroy(thread: server))
    #expect(seen() == [Event(10, server, other, -301), Event(10, server, client, -301)])
  }

  @Test("kernel calls and their answers, when asked for") func kernelCalls() {
    start(.everything)
    world.run(server)
    let me = world.pointer(server)
    me.pointee.context.rax = TrapOperation.kernelCall.rawValue
    me.pointee.context.message = Message(Kernel.Clock())
    world.core.tracedTrap()
    #expect(seen() == [Event(8, server, .kernel, Kernel.Clock.number), Event(9, .kernel, server, 0)])
    world.run(server)
    me.pointee.context.rax = TrapOperation.kernelCall.rawValue
    me.pointee.context.message = Message(Kernel.Exit(status: 0))
    world.core.tracedTrap()
    #expect(seen().map(\.kind).filter { $0 >= 8 && $0 <= 9 } == [8])
  }

  @Test("the ring keeps order, and of too many the last") func ring() {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: 4 * MemoryLayout<TraceRecord>.stride, alignment: 8)
    defer { memory.deallocate() }
    #expect(MemoryLayout<TraceRecord>.size == 96 && MemoryLayout<TraceRecord>.stride == 96)
    var ring = TraceRing(memory: memory, capacity: 4)
    func record(_ number: UInt64) -> TraceRecord {
      TraceRecord(time: number, kind: 1, from: client, to: server, flags: 0, message: Message())
    }
    for number in 0..<3 { ring.add(record(UInt64(number))) }
    #expect(!ring.isFull && ring.take()?.time == 0)
    for number in 3..<9 { ring.add(record(UInt64(number))) }
    #expect(ring.isFull && ring.count == 4)
    #expect((0..<5).map { _ in ring.take()?.time } == [5, 6, 7, 8, nil])
  }
}
