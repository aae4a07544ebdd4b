import BootImage
import IPC
import Protocols
import RSServer
import Testing

@Suite("RS gives services new lives")
struct RecoveryTests {
  @Test("a driver that dies lives again at once, under the same name", arguments: [
    (UInt32(11), UInt64(8), UInt64(14), "null"), (11, 0x1234_5678, 14, "fault"), (7, 0x1234_5678, 14, "fault"), (11, 0, 13, "fault"),
    (4, 0x40_0000, 6, "trap"), (8, 0, 0, "trap"), (0, 1, 0, "exit"),
  ])
  func restart(signal: UInt32, address: UInt64, vector: UInt64, cause: String) {
    var system = SystemUnderTest.booted()
    system.world.clock += 777
    system.crash(.disk, signal: signal, address: address, vector: vector)
    system.world.clock += 5_000
    system.settle()
    #expect(system.status("disk")?.state == RS.State.running)
    #expect(system.status("disk")?.service == .disk)
    #expect(system.status("disk")?.restarts == 1)
    #expect(system.status("disk")?.kills == 0)
    #expect(system.world.threads[Endpoint.disk.slot]?.lives == 2)
    #expect(system.recoveries == ["RS: disk restarted (\(cause)) recovery 5000 ns count 1 at \(system.world.clock)\n"])
    #expect(system.world.shutdowns.isEmpty)
  }

  @Test("M-F4 VFS hears of a new life when it is ready, with the count of restarts")
  func serviceUp() {
    var system = SystemUnderTest.booted()
    system.world.posts = []
    system.crash(.tty)
    #expect(system.world.posts.isEmpty)
    system.settle()
    let calls = system.world.posts.filter { $0.to == .vfs }.map { $0.message.body() as VFS.ServiceUp }
    #expect(calls.count == 1)
    #expect(calls.first?.service == .tty && calls.first?.restarts == 1)
  }

  @Test("the death of what is vital ends the machine with a status of its own", arguments: ["ds", "pm", "vfs", "rootfs", "proc"])
  func vital(name: String) {
    var system = SystemUnderTest.booted()
    for index in 0..<BootTable.count where BootTable.entry(index).name.description == name {
      system.crash(BootTable.entry(index).endpoint)
    }
    #expect(system.world.shutdowns == [RS.Shutdown.vitalDied])
    #expect(system.world.lines.contains { $0.hasPrefix("RS: \(name) died (fault)") })
    #expect(system.recoveries.isEmpty)
  }

  @Test("news of an earlier life does not end the present one")
  func stale() {
    var system = SystemUnderTest.booted()
    _ = system.ask(RS.Kill(name: packName("disk")))
    system.settle()
    system.supervisor.exception(
      KernelEvent.Exception(thread: .disk, signal: 11, address: 0, instruction: 0, vector: 14), &system.world)
    #expect(system.status("disk")?.restarts == 1)
    #expect(system.world.threads[Endpoint.disk.slot]?.lives == 2)
  }

  @Test("exceptions of strangers are nobody's business")
  func strangers() {
    var system = SystemUnderTest.booted()
    for endpoint in [Endpoint(slot: 40, generation: 0), Endpoint(slot: 8, generation: 3), .none, .any, .initProcess] {
      system.supervisor.exception(KernelEvent.Exception(thread: endpoint, signal: 11, address: 0, instruction: 0, vector: 14), &system.world)
    }
    #expect(system.recoveries.isEmpty && system.world.shutdowns.isEmpty)
  }

  @Test("a service that dies while it starts is tried again")
  func deathDuringRecovery() {
    var system = SystemUnderTest.booted()
    system.world.moods[Endpoint.disk.slot] = .looping
    system.crash(.disk)
    #expect(system.status("disk")?.state == RS.State.starting)
    system.world.moods[Endpoint.disk.slot] = .healthy
    system.world.clock += 300
    system.crash(.disk, signal: 4, vector: 6)
    system.world.clock += 700
    system.settle()
    #expect(system.status("disk")?.state == RS.State.running)
    #expect(system.status("disk")?.restarts == 2)
    #expect(system.recoveries.count == 1)  // one recovery, of the second death
    #expect(system.status("disk")?.lastRecovery == 700)
  }

  @Test("two services that die together both come back")
  func doubleDeath() {
    var system = SystemUnderTest.booted()
    system.crash(.disk)
    system.crash(.tty)
    system.settle()
    #expect(system.recoveries.count == 2)
    #expect(system.status("disk")?.state == RS.State.running && system.status("tty")?.state == RS.State.running)
  }

  @Test("the first restarts come at once, later ones with growing delays, then never: M-F2, SEC38")
  func backoff() {
    var system = SystemUnderTest.booted()
    system.world.moods[Endpoint.disk.slot] = .looping  // lives but never answers
    var delays: [UInt64] = []
    while system.status("disk")?.state != RS.State.failed, delays.count < 100 {
      let start = system.world.clock
      system.crash(.disk)
      while system.status("disk")?.state == RS.State.backingOff {
        system.world.clock = max(system.world.clock, system.world.alarmAt)
        system.supervisor.alarm(&system.world)
        system.settle()
      }
      delays.append(system.world.clock - start)
    }
    #expect(delays.count == 11)
    #expect(delays.prefix(3).allSatisfy { $0 == 0 })
    #expect(delays[3] >= 10_000_000 && delays[9] >= 640_000_000)
    #expect(zip(delays[3..<9], delays[4..<10]).allSatisfy { $0 < $1 })
    #expect(system.world.released == [.disk])
    #expect(system.world.threads[Endpoint.disk.slot] == nil)  // callers get .deadEndpoint
    #expect((system.world.posts.last?.message.body() as VFS.ServiceUp?)?.service == .disk)
    #expect(system.world.lines.last == "RS: disk given up (fault) after 11 deaths in a row\n")
  }

  @Test("an answered heartbeat clears the record")
  func forgiven() {
    var system = SystemUnderTest.booted()
    for _ in 0..<200 {
      system.crash(.disk)
      system.settle()
      system.pass(150_000_000)
    }
    #expect(system.status("disk")?.state == RS.State.running)
    #expect(system.status("disk")?.restarts == 200)
  }

  @Test("M-L4 no memory for a new life: tried again later, and it works when there is some")
  func noMemory() {
    var system = SystemUnderTest.booted()
    system.world.failingSpawns = 3
    system.crash(.disk)
    #expect(system.status("disk")?.state == RS.State.backingOff)
    system.pass(500_000_000)
    #expect(system.status("disk")?.state == RS.State.running)
    #expect(system.status("disk")?.restarts == 1)
  }

  @Test("never any memory: given up, without recursion or end of the system")
  func neverMemory() {
    var system = SystemUnderTest.booted()
    system.world.failingSpawns = .max
    system.crash(.disk)
    system.pass(20_000_000_000)
    #expect(system.status("disk")?.state == RS.State.failed)
    #expect(system.status("tty")?.state == RS.State.running)
    #expect(system.world.shutdowns.isEmpty)
  }

  @Test("a storm of 1,000 kills: each is answered by a restart")
  func storm() {
    var system = SystemUnderTest.booted()
    var random = SystemRandomNumberGenerator()
    for _ in 0..<1_000 {
      #expect(system.ask(RS.Kill(name: packName("disk"))).isSuccess)
      if Bool.random(using: &random) { system.settle() }
      system.pass(UInt64.random(in: 0...60_000_000, using: &random))
    }
    system.settle()
    #expect(system.status("disk")?.state == RS.State.running)
    #expect(system.status("disk")?.restarts == 1_000)
    #expect(system.status("disk")?.kills == 1_000)
    #expect(system.world.shutdowns.isEmpty)
  }

  /// The lives that the service in slot `disk` began, as VM was told.
  private func lives(_ system: SystemUnderTest) -> [UInt32] {
    system.world.spawned.filter { $0.module == "disk" }.map(\.life)
  }

  @Test("what a service does to itself makes its requests suspect", arguments: [
    (UInt32(11), UInt64(8), UInt64(14)), (11, 0x1234_5678, 14), (4, 0x40_0000, 6), (0, 1, 0),
  ])
  func ownFault(signal: UInt32, address: UInt64, vector: UInt64) {
    var system = SystemUnderTest.booted()
    system.crash(.disk, signal: signal, address: address, vector: vector)
    #expect(lives(system) == [VM.Life.first, VM.Life.afterFault])
  }

  @Test("a hang makes its requests suspect, and it is found by the heartbeat")
  func hangIsFault() {
    var system = SystemUnderTest.booted()
    system.world.threads[Endpoint.disk.slot]!.mood = .looping
    system.pass(3_000_000_000)
    #expect(lives(system) == [VM.Life.first, VM.Life.afterFault])
    #expect(system.recoveries.first?.contains("(hang)") == true)
  }

  @Test("an ordered end and a complaint make no request suspect")
  func orderedEnd() {
    var system = SystemUnderTest.booted()
    _ = system.ask(RS.Kill(name: packName("disk")))
    system.settle()
    _ = system.ask(RS.Restart(name: packName("disk")))
    system.settle()
    #expect(system.ask(RS.Complain(about: .disk), from: .rootfs).isSuccess)
    #expect(lives(system) == [VM.Life.first, VM.Life.next, VM.Life.next, VM.Life.next])
  }

  @Test("harm that was injected excuses as many faults, kills between them or not")
  func injectedFault() {
    var system = SystemUnderTest.booted()
    for harm in [Service.Harm.nullDereference, Service.Harm.trap, Service.Harm.garbageReply] {
      #expect(system.ask(RS.Inject(name: packName("disk"), harm: harm)).isSuccess)
    }
    system.crash(.disk)
    system.settle()
    _ = system.ask(RS.Kill(name: packName("disk")))
    system.settle()
    system.crash(.disk, signal: 4, vector: 6)
    system.settle()
    system.crash(.disk)
    #expect(lives(system) == [VM.Life.first, VM.Life.next, VM.Life.next, VM.Life.next, VM.Life.afterFault])
  }

  @Test("harm that was injected into a service that was taken down excuses nothing later")
  func injectedThenDown() {
    var system = SystemUnderTest.booted()
    _ = system.ask(RS.Inject(name: packName("disk"), harm: Service.Harm.trap))
    _ = system.ask(RS.Down(name: packName("disk")))
    _ = system.ask(RS.Up(name: packName("disk")))
    system.settle()
    system.crash(.disk)
    #expect(lives(system) == [VM.Life.first, VM.Life.first, VM.Life.afterFault])
  }

  @Test("a life that comes late after a fault makes the requests suspect all the same")
  func faultThenNoMemory() {
    var system = SystemUnderTest.booted()
    system.world.failingSpawns = 2
    system.crash(.disk)
    system.pass(500_000_000)
    #expect(lives(system).last == VM.Life.afterFault)
  }

  @Test("recovery is measured from death to ready")
  func recoveryTime() {
    var system = SystemUnderTest.booted()
    _ = system.ask(RS.Kill(name: packName("tty")))
    system.world.clock += 123_456
    system.settle()
    #expect(system.status("tty")?.lastRecovery == 123_456)
    #expect(system.recoveries == ["RS: tty restarted (kill) recovery 123456 ns count 1 at \(system.world.clock)\n"])
  }

  @Test("SEC38 a driver that always crashes takes little: 11 lives in 10 s, the others never stop")
  func crashLoop() {
    var system = SystemUnderTest.booted()
    system.world.moods[Endpoint.disk.slot] = .looping
    let end = system.world.clock + 10_000_000_000
    while system.world.clock < end {
      if system.status("disk")?.state == RS.State.starting { system.crash(.disk) }
      system.pass(1_000_000)
    }
    #expect(system.world.spawned.filter { $0.life != VM.Life.first }.count <= 11)
    #expect(system.status("tty")?.restarts == 0)
  }
}
