import IPC
import Protocols
import Testing

@testable import KernelCore

/// Traps with the stack pointer where the kernel knows no stack (V50).
@Suite struct StackTests {
  let world = World()
  let user: Endpoint
  let server: Endpoint
  let pm: Endpoint

  init() throws {
    world.spawn(slot: 2)
    server = world.spawn(slot: 5)
    pm = world.spawn(slot: 3, privileges: World.all)
    user = world.spawn()
    world.receive(server)
    world.receive(.vm)
    tell(low: 0x1000, size: 0x1000)
  }

  /// As VM would say it.
  func tell(low: UInt64, size: UInt64) {
    world.core.threads[user.slot].stackLow = low
    world.core.threads[user.slot].stackSize = size
  }

  /// The user traps with this stack pointer.
  func trap(_ pointer: UInt64, _ operation: TrapOperation = .sendRec) {
    world.pointer(user).pointee.context.stack = pointer
    world.trap(user, operation, to: operation == .kernelCall ? .kernel : server, Message(type: operation == .kernelCall ? 0 : 7, 42))
  }

  /// All others wait.
  func letUserRun() { for thread in [Endpoint.vm, .rs, pm] where !world.blocked(thread) { world.receive(thread) } }

  @Test("V50 X6 a trap from the stack goes on, at both its ends; any other asks VM", arguments: [false, true])
  func edges(traced: Bool) {
    if traced { world.core.startTrace(.messages) }
    for good: UInt64 in [0x1000, 0x1001, 0x2000] {
      trap(good)
      #expect(world.delivery(server)?.message.payload.0 == 42)
      world.reply(server, user)
      world.receive(server)
    }
    for bad: UInt64 in [0xFFF, 0x2001, 0, .max, 1 << 63] {
      trap(bad)
      let fault = world.pageFault()
      #expect(fault?.address == bad && fault?.access == KernelEvent.PageFault.stack && fault?.stack == bad)
      #expect(world.blocked(server) && world.info(user).state == Kernel.ThreadState.faulted)
      world.reply(.vm, user, Message(type: -14))
      #expect(!world[user].canRun && world[user].context.status == -Int64(Errno.badAddress.rawValue))
      try! world.kernel(.vm, Kernel.ThreadStart(thread: user))
      world.receive(.vm)
    }
  }

  @Test("V50 once VM has said yes the trap is done as if nothing had been, whichever it is")
  func allowed() {
    for operation in [TrapOperation.sendRec, .kernelCall, .receive] {
      trap(0x9000, operation)
      #expect(world.pageFault()?.address == 0x9000)
      tell(low: 0x9000, size: 0)
      world.replyReceive(.vm, user)
      letUserRun()
      switch operation {
      case .sendRec:
        #expect(world.delivery(server)?.message.payload.0 == 42)
        world.reply(server, user)
        world.receive(server)
      case .kernelCall: #expect(world[user].context.status == 0 && world[user].context.message.type == 0)
      default: #expect(world[user].state == .receiving)
      }
      tell(low: 0x1000, size: 0x1000)
      world.check()
    }
  }

  @Test("V50 a fork has its parent's stack, a new image its own, and only VM says so, of processes")
  func inherited() throws {
    trap(0x1800)
    world.notify(server, .vm)
    let root = world.core.machine.takeFrame()!
    let child = try world.kernel(.vm, Kernel.ThreadFork(parent: user, root: root, space: 7)).thread
    #expect(world[child].stackLow == 0x1000 && world[child].stackSize == 0x1000)
    try world.kernel(.vm, Kernel.ThreadExec(thread: child, root: root, space: 7, entry: 0x1000, stack: 0x5000, stackLow: 0x4000, stackSize: 0x1000))
    #expect(world[child].stackLow == 0x4000 && world[child].stackSize == 0x1000 && world[child].isOnStack)
    #expect(world.error(.vm, Kernel.ThreadStack(thread: server, low: 0, size: 0)) == .notPermitted)
    try world.kernel(.vm, Kernel.ThreadStack(thread: child, low: 5, size: 0))
    #expect(!world[child].isOnStack)
    try world.kernel(.vm, Kernel.ThreadDestroy(thread: child))
    #expect(world.error(.vm, Kernel.ThreadStack(thread: child, low: 0, size: 0)) == .deadEndpoint)
    #expect(world[world.spawn()].isOnStack, "what was never said is everywhere")
  }

  @Test("V50 a signal that comes while VM is asked is delivered when the trap is over")
  func signal() throws {
    world.map(user, 0x8000, pages: 2)
    trap(0x9800)
    let call = Kernel.Signal(thread: user, signal: 10, handler: 0x40_2000, restorer: 0x40_3000, mask: 0)
    #expect(try world.kernel(pm, call).deferred == 1)
    world.replyReceive(.vm, user)
    letUserRun()
    // The request of the trap has gone out, with the registers that it had.
    #expect(world.delivery(server)?.message.payload.0 == 42 && world[user].state == .waiting)
    world.reply(server, user, Message(type: 0, 99))
    #expect(world[user].context.instruction == 0x40_2000 && world[user].context.rdi == 10)
    world.check()
  }

  @Test("V50 and one that comes after VM's answer, before the thread runs again, too: it ends a wait for messages", arguments: [false, true])
  func lateSignal(receives: Bool) throws {
    world.map(user, 0x8000, pages: 2)
    trap(0x9800, receives ? .receive : .kernelCall)
    // VM runs on, since it is more important.
    world.reply(.vm, user)
    #expect(world[user].rerun)
    #expect(try world.kernel(pm, Kernel.Signal(thread: user, signal: 10, handler: 0x40_2000, restorer: 0x40_3000, mask: 0)).deferred == 1)
    letUserRun()
    #expect(world[user].context.instruction == 0x40_2000 && world[user].context.rdi == 10 && world.core.current == world.pointer(user))
    // The first word behind the frame's head is what the trap has returned.
    let status = world.load(user, world[user].context.stack + 32, 8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    #expect(Int64(bitPattern: status) == (receives ? -Int64(Errno.interrupted.rawValue) : 0))
    world.check()
  }
}
