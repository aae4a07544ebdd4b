import IPC
import PMServer
import Protocols
import Testing

@Suite("wait")
struct WaitTests {
  @Test("a child that has ended is told at once")
  func zombie() {
    var system = SystemUnderTest()
    let child = system.fork()
    system.exit(child, 9)
    let reply = system.wait(.initProcess)?.value
    #expect(reply?.id == 2 && reply?.status == 9 << 8)
    #expect(system.wait(.initProcess)?.error == .noChildProcess)
  }

  @Test("a parent waits for the end of its child")
  func waits() {
    var system = SystemUnderTest()
    let child = system.fork()
    #expect(system.wait(.initProcess) == nil)
    system.exit(child, 1)
    #expect(system.answer(.initProcess, PM.WaitPID.Reply.self)?.value?.status == 1 << 8)
  }

  @Test("each child is told once")
  func once() {
    var system = SystemUnderTest()
    let children = (0..<10).map { _ in system.fork() }
    for child in children { system.exit(child) }
    var told: Set<Int32> = []
    while let id = system.wait(.initProcess)?.value?.id { #expect(told.insert(id).inserted) }
    #expect(told == Set(2...11))
  }

  @Test("WNOHANG does not wait")
  func noHang() {
    var system = SystemUnderTest()
    #expect(system.wait(.initProcess, -1, 1)?.error == .noChildProcess)
    let child = system.fork()
    #expect(system.wait(.initProcess, -1, 1)?.value?.id == 0)
    system.exit(child)
    #expect(system.wait(.initProcess, -1, 1)?.value?.id == 2)
  }

  @Test("one child by id; the others wait")
  func byID() {
    var system = SystemUnderTest()
    let first = system.fork()
    let second = system.fork()
    #expect(system.wait(.initProcess, 3) == nil)
    system.exit(first)
    #expect(system.world.answers[.initProcess] == nil)
    system.exit(second)
    #expect(system.answer(.initProcess, PM.WaitPID.Reply.self)?.value?.id == 3)
    #expect(system.wait(.initProcess, 2)?.value?.id == 2)
  }

  @Test("by group: 0 is one's own, negative another")
  func byGroup() {
    var system = SystemUnderTest()
    let shell = system.fork()
    let own = system.fork(shell)
    let other = system.fork(shell)
    #expect(system.ask(PM.SetProcessGroup(id: 0, group: 0), from: other)?.error == nil)
    let ownID = system.id(own)
    let otherID = system.id(other)
    system.exit(other)
    system.exit(own)
    #expect(system.wait(shell, 0, 1)?.value?.id == ownID)
    #expect(system.wait(shell, 0, 1)?.error == .noChildProcess)
    #expect(system.wait(shell, -otherID, 1)?.value?.id == otherID)
  }

  @Test("strangers, grandchildren and oneself are no children", arguments: [Int32(1), 3, 4, 999, .max, -999, .min + 1])
  func noChildren(id: Int32) {
    var system = SystemUnderTest()
    let child = system.fork()  // 2
    _ = system.fork(child)  // 3: a grandchild
    #expect(system.wait(.initProcess, id)?.error == .noChildProcess)
  }

  @Test("nonsense is refused")
  func nonsense() {
    var system = SystemUnderTest()
    _ = system.fork()
    #expect(system.wait(.initProcess, .min)?.error == .invalidArgument)
    #expect(system.wait(.initProcess, -1, 64)?.error == .invalidArgument)
    #expect(system.wait(.initProcess, -1, .max)?.error == .invalidArgument)
  }

  @Test("a parent that ignores SIGCHLD has no zombies, and waits until all are gone")
  func ignored() {
    var system = SystemUnderTest()
    let shell = system.fork()
    system.handle(shell, 17, handler: 1)
    let first = system.fork(shell)
    let second = system.fork(shell)
    #expect(system.wait(shell) == nil)
    system.exit(first)
    #expect(system.world.answers[shell] == nil)
    system.exit(second)
    #expect(system.answer(shell, PM.WaitPID.Reply.self)?.error == .noChildProcess)
    #expect(system.ask(PM.ProcessInformation(index: 2), from: .proc)?.error == .noSuchProcess)
  }

  @Test("a stop is told with WUNTRACED, a continuation with WCONTINUED, each once")
  func stops() {
    var system = SystemUnderTest()
    let child = system.fork()
    #expect(system.kill(2, 19) == nil)
    #expect(system.world.thread(child)?.isStopped == true)
    #expect(system.wait(.initProcess, -1, 1)?.value?.id == 0)
    let stopped = system.wait(.initProcess, -1, 1 | 2)?.value?.status
    #expect(stopped == 0x137F)
    #expect(system.wait(.initProcess, -1, 1 | 2)?.value?.id == 0)
    #expect(system.kill(2, 18) == nil)
    #expect(system.world.thread(child)?.isStopped == false)
    #expect(system.wait(.initProcess, -1, 1 | 2)?.value?.id == 0)
    #expect(system.wait(.initProcess, -1, 1 | 8)?.value?.status == 0xFFFF)
    #expect(system.wait(.initProcess, -1, 1 | 8)?.value?.id == 0)
  }

  @Test("who waits for a stop hears of it")
  func waitsForStop() {
    var system = SystemUnderTest()
    let shell = system.fork()
    let child = system.fork(shell)
    let id = system.id(child)
    #expect(system.wait(shell, id, 2) == nil)
    #expect(system.kill(id, 20) == nil)
    let status = system.answer(shell, PM.WaitPID.Reply.self)?.value?.status
    #expect(status == 0x147F)
  }

  @Test("times of children count when they were waited for, grandchildren's too")
  func times() {
    var system = SystemUnderTest()
    let shell = system.fork()
    let child = system.fork(shell)
    let grandchild = system.fork(child)
    system.world.threads[grandchild.slot]!.time = 5
    system.world.threads[child.slot]!.time = 30
    system.world.threads[shell.slot]!.time = 200
    let grandchildID = system.id(grandchild)
    system.exit(grandchild)
    #expect(system.wait(child, grandchildID)?.value?.id == grandchildID)
    system.exit(child)
    #expect(system.ask(PM.Times(), from: shell)?.value?.children == 0)
    _ = system.wait(shell)
    let times = system.ask(PM.Times(), from: shell)?.value
    #expect(times?.own == 200 && times?.children == 35 && times?.sinceBoot == system.world.clock)
  }
}
