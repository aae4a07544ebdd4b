import IPC
import PMServer
import Protocols
import Testing

/// A signal with a handler for a process that waits for anything: what ends its wait, and with which answer.
@Suite struct SignalMatrixTests {
  enum Wait: CaseIterable { case nothing, child, sleep, pause, vfs, vm, stopped, stoppedInVFS }

  /// The process waits; PM has answered nothing yet.
  func put(_ child: Endpoint, in wait: Wait, _ system: inout SystemUnderTest) {
    switch wait {
    case .nothing: system.world.threads[child.slot]!.peer = .none
    case .child:
      _ = system.fork(child)
      #expect(system.wait(child) == nil)
    case .sleep: #expect(system.ask(PM.Sleep(nanoseconds: 1_000), from: child) == nil)
    case .pause: #expect(system.ask(PM.Pause(), from: child) == nil)
    case .vfs: system.world.threads[child.slot]!.peer = .vfs
    case .vm: system.world.threads[child.slot]!.peer = .vm
    case .stopped: system.world.threads[child.slot]!.peer = .none
    case .stoppedInVFS: system.world.threads[child.slot]!.peer = .vfs
    }
    if wait == .stopped || wait == .stoppedInVFS { #expect(system.kill(2, 19) == nil) }
  }

  @Test("M-E3 a signal for a process in any wait, with SA_RESTART or without: EINTR, to be asked again, or nothing at all, and its handler runs once",
    arguments: Wait.allCases, [false, true])
  func anyWait(wait: Wait, restart: Bool) {
    var system = SystemUnderTest()
    let child = system.fork()
    system.handle(child, 10, flags: restart ? 0x1000_0000 : 0)
    put(child, in: wait, &system)
    #expect(system.kill(2, 10) == nil)
    if wait == .stopped || wait == .stoppedInVFS {
      #expect(system.handled(child).isEmpty && system.sent(VFS.Cancel.self).isEmpty, "not while it is stopped")
      #expect(system.kill(2, 18) == nil)
    }
    let expected: Errno? =
      switch wait {
      case .child: restart ? .restarted : .interrupted
      case .sleep, .pause: .interrupted  // never asked again
      case .nothing, .vfs, .vm, .stopped, .stoppedInVFS: nil
      }
    #expect(system.answer(child, Done.self)?.error == expected)
    #expect(system.handled(child) == [10])
    let cancels = system.sent(VFS.Cancel.self)
    #expect(cancels.map(\.process) == (wait == .vfs || wait == .stoppedInVFS ? [child] : []))
    #expect(cancels.allSatisfy { $0.restart == (restart ? 1 : 0) })
    // The wait is over: nothing that it waited for is told a second time.
    system.pass(10_000)
    #expect(system.world.answers[child] == nil)
  }

  @Test("M-E3 while a handler runs: the same signal waits for its end, another comes at once, with its own mask on top", arguments: [false, true])
  func nested(restart: Bool) {
    var system = SystemUnderTest()
    let child = system.fork()
    for signal: UInt32 in [10, 12] { system.handle(child, signal, flags: restart ? 0x1000_0000 : 0) }
    put(child, in: .nothing, &system)
    for signal: UInt32 in [10, 10, 12, 12] { #expect(system.kill(2, signal) == nil) }
    #expect(system.handled(child) == [10, 12])
    #expect(system.world.thread(child)!.handled.map(\.mask) == [0, 1 << 9], "the second saves that the first is blocked")
    // The inner one returns: its own came again meanwhile. Then the outer one's.
    system.world.frameMask = 1 << 9
    _ = system.ask(PM.SignalReturn(frame: 0), from: child)
    #expect(system.handled(child) == [10, 12, 12])
    _ = system.ask(PM.SignalReturn(frame: 0), from: child)
    system.world.frameMask = 0
    _ = system.ask(PM.SignalReturn(frame: 0), from: child)
    #expect(system.handled(child) == [10, 12, 12, 10])
  }
}
