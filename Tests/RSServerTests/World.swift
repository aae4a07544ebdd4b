import BootImage
import IPC
import Protocols
import RSServer
import ServerKit

/// A world of numbers for the supervisor: threads by slot, a clock that the test moves, and all that was said.
struct World: Port {
  enum Mood {
    /// Says Ready when started, answers pings.
    case healthy
    /// Never says Ready, answers nothing, uses the processor.
    case looping
    /// Waits for a reply of that one.
    case waiting(Endpoint)
    /// Sleeps in `receive` and does not answer.
    case asleep
    /// Works through a long request, talking all the time.
    case busy
    /// Would run but gets no processor time.
    case starved
  }

  struct Thread {
    var stopped = true
    var mood: Mood
    var lives = 1
    var time: UInt64 = 0
    var messages: UInt64 = 0
    var ports = 0
    var ranges = 0
    var privileges = false
  }

  var clock: UInt64 = 1_000
  var threads: [Int: Thread] = [:]
  var moods: [Int: Mood] = [:]
  var alarmAt: UInt64 = 0
  var lines: [String] = []
  var posts: [(message: Message, to: Endpoint)] = []
  var pings: [Endpoint] = []
  var shutdowns: [UInt64] = []
  var released: [Endpoint] = []
  var started: [Int] = []
  var spawned: [(module: String, life: UInt32)] = []
  /// The next so many calls of `spawn` fail.
  var failingSpawns = 0
  var failingPrivileges = false
  /// What the supervisor has not been told yet.
  var readies: [Endpoint] = []

  var now: UInt64 { mutating get { clock } }

  mutating func spawn(_ entry: BootEntry, life: UInt32) throws(Errno) -> Endpoint {
    if failingSpawns > 0 {
      failingSpawns -= 1
      throw .noMemory
    }
    let slot = entry.endpoint.slot
    spawned.append((entry.module.description, life))
    if life != VM.Life.first {
      guard threads[slot] != nil else { throw .noSuchProcess }
      threads[slot]!.lives += 1
      threads[slot]!.stopped = true
      threads[slot]!.time = 0
    } else {
      guard threads[slot] == nil else { throw .busy }
      threads[slot] = Thread(mood: .healthy)
    }
    threads[slot]!.mood = moods[slot] ?? .healthy
    return entry.endpoint
  }

  mutating func grantPrivileges(_ entry: BootEntry, to thread: Endpoint) throws(Errno) {
    if failingPrivileges { throw .notPermitted }
    threads[thread.slot]!.privileges = true
  }

  mutating func start(_ thread: Endpoint) throws(Errno) {
    guard threads[thread.slot] != nil else { throw .noSuchProcess }
    threads[thread.slot]!.stopped = false
    started.append(thread.slot)
    if case .healthy = threads[thread.slot]!.mood { readies.append(thread) }
  }

  mutating func stop(_ thread: Endpoint) { threads[thread.slot]?.stopped = true }

  mutating func release(_ thread: Endpoint) {
    threads[thread.slot] = nil
    released.append(thread)
  }

  mutating func look(at slot: Int) throws(Errno) -> Kernel.ThreadInfo.Reply {
    guard var thread = threads[slot] else { throw .noSuchProcess }
    var state = Kernel.ThreadState.receiving
    var peer = Endpoint.none
    switch thread.mood {
    case .healthy: break
    case .looping:
      state = Kernel.ThreadState.running
      thread.time += 1_000_000
    case .waiting(let other):
      state = Kernel.ThreadState.waitingForReply
      peer = other
    case .asleep: break
    case .busy:
      state = Kernel.ThreadState.ready
      thread.time += 1_000_000
      thread.messages += 10
    case .starved: state = Kernel.ThreadState.ready
    }
    if thread.stopped { state = Kernel.ThreadState.stopped }
    threads[slot] = thread
    return Kernel.ThreadInfo.Reply(
      thread: Endpoint(slot: slot, generation: 0), state: state, peer: peer, priority: 3, time: thread.time,
      messages: thread.messages, instruction: 0, stack: 0)
  }

  mutating func ping(_ thread: Endpoint) { pings.append(thread) }
  mutating func post(_ message: Message, to destination: Endpoint) throws(Errno) { posts.append((message, destination)) }
  mutating func setAlarm(_ deadline: UInt64) { alarmAt = deadline }
  mutating func log(_ text: Text) { lines.append(text.withBytes { String(decoding: $0, as: UTF8.self) }) }
  mutating func shutdown(_ status: UInt64) { shutdowns.append(status) }
}

/// The supervisor in its world, with services that answer as their mood is.
struct SystemUnderTest {
  var world = World()
  var supervisor: Supervisor<World>

  init(rows: Int = BootTable.count, _ change: (Int, inout BootEntry) -> Void = { _, _ in }) {
    supervisor = Supervisor(rows: rows) { index in
      var entry = BootTable.entry(index)
      change(index, &entry)
      return entry
    }
  }

  static func booted() -> SystemUnderTest {
    var system = SystemUnderTest()
    system.boot()
    return system
  }

  mutating func boot() {
    supervisor.boot(&world)
    settle()
  }

  /// Delivers what services have said until nobody says anything.
  mutating func settle() {
    while !world.readies.isEmpty || !world.pings.isEmpty {
      while !world.readies.isEmpty { supervisor.ready(world.readies.removeFirst(), &world) }
      while !world.pings.isEmpty {
        let endpoint = world.pings.removeFirst()
        // VM is not in this world, but it is well.
        let isHealthy = if case .healthy? = world.threads[endpoint.slot]?.mood { true } else { endpoint == .vm }
        if isHealthy, world.threads[endpoint.slot]?.stopped != true { supervisor.heartbeat(from: endpoint) }
      }
    }
  }

  /// Time passes, alarms go off.
  mutating func pass(_ nanoseconds: UInt64) {
    let end = world.clock + nanoseconds
    while world.alarmAt != 0, world.alarmAt <= end {
      world.clock = max(world.clock, world.alarmAt)
      supervisor.alarm(&world)
      settle()
    }
    world.clock = end
  }

  mutating func crash(_ endpoint: Endpoint, signal: UInt32 = 11, address: UInt64 = 0x1234_5678, vector: UInt64 = 14) {
    world.threads[endpoint.slot]?.stopped = true
    supervisor.exception(
      KernelEvent.Exception(thread: endpoint, signal: signal, address: address, instruction: 0x40_0000, vector: vector), &world)
  }

  @discardableResult
  mutating func ask<C: Call>(_ call: C, from source: Endpoint = .initProcess) -> Result<C.Reply, Errno> {
    var message = Message(call)
    message.source = source
    guard let answer = supervisor.handle(Delivery(message: message, flags: .request), &world) else { return .failure(.timedOut) }
    do throws(Errno) { return .success(try answer.reply()) } catch { return .failure(error) }
  }

  func status(_ name: StaticString) -> RS.Status.Reply? {
    for index in 0..<supervisor.count where supervisor.services[index].name == packName(name) { return supervisor.services[index].status }
    return nil
  }

  var recoveries: [String] { world.lines.filter { $0.contains(" restarted (") } }
}

extension Result where Failure == Errno {
  var error: Errno? { if case .failure(let error) = self { error } else { nil } }
  var isSuccess: Bool { error == nil }
}
