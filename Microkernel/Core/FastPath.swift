import IPC
import Protocols

// The traps that programs live on, when nothing stands in the way: a request to a service that waits, an answer to
// a caller by a service that has nobody else to serve, a page fault and VM's answer to it, a notification that is heard at
// once, a question that concerns nobody else. Each does exactly what the
// slow path does in that case (the tests compare), in one piece and without a queue; in any other case it does
// nothing and the slow path, which is always right, begins anew. One thing differs: who is switched to here runs on
// what is left of the quantum of who was there before, so that no clock is read but the one that counts the time.
//
// A machine may have the same in assembly in front of it (x86-64: `Entry/fastpath.S`).
extension Core where M: ~Copyable {
  /// `sendRec` to a service that waits for anybody, and than which nobody ready is as important.
  @inline(__always)
  mutating func fastCall(_ me: ThreadPointer) -> Bool {
    let name = me.pointee.context.destination
    let slot = name.slot
    guard name.isService, me.pointee.privileges.sendTo & (1 &<< UInt64(truncatingIfNeeded: slot)) != 0 else { return false }
    let server = threads + slot
    guard server.pointee.endpoint == name, server.pointee.state == .receiving, server.pointee.source == .any,
      server.pointee.deadline == 0, isNext(server)
    else { return false }
    me.pointee.purpose = .request
    me.pointee.deliveries = 1
    me.pointee.suspicion = 0
    me.pointee.serial &+= 1
    me.pointee.state = .waiting
    me.pointee.shortcut = me.pointee.context.isFast ? .asked : .none
    me.pointee.peer = server
    let ticks = machine.ticks
    me.pointee.heardAt = hearing(ticks)
    server.pointee.state = .runnable
    server.pointee.context.message = stamped(me.pointee.context.message, me)
    server.pointee.context.setResult(status: 0, flags: Delivery.Flags.request.raw)
    switchTo(server, from: me, ticks)
    return true
  }

  /// The fault message to VM, if it waits for anybody and nobody ready is as important.
  @inline(__always)
  mutating func fastFault(_ me: ThreadPointer, address: UInt64, access: UInt32) -> Bool {
    let vm = threads + Endpoint.vm.slot
    guard shortcuts, vm.pointee.state == .receiving, vm.pointee.source == .any, vm.pointee.deadline == 0, isNext(vm) else { return false }
    let fault = Message(KernelEvent.PageFault(
      address: address, access: access, space: me.pointee.space,
      instruction: me.pointee.context.instruction, stack: me.pointee.context.stack))
    me.pointee.fault = fault
    me.pointee.purpose = .fault
    me.pointee.deliveries = 1
    me.pointee.suspicion = 0
    me.pointee.state = .waiting
    me.pointee.shortcut = .none
    me.pointee.peer = vm
    let ticks = machine.ticks
    me.pointee.heardAt = hearing(ticks)
    vm.pointee.state = .runnable
    vm.pointee.context.message = stamped(fault, me)
    vm.pointee.context.setResult(status: 0, flags: (Delivery.Flags.request | Delivery.Flags.fromKernel).raw)
    switchTo(vm, from: me, ticks)
    return true
  }

  /// A notification to a service that waits for anybody and is more important than us and all that are ready.
  @inline(__always)
  mutating func fastNotify(_ me: ThreadPointer) -> Bool {
    let name = me.pointee.context.destination
    let slot = name.slot
    let own = me.pointee.endpoint
    guard own.isService, name.isService, me.pointee.privileges.sendTo & (1 &<< UInt64(truncatingIfNeeded: slot)) != 0 else { return false }
    let server = threads + slot
    guard server.pointee.endpoint == name, server.pointee.state == .receiving, server.pointee.source == .any,
      server.pointee.deadline == 0, server.pointee.notifications == 0, !server.pointee.hasSignal, isNext(server),
      server.pointee.priority < me.pointee.priority
    else { return false }
    me.pointee.messages &+= 1
    me.pointee.context.setResult(status: 0, flags: 0)
    server.pointee.state = .runnable
    server.pointee.context.message = Message(header: UInt64(UInt32(bitPattern: KernelEvent.notification)) | UInt64(own.raw) << 32)
    server.pointee.context.setResult(status: 0, flags: Delivery.Flags.notification.raw)
    let ticks = machine.ticks
    let now = machine.nanoseconds(ticks: ticks)
    preempt(me, at: now)
    run(server, ticks, now: now)
    fastPath &+= 1
    return true
  }

  /// `replyReceive` to a caller that may run at once, by a service that then has to wait for anybody.
  @inline(__always)
  mutating func fastReply(_ me: ThreadPointer) -> Bool {
    let name = me.pointee.context.destination
    let slot = name.slot
    guard slot < limits.threads else { return false }
    let caller = threads + slot
    guard caller.pointee.state == .waiting, caller.pointee.endpoint == name, caller.pointee.peer == me,
      !caller.pointee.hasSignal, isNext(caller),
      me.pointee.context.source == .any, me.pointee.context.deadline == 0, me.pointee.notifications == 0,
      me.pointee.inbox.first == nil, me.pointee.callers.first == nil
    else { return false }
    if caller.pointee.purpose == .request {
      me.pointee.messages &+= 1
      caller.pointee.context.message = stamped(me.pointee.context.message, me)
      caller.pointee.context.setResult(status: 0, flags: 0)
    } else {
      // The page is there: nothing to tell, it executes its instruction again.
      guard caller.pointee.purpose == .fault, me.pointee.context.message.type == 0 else { return false }
    }
    me.pointee.state = .receiving
    me.pointee.shortcut = me.pointee.context.isFast ? .open : .none
    me.pointee.source = .any
    caller.pointee.state = .runnable
    caller.pointee.peer = nil
    switchTo(caller, from: me, machine.ticks)
    return true
  }

  /// Kernel calls after which `me` goes on whatever they say.
  @inline(__always)
  mutating func fastKernelCall(_ me: ThreadPointer) -> Bool {
    let number = me.pointee.context.message.type
    let allowed = me.pointee.privileges.kernelCalls
    if number == Kernel.Number.null.rawValue, allowed & (1 << UInt64(Kernel.Number.null.rawValue)) != 0 {
      answer(me, Done())
    } else if number == Kernel.Number.clock.rawValue, allowed & (1 << UInt64(Kernel.Number.clock.rawValue)) != 0 {
      answer(me, clock(me))
    } else {
      return false
    }
    fastPath &+= 1
    return true
  }

  /// Whether `thread`, once it is woken, runs next and needs no timer to share with others.
  @inline(__always)
  private mutating func isNext(_ thread: ThreadPointer) -> Bool {
    thread.pointee.holds == .none && readyMask & thread.pointee.urgent == 0
  }

  /// `run`, on what is left of the quantum of `last`.
  @inline(__always)
  private mutating func switchTo(_ next: ThreadPointer, from last: ThreadPointer, _ ticks: UInt64) {
    last.pointee.time &+= ticks
    next.pointee.time &-= ticks
    current = next
    fastPath &+= 1
  }
}
