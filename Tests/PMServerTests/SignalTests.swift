import IPC
import PMServer
import Protocols
import Testing

@Suite("signals")
struct SignalTests {
  @Test("the default of most is the end", arguments: [1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 24, 31, 34, 64] as [UInt32])
  func terminate(signal: UInt32) {
    var system = SystemUnderTest()
    let child = system.fork()
    #expect(system.kill(2, signal) == nil)
    #expect(!system.isAlive(child))
    #expect(system.wait(.initProcess)?.value?.status == Int32(signal))
  }

  @Test("some are ignored by default", arguments: [17, 18, 23, 28] as [UInt32])
  func ignoredByDefault(signal: UInt32) {
    var system = SystemUnderTest()
    let child = system.fork()
    #expect(system.kill(2, signal) == nil)
    #expect(system.isAlive(child) && system.world.thread(child)?.isStopped == false)
  }

  @Test("some stop, SIGCONT goes on", arguments: [19, 20, 21, 22] as [UInt32])
  func stop(signal: UInt32) {
    var system = SystemUnderTest()
    let child = system.fork()
    #expect(system.kill(2, signal) == nil)
    #expect(system.world.thread(child)?.isStopped == true)
    #expect(system.ask(PM.ProcessInformation(index: 1), from: .proc)?.value?.state == 0x54)
    #expect(system.kill(2, 18) == nil)
    #expect(system.world.thread(child)?.isStopped == false)
  }

  @Test("a stopped process can be killed; other signals wait until it goes on")
  func whileStopped() {
    var system = SystemUnderTest()
    let child = system.fork()
    system.handle(child, 10)
    #expect(system.kill(2, 19) == nil)
    #expect(system.kill(2, 10) == nil)
    #expect(system.handled(child) == [])
    #expect(system.kill(2, 18) == nil)
    #expect(system.handled(child) == [10])
    #expect(system.kill(2, 19) == nil)
    #expect(system.kill(2, 9) == nil)
    #expect(!system.isAlive(child))
  }

  @Test("SIGKILL and SIGSTOP cannot be caught, ignored or blocked")
  func uncatchable() {
    var system = SystemUnderTest()
    let child = system.fork()
    for signal in [9, 19] as [UInt32] {
      #expect(system.ask(PM.SignalAction(signal: signal, flags: 0, handler: 1, restorer: 0, mask: 0), from: child)?.error == .invalidArgument)
    }
    _ = system.ask(PM.SignalMask(how: 2, mask: .max), from: child)
    #expect(system.ask(PM.SignalMask(how: 3, mask: 0), from: child)?.value?.mask == ~(1 << 8 | 1 << 18))
    #expect(system.kill(2, 19) == nil)
    #expect(system.world.thread(child)?.isStopped == true)
    #expect(system.kill(2, 9) == nil)
    #expect(!system.isAlive(child))
  }

  @Test("a handler runs with its signal and its mask blocked, and the old mask comes back")
  func handler() {
    var system = SystemUnderTest()
    let child = system.fork()
    system.handle(child, 10, mask: 1 << 11)
    #expect(system.kill(2, 10) == nil)
    #expect(system.handled(child) == [10])
    #expect(system.ask(PM.SignalMask(how: 3, mask: 0), from: child)?.value?.mask == 1 << 9 | 1 << 11)
    #expect(system.ask(PM.SignalReturn(frame: 0x7000), from: child) == nil)
    #expect(system.ask(PM.SignalMask(how: 3, mask: 0), from: child)?.value?.mask == 0)
  }

  @Test("the same signal again waits for the end of its handler, however often it came")
  func again() {
    var system = SystemUnderTest()
    let child = system.fork()
    system.handle(child, 10)
    for _ in 0..<5 { #expect(system.kill(2, 10) == nil) }
    #expect(system.handled(child) == [10])
    _ = system.ask(PM.SignalReturn(frame: 0x7000), from: child)
    #expect(system.handled(child) == [10, 10])
  }

  @Test("SA_NODEFER lets it in again, SA_RESETHAND does it once")
  func flags() {
    var system = SystemUnderTest()
    let child = system.fork()
    system.handle(child, 10, flags: 0x4000_0000)
    #expect(system.kill(2, 10) == nil)
    #expect(system.kill(2, 10) == nil)
    #expect(system.handled(child) == [10, 10])
    system.handle(child, 12, flags: 0x8000_0000)
    #expect(system.kill(2, 12) == nil)
    _ = system.ask(PM.SignalMask(how: 2, mask: 0), from: child)
    #expect(system.isAlive(child))
    #expect(system.kill(2, 12) == nil)
    #expect(!system.isAlive(child))
  }

  @Test("what is blocked is kept and comes when it may")
  func blocked() {
    var system = SystemUnderTest()
    let child = system.fork()
    system.handle(child, 10)
    _ = system.ask(PM.SignalMask(how: 0, mask: 1 << 9), from: child)
    #expect(system.kill(2, 10) == nil)
    #expect(system.handled(child) == [])
    _ = system.ask(PM.SignalMask(how: 1, mask: 1 << 9), from: child)
    #expect(system.handled(child) == [10])
  }

  @Test("a blocked signal of deadly default ends the process when it is let in")
  func blockedDeadly() {
    var system = SystemUnderTest()
    let child = system.fork()
    _ = system.ask(PM.SignalMask(how: 2, mask: .max), from: child)
    #expect(system.kill(2, 15) == nil)
    #expect(system.isAlive(child))
    _ = system.ask(PM.SignalMask(how: 2, mask: 0), from: child)
    #expect(!system.isAlive(child))
    #expect(system.wait(.initProcess)?.value?.status == 15)
  }

  @Test("what is ignored is forgotten, even if it was pending")
  func ignore() {
    var system = SystemUnderTest()
    let child = system.fork()
    system.handle(child, 15, handler: 1)
    #expect(system.kill(2, 15) == nil)
    system.handle(child, 15, handler: 0)
    #expect(system.isAlive(child))
    _ = system.ask(PM.SignalMask(how: 0, mask: 1 << 14), from: child)
    #expect(system.kill(2, 15) == nil)
    system.handle(child, 15, handler: 1)
    system.handle(child, 15, handler: 0)
    _ = system.ask(PM.SignalMask(how: 2, mask: 0), from: child)
    #expect(system.isAlive(child))
  }

  @Test("a mask is changed in three ways, and a fourth asks")
  func mask() {
    var system = SystemUnderTest()
    let child = system.fork()
    #expect(system.ask(PM.SignalMask(how: 0, mask: 0b0110), from: child)?.value?.mask == 0)
    #expect(system.ask(PM.SignalMask(how: 1, mask: 0b0010), from: child)?.value?.mask == 0b0110)
    #expect(system.ask(PM.SignalMask(how: 2, mask: 0b1000), from: child)?.value?.mask == 0b0100)
    #expect(system.ask(PM.SignalMask(how: 3, mask: .max), from: child)?.value?.mask == 0b1000)
    #expect(system.ask(PM.SignalMask(how: 4, mask: 0), from: child)?.error == .invalidArgument)
  }

  @Test("a child inherits handlers and mask, not what is pending")
  func inheritance() {
    var system = SystemUnderTest()
    let shell = system.fork()
    system.handle(shell, 10)
    _ = system.ask(PM.SignalMask(how: 2, mask: 1 << 11), from: shell)
    #expect(system.kill(2, 12) == nil)
    let child = system.fork(shell)
    #expect(system.ask(PM.SignalMask(how: 3, mask: 0), from: child)?.value?.mask == 1 << 11)
    _ = system.ask(PM.SignalMask(how: 2, mask: 0), from: child)
    #expect(system.isAlive(child))
    #expect(system.kill(3, 10) == nil)
    #expect(system.handled(child) == [10])
  }

  @Test("init gets only what it has a handler for")
  func initProcess() {
    var system = SystemUnderTest()
    let child = system.fork()
    for signal in UInt32(1)...64 { #expect(system.kill(1, signal, from: child) == nil) }
    #expect(system.isAlive(.initProcess) && system.world.thread(.initProcess)?.isStopped == false)
    system.handle(.initProcess, 15)
    #expect(system.kill(1, 15, from: child) == nil)
    #expect(system.handled(.initProcess) == [15])
  }

  // MARK: Whom kill means

  @Test("signal 0 only looks")
  func probe() {
    var system = SystemUnderTest()
    let child = system.fork()
    #expect(system.kill(2, 0) == nil)
    #expect(system.isAlive(child))
    #expect(system.kill(3, 0) == .noSuchProcess)
    system.exit(child)
    #expect(system.kill(2, 0) == nil)  // a zombie is still a process
  }

  @Test("nonsense is refused", arguments: [(Int32(2), UInt32(65)), (2, .max), (.min, 9)])
  func nonsense(id: Int32, signal: UInt32) {
    var system = SystemUnderTest()
    let child = system.fork()
    #expect(system.kill(id, signal) == .invalidArgument)
    #expect(system.isAlive(child))
  }

  @Test("0 is one's own group, negative another, -1 all but init and the caller")
  func groups() {
    var system = SystemUnderTest()
    let shell = system.fork()
    _ = system.ask(PM.SetProcessGroup(id: 0, group: 0), from: shell)
    let job = (0..<3).map { _ in system.fork(shell) }
    for process in job { _ = system.ask(PM.SetProcessGroup(id: 0, group: system.id(job[0])), from: process) }
    let stranger = system.fork()
    #expect(system.kill(-system.id(job[0]), 10, from: shell) == nil)
    #expect(job.allSatisfy { !system.isAlive($0) } && system.isAlive(shell) && system.isAlive(stranger))
    let friend = system.fork(shell)
    #expect(system.kill(0, 10, from: friend) == nil)
    #expect(!system.isAlive(shell) && !system.isAlive(friend) && system.isAlive(stranger))
    let caller = system.fork()
    #expect(system.kill(-1, 9, from: caller) == nil)
    #expect(system.isAlive(caller) && system.isAlive(.initProcess) && !system.isAlive(stranger))
    #expect(system.kill(-4711, 9) == .noSuchProcess)
  }

  @Test("a process may end itself by a signal, and is not answered")
  func suicide() {
    var system = SystemUnderTest()
    let child = system.fork()
    _ = system.kill(2, 9, from: child)
    #expect(!system.isAlive(child))
    #expect(system.wait(.initProcess)?.value?.status == 9)
  }

  @Test("a handler for oneself runs when kill returns")
  func oneself() {
    var system = SystemUnderTest()
    let child = system.fork()
    system.handle(child, 10)
    #expect(system.ask(PM.Kill(id: 2, signal: 10), from: child)?.error == nil)
    #expect(system.handled(child) == [10])
    #expect(system.sent(VFS.Cancel.self).isEmpty)
  }

  // MARK: Who waits is interrupted

  @Test("a sleep, a pause and a wait are interrupted by a handler")
  func interrupted() {
    var system = SystemUnderTest()
    let child = system.fork()
    let grandchild = system.fork(child)
    system.handle(child, 10)
    #expect(system.ask(PM.Sleep(nanoseconds: 1_000), from: child) == nil)
    #expect(system.kill(2, 10) == nil)
    #expect(system.answer(child, Done.self)?.error == .interrupted)
    system.pass(10_000)
    #expect(system.world.answers[child] == nil)
    _ = system.ask(PM.SignalReturn(frame: 0), from: child)
    #expect(system.ask(PM.Pause(), from: child) == nil)
    #expect(system.kill(2, 10) == nil)
    #expect(system.answer(child, Done.self)?.error == .interrupted)
    _ = system.ask(PM.SignalReturn(frame: 0), from: child)
    #expect(system.wait(child) == nil)
    #expect(system.kill(2, 10) == nil)
    #expect(system.answer(child, PM.WaitPID.Reply.self)?.error == .interrupted)
    _ = system.ask(PM.SignalReturn(frame: 0), from: child)
    system.exit(grandchild)
    #expect(system.wait(child)?.value?.id == 3)
  }

  @Test("with SA_RESTART a wait is asked again")
  func restart() {
    var system = SystemUnderTest()
    let child = system.fork()
    _ = system.fork(child)
    system.handle(child, 10, flags: 0x1000_0000)
    #expect(system.wait(child) == nil)
    #expect(system.kill(2, 10) == nil)
    #expect(system.answer(child, PM.WaitPID.Reply.self)?.error == .restarted)
  }

  @Test("what is ignored interrupts nobody")
  func notInterrupted() {
    var system = SystemUnderTest()
    let child = system.fork()
    system.handle(child, 10, handler: 1)
    #expect(system.ask(PM.Pause(), from: child) == nil)
    #expect(system.kill(2, 10) == nil)
    #expect(system.kill(2, 17) == nil)
    #expect(system.world.answers[child] == nil)
  }

  @Test("SIGCHLD for a parent that waits: it has its answer, then the handler runs")
  func childSignal() {
    var system = SystemUnderTest()
    let shell = system.fork()
    system.handle(shell, 17)
    let child = system.fork(shell)
    #expect(system.wait(shell) == nil)
    system.exit(child)
    #expect(system.answer(shell, PM.WaitPID.Reply.self)?.value?.id == 3)
    #expect(system.handled(shell) == [17])
  }

  @Test("who waits in VFS is let go by VFS: one Cancel, and the handler waits in the kernel")
  func cancel() {
    var system = SystemUnderTest()
    let child = system.fork()
    system.handle(child, 10)
    system.handle(child, 12)
    system.world.threads[child.slot]!.peer = .vfs
    #expect(system.kill(2, 10) == nil)
    #expect(system.sent(VFS.Cancel.self).map(\.process) == [child])
    #expect(system.handled(child) == [10])
    #expect(system.kill(2, 12) == nil)  // the kernel holds one already
    #expect(system.sent(VFS.Cancel.self).count == 1)
    _ = system.ask(PM.SignalReturn(frame: 0), from: child)
    #expect(system.handled(child) == [10, 12])
  }

  @Test("who waits for VM is not cancelled")
  func notCancelled() {
    var system = SystemUnderTest()
    let child = system.fork()
    system.handle(child, 10)
    system.world.threads[child.slot]!.peer = .vm
    #expect(system.kill(2, 10) == nil)
    #expect(system.sent(VFS.Cancel.self).isEmpty)
  }

  @Test("handlers wait for the end of exec; a deadly signal does not")
  func duringExec() {
    var system = SystemUnderTest()
    let child = system.fork()
    system.handle(child, 10)
    _ = system.ask(PM.Exec(path: 0x1000, pathLength: 12, arguments: 0, argumentsLength: 8), from: child)
    #expect(system.kill(2, 10) == nil)
    #expect(system.kill(2, 20) == nil)
    #expect(system.handled(child) == [] && system.world.thread(child)?.isStopped == false)
    system.loaded(.noMemory)
    #expect(system.handled(child) == [10])
    #expect(system.world.thread(child)?.isStopped == true)
    let other = system.fork()
    system.handle(other, 10)
    _ = system.ask(PM.Exec(path: 0x1000, pathLength: 12, arguments: 0, argumentsLength: 8), from: other)
    #expect(system.kill(3, 10) == nil)
    system.loaded()  // the new image has no handler
    #expect(!system.isAlive(other))
  }

  // MARK: Exceptions

  func exception(_ process: Endpoint, signal: UInt32 = 11) -> KernelEvent.Exception {
    KernelEvent.Exception(thread: process, signal: signal, address: 0, instruction: 0, vector: 14)
  }

  @Test("a fault without a handler is the end")
  func fault() {
    var system = SystemUnderTest()
    let child = system.fork()
    system.world.threads[child.slot]!.peer = .none
    system.tell(exception(child), from: .vm)
    #expect(!system.isAlive(child))
    #expect(system.wait(.initProcess)?.value?.status == 11)
  }

  @Test("a fault with a handler runs it")
  func faultHandled() {
    var system = SystemUnderTest()
    let child = system.fork()
    system.handle(child, 11)
    system.world.threads[child.slot]!.peer = .none
    system.world.threads[child.slot]!.isStopped = true
    system.tell(exception(child), from: .vm)
    #expect(system.handled(child) == [11])
    #expect(system.world.thread(child)?.isStopped == false)
    // Again, inside its handler: it is blocked now.
    system.tell(exception(child), from: .vm)
    #expect(!system.isAlive(child))
  }

  @Test("a fault that is ignored or blocked is the end nevertheless")
  func faultIgnored() {
    var system = SystemUnderTest()
    for blocked in [true, false] {
      let child = system.fork()
      if blocked {
        system.handle(child, 11)
        _ = system.ask(PM.SignalMask(how: 2, mask: .max), from: child)
      } else {
        system.handle(child, 11, handler: 1)
      }
      system.tell(exception(child), from: .kernel, flags: .asynchronous | .fromKernel)
      #expect(!system.isAlive(child))
    }
  }

  @Test("no room for the handler's frame is the end")
  func noRoom() {
    var system = SystemUnderTest()
    let child = system.fork()
    system.handle(child, 10)
    system.world.signalFails = .badAddress
    #expect(system.kill(2, 10) == nil)
    // It may have been a page of a file, which VFS is asked for.
    #expect(system.isAlive(child))
    system.brought(.badAddress)
    #expect(system.wait(.initProcess)?.value?.status == 11)
  }

  @Test("V85 a handler whose frame falls on a page of a file that is not there runs when VFS has brought the page; PM waits for nobody")
  func absentPage() {
    var system = SystemUnderTest()
    let child = system.fork()
    system.handle(child, 10)
    system.world.signalFails = .badAddress
    #expect(system.kill(2, 10) == nil)
    // One request, whatever else arrives.
    #expect(system.kill(2, 10) == nil)
    #expect(system.sent(VFS.BringPage.self).map(\.process) == [child])
    #expect(system.handled(child).isEmpty && system.isAlive(child))
    // The frame reaches into a second page.
    system.brought()
    #expect(system.sent(VFS.BringPage.self).count == 2 && system.isAlive(child))
    system.world.signalFails = nil
    system.brought()
    #expect(system.handled(child) == [10])
    // A page that comes and goes for ever is the end, and so is SIGKILL at any time.
    system.world.signalFails = .badAddress
    _ = system.ask(PM.SignalMask(how: 2, mask: 0), from: child)
    _ = system.kill(2, 10)
    for _ in 0..<20 where system.isAlive(child) { system.brought() }
    #expect(!system.isAlive(child) && system.sent(VFS.BringPage.self).count <= 19)
    let second = system.fork()
    system.handle(second, 10)
    _ = system.kill(system.id(second), 10)
    _ = system.kill(system.id(second), 9)
    #expect(!system.isAlive(second))
    system.brought()
  }

  @Test("M-E6 a frame that the kernel refuses is the end; a mask in it cannot block SIGKILL")
  func badFrame() {
    var system = SystemUnderTest()
    let child = system.fork()
    system.handle(child, 10)
    #expect(system.kill(2, 10) == nil)
    system.world.frameMask = .max
    _ = system.ask(PM.SignalReturn(frame: 0), from: child)
    #expect(system.ask(PM.SignalMask(how: 3, mask: 0), from: child)?.value?.mask == ~(1 << 8 | 1 << 18))
    system.world.signalReturnFails = true
    #expect(system.ask(PM.SignalReturn(frame: .max), from: child) == nil)
    #expect(!system.isAlive(child))
  }

  @Test("M-N5 exceptions, group signals and SIGPIPE from those who may not send them are not heard")
  func forged() {
    var system = SystemUnderTest()
    let child = system.fork()
    system.tell(exception(child), from: .initProcess)
    system.tell(exception(child), from: .tty)
    system.tell(PM.SignalGroup(group: 1, signal: 9), from: .vfs)
    system.tell(PM.SignalProcess(process: child, signal: 13), from: .tty)
    system.tell(PM.SignalProcess(process: child, signal: 13), from: .initProcess)
    #expect(system.ask(exception(child), from: .initProcess)?.error == .noSuchCall)
    #expect(system.ask(PM.SignalGroup(group: 1, signal: 9), from: .tty)?.error == .notPermitted)
    #expect(system.isAlive(child))
    system.tell(PM.SignalProcess(process: child, signal: 0), from: .vfs)
    system.tell(PM.SignalProcess(process: child, signal: 65), from: .vfs)
    system.tell(PM.SignalProcess(process: .none, signal: 13), from: .vfs)
    #expect(system.isAlive(child))
    system.tell(PM.SignalProcess(process: child, signal: 13), from: .vfs)
    #expect(system.wait(.initProcess)?.value?.status == 13)
  }

  @Test("a key of the terminal reaches the whole foreground group and nobody else")
  func key() {
    var system = SystemUnderTest()
    let shell = system.fork()
    let job = (0..<3).map { _ in system.fork(shell) }
    for process in job { _ = system.ask(PM.SetProcessGroup(id: 0, group: system.id(job[0])), from: process) }
    system.tell(PM.SignalGroup(group: system.id(job[0]), signal: 2), from: .tty)
    #expect(job.allSatisfy { !system.isAlive($0) } && system.isAlive(shell))
    system.tell(PM.SignalGroup(group: 0, signal: 2), from: .tty)
    system.tell(PM.SignalGroup(group: -2, signal: 2), from: .tty)
    system.tell(PM.SignalGroup(group: 2, signal: 99), from: .tty)
    #expect(system.isAlive(shell))
  }

  @Test("sigaltstack: what was set is told, kept by fork, gone after exec, and only handlers that want it get it")
  func signalStack() throws {
    var system = SystemUnderTest()
    let child = system.fork()
    func ask(_ base: UInt64, _ size: UInt64, _ flags: UInt64, _ system: inout SystemUnderTest) -> (PM.SignalStack.Reply?, Errno?) {
      let answer = system.ask(PM.SignalStack(base: base, size: size, flags: flags), from: child)
      return (answer?.value, answer?.error)
    }
    #expect(ask(0, 0, .max, &system).0?.flags == 2)
    #expect(ask(0x1000, 2047, 0, &system).1 == .noMemory)
    #expect(ask(0x1000, 4096, 1, &system).1 == .invalidArgument)
    #expect(ask(~0, 4096, 0, &system).1 == .badAddress)
    #expect(ask(0x1000, 4096, 0, &system).0?.flags == 2)
    let set = ask(0, 0, .max, &system).0
    #expect(set?.base == 0x1000 && set?.size == 4096 && set?.flags == 0)
    _ = system.ask(PM.SignalAction(signal: 10, flags: 0x0800_0000, handler: 0x5000, restorer: 0, mask: 0), from: child)
    _ = system.ask(PM.SignalAction(signal: 12, flags: 0, handler: 0x5000, restorer: 0, mask: 0), from: child)
    #expect(system.kill(2, 10) == nil)
    #expect(system.world.thread(child).map { $0.alternate == (0x1000, 4096) } == true)
    #expect(system.kill(2, 12) == nil)
    #expect(system.world.thread(child).map { $0.alternate == (0, 0) } == true)
    // On it, it cannot be changed; off it, it can.
    system.world.threads[child.slot]?.stack = 0x1800
    #expect(ask(0, 0, .max, &system).0?.flags == 1)
    #expect(ask(0, 0, 2, &system).1 == .notPermitted)
    system.world.threads[child.slot]?.stack = 0x2001
    #expect(ask(0, 0, 2, &system).0?.base == 0x1000)
    #expect(ask(0, 0, .max, &system).0?.flags == 2)
  }
}
