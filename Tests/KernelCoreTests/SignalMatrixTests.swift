import IPC
import Protocols
import SimulatedArch
import Testing

@testable import KernelCore

/// A signal for a thread in whatever state: the handler runs when it can, and afterwards the thread is where it would have been
/// without any signal. The oracle is a second kernel in which the same happens and no signal comes.
@Suite struct SignalMatrixTests {
  /// Processes neither `send` nor wait for each other, so these are all there are.
  enum State: CaseIterable {
    /// It ran when PM's turn came; it stood in line behind another.
    case running, ready
    /// Its request: not heard yet, heard, of a service that then dies, heard before it was stopped.
    case queued, served, bereaved, servedAndStopped
    /// Its page fault: VM has not heard of it, or works on it.
    case faultQueued, faultServed
    /// In the kernel: until a time, and for ever.
    case sleeping, paused
    /// By its own exception, and by PM.
    case exception, stopped

    /// The signal waits for the end of what the thread waits for.
    var isDeferred: Bool {
      switch self {
      case .queued, .served, .bereaved, .servedAndStopped, .faultQueued, .faultServed: true
      case .running, .ready, .sleeping, .paused, .exception, .stopped: false
      }
    }
  }

  /// How many more signals come while the first handler runs.
  enum Nesting: Int, CaseIterable { case none, once, twice }

  final class Scene {
    let world = World()
    let user: Endpoint, other: Endpoint, server: Endpoint
    static let page: UInt64 = 0x7000_0000 - 4096, alternate: UInt64 = 0x6000_0000

    init() {
      world.spawn(slot: 2)
      world.spawn(slot: 3, priority: 3, privileges: World.all)
      server = world.spawn(slot: 4, priority: 3)
      user = world.spawn(priority: 5, supervisor: .pm)
      other = world.spawn(priority: 5, supervisor: .pm)
      world.pointer(user).pointee.privileges = Privileges(kernelCalls: ~0, sendTo: ~0)
      world.pointer(user).pointee.context.kept = (21, 22, 23, 24)
      world.map(user, Self.page)
      world.map(user, Self.alternate, pages: 2)
    }

    func put(in state: State) throws {
      switch state {
      case .running: world.run(user)
      case .ready: world.run(other)
      case .queued, .bereaved: world.sendRec(user, server, Message(type: 3, 33))
      case .served: world.engage(user, server, Message(type: 3, 33))
      case .servedAndStopped:
        world.engage(user, server, Message(type: 3, 33))
        try world.kernel(.pm, Kernel.ThreadStop(thread: user))
      case .faultQueued, .faultServed:
        world.run(user)
        world.core.pageFault(address: 0x1000, access: 0)
        if state == .faultServed { world.receive(.vm) }
      case .sleeping: world.receive(user, from: .none, deadline: world.core.machine.clock + 1000)
      case .paused: world.receive(user, from: .none)
      case .exception:
        world.run(user)
        world.core.exception(vector: 13, signal: 11, address: 0)
        world.receive(.pm)  // has heard of it
      case .stopped: try world.kernel(.pm, Kernel.ThreadStop(thread: user))
      }
    }

    /// The end of the wait.
    func release(from state: State) throws {
      switch state {
      case .running, .ready, .sleeping, .paused, .exception: break
      case .queued:
        world.receive(server)
        world.reply(server, user, Message(type: -4, 77))
      case .served: world.reply(server, user, Message(type: -4, 77))
      case .servedAndStopped:
        world.reply(server, user, Message(type: -4, 77))
        #expect(!world[user].canRun, "still stopped")
        try world.kernel(.pm, Kernel.ThreadStart(thread: user))
      case .bereaved: try world.kernel(.vm, Kernel.ThreadDestroy(thread: server))
      case .faultQueued:
        world.receive(.vm)
        world.reply(.vm, user)
      case .faultServed: world.reply(.vm, user)
      case .stopped: try world.kernel(.pm, Kernel.ThreadStart(thread: user))
      }
    }

    static func handler(_ number: UInt32) -> UInt64 { 0x44_0000 + UInt64(number) << 12 }
    func isInHandler(_ number: UInt32) -> Bool {
      world[user].context.instruction == Self.handler(number) && world[user].context.rdi == UInt64(number)
    }
    func signal(_ number: UInt32, onAlternate: Bool) throws(Errno) -> UInt64 {
      try world.kernel(.pm, Kernel.Signal(
        thread: user, signal: number, handler: Self.handler(number), restorer: 0x45_0000, mask: UInt64(number) << 8,
        stackBase: onAlternate ? Self.alternate : 0, stackSize: onAlternate ? 8192 : 0)).deferred
    }
    /// The handler's end: it asks PM for the way back. The mask that the frame held.
    func endHandler(_ frame: UInt64) throws(Errno) -> UInt64 {
      world.engage(user, .pm, Message(type: 0x206, frame))
      return try world.kernel(.pm, Kernel.SignalReturn(thread: user, frame: frame)).mask
    }
  }

  /// Where the thread is if no signal comes.
  func undisturbed(_ state: State) throws -> SimulatedContext {
    let scene = Scene()
    try scene.put(in: state)
    if state == .sleeping || state == .paused {
      // A signal ends these and nothing brings them back: POSIX has no restart of a sleep.
      var context = scene.world[scene.user].context
      context.setResult(status: -Int64(Errno.interrupted.rawValue), flags: 0)
      return context
    }
    try scene.release(from: state)
    return scene.world[scene.user].context
  }

  @Test("M-E2 M-E3 a signal in any state, on either stack, others within its handler: the handlers run, and then the thread is where it would have been",
    arguments: State.allCases, Nesting.allCases)
  func anyState(state: State, nesting: Nesting) throws {
    let expected = try undisturbed(state)
    for onAlternate in [false, true] {
      let scene = Scene(), world = scene.world, user = scene.user
      try scene.put(in: state)
      #expect(try scene.signal(10, onAlternate: onAlternate) == (state.isDeferred ? 1 : 0))
      if state.isDeferred {
        #expect(!scene.isInHandler(10) && !world[user].canRun)
        #expect(throws: Errno.busy) { try scene.signal(12, onAlternate: onAlternate) }
      }
      try scene.release(from: state)
      #expect(scene.isInHandler(10) && world[user].canRun)
      var frames = [world[user].context.stack]
      let area = onAlternate ? Scene.alternate..<Scene.alternate + 8192 : Scene.page..<Scene.page + 4096
      #expect(area.contains(frames[0]))
      for number in 0..<UInt32(nesting.rawValue) {
        world.pointer(user).pointee.context.kept = (7, 7, 7, 7)  // a handler has its own
        #expect(try scene.signal(12 + number, onAlternate: onAlternate) == 0 && scene.isInHandler(12 + number))
        frames.append(world[user].context.stack)
        #expect(area.contains(frames.last!) && frames[frames.count - 2] - frames.last! >= UInt64(SimulatedContext.signalFrameSize))
      }
      for (index, frame) in frames.enumerated().reversed() {
        world.pointer(user).pointee.context.kept = (8, 8, 8, 8)
        #expect(try scene.endHandler(frame) == UInt64(index == 0 ? 10 : 11 + index) << 8)
      }
      #expect(world[user].context == expected && world[user].canRun && !world[user].hasSignal)
      #expect(world.core.timerCount == 0)
      // Nobody thinks that it still waits.
      #expect(world.reply(.pm, user) == .notReady)
      world.check()
    }
  }

  @Test("M-E3 a signal while the handler of another waits for its stack: the second waits, and both run", arguments: [false, true])
  func whileStackIsFetched(isAnswer: Bool) throws {
    let scene = Scene(), world = scene.world, user = scene.user
    world.pointer(user).pointee.context.stack = 0x5000_0000  // nothing there yet
    try scene.put(in: isAnswer ? .served : .faultServed)
    let before = world[user].context
    #expect(try scene.signal(10, onAlternate: false) == 1)
    if isAnswer { world.receive(.vm) }
    try scene.release(from: isAnswer ? .served : .faultServed)
    if !isAnswer { world.receive(.vm) }
    #expect(world.pageFault()?.space == world[user].space)
    #expect(throws: Errno.busy) { try scene.signal(12, onAlternate: false) }
    world.map(user, 0x5000_0000 - 4096)
    world.reply(.vm, user)
    #expect(scene.isInHandler(10))
    let outer = world[user].context.stack
    #expect(try scene.signal(12, onAlternate: false) == 0 && scene.isInHandler(12))
    for frame in [world[user].context.stack, outer] { _ = try scene.endHandler(frame) }
    #expect(world[user].context.stack == before.stack && world[user].context.instruction == before.instruction)
    if isAnswer { #expect(world.delivery(user)?.message.payload.0 == 77) } else { #expect(world[user].context == before) }
  }
}
