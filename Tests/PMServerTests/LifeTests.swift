import IPC
import PMServer
import Protocols
import Testing

@Suite("fork, exec and exit")
struct LifeTests {
  @Test("init is process 1 in a group and session of its own, known to VFS, and runs")
  func adopt() {
    var system = SystemUnderTest()
    let me = system.identity(.initProcess)
    #expect(me?.id == 1 && me?.parent == 0 && me?.group == 1 && me?.session == 1)
    #expect(system.sent(VFS.ProcessForked.self).map(\.parent) == [.none])
    #expect(system.world.threads[64]?.isStopped == false)
    #expect(system.world.answers[.rs]?.type == 0 && system.world.answers[.rs]?.token == 7)
  }

  @Test("a second first process is refused, and so is one from anybody but RS")
  func adoptTwice() {
    var system = SystemUnderTest()
    #expect(system.ask(PM.Adopt(process: Endpoint(slot: 70, generation: 1), name: (0, 0)), from: .rs)?.error == .busy)
    #expect(system.ask(PM.Adopt(process: .initProcess, name: (0, 0)), from: .tty)?.error == .notPermitted)
    #expect(system.ask(PM.Adopt(process: .initProcess, name: (0, 0)), from: .initProcess)?.error == .notPermitted)
  }

  @Test("fork answers both, the parent with the child's id, the child with 0")
  func fork() {
    var system = SystemUnderTest()
    let reply = system.ask(PM.Fork(), from: .initProcess)?.value
    let child = system.endpoint(Int32(reply!.id))
    #expect(reply?.id == 2)
    #expect(system.answer(child, PM.IDReply.self)?.value?.id == 0)
    let me = system.identity(child)
    #expect(me?.id == 2 && me?.parent == 1 && me?.group == 1 && me?.session == 1)
  }

  @Test("VFS hears of a child before the child can speak")
  func forkIsTold() {
    var system = SystemUnderTest()
    let child = system.fork()
    let told = system.sent(VFS.ProcessForked.self).last
    #expect(told?.parent == .initProcess && told?.child == child)
  }

  @Test("a fork that VM refuses leaves no trace: M-A7")
  func forkFails() {
    var system = SystemUnderTest()
    system.world.forkFails = .noMemory
    #expect(system.ask(PM.Fork(), from: .initProcess)?.error == .noMemory)
    #expect(system.ask(PM.ProcessInformation(index: 1), from: .proc)?.error == .noSuchProcess)
    system.world.forkFails = nil
    #expect(system.fork() != .none)
  }

  @Test("a fork that VFS cannot be told of is undone")
  func forkUndone() {
    var system = SystemUnderTest()
    let threads = system.world.threads.count
    system.world.queueIsFull = true
    #expect(system.ask(PM.Fork(), from: .initProcess)?.error == .wouldBlock)
    #expect(system.world.threads.count == threads)
    system.world.queueIsFull = false
    #expect(system.fork() != .none)
  }

  @Test("SEC35 a fork bomb ends with EAGAIN and leaves room for the shell's children")
  func forkBomb() {
    var system = SystemUnderTest()
    let shell = system.fork()
    let bomb = system.fork(shell)
    var last = bomb
    var count = 0
    while count < ProcessTable.capacity {
      let child = system.fork(count % 2 == 0 ? bomb : last)
      if child == .none { break }
      last = child
      count += 1
    }
    #expect(count == ProcessTable.capacity - ProcessTable.reserve - 3)
    #expect(system.ask(PM.Fork(), from: last)?.error == .wouldBlock)
    for _ in 0..<ProcessTable.reserve { #expect(system.fork(shell) != .none) }
    #expect(system.ask(PM.Fork(), from: shell)?.error == .wouldBlock)
    #expect(system.kill(-1, 9, from: shell) == nil)
    while system.wait(shell, -1, 1)?.value.map({ $0.id > 0 }) == true {}
    while system.wait(.initProcess, -1, 1)?.value.map({ $0.id > 0 }) == true {}
    #expect(system.fork(shell) != .none)
  }

  @Test("ids rise, are not used again soon, and skip those that are taken")
  func ids() {
    var system = SystemUnderTest()
    let keeper = system.fork()
    let kept = system.id(keeper)
    var seen: Set<Int32> = []
    for _ in 0..<32_765 {
      let child = system.fork()
      let id = system.id(child)
      #expect(id != kept && seen.insert(id).inserted)
      system.exit(child)
      _ = system.wait(.initProcess, id)
    }
    let again = system.id(system.fork())
    #expect(again > kept && again < 10)
  }

  @Test("M-N3 a dead process's endpoint is nobody, also when the slot lives again")
  func endpoints() {
    var system = SystemUnderTest()
    let old = system.fork()
    system.exit(old)
    _ = system.wait(.initProcess)
    let new = system.fork()
    #expect(new.slot == old.slot && new != old)
    #expect(system.ask(PM.Identity(), from: old)?.error == .noSuchProcess)
    #expect(system.identity(new) != nil)
  }

  // MARK: Exec

  @Test("exec asks VFS with a grant of the path; success is not answered")
  func exec() {
    var system = SystemUnderTest()
    let child = system.fork()
    #expect(system.ask(PM.Exec(path: 0x1000, pathLength: 35, arguments: 0x2000, argumentsLength: 100), from: child) == nil)
    let load = system.sent(VFS.ExecLoad.self).last
    #expect(load?.process == child && load?.pathLength == 35 && load?.arguments == 0x2000 && load?.argumentsLength == 100)
    #expect(system.world.grants.contains(load!.grant))
    system.loaded()
    #expect(system.world.answers[child] == nil)
    #expect(system.world.grants.isEmpty)
    let information = system.ask(PM.ProcessInformation(index: 1), from: .proc)?.value
    #expect(withUnsafeBytes(of: information!.name) { String(decoding: $0, as: UTF8.self) } == "program" + String(repeating: "\0", count: 17))
  }

  @Test("exec that fails is answered, and nothing has changed")
  func execFails() {
    var system = SystemUnderTest()
    let child = system.fork()
    system.handle(child, 10)
    _ = system.ask(PM.Exec(path: 0x1000, pathLength: 12, arguments: 0, argumentsLength: 8), from: child)
    system.loaded(.noSuchFile)
    #expect(system.answer(child, Done.self)?.error == .noSuchFile)
    #expect(system.world.grants.isEmpty)
    #expect(system.kill(system.id(child), 10) == nil)
    #expect(system.handled(child) == [10])
  }

  @Test("exec resets handlers, keeps what is ignored and what is blocked")
  func execSignals() {
    var system = SystemUnderTest()
    let child = system.fork()
    system.handle(child, 10)
    system.handle(child, 12, handler: 1)
    _ = system.ask(PM.SignalMask(how: 0, mask: 1 << 14), from: child)
    _ = system.ask(PM.Exec(path: 0x1000, pathLength: 12, arguments: 0, argumentsLength: 8), from: child)
    system.loaded()
    #expect(system.ask(PM.SignalAction(signal: 10, flags: .max, handler: 0, restorer: 0, mask: 0), from: child)?.value?.handler == 0)
    #expect(system.ask(PM.SignalAction(signal: 12, flags: .max, handler: 0, restorer: 0, mask: 0), from: child)?.value?.handler == 1)
    #expect(system.ask(PM.SignalMask(how: 3, mask: 0), from: child)?.value?.mask == 1 << 14)
  }

  @Test("paths and arguments beyond their limits are refused at once", arguments: [
    (UInt64(0), UInt64(8), Errno.noSuchFile), (4096, 8, .nameTooLong), (.max, 8, .nameTooLong),
    (10, ArgumentBlock.limit + 1, .argumentListTooLong), (10, .max, .argumentListTooLong),
  ])
  func execLimits(pathLength: UInt64, argumentsLength: UInt64, error: Errno) {
    var system = SystemUnderTest()
    let call = PM.Exec(path: .max, pathLength: pathLength, arguments: .max, argumentsLength: argumentsLength)
    #expect(system.ask(call, from: .initProcess)?.error == error)
    #expect(system.world.grants.isEmpty)
  }

  @Test("a path that wraps is EFAULT")
  func execBadPath() {
    var system = SystemUnderTest()
    #expect(system.ask(PM.Exec(path: .max, pathLength: 100, arguments: 0, argumentsLength: 8), from: .initProcess)?.error == .badAddress)
  }

  @Test("a full queue fails exec and takes the grant back")
  func execQueueFull() {
    var system = SystemUnderTest()
    let child = system.fork()
    system.world.queueIsFull = true
    #expect(system.ask(PM.Exec(path: 0x1000, pathLength: 12, arguments: 0, argumentsLength: 8), from: child)?.error == .wouldBlock)
    #expect(system.world.grants.isEmpty)
  }

  @Test("M-F11 answers for the dead, with wrong tokens or from others find nobody")
  func staleAnswers() {
    var system = SystemUnderTest()
    let child = system.fork()
    _ = system.ask(PM.Exec(path: 0x1000, pathLength: 12, arguments: 0, argumentsLength: 8), from: child)
    system.loaded(.noSuchFile, token: 999)
    system.loaded(.noSuchFile, from: .rootfs)
    #expect(system.world.answers[child] == nil)
    #expect(system.kill(system.id(.initProcess) + 1, 9) == nil)
    #expect(system.world.grants.isEmpty)
    system.loaded()
    system.loaded(.noSuchFile)
    #expect(!system.isAlive(child))
  }

  // MARK: Exit

  @Test("exit frees the thread, tells VFS, leaves a zombie")
  func exit() {
    var system = SystemUnderTest()
    let child = system.fork()
    #expect(system.ask(PM.Exit(status: 7), from: child) == nil)
    #expect(!system.isAlive(child))
    #expect(system.sent(VFS.ProcessExited.self).map(\.process) == [child])
    #expect(system.ask(PM.ProcessInformation(index: 1), from: .proc)?.value?.state == 0x5A)
    #expect(system.ask(PM.EndpointOf(id: 2), from: .proc)?.error == .noSuchProcess)
  }

  @Test("only eight bits of the status come through")
  func status() {
    var system = SystemUnderTest()
    for (status, seen): (Int64, Int32) in [(0, 0), (255, 0xFF00), (256, 0), (-1, 0xFF00), (.max, 0xFF00), (.min, 0)] {
      let child = system.fork()
      system.exit(child, status)
      #expect(system.wait(.initProcess)?.value?.status == seen)
    }
  }

  @Test("VFS hears of an end even if its queue was full then, and the slot is kept until it did")
  func exitOwed() {
    var system = SystemUnderTest()
    let child = system.fork()
    system.world.queueIsFull = true
    system.exit(child)
    #expect(system.wait(.initProcess)?.value?.id == 2)
    #expect(system.sent(VFS.ProcessExited.self).isEmpty)
    system.world.queueIsFull = false
    let next = system.fork()
    #expect(system.sent(VFS.ProcessExited.self).map(\.process) == [child])
    #expect(next != .none)
  }

  @Test("orphans go to init, zombies among them too")
  func orphans() {
    var system = SystemUnderTest()
    let parent = system.fork()
    let living = system.fork(parent)
    let dead = system.fork(parent)
    let deadID = system.id(dead)
    system.exit(dead, 3)
    #expect(system.wait(.initProcess, -1) == nil)  // init waits
    system.exit(parent)
    let ids = [system.answer(.initProcess, PM.WaitPID.Reply.self)?.value?.id, system.wait(.initProcess, -1, 1)?.value?.id]
    #expect(Set(ids) == [deadID, 2])
    #expect(system.identity(living)?.parent == 1)
  }

  @Test("the end of init ends the machine")
  func initEnds() {
    var system = SystemUnderTest()
    system.exit(.initProcess, 0)
    #expect(system.world.shutdowns == [RS.Shutdown.vitalDied])
  }

  @Test("a process that ends itself by the kernel's exit is an exit")
  func kernelExit() {
    var system = SystemUnderTest()
    let child = system.fork()
    system.tell(KernelEvent.Exception(thread: child, signal: 0, address: 5, instruction: 0, vector: 0), from: .kernel, flags: .fromKernel)
    #expect(system.wait(.initProcess)?.value?.status == 5 << 8)
  }
}
