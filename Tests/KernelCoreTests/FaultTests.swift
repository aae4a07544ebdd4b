import IPC
import Protocols
import Testing

@testable import KernelCore

@Suite struct FaultTests {
  let world = World()
  let user: Endpoint

  init() {
    world.spawn(slot: 2)
    user = world.spawn()
    world.pointer(user).pointee.context.kept = (11, 12, 13, 14)
  }

  func fault(_ thread: Endpoint, _ address: UInt64, access: UInt32) {
    world.run(thread)
    world.core.pageFault(address: address, access: access)
    world.check()
  }

  @Test("V17 a page fault is a request to VM with address, access, space, instruction and stack")
  func message() {
    world.receive(.vm)
    fault(user, 0x1234_5678, access: 3)
    let delivery = world.delivery(.vm)!
    #expect(delivery.flags == .request | .fromKernel && delivery.message.source == user)
    let fault = world.pageFault()!
    #expect(fault.address == 0x1234_5678 && fault.access == 3 && fault.space == world[user].space)
    #expect(fault.instruction == 0x40_0000 && fault.stack == 0x7000_0000)
    #expect(world.info(user).state == Kernel.ThreadState.faulted)
    #expect(world.statistics().faults == 1)
  }

  @Test("V32 the fault leaves every register as it was")
  func registersSurvive() {
    let before = world[user].context
    for round: UInt64 in 1...100 {
      fault(user, round << 12, access: 0)
      world.receive(.vm)
      world.reply(.vm, user, Message(type: 0, 0xBAD))
    }
    #expect(world[user].context == before)
    #expect(!world.blocked(user))
  }

  @Test("faults queue at VM like other callers, each with its own address")
  func queued() {
    let users = (0..<5).map { _ in world.spawn() }
    for (index, user) in users.enumerated() { fault(user, UInt64(index) << 12, access: 0) }
    for (index, user) in users.enumerated() {
      #expect(world.receive(.vm)!.message.source == user)
      #expect(world.pageFault()!.address == UInt64(index) << 12)
      world.reply(.vm, user)
    }
  }

  @Test("a refusal leaves the thread stopped until its supervisor decides")
  func refused() {
    fault(user, 0, access: 0)
    world.receive(.vm)
    world.reply(.vm, user, Message(type: -14))
    #expect(!world.blocked(user) && !world[user].canRun)
    try! world.kernel(.vm, Kernel.ThreadStart(thread: user))
    #expect(world[user].canRun)
  }

  @Test("the access that the machine reports cannot claim to be a kernel copy")
  func accessBits() {
    fault(user, 0, access: ~0)
    world.receive(.vm)
    #expect(world.pageFault()!.access == 7)
  }

  @Test("a thread that faults cannot be forked, granted from or copied from: it has asked for nothing")
  func faultIsNoRequest() {
    fault(user, 0x1000, access: 0)
    world.receive(.vm)
    #expect(world.error(.vm, Kernel.ThreadFork(parent: user, root: 0x1000, space: 1)) == .notReady)
    #expect(world.error(.vm, Kernel.CopyCaller(client: user, remote: 0, local: 0, length: 1, direction: 0)) == .notReady)
    let grant = Kernel.GrantCaller(client: user, address: 0, length: 1, grantee: .rs, access: 1)
    #expect(world.error(.vm, grant) == .notReady)
  }

  @Test("VM's own fault, and the death of VM or RS, end the kernel loudly")
  func vitals() async {
    await #expect(processExitsWith: .failure) {
      World().core.pageFault(address: 0, access: 0)
    }
    await #expect(processExitsWith: .failure) {
      World().core.exception(vector: 6, signal: 4, address: 0)
    }
    await #expect(processExitsWith: .failure) {
      let world = World()
      world.spawn(slot: 2)
      world.trap(.rs, .kernelCall, Message(Kernel.Exit(status: 0)))
    }
  }

  @Test("entries with nobody running are harmless")
  func idle() {
    world.receive(.vm)
    world.receive(.rs)
    world.receive(user)
    #expect(world.core.current == nil)
    world.core.trap()
    world.core.pageFault(address: 0, access: 0)
    world.core.exception(vector: 0, signal: 8, address: 0)
    world.core.interrupt(line: 5)
    world.core.timer()
    world.check()
    #expect(world.core.current == nil)
  }
}
