import IPC
import PMServer
import Protocols
import Testing

@Suite("sleeps, alarms, groups, information")
struct OtherTests {
  @Test("a sleep ends in its time, not before")
  func sleep() {
    var system = SystemUnderTest()
    let child = system.fork()
    #expect(system.ask(PM.Sleep(nanoseconds: 1_000), from: child) == nil)
    system.pass(999)
    #expect(system.world.answers[child] == nil)
    system.pass(1)
    #expect(system.answer(child, Done.self)?.error == nil)
    #expect(system.world.alarmAt == 0 || system.world.alarmAt > system.world.clock)
  }

  @Test("many sleepers wake in the order of their times, with one alarm")
  func sleepers() {
    var system = SystemUnderTest()
    var random = SystemRandomNumberGenerator()
    var sleepers: [(process: Endpoint, deadline: UInt64)] = []
    for _ in 0..<200 {
      let child = system.fork()
      let time = UInt64.random(in: 1...1_000_000, using: &random)
      #expect(system.ask(PM.Sleep(nanoseconds: time), from: child) == nil)
      sleepers.append((child, system.world.clock + time))
    }
    sleepers.sort { $0.deadline < $1.deadline }
    #expect(system.world.alarmAt == sleepers[0].deadline)
    for sleeper in sleepers {
      if system.world.clock < sleeper.deadline { system.pass(sleeper.deadline - system.world.clock) }
      #expect(system.answer(sleeper.process, Done.self)?.error == nil)
    }
    #expect(system.world.answers.filter { $0.key != .rs }.isEmpty)
  }

  @Test("the longest sleep is long")
  func longSleep() {
    var system = SystemUnderTest()
    let child = system.fork()
    #expect(system.ask(PM.Sleep(nanoseconds: .max), from: child) == nil)
    system.pass(1 << 62)
    #expect(system.world.answers[child] == nil)
    #expect(system.kill(2, 9) == nil)
  }

  @Test("a sleeper that is killed leaves no timer")
  func killedSleeper() {
    var system = SystemUnderTest()
    let child = system.fork()
    _ = system.ask(PM.Alarm(nanoseconds: 1_000), from: child)
    _ = system.ask(PM.Sleep(nanoseconds: 1_000), from: child)
    #expect(system.kill(2, 9) == nil)
    #expect(system.world.alarmAt == 0)
  }

  @Test("an alarm is a signal; a new one replaces it and tells what was left; 0 cancels")
  func alarm() {
    var system = SystemUnderTest()
    let child = system.fork()
    #expect(system.ask(PM.Alarm(nanoseconds: 1_000), from: child)?.value?.left == 0)
    system.pass(400)
    #expect(system.ask(PM.Alarm(nanoseconds: 5_000), from: child)?.value?.left == 600)
    system.pass(700)
    #expect(system.isAlive(child))
    #expect(system.ask(PM.Alarm(nanoseconds: 0), from: child)?.value?.left == 4_300)
    system.pass(10_000)
    #expect(system.isAlive(child))
    #expect(system.ask(PM.Alarm(nanoseconds: .max), from: child)?.value?.left == 0)
    _ = system.ask(PM.Alarm(nanoseconds: 10), from: child)
    system.pass(10)
    #expect(system.wait(.initProcess)?.value?.status == 14)
  }

  @Test("an alarm wakes a pause: sleep(3) of old")
  func alarmPause() {
    var system = SystemUnderTest()
    let child = system.fork()
    system.handle(child, 14)
    _ = system.ask(PM.Alarm(nanoseconds: 100), from: child)
    #expect(system.ask(PM.Pause(), from: child) == nil)
    system.pass(100)
    #expect(system.answer(child, Done.self)?.error == .interrupted)
    #expect(system.handled(child) == [14])
  }

  @Test("an alarm is not inherited and does not survive its process")
  func alarmOwner() {
    var system = SystemUnderTest()
    let parent = system.fork()
    _ = system.ask(PM.Alarm(nanoseconds: 100), from: parent)
    let child = system.fork(parent)
    system.exit(parent)
    system.pass(1_000)
    #expect(system.isAlive(child))
  }

  // MARK: Groups

  @Test("setpgid moves oneself and a child that has not run exec, within the session")
  func setGroup() {
    var system = SystemUnderTest()
    let shell = system.fork()
    let child = system.fork(shell)
    let id = system.id(child)
    #expect(system.ask(PM.SetProcessGroup(id: id, group: id), from: shell)?.error == nil)
    #expect(system.identity(child)?.group == id)
    #expect(system.ask(PM.SetProcessGroup(id: 0, group: 1), from: child)?.error == nil)
    #expect(system.identity(child)?.group == 1)
    #expect(system.ask(PM.SetProcessGroup(id: 0, group: 4711), from: child)?.error == .notPermitted)
    #expect(system.ask(PM.SetProcessGroup(id: -1, group: 0), from: child)?.error == .invalidArgument)
    #expect(system.ask(PM.SetProcessGroup(id: 0, group: -1), from: child)?.error == .invalidArgument)
    #expect(system.ask(PM.SetProcessGroup(id: 4711, group: 0), from: child)?.error == .noSuchProcess)
    #expect(system.ask(PM.SetProcessGroup(id: 2, group: 0), from: child)?.error == .noSuchProcess)  // its parent
    _ = system.ask(PM.Exec(path: 0x1000, pathLength: 12, arguments: 0, argumentsLength: 8), from: child)
    system.loaded()
    #expect(system.ask(PM.SetProcessGroup(id: id, group: id), from: shell)?.error == .accessDenied)
    #expect(system.ask(PM.SetProcessGroup(id: 0, group: 0), from: .initProcess)?.error == .notPermitted)  // leads its session
  }

  @Test("setsid makes a session, but not of a group's leader")
  func setSession() {
    var system = SystemUnderTest()
    let shell = system.fork()
    let id = system.id(shell)
    #expect(system.ask(PM.SetSession(), from: shell)?.value?.id == Int64(id))
    let me = system.identity(shell)
    #expect(me?.group == id && me?.session == id)
    #expect(system.ask(PM.SetSession(), from: shell)?.error == .notPermitted)
    let child = system.fork(shell)
    #expect(system.ask(PM.SetProcessGroup(id: 0, group: 1), from: child)?.error == .notPermitted)  // another session
  }

  // MARK: Information

  @Test("ps walks all processes and ends")
  func walk() {
    var system = SystemUnderTest()
    for _ in 0..<20 { _ = system.fork() }
    for id in [5, 9, 13] as [Int32] {
      _ = system.kill(id, 9)
      _ = system.wait(.initProcess, id)
    }
    var ids: [Int32] = []
    var index: UInt64 = 0
    while let reply = system.ask(PM.ProcessInformation(index: index), from: .initProcess)?.value {
      ids.append(reply.id)
      #expect(reply.index >= index)
      index = UInt64(reply.index) + 1
    }
    #expect(ids == Array(1...21).filter { ![5, 9, 13].contains($0) }.map(Int32.init))
    #expect(system.ask(PM.ProcessInformation(index: .max), from: .proc)?.error == .noSuchProcess)
  }

  @Test("endpoints are found by id", arguments: [Int64(0), -1, 3, 1 << 40, .max, .min])
  func endpointOf(id: Int64) {
    var system = SystemUnderTest()
    let child = system.fork()
    #expect(system.ask(PM.EndpointOf(id: 2), from: .proc)?.value?.thread == child)
    #expect(system.ask(PM.EndpointOf(id: id), from: .proc)?.error == .noSuchProcess)
  }

  // MARK: Strangers

  @Test("who is no process gets no process's service")
  func strangers() {
    var system = SystemUnderTest()
    for source in [Endpoint.disk, .vfs, Endpoint(slot: 99, generation: 5), Endpoint(slot: 64, generation: 1)] {
      #expect(system.ask(PM.Fork(), from: source)?.error == .noSuchProcess)
      #expect(system.ask(PM.Kill(id: 1, signal: 9), from: source)?.error == .noSuchProcess)
      #expect(system.ask(PM.Exit(status: 0), from: source)?.error == .noSuchProcess)
    }
    #expect(system.isAlive(.initProcess))
  }

  @Test("M-J1 unknown numbers are an error to the caller", arguments: [Int32(-1), 0, 0x1FF, 0x215, 0x300, .max, .min])
  func numbers(type: Int32) {
    var system = SystemUnderTest()
    var message = Message(type: type)
    message.source = .initProcess
    let answer = system.pm.handle(Delivery(message: message, flags: .request), &system.kernel)
    #expect(answer?.type == -Errno.noSuchCall.rawValue)
  }

  @Test("random calls from 50 processes: nothing traps, init lives, all slots come back", arguments: 0..<8)
  func noise(seed: Int) {
    var random = SeededGenerator(seed: UInt64(seed))
    var system = SystemUnderTest()
    for _ in 0..<4_000 {
      let alive = system.world.threads.values.map(\.endpoint).sorted { $0.raw < $1.raw }
      let source = alive.randomElement(using: &random)!
      var message = Message(type: .random(in: 0x200...0x215, using: &random))
      if source == .initProcess, message.type == PM.Exit.number || message.type == PM.SignalReturn.number { continue }
      if message.type == PM.Fork.number, alive.count > 50 { continue }
      message.payload.0 = randomWord(&random)
      message.payload.1 = randomWord(&random)
      message.payload.2 = randomWord(&random)
      message.payload.3 = randomWord(&random)
      message.source = source
      system.world.threads[source.slot]!.peer = .pm
      system.world.queueIsFull = UInt8.random(in: 0..<10, using: &random) == 0
      if let answer = system.pm.handle(Delivery(message: message, flags: .request), &system.kernel) { system.world.answers[source] = answer }
      if UInt8.random(in: 0..<5, using: &random) == 0 { system.loaded(Bool.random(using: &random) ? nil : .noMemory) }
      if UInt8.random(in: 0..<5, using: &random) == 0 { system.pass(.random(in: 0...100_000, using: &random)) }
      if UInt8.random(in: 0..<20, using: &random) == 0 {
        system.tell(KernelEvent.Exception(thread: source, signal: .random(in: 0...70, using: &random), address: 0, instruction: 0, vector: 14), from: .vm)
        if !system.isAlive(.initProcess) { return }
      }
    }
    system.world.queueIsFull = false
    system.handle(.initProcess, 17, handler: 0)
    _ = system.kill(-1, 9)
    while let id = system.wait(.initProcess, -1, 1)?.value?.id, id > 0 {}
    #expect(system.ask(PM.ProcessInformation(index: 1), from: .proc)?.error == .noSuchProcess)
    #expect(system.sent(VFS.ProcessForked.self).count == system.sent(VFS.ProcessExited.self).count + 1)
    #expect(system.world.grants.isEmpty)
  }

  func randomWord(_ random: inout SeededGenerator) -> UInt64 {
    switch UInt8.random(in: 0..<4, using: &random) {
    case 0: .random(in: 0 ... .max, using: &random)
    case 1: .random(in: 0...70, using: &random) | UInt64.random(in: 0...70, using: &random) << 32
    case 2: UInt64(bitPattern: .random(in: -70...70, using: &random))
    default: .random(in: 0...5000, using: &random)
    }
  }
}

/// xorshift64*: the same numbers for the same seed.
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64
  init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }
  mutating func next() -> UInt64 {
    state ^= state >> 12
    state ^= state << 25
    state ^= state >> 27
    return state &* 0x2545_F491_4F6C_DD1D
  }
}
