import BootImage
import IPC
import Protocols
import RSServer
import Testing

@Suite("RS tells hung from busy")
struct HeartbeatTests {
  @Test("everybody is asked once a period, RS itself never")
  func pings() {
    var system = SystemUnderTest.booted()
    system.world.clock = system.world.alarmAt
    system.supervisor.alarm(&system.world)
    #expect(!system.world.pings.contains(.rs))
    #expect(Set(system.world.pings.map(\.slot)).count == system.world.pings.count)
    #expect(system.world.pings.contains(.vm) && system.world.pings.contains(.vfs) && system.world.pings.contains(.disk))
  }

  @Test("who answers lives for ever")
  func healthy() {
    var system = SystemUnderTest.booted()
    system.pass(60_000_000_000)
    #expect(system.recoveries.isEmpty && system.world.shutdowns.isEmpty)
  }

  @Test("an endless loop is a hang, found within three periods")
  func hang() {
    var system = SystemUnderTest.booted()
    system.pass(1_000_000_000)
    system.world.threads[Endpoint.disk.slot]!.mood = .looping
    system.pass(400_000_000)
    #expect(system.recoveries.count == 1)
    #expect(system.recoveries.first?.hasPrefix("RS: disk restarted (hang)") == true)
    #expect(system.status("disk")?.state == RS.State.running)
  }

  @Test("who waits for another service is judged by that one")
  func waiting() {
    var system = SystemUnderTest.booted()
    system.pass(1_000_000_000)
    system.world.threads[Endpoint.memory.slot]!.mood = .waiting(.disk)
    system.pass(60_000_000_000)
    #expect(system.recoveries.isEmpty)
  }

  @Test("who works through a long request and talks meanwhile is not hung")
  func busy() {
    var system = SystemUnderTest.booted()
    system.world.threads[Endpoint.disk.slot]!.mood = .busy
    system.pass(60_000_000_000)
    #expect(system.recoveries.isEmpty)
  }

  @Test("who gets no processor time cannot answer and is not to blame")
  func starved() {
    var system = SystemUnderTest.booted()
    system.world.threads[Endpoint.disk.slot]!.mood = .starved
    system.pass(60_000_000_000)
    #expect(system.recoveries.isEmpty)
  }

  @Test("who sleeps in a receive is left alone for seconds, not for ever")
  func asleep() {
    var system = SystemUnderTest.booted()
    system.world.threads[Endpoint.disk.slot]!.mood = .asleep
    system.pass(3_000_000_000)
    #expect(system.recoveries.isEmpty)
    system.pass(10_000_000_000)
    #expect(system.recoveries.count == 1)
  }

  @Test("a service may take long to start, but not for ever")
  func slowStart() {
    var system = SystemUnderTest.booted()
    system.world.moods[Endpoint.disk.slot] = .looping
    system.crash(.disk)
    system.pass(1_500_000_000)
    #expect(system.status("disk")?.restarts == 1)
    system.pass(1_000_000_000)
    #expect(system.status("disk")?.restarts == 2)
  }

  @Test("a stopped thread whose exception got lost is found")
  func lostException() {
    var system = SystemUnderTest.booted()
    system.pass(500_000_000)
    system.world.threads[Endpoint.tty.slot]!.stopped = true
    system.pass(1_000_000_000)
    #expect(system.recoveries.count == 1)
  }

  @Test("a vital service gets more patience, then the machine ends")
  func vital() {
    var system = SystemUnderTest.booted()
    system.world.threads[Endpoint.vfs.slot]!.mood = .looping
    system.pass(1_500_000_000)
    #expect(system.world.shutdowns.isEmpty)
    system.pass(1_500_000_000)
    #expect(system.world.shutdowns.first == RS.Shutdown.vitalDied)
  }

  @Test("heartbeats of strangers and of the dead change nothing")
  func strangers() {
    var system = SystemUnderTest.booted()
    system.supervisor.heartbeat(from: Endpoint(slot: 50, generation: 0))
    system.supervisor.heartbeat(from: .initProcess)
    _ = system.ask(RS.Down(name: packName("tty")))
    system.supervisor.heartbeat(from: .tty)
    #expect(system.status("tty")?.state == RS.State.down)
  }

  @Test("an idle system has one alarm a period")
  func idle() {
    var system = SystemUnderTest.booted()
    var alarms = 0
    let end = system.world.clock + 10_000_000_000
    while system.world.alarmAt <= end {
      system.world.clock = system.world.alarmAt
      system.supervisor.alarm(&system.world)
      system.settle()
      alarms += 1
    }
    #expect(alarms == 100)
  }
}
