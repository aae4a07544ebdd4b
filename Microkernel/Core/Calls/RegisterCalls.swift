import IPC
import PageTable
import Protocols

// Registers of a thread that only the kernel can set: the core says who may, the machine keeps them.
extension Core where M: ~Copyable {
  mutating func threadBases(_ call: Kernel.ThreadBases, _ me: ThreadPointer) throws(Errno) -> Done {
    let thread = try subject(call.thread, me)
    guard call.fs < AddressSpace.userEnd, call.gs < AddressSpace.userEnd else { throw .badAddress }
    try machine.setBases(slot: thread.pointee.slot, fs: call.fs, gs: call.gs)
    leaveShortcut(thread)
    return Done()
  }

  mutating func threadWatch(_ call: Kernel.ThreadWatch, _ me: ThreadPointer) throws(Errno) -> Kernel.ThreadWatch.Reply {
    let thread = try subject(call.thread, me)
    let status = try machine.setWatch(slot: thread.pointee.slot, addresses: call.addresses, control: call.control)
    leaveShortcut(thread)
    return Kernel.ThreadWatch.Reply(status: status)
  }

  /// The caller itself, or a thread that it is the supervisor of.
  private mutating func subject(_ name: Endpoint, _ me: ThreadPointer) throws(Errno) -> ThreadPointer {
    if name == .kernel { return me }
    guard let thread = lookup(name) else { throw .deadEndpoint }
    guard thread == me || thread.pointee.supervisor == me.pointee.endpoint else { throw .notPermitted }
    return thread
  }

  /// The machine's fast path knows nothing of such registers, so it must not find the thread.
  private mutating func leaveShortcut(_ thread: ThreadPointer) {
    thread.pointee.context.leaveFully()
    if !thread.pointee.context.isFast { thread.pointee.shortcut = .none }
  }
}
