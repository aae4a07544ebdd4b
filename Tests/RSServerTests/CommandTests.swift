import BootImage
import IPC
import Protocols
import RSServer
import Testing

@Suite("RS takes orders")
struct CommandTests {
  static let drivers: [StaticString] = ["memory", "disk", "tty"]

  @Test("status walks the table and ends")
  func status() {
    var system = SystemUnderTest.booted()
    var names = 0
    while case .success(let reply) = system.ask(RS.Status(index: UInt64(names))) {
      #expect(reply.state == (BootTable.entry(names).autostart ? RS.State.running : RS.State.down))
      names += 1
    }
    #expect(names == system.supervisor.count)
    #expect(system.ask(RS.Status(index: .max)).error == .noSuchFile)
    #expect(system.ask(RS.Status(index: 0), from: .proc).isSuccess)  // services may look
  }

  @Test("every driver goes down and comes up, ten times")
  func upAndDown() {
    var system = SystemUnderTest.booted()
    for name in Self.drivers {
      for _ in 0..<10 {
        #expect(system.ask(RS.Down(name: packName(name))).isSuccess)
        #expect(system.status(name)?.state == RS.State.down)
        #expect(system.ask(RS.Kill(name: packName(name))).error == .noSuchProcess)
        #expect(system.ask(RS.Up(name: packName(name))).isSuccess)
        system.settle()
        #expect(system.status(name)?.state == RS.State.running)
      }
      #expect(system.status(name)?.restarts == 0)
    }
    #expect(system.recoveries.isEmpty)
  }

  @Test("down is told to VFS, so that those who wait get an error")
  func downIsTold() {
    var system = SystemUnderTest.booted()
    system.world.posts = []
    _ = system.ask(RS.Down(name: packName("tty")))
    #expect((system.world.posts.first?.message.body() as VFS.ServiceUp?)?.service == .tty)
    #expect(system.world.released == [.tty])
  }

  @Test("down twice is down, up twice is a mistake")
  func twice() {
    var system = SystemUnderTest.booted()
    #expect(system.ask(RS.Down(name: packName("tty"))).isSuccess)
    #expect(system.ask(RS.Down(name: packName("tty"))).isSuccess)
    #expect(system.ask(RS.Up(name: packName("tty"))).isSuccess)
    #expect(system.ask(RS.Up(name: packName("tty"))).error == .alreadyInProgress)
  }

  @Test("restart and kill bring a new life at once, however often")
  func restart() {
    var system = SystemUnderTest.booted()
    for _ in 0..<50 { #expect(system.ask(RS.Restart(name: packName("tty"))).isSuccess) }
    system.settle()
    #expect(system.status("tty")?.restarts == 50)
    #expect(system.recoveries.last?.contains("(restart)") == true)
  }

  @Test("what is vital cannot be killed, taken down or restarted", arguments: ["vm", "rs", "pm", "vfs", "ds", "rootfs", "extfs", "proc"])
  func vital(name: String) {
    var system = SystemUnderTest.booted()
    let name = pack(name)
    #expect(system.ask(RS.Kill(name: name)).error == .notPermitted)
    #expect(system.ask(RS.Down(name: name)).error == .notPermitted)
    #expect(system.ask(RS.Restart(name: name)).error == .notPermitted)
    #expect(system.world.shutdowns.isEmpty)
  }

  @Test("names that are not in the table", arguments: ["", "nobody", "tty ", "ttyy", "init", "abcdefghijklmnop"])
  func unknown(name: String) {
    var system = SystemUnderTest.booted()
    let name = pack(name)
    #expect(system.ask(RS.Kill(name: name)).error == .noSuchFile)
    #expect(system.ask(RS.Up(name: name)).error == .noSuchFile)
    #expect(system.ask(RS.Down(name: name)).error == .noSuchFile)
    #expect(system.ask(RS.Restart(name: name)).error == .noSuchFile)
    #expect(system.ask(RS.Inject(name: name, harm: 1)).error == .noSuchFile)
    #expect(system.ask(RS.Kill(name: (~0, ~0))).error == .noSuchFile)
  }

  @Test("SEC39 services give no orders")
  func services() {
    var system = SystemUnderTest.booted()
    for source in [Endpoint.disk, .tty, .vfs, .rootfs, .pm] {
      #expect(system.ask(RS.Kill(name: packName("tty")), from: source).error == .notPermitted)
      #expect(system.ask(RS.Down(name: packName("tty")), from: source).error == .notPermitted)
      #expect(system.ask(RS.Up(name: packName("tty")), from: source).error == .notPermitted)
      #expect(system.ask(RS.Inject(name: packName("tty"), harm: 1), from: source).error == .notPermitted)
    }
    #expect(system.ask(RS.Shutdown(status: 0), from: .disk).error == .notPermitted)
    #expect(system.world.shutdowns.isEmpty && system.recoveries.isEmpty)
  }

  @Test("harm is passed on to the living, within its range")
  func inject() {
    var system = SystemUnderTest.booted()
    system.world.posts = []
    for harm in UInt64(1)...5 { #expect(system.ask(RS.Inject(name: packName("disk"), harm: harm)).isSuccess) }
    #expect(system.world.posts.map { ($0.message.body() as Service.Inject).harm } == [1, 2, 3, 4, 5])
    #expect(system.world.posts.allSatisfy { $0.to == .disk && $0.message.type == Service.Inject.number })
    for harm: UInt64 in [0, 6, .max] { #expect(system.ask(RS.Inject(name: packName("disk"), harm: harm)).error == .invalidArgument) }
    _ = system.ask(RS.Down(name: packName("disk")))
    #expect(system.ask(RS.Inject(name: packName("disk"), harm: 1)).error == .noSuchProcess)
    #expect(system.ask(RS.Inject(name: packName("vm"), harm: 1)).error == .notPermitted)
  }

  @Test("a complaint about a driver that one may use restarts it, once")
  func complaint() {
    var system = SystemUnderTest.booted()
    #expect(system.ask(RS.Complain(about: .disk), from: .rootfs).isSuccess)
    system.settle()
    #expect(system.recoveries.count == 1)
    #expect(system.recoveries.first?.contains("disk restarted (garbage)") == true)
  }

  @Test("a complaint from those who have no business with it is refused")
  func badComplaints() {
    var system = SystemUnderTest.booted()
    #expect(system.ask(RS.Complain(about: .disk), from: .initProcess).error == .notPermitted)
    #expect(system.ask(RS.Complain(about: .disk), from: .tty).error == .notPermitted)
    #expect(system.ask(RS.Complain(about: .disk), from: .disk).error == .notPermitted)
    #expect(system.ask(RS.Complain(about: .vfs), from: .rootfs).error == .notPermitted)
    #expect(system.ask(RS.Complain(about: Endpoint(slot: 60, generation: 0)), from: .rootfs).error == .notPermitted)
    #expect(system.ask(RS.Complain(about: .none), from: .rootfs).error == .notPermitted)
    #expect(system.recoveries.isEmpty)
  }

  @Test("a complaint about the dead is answered and changes nothing")
  func complaintAboutDead() {
    var system = SystemUnderTest.booted()
    _ = system.ask(RS.Down(name: packName("disk")))
    #expect(system.ask(RS.Complain(about: .disk), from: .rootfs).isSuccess)
    #expect(system.status("disk")?.state == RS.State.down)
  }

  @Test("up ends the waiting of one that backs off, and forgives one that was given up")
  func upAfterFailure() {
    var system = SystemUnderTest.booted()
    system.world.moods[Endpoint.disk.slot] = .looping
    for _ in 0..<4 { system.crash(.disk) }
    #expect(system.status("disk")?.state == RS.State.backingOff)
    #expect(system.ask(RS.Up(name: packName("disk"))).isSuccess)
    #expect(system.status("disk")?.state == RS.State.starting)
    for _ in 0..<20 {
      system.crash(.disk)
      while system.status("disk")?.state == RS.State.backingOff {
        system.world.clock = max(system.world.clock, system.world.alarmAt)
        system.supervisor.alarm(&system.world)
        system.world.pings = []
      }
    }
    #expect(system.status("disk")?.state == RS.State.failed)
    system.world.moods[Endpoint.disk.slot] = .healthy
    #expect(system.ask(RS.Up(name: packName("disk"))).isSuccess)
    system.settle()
    #expect(system.status("disk")?.state == RS.State.running)
  }

  @Test("shutdown is for processes and PM")
  func shutdown() {
    var system = SystemUnderTest.booted()
    #expect(system.ask(RS.Shutdown(status: 3)).isSuccess)
    #expect(system.ask(RS.Shutdown(status: 4), from: .pm).isSuccess)
    #expect(system.world.shutdowns == [3, 4])
  }

  @Test("M-J1 unknown numbers are an error to the caller")
  func numbers() {
    var system = SystemUnderTest.booted()
    for type: Int32 in [-1, 0, 0x6FF, 0x709, 0x780, .max, .min] {
      var message = Message(type: type)
      message.source = .initProcess
      let answer = system.supervisor.handle(Delivery(message: message, flags: .request), &system.world)
      #expect(answer?.type == -Errno.noSuchCall.rawValue)
    }
    #expect(system.ask(RS.Ready()).error == .noSuchCall)
  }

  @Test("M-N5 an exception that neither the kernel nor VM has sent is not believed")
  func forged() {
    var system = SystemUnderTest.booted()
    for (source, flags) in [(Endpoint.initProcess, Delivery.Flags.request), (.tty, .asynchronous), (.vfs, .request), (.vm, .request)] {
      var message = Message(KernelEvent.Exception(thread: .disk, signal: 11, address: 0, instruction: 0, vector: 14))
      message.source = source
      system.world.threads[Endpoint.disk.slot]!.stopped = true
      _ = system.supervisor.handle(Delivery(message: message, flags: flags), &system.world)
    }
    #expect(system.status("disk")?.restarts == 0)
    var message = Message(KernelEvent.Exception(thread: .disk, signal: 11, address: 0, instruction: 0, vector: 14))
    message.source = .vm
    _ = system.supervisor.handle(Delivery(message: message, flags: .asynchronous), &system.world)
    #expect(system.status("disk")?.restarts == 1)
  }

  @Test("SEC39 100,000 random messages: nothing traps, nobody vital dies")
  func noise() {
    var system = SystemUnderTest.booted()
    var random = SystemRandomNumberGenerator()
    for _ in 0..<100_000 {
      var message = Message(type: Int32.random(in: 0x6F0...0x790, using: &random))
      message.payload.0 = .random(in: 0...200, using: &random)
      message.payload.1 = .random(in: 0...8, using: &random)
      message.source = Endpoint(slot: .random(in: 0..<100, using: &random), generation: 0)
      if message.type == RS.Shutdown.number { continue }
      let flags = [Delivery.Flags.request, .asynchronous, Delivery.Flags(raw: 0)].randomElement(using: &random)!
      _ = system.supervisor.handle(Delivery(message: message, flags: flags), &system.world)
    }
    system.pass(30_000_000_000)
    #expect(system.world.shutdowns.isEmpty)
  }
}

/// Names in tests are Strings.
func pack(_ text: String) -> RS.Name {
  var words: (UInt64, UInt64) = (0, 0)
  withUnsafeMutableBytes(of: &words) { for (index, byte) in text.utf8.prefix(16).enumerated() { $0[index] = byte } }
  return words
}
