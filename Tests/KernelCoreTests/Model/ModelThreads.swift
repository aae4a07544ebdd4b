import IPC
import PageTable
import Protocols

// The kernel calls that make, end and show threads.
extension Model {
  func threadCall(_ number: Kernel.Number, _ request: Message, _ me: Int) throws(Errno) -> Message {
    switch number {
    case .threadCreate:
      let call: Kernel.ThreadCreate = request.body()
      let image = try image(call.root, call.entry, call.stack)
      guard call.priority < 8 else { throw .invalidArgument }
      let slot = try freeSlot(call.slot)
      live(
        slot, entry: call.entry, stack: call.stack, space: image, spaceName: call.space, supervisor: call.supervisor,
        priority: Int(call.priority))
      rows[slot].isStopped = true
      return Message(reply: Kernel.ThreadReply(thread: rows[slot].name))
    case .threadFork:
      let call: Kernel.ThreadFork = request.body()
      let space = try image(call.root, 0, 0)
      let parent = try named(call.parent)
      guard parent >= 64 else { throw .notPermitted }
      return Message(reply: Kernel.ThreadReply(thread: rows[try fork(parent, space: space, spaceName: call.space)].name))
    case .threadStart:
      let thread = try named(request.body(Kernel.ThreadStart.self).thread)
      let wasReady = rows[thread].canRun
      rows[thread].isStopped = false
      rows[thread].isFaulted = false
      if !wasReady { settle(thread) }
    case .threadStop:
      let thread = try named(request.body(Kernel.ThreadStop.self).thread)
      guard thread != 1 else { throw .notPermitted }
      leaveReady(thread)
      rows[thread].isStopped = true
    case .threadDestroy: destroy(try mortal(request.body(Kernel.ThreadDestroy.self).thread, me))
    case .threadRestart:
      let call: Kernel.ThreadRestart = request.body()
      let thread = try mortal(call.thread, me)
      guard thread < 64 else { throw .notPermitted }
      let image = try image(call.root, call.entry, call.stack)
      restart(thread, entry: call.entry, stack: call.stack, space: image, spaceName: call.space, isFault: call.fault != 0)
    case .threadExec:
      let call: Kernel.ThreadExec = request.body()
      let thread = try mortal(call.thread, me)
      let image = try image(call.root, call.entry, call.stack)
      exec(thread, entry: call.entry, stack: call.stack, space: image, spaceName: call.space)
      rows[thread].stack = (call.stackLow, call.stackSize)
    case .threadStack:
      let call: Kernel.ThreadStack = request.body()
      let thread = try named(call.thread)
      guard thread >= 64 else { throw .notPermitted }
      rows[thread].stack = (call.low, call.size)
    default: return try information(request.payload.0)
    }
    return Message(type: 0)
  }

  private func mortal(_ name: Endpoint, _ me: Int) throws(Errno) -> Int {
    let thread = try named(name)
    guard thread != me, thread != 1 else { throw .notPermitted }
    return thread
  }

  private func image(_ root: UInt64, _ entry: UInt64, _ stack: UInt64) throws(Errno) -> Int {
    guard let space = roots.firstIndex(of: root) else { throw .invalidArgument }
    guard entry < AddressSpace.userEnd, stack <= AddressSpace.userEnd else { throw .badAddress }
    return space
  }

  private func freeSlot(_ slot: UInt32) throws(Errno) -> Int {
    if slot == 0 {
      guard let first = free.first else { throw .wouldBlock }
      return first
    }
    guard rows.indices.contains(Int(slot)) else { throw .invalidArgument }
    guard rows[Int(slot)].state == .free else { throw .busy }
    return Int(slot)
  }

  private func information(_ slot: UInt64) throws(Errno) -> Message {
    guard slot < UInt64(rows.count), rows[Int(slot)].state != .free else { throw .noSuchProcess }
    let row = rows[Int(slot)]
    var state = Kernel.ThreadState.stopped
    var peer: Int?
    switch row.state {
    case .free: break
    case .able: state = Int(slot) == running ? Kernel.ThreadState.running : Kernel.ThreadState.ready
    case .receiving:
      state = Kernel.ThreadState.receiving
      peer = only(Int(slot))
    case .sending(let other), .waiting(let other):
      peer = other
      switch row.need {
      case .delivery: state = Kernel.ThreadState.sending
      case .answer: state = row.state == .sending(other) ? Kernel.ThreadState.sending : Kernel.ThreadState.waitingForReply
      case .page, .pageForCall, .pageForSignal, .stack: state = Kernel.ThreadState.faulted
      }
    }
    return Message(reply: Kernel.ThreadInfo.Reply(
      thread: row.name, state: row.isHeld ? Kernel.ThreadState.stopped : state, peer: peer.map { rows[$0].name } ?? .none,
      priority: UInt32(row.priority), time: row.time, messages: row.messages &+ UInt64(row.requests), instruction: row.registers.instruction,
      stack: row.registers.stack))
  }
}
