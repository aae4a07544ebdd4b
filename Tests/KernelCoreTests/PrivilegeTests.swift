import BootImage
import IPC
import Protocols
import Testing

@testable import KernelCore

@Suite struct PrivilegeTests {
  let world = World()

  @Test("SEC26 each kernel call without its bit is not permitted; with it, it is something else")
  func kernelCallMask() {
    let a = world.spawn(slot: 10)
    for number in Kernel.Number.allCases where number != .exit && number != .shutdown {
      for allowed in [false, true] {
        world.pointer(a).pointee.privileges.kernelCalls = allowed ? 1 << UInt64(number.rawValue) : ~(1 << UInt64(number.rawValue))
        world.trap(a, .kernelCall, Message(type: number.rawValue, ~0))
        #expect(!world.blocked(a))
        let refused = world[a].context.message.type == -Errno.notPermitted.rawValue
        if !allowed { #expect(refused, "\(number)") }
        // These refuse the arguments given here with the same word.
        if allowed, number != .grantRevoke, number != .signal { #expect(!refused, "\(number)") }
        world.check()
      }
    }
  }

  @Test("SEC8 kernel call numbers out of range", arguments: [-1, Int32(Kernel.Number.allCases.count), 40, 63, 64, 65, 127, 1 << 30, Int32.min, Int32.max])
  func unknownCalls(number: Int32) {
    let a = world.spawn(slot: 10, privileges: World.all)
    world.trap(a, .kernelCall, Message(type: number))
    #expect(world[a].context.message.type == -Errno.noSuchCall.rawValue && world[a].context.status == 0)
  }

  @Test("SEC27 the matrix of who may send to whom is the table's, bit for bit")
  func sendMatrix() {
    let services = (10..<16).map { world.spawn(slot: UInt32($0)) }
    for sender in services {
      for receiver in services where receiver != sender {
        for allowed in [false, true] {
          let bit: UInt64 = 1 << UInt64(receiver.slot)
          world.pointer(sender).pointee.privileges.sendTo = allowed ? bit : ~bit
          let expected: Errno = allowed ? .done : .notPermitted
          #expect(world.notify(sender, receiver) == expected)
          #expect(world.sendAsync(sender, receiver) == expected)
          if allowed {
            while world.receive(receiver, deadline: 1) != nil {}
            world.receive(receiver)
            #expect(world.send(sender, receiver) == .done)
          } else {
            #expect(world.send(sender, receiver) == .notPermitted)
            #expect(world.sendRec(sender, receiver) == .notPermitted)
          }
        }
      }
    }
  }

  @Test("SEC27 an answer to a waiting caller needs no leave; sending first does")
  func replyOnly() {
    let (a, b) = (world.spawn(slot: 10), world.spawn(slot: 11))
    world.pointer(b).pointee.privileges.sendTo = 0
    world.engage(a, b)
    #expect(world.send(b, a) == .notPermitted)
    #expect(world.reply(b, a) == .done)
  }

  @Test("a new service may do nothing until RS has said what")
  func bornWithNothing() {
    let call = Kernel.ThreadCreate(root: 0x1000, space: 0, entry: 0, stack: 0, slot: 20, supervisor: .rs, priority: 3)
    let thread = try! world.kernel(.vm, call).thread
    try! world.kernel(.vm, Kernel.ThreadStart(thread: thread))
    #expect(world.error(thread, Kernel.Null()) == .notPermitted)
    #expect(world.sendRec(thread, .vm) == .notPermitted)
    try! world.kernel(.vm, Kernel.SetPrivileges(thread: thread, priority: 2, privileges: World.plain))
    #expect(world.error(thread, Kernel.Null()) == nil)
    #expect(world.info(thread).priority == 2)
  }

  @Test("RS gets its row of the boot table when it is first created, and not in a second life")
  func bootPrivileges() {
    let world = World()
    let row = BootTable.entry(1)
    world.core.setBootPrivileges(slot: 2, row.privileges, priority: row.priority)
    let call = Kernel.ThreadCreate(root: 0x1000, space: 0, entry: 0, stack: 0, slot: 2, supervisor: .rs, priority: 1)
    let rs = try! world.kernel(.vm, call).thread
    #expect(rs == .rs)
    #expect(world[rs].privileges.kernelCalls == row.privileges.kernelCalls)
    try! world.kernel(.vm, Kernel.ThreadDestroy(thread: rs))
    let second = try! world.kernel(.vm, call).thread
    #expect(world[second].privileges.kernelCalls == 0)
  }

  @Test("a process can be given nothing, and has null, clock and yield")
  func processes() {
    let user = world.spawn()
    #expect(world.error(.vm, Kernel.SetPrivileges(thread: user, priority: 1, privileges: World.all)) == .notPermitted)
    #expect(world.error(.vm, Kernel.AllowPorts(thread: user, first: 0, count: 1)) == .notPermitted)
    #expect(world.error(user, Kernel.Null()) == nil)
    #expect(world.error(user, Kernel.Clock()) == nil)
    #expect(world.error(user, Kernel.Yield()) == nil)
    #expect(world.error(user, Kernel.Log(count: 1, text: (0, 0, 0, 0, 0, 0))) == .notPermitted)
    #expect(world.error(user, Kernel.Alarm(deadline: 5)) == .notPermitted)
    #expect(world.error(user, Kernel.Statistics()) == .notPermitted)
    #expect(world.error(user, Kernel.Shutdown(status: 0)) == .notPermitted)
    #expect(world.core.machine.shutdownStatus == nil)
  }

  @Test("privileges survive a restart, not a destruction")
  func lifetimes() {
    let a = world.spawn(slot: 10)
    try! world.kernel(.vm, Kernel.ThreadRestart(thread: a, root: 0x1000, space: 1, entry: 0, stack: 0, fault: 0))
    #expect(world[a].privileges.kernelCalls == World.plain.kernelCalls)
    try! world.kernel(.vm, Kernel.ThreadDestroy(thread: a))
    let call = Kernel.ThreadCreate(root: 0x1000, space: 0, entry: 0, stack: 0, slot: 10, supervisor: .rs, priority: 3)
    #expect(world[try! world.kernel(.vm, call).thread].privileges.kernelCalls == 0)
  }

  @Test("taking a line's bit away takes the line away")
  func linesTaken() {
    let a = world.spawn(slot: 10, privileges: World.all)
    try! world.kernel(a, Kernel.InterruptAttach(line: 5))
    try! world.kernel(a, Kernel.InterruptEnable(line: 5))
    #expect(world.core.machine.openLines == 1 << 5)
    try! world.kernel(.vm, Kernel.SetPrivileges(thread: a, priority: 4, privileges: World.plain))
    #expect(world.core.machine.openLines == 0)
    #expect(world.error(a, Kernel.InterruptEnable(line: 5)) == .notPermitted)
  }
}
