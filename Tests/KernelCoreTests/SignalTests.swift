import IPC
import PageTable
import Protocols
import SimulatedArch
import Testing

@testable import KernelCore

@Suite struct SignalTests {
  let world = World()
  let user: Endpoint, server: Endpoint
  let stackPage: UInt64 = 0x7000_0000 - 4096

  init() {
    world.spawn(slot: 2)
    world.spawn(slot: 3, priority: 3, privileges: World.all)
    server = world.spawn(slot: 4)
    user = world.spawn(priority: 5, supervisor: .pm)
    world.pointer(user).pointee.context.kept = (21, 22, 23, 24)
  }

  func mapStack() { world.map(user, stackPage) }
  func signal(_ number: UInt32 = 10, handler: UInt64 = 0x44_0000, mask: UInt64 = 0x5A) -> Kernel.Signal {
    Kernel.Signal(thread: user, signal: number, handler: handler, restorer: 0x45_0000, mask: mask)
  }
  var inHandler: Bool { world[user].context.instruction == 0x44_0000 && world[user].context.rdi == 10 }
  /// The handler asks PM for the way back; PM has received it.
  func askReturn() {
    let frame = world[user].context.stack
    world.engage(user, .pm, Message(type: 0x206, frame))
  }

  @Test("M-E3 a running thread gets its handler; SignalReturn brings back every register")
  func running() throws {
    mapStack()
    world.pointer(user).pointee.context.stack -= 5
    let before = world[user].context
    #expect(try world.kernel(.pm, signal()).deferred == 0)
    #expect(inHandler)
    let frame = world[user].context.stack
    #expect(frame % 16 == 0 && frame <= before.stack - UInt64(SimulatedContext.signalFrameSize))
    #expect(frame > before.stack - UInt64(SimulatedContext.signalFrameSize) - 16)
    askReturn()
    #expect(try world.kernel(.pm, Kernel.SignalReturn(thread: user, frame: frame)).mask == 0x5A)
    #expect(world[user].context == before && world[user].canRun)
    #expect(world.reply(.pm, user) == .notReady)
  }

  @Test("M-E2 a handler may use the FPU: what it held before comes back")
  func extendedState() throws {
    mapStack()
    world.core.machine.extendedState[user.slot] = 1234
    try world.kernel(.pm, signal())
    let frame = world[user].context.stack
    world.core.machine.extendedState[user.slot] = 99
    askReturn()
    try world.kernel(.pm, Kernel.SignalReturn(thread: user, frame: frame))
    #expect(world.core.machine.extendedState[user.slot] == 1234)
  }

  @Test("M-E3 a thread that waits for an answer gets the signal with it, and the answer is not lost")
  func waiting() throws {
    mapStack()
    world.engage(user, .pm, Message(type: 1))
    world.check()
    #expect(try world.kernel(.pm, signal()).deferred == 1)
    #expect(world.blocked(user) && !inHandler)
    #expect(world.error(.pm, signal(11)) == .busy, "one can be deferred")
    world.reply(.pm, user, Message(type: -4, 77))
    #expect(inHandler)
    let frame = world[user].context.stack
    askReturn()
    try world.kernel(.pm, Kernel.SignalReturn(thread: user, frame: frame))
    #expect(world.delivery(user)!.message.type == -4 && world.delivery(user)!.message.payload.0 == 77)
    #expect(world[user].context.status == 0)
  }

  @Test("an answer by replyReceive brings the deferred signal too")
  func answeredFast() throws {
    mapStack()
    for thread in [Endpoint.rs, server, .vm] { world.receive(thread) }
    world.receive(.pm)
    world.sendRec(user, .pm)
    #expect(try world.kernel(.pm, signal()).deferred == 1)
    world.replyReceive(.pm, user, Message(type: 0, 5))
    #expect(inHandler && world.core.current == world.pointer(user))
  }

  @Test("a thread whose request is still in line gets the signal with the answer as well")
  func sending() throws {
    mapStack()
    world.sendRec(user, .pm)
    #expect(try world.kernel(.pm, signal()).deferred == 1)
    world.receive(.pm)
    #expect(!inHandler)
    world.reply(.pm, user)
    #expect(inHandler)
  }

  @Test("a sleeping thread wakes with interrupted")
  func sleeping() throws {
    mapStack()
    world.receive(user, from: .none, deadline: world.core.machine.clock + 1000)
    #expect(try world.kernel(.pm, signal()).deferred == 0)
    #expect(inHandler && world[user].canRun && world.core.timerCount == 0)
    let frame = world[user].context.stack
    askReturn()
    try world.kernel(.pm, Kernel.SignalReturn(thread: user, frame: frame))
    #expect(world.status(user) == .interrupted)
  }

  @Test("the stack page is missing: PM's call waits for VM and is done again")
  func stackMissing() throws {
    world.receive(.vm)
    world.trap(.pm, .kernelCall, Message(signal()))
    #expect(world.blocked(.pm))
    let fault = world.pageFault()!
    #expect(fault.space == world[user].space && fault.address >= stackPage && fault.address < stackPage + 4096)
    #expect(fault.access == KernelEvent.PageFault.kernelCopy | KernelEvent.PageFault.write)
    mapStack()
    world.reply(.vm, .pm)
    world.receive(.vm)
    #expect(try world.answer(.pm, signal()).deferred == 0)
    #expect(inHandler)
  }

  @Test("a stack that VM does not give: PM gets badAddress, the thread is as it was")
  func stackRefused() {
    let before = world[user].context
    world.receive(.vm)
    world.trap(.pm, .kernelCall, Message(signal()))
    world.reply(.vm, .pm, Message(type: 1))
    world.receive(.vm)
    #expect(throws: Errno.badAddress) { try world.answer(.pm, signal()) }
    #expect(world[user].context == before)
  }

  @Test("a stack pointer that is nonsense is badAddress at once", arguments: [0, 8, 300, 0x7FFF_FFFF_F001, 1 << 63, UInt64.max])
  func badStack(stack: UInt64) {
    world.pointer(user).pointee.context.stack = stack
    #expect(world.error(.pm, signal()) == .badAddress)
    #expect(world[user].context.stack == stack)
  }

  @Test("a frame across a page border is whole or not there")
  func acrossPages() throws {
    world.pointer(user).pointee.context.stack = stackPage + 200
    mapStack()
    world.receive(.vm)
    world.trap(.pm, .kernelCall, Message(signal()))
    #expect(world.pageFault()!.address < stackPage)
    #expect(world.load(user, stackPage, 64) == [UInt8](repeating: 0, count: 64))
    world.map(user, stackPage - 4096)
    world.reply(.vm, .pm)
    world.receive(.vm)
    #expect(inHandler)
    askReturn()
    try world.kernel(.pm, Kernel.SignalReturn(thread: user, frame: world[user].context.message.payload.0))
    #expect(world[user].context.kept.3 == 24 && world[user].context.stack == stackPage + 200)
  }

  @Test("M-E3 a deferred signal whose stack is missing: the thread itself faults, then gets it, registers whole")
  func deferredFault() throws {
    world.engage(user, .pm)
    try world.kernel(.pm, signal())
    world.receive(.vm)
    world.reply(.pm, user, Message(type: 0, 5))
    #expect(world.blocked(user) && !inHandler)
    #expect(world.delivery(.vm)!.message.source == user && world.pageFault()!.space == world[user].space)
    mapStack()
    world.reply(.vm, user)
    world.check()
    #expect(inHandler)
    let frame = world[user].context.stack
    askReturn()
    try world.kernel(.pm, Kernel.SignalReturn(thread: user, frame: frame))
    #expect(world.delivery(user)!.message.payload.0 == 5)
  }

  @Test("a deferred signal on a bad stack becomes SIGSEGV for the supervisor")
  func deferredRefused() throws {
    world.engage(user, .pm)
    try world.kernel(.pm, signal())
    world.receive(.vm)
    world.reply(.pm, user)
    world.reply(.vm, user, Message(type: 1))
    let event = world.receive(.pm)!
    #expect(event.isFromKernel && event.message.body(KernelEvent.Exception.self).signal == 11)
    #expect(!world[user].canRun && !world[user].hasSignal)
    world.pointer(user).pointee.context.stack = 3
    try world.kernel(.vm, Kernel.ThreadStart(thread: user))
    world.engage(user, .pm)
    try world.kernel(.pm, signal())
    world.reply(.pm, user)
    #expect(world.receive(.pm)!.message.body(KernelEvent.Exception.self).signal == 11)
  }

  @Test("a signal for a thread that faults comes when the fault is over")
  func faulting() throws {
    mapStack()
    world.run(user)
    world.core.pageFault(address: 0x1000, access: 0)
    #expect(try world.kernel(.pm, signal()).deferred == 1)
    world.receive(.vm)
    world.reply(.vm, user)
    #expect(inHandler)
  }

  @Test("SIGSEGV to a handler: a thread that its exception stopped runs it")
  func afterException() throws {
    mapStack()
    world.run(user)
    world.core.exception(vector: 13, signal: 11, address: 0)
    #expect(try world.kernel(.pm, signal()).deferred == 0)
    #expect(inHandler && world[user].canRun)
  }

  @Test("a stopped process takes the signal and stays stopped")
  func stopped() throws {
    mapStack()
    try world.kernel(.vm, Kernel.ThreadStop(thread: user))
    try world.kernel(.pm, signal())
    #expect(inHandler && !world[user].canRun)
  }

  @Test("signals are for processes that live, with handlers in user memory")
  func refusals() {
    let call = Kernel.Signal(thread: server, signal: 1, handler: 0x1000, restorer: 0, mask: 0)
    #expect(world.error(.pm, call) == .notPermitted)
    #expect(world.error(.pm, signal(handler: 0xFFFF_8000_0000_0000)) == .badAddress)
    #expect(world.error(.pm, Kernel.Signal(thread: .none, signal: 1, handler: 0, restorer: 0, mask: 0)) == .deadEndpoint)
  }

  @Test("M-E6 SEC44 a forged frame is refused, and nothing has changed")
  func forgedFrame() throws {
    mapStack()
    world.engage(user, .pm)
    let before = world[user].context
    var random = Random(seed: 44)
    for _ in 0..<200 {
      world.store(user, stackPage, (0..<SimulatedContext.signalFrameSize).map { _ in UInt8(truncatingIfNeeded: random.next()) })
      #expect(world.error(.pm, Kernel.SignalReturn(thread: user, frame: stackPage)) == .invalidArgument)
    }
    #expect(world[user].context == before && world.blocked(user))
    for frame in [UInt64.max, AddressSpace.userEnd - 8, 0xFFFF_8000_0000_0000, 1 << 63] {
      #expect(world.error(.pm, Kernel.SignalReturn(thread: user, frame: frame)) == .badAddress)
    }
    #expect(world.reply(.pm, user) == .done)
  }

  @Test("SignalReturn is only for who waits for the caller")
  func returnOfWhom() {
    mapStack()
    #expect(world.error(.pm, Kernel.SignalReturn(thread: user, frame: stackPage)) == .notReady)
    world.engage(user, .vm)
    #expect(world.error(.pm, Kernel.SignalReturn(thread: user, frame: stackPage)) == .notReady)
    #expect(world.error(.pm, Kernel.SignalReturn(thread: .none, frame: stackPage)) == .deadEndpoint)
  }

  @Test("a signal that came during SignalReturn is delivered on what was restored")
  func nested() throws {
    mapStack()
    let before = world[user].context
    try world.kernel(.pm, signal())
    let frame = world[user].context.stack
    askReturn()
    #expect(try world.kernel(.pm, signal()).deferred == 1)
    try world.kernel(.pm, Kernel.SignalReturn(thread: user, frame: frame))
    #expect(inHandler && world[user].context.stack == frame, "in the place of the first")
    askReturn()
    try world.kernel(.pm, Kernel.SignalReturn(thread: user, frame: frame))
    #expect(world[user].context == before)
  }

  @Test("exec and destruction forget a deferred signal")
  func forgotten() throws {
    mapStack()
    world.engage(user, .pm)
    try world.kernel(.pm, signal())
    try world.kernel(.vm, Kernel.ThreadExec(thread: user, root: world.root(user), space: 1, entry: 0x1111, stack: 0x7000_0000))
    #expect(world[user].context.instruction == 0x1111 && !world[user].hasSignal)
    world.engage(user, .pm)
    world.reply(.pm, user)
    #expect(world[user].context.instruction == 0x1111)
  }

  @Test("a frame goes to the alternate stack, and a second signal on from there; the way back is the same")
  func alternateStack() throws {
    mapStack()
    let page: UInt64 = 0x6000_0000
    world.map(user, page)
    let before = world[user].context
    func call(_ number: UInt32) -> Kernel.Signal {
      Kernel.Signal(thread: user, signal: number, handler: 0x44_0000, restorer: 0x45_0000, mask: 7, stackBase: page, stackSize: 4096)
    }
    try world.kernel(.pm, call(10))
    let outer = world[user].context.stack
    #expect(outer > page + 2048 && outer <= page + 4096 - UInt64(SimulatedContext.signalFrameSize))
    let inHandler = world[user].context
    try world.kernel(.pm, call(12))
    let inner = world[user].context.stack
    #expect(inner < outer && inner > page)
    for (frame, context) in [(inner, inHandler), (outer, before)] {
      askReturn()
      #expect(try world.kernel(.pm, Kernel.SignalReturn(thread: user, frame: frame)).mask == 7)
      #expect(world[user].context == context)
    }
  }

  @Test("an alternate stack outside user memory is refused; one without room for a frame is a bad address, and nothing has changed")
  func badAlternateStack() throws {
    mapStack()
    let before = world[user].context
    for (base, size): (UInt64, UInt64) in [(~0, 4096), (AddressSpace.userEnd - 4096, 8192), (0, 100)] {
      let call = Kernel.Signal(thread: user, signal: 10, handler: 0x44_0000, restorer: 0, mask: 0, stackBase: base, stackSize: size)
      #expect(world.error(.pm, call) == .badAddress)
      #expect(world[user].context == before)
    }
  }

  @Test("a deferred signal goes to the alternate stack too")
  func deferredAlternateStack() throws {
    let page: UInt64 = 0x6000_0000
    world.map(user, page)
    world.engage(user, .pm, Message(type: 1))
    let call = Kernel.Signal(thread: user, signal: 10, handler: 0x44_0000, restorer: 0x45_0000, mask: 7, stackBase: page, stackSize: 4096)
    #expect(try world.kernel(.pm, call).deferred == 1)
    world.reply(.pm, user, Message(type: -4, 77))
    #expect(inHandler && world[user].context.stack > page && world[user].context.stack < page + 4096)
  }
}
