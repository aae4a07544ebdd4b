import IPC
import Protocols

// Threads: VM makes and ends them, RS and PM stop and start them.
extension Core where M: ~Copyable {
  mutating func threadCreate(_ call: Kernel.ThreadCreate) throws(Errno) -> Kernel.ThreadReply {
    try checkRoot(call.root)
    try checkStart(entry: call.entry, stack: call.stack)
    guard call.priority < UInt32(Self.priorities) else { throw .invalidArgument }
    let thread = try freeSlot(call.slot)
    live(
      thread, root: call.root, space: call.space, context: M.Context(entry: call.entry, stack: call.stack),
      supervisor: call.supervisor, priority: UInt8(call.priority))
    thread.pointee.holds = .stopped
    machine.resetExtendedState(slot: thread.pointee.slot)
    return Kernel.ThreadReply(thread: thread.pointee.endpoint)
  }

  /// This slot, or with 0 the process slot that has been free for longest (SEC25).
  private mutating func freeSlot(_ slot: UInt32) throws(Errno) -> ThreadPointer {
    if slot == 0 {
      guard let thread = freeThreads.first else { throw .wouldBlock }
      return thread
    }
    guard slot < UInt32(limits.threads) else { throw .invalidArgument }
    let thread = threads + Int(slot)
    guard !thread.pointee.isAlive else { throw .busy }
    return thread
  }

  mutating func threadFork(_ call: Kernel.ThreadFork) throws(Errno) -> Kernel.ThreadReply {
    try checkRoot(call.root)
    guard let parent = lookup(call.parent) else { throw .deadEndpoint }
    guard !call.parent.isService else { throw .notPermitted }
    guard parent.pointee.state == .waiting, parent.pointee.purpose == .request, let server = parent.pointee.peer else { throw .notReady }
    let child = try freeSlot(0)
    live(
      child, root: call.root, space: call.space, context: parent.pointee.context, supervisor: parent.pointee.supervisor,
      priority: parent.pointee.priority)
    child.pointee.purpose = .request
    child.pointee.deliveries = parent.pointee.deliveries
    child.pointee.suspicion = parent.pointee.suspicion
    child.pointee.heardAt = parent.pointee.heardAt
    child.pointee.state = .waiting
    child.pointee.shortcut = parent.pointee.shortcut
    child.pointee.peer = server
    child.pointee.stackLow = parent.pointee.stackLow
    child.pointee.stackSize = parent.pointee.stackSize
    machine.copyExtendedState(from: parent.pointee.slot, to: child.pointee.slot)
    return Kernel.ThreadReply(thread: child.pointee.endpoint)
  }

  mutating func threadStart(_ call: Kernel.ThreadStart) throws(Errno) -> Done {
    guard let thread = lookup(call.thread) else { throw .deadEndpoint }
    release(thread, from: .stopped)
    release(thread, from: .exception)
    return Done()
  }

  private mutating func release(_ thread: ThreadPointer, from hold: Hold) {
    guard thread.pointee.holds.contains(hold) else { return }
    thread.pointee.holds.remove(hold)
    settle(thread)
  }

  mutating func threadStop(_ call: Kernel.ThreadStop) throws(Errno) -> Done {
    guard let thread = lookup(call.thread) else { throw .deadEndpoint }
    guard call.thread != .vm else { throw .notPermitted }
    if thread.pointee.canRun, thread != current { dequeue(thread) }
    thread.pointee.holds.insert(.stopped)
    return Done()
  }

  /// One that somebody else may end: not the caller, and not VM.
  private mutating func mortal(_ endpoint: Endpoint, _ me: ThreadPointer) throws(Errno) -> ThreadPointer {
    guard let thread = lookup(endpoint) else { throw .deadEndpoint }
    guard thread != me, endpoint != .vm else { throw .notPermitted }
    return thread
  }

  mutating func threadDestroy(_ call: Kernel.ThreadDestroy, _ me: ThreadPointer) throws(Errno) -> Done {
    destroy(try mortal(call.thread, me))
    return Done()
  }

  mutating func threadRestart(_ call: Kernel.ThreadRestart, _ me: ThreadPointer) throws(Errno) -> Done {
    let thread = try mortal(call.thread, me)
    guard call.thread.isService else { throw .notPermitted }
    try checkRoot(call.root)
    try checkStart(entry: call.entry, stack: call.stack)
    reincarnate(thread, root: call.root, space: call.space, context: M.Context(entry: call.entry, stack: call.stack), fault: call.fault != 0)
    return Done()
  }

  mutating func threadStack(_ call: Kernel.ThreadStack) throws(Errno) -> Done {
    guard let thread = lookup(call.thread) else { throw .deadEndpoint }
    guard !call.thread.isService else { throw .notPermitted }
    thread.pointee.stackLow = call.low
    thread.pointee.stackSize = call.size
    return Done()
  }

  /// A process that was stopped stays so; whatever else kept it from running belonged to the old image.
  mutating func threadExec(_ call: Kernel.ThreadExec, _ me: ThreadPointer) throws(Errno) -> Done {
    let thread = try mortal(call.thread, me)
    try checkRoot(call.root)
    try checkStart(entry: call.entry, stack: call.stack)
    unlink(thread)
    discard(events + thread.pointee.slot)
    thread.pointee.context = M.Context(entry: call.entry, stack: call.stack)
    thread.pointee.root = call.root
    thread.pointee.space = call.space
    thread.pointee.stackLow = call.stackLow
    thread.pointee.stackSize = call.stackSize
    thread.pointee.holds.remove(.exception)
    machine.resetExtendedState(slot: thread.pointee.slot)
    settle(thread)
    return Done()
  }
}
