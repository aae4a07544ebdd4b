import BootImage
import IPC
import Protocols
import RSServer
import Testing

@Suite("RS starts the system")
struct StartTests {
  @Test("all services are built before one runs, and run in the order of the table")
  func order() {
    var system = SystemUnderTest()
    system.supervisor.boot(&system.world)
    let services = (0..<BootTable.count).map { BootTable.entry($0) }.filter { $0.kind == .service && $0.autostart }
    #expect(system.world.spawned.map(\.module) == services.map(\.module.description))
    #expect(system.world.spawned.allSatisfy { $0.life == VM.Life.first })
    #expect(system.world.started == services.map(\.endpoint.slot))
    #expect(services.allSatisfy { system.world.threads[$0.endpoint.slot]!.privileges })
  }

  @Test("VM and RS are watched but not started")
  func core() {
    let system = SystemUnderTest.booted()
    #expect(system.status("vm")?.state == RS.State.running)
    #expect(system.status("rs")?.state == RS.State.running)
    #expect(!system.world.started.contains(Endpoint.vm.slot))
  }

  @Test("a service is starting until it says that it is ready")
  func ready() {
    var system = SystemUnderTest()
    system.world.moods[Endpoint.tty.slot] = .looping
    system.boot()
    #expect(system.status("tty")?.state == RS.State.starting)
    #expect(system.status("disk")?.state == RS.State.running)
    system.supervisor.ready(.tty, &system.world)
    #expect(system.status("tty")?.state == RS.State.running)
  }

  @Test("the first process is handed to PM once, when PM is ready")
  func firstProcess() {
    let system = SystemUnderTest.booted()
    let adoptions = system.world.posts.filter { $0.to == .pm }
    #expect(adoptions.count == 1)
    #expect((adoptions.first?.message.body() as PM.Adopt?)?.process == .initProcess)
    #expect(system.world.threads[Endpoint.initProcess.slot]?.stopped == true)  // PM starts it
  }

  @Test("PM that refuses the first process ends the machine")
  func refused() {
    var system = SystemUnderTest.booted()
    var answer = Message(error: .noMemory)
    answer.source = .pm
    _ = system.supervisor.handle(Delivery(message: answer, flags: .asynchronous), &system.world)
    #expect(system.world.shutdowns == [RS.Shutdown.vitalDied])
  }

  @Test("VFS hears of every service but itself")
  func toldToVFS() {
    let system = SystemUnderTest.booted()
    let told = system.world.posts.filter { $0.to == .vfs }.map { ($0.message.body() as VFS.ServiceUp).service }
    #expect(told.contains(.disk) && told.contains(.tty) && told.contains(.rootfs) && !told.contains(.vfs))
  }

  @Test("a module that is missing costs one line, not the start")
  func missingModule() {
    var system = SystemUnderTest()
    system.world.failingSpawns = 1  // ds, the first
    system.boot()
    #expect(system.status("ds")?.state == RS.State.failed)
    #expect(system.status("vfs")?.state == RS.State.running)
    #expect(system.world.lines.contains { $0.contains("ds cannot start: error 12") })
  }

  @Test("a service that cannot get its privileges does not run")
  func noPrivileges() {
    var system = SystemUnderTest()
    system.world.failingPrivileges = true
    system.boot()
    #expect(system.world.started.isEmpty)
    #expect(system.world.threads.isEmpty || system.world.threads.keys.allSatisfy { $0 >= Endpoint.serviceSlots })
    #expect(system.status("disk")?.state == RS.State.failed)
  }

  @Test("a row without autostart waits for `up`")
  func autostart() {
    var system = SystemUnderTest { _, entry in if entry.endpoint == .memory { entry.autostart = false } }
    system.boot()
    #expect(system.status("memory")?.state == RS.State.down)
    #expect(system.world.threads[Endpoint.memory.slot] == nil)
    #expect(system.ask(RS.Up(name: packName("memory"))).isSuccess)
    system.settle()
    #expect(system.status("memory")?.state == RS.State.running)
  }

  @Test("M-L1 the supervisor is of fixed size, whatever the table says")
  func fixedSize() {
    var system = SystemUnderTest(rows: 500) { index, entry in
      entry = BootTable.entry(4)  // a driver
      entry.endpoint = Endpoint(slot: 2 + index % 60, generation: 0)
    }
    system.boot()
    #expect(system.supervisor.count == Supervisor<World>.capacity)
  }
}
