import Glibc
import IPC
import PageTable
import Protocols
import SimulatedArch

@testable import KernelCore

// Where the core and the model do not agree: the first difference, nil if there is none.
extension Twins {
  /// After every step: who runs and who is ready, each thread's name, state, registers (in which messages, answers and notifications
  /// are), queues, rights and times.
  func difference() -> String? {
    if world.core.current.map({ $0 - world.core.threads }) != model.running { return "who runs" }
    for priority in 0..<8 where !isSame(world.core.ready[priority], model.ready[priority]) { return "the ready queue \(priority)" }
    if !isSame(world.core.freeThreads, model.free) { return "the free slots" }
    for slot in Self.slots {
      if let what = difference(slot) { return "thread \(slot): \(what)" }
    }
    for line in 0..<16 where world.core.lineOwners[line].map({ $0 - world.core.threads }) != model.lineOwners[line] { return "who owns line \(line)" }
    if world.core.machine.openLines != model.openLines { return "the open lines" }
    return nil
  }

  /// Now and then: all of memory, grants, counts, devices, and what the core says of itself.
  func rareDifference() -> String? {
    for space in frames.indices {
      for page in frames[space].indices {
        let isSame = model.memory.spaces[space][page].bytes.withUnsafeBytes {
          memcmp(world.core.machine.memory(at: frames[space][page]), $0.baseAddress!, 4096) == 0
        }
        if !isSame { return "page \(page) of space \(space)" }
      }
    }
    for (index, row) in model.grants.enumerated() {
      let grant = world.core.grants[index]
      if (grant.kind == .free) != (row.kind == nil) || UInt64(grant.generation) != row.generation { return "grant \(index)" }
    }
    if Int(world.core.envelopeCount) != model.lettersInFlight() { return "the number of asynchronous messages" }
    if Int(world.core.threadCount) != model.rows.count(where: { $0.state != .free }) { return "the number of threads" }
    if world.core.machine.ports != model.portValues { return "the ports" }
    if world.core.machine.text != model.text { return "the log" }
    if world.core.machine.shutdownStatus != model.shutdownStatus { return "the shutdown status" }
    world.core.machine.text = []
    model.text = []
    world.core.machine.resetSlots = []
    world.core.machine.copiedSlots = []
    world.core.machine.endedSlots = []
    world.core.machine.flushes = []
    if let broken = world.core.brokenInvariant() { return "\(broken)" }
    return nil
  }

  private func difference(_ slot: Int) -> String? {
    let thread = world.core.threads + slot
    return model.rows.withUnsafeBufferPointer { rows in
      let row = rows.baseAddress! + slot
      if thread.pointee.endpoint != row.pointee.name { return "name" }
      if !isSameState(thread, row) { return "state \(thread.pointee.state), must be \(row.pointee.state)" }
      if row.pointee.state == .free { return nil }
      if thread.pointee.holds.raw != holds(row) { return "what holds it" }
      if !isSame(thread.pointee.context, row.pointee.registers) {
        return "registers \(text(thread.pointee.context)), must be \(text(row.pointee.registers))"
      }
      if !isSame(thread.pointee.callers, row.pointee.line) { return "who stands in line" }
      if thread.pointee.notifications != row.pointee.notifications || thread.pointee.events != row.pointee.events { return "notifications" }
      if !isSame(thread.pointee.inbox, row.pointee.inbox) { return "asynchronous messages" }
      if thread.pointee.deadline != row.pointee.deadline || thread.pointee.alarm != row.pointee.alarm { return "times" }
      if Int(thread.pointee.priority) != row.pointee.priority || thread.pointee.supervisor != row.pointee.supervisor { return "priority or supervisor" }
      if !isSame(thread.pointee.privileges, row.pointee.privileges) { return "privileges" }
      if thread.pointee.root != model.roots[row.pointee.space] || thread.pointee.space != row.pointee.spaceName { return "space" }
      if thread.pointee.serial != row.pointee.requests || thread.pointee.messages != row.pointee.messages { return "counts of messages" }
      if Int(thread.pointee.grantCount) != row.pointee.grants.count { return "number of grants" }
      if thread.pointee.rerun != row.pointee.isToRepeat || thread.pointee.copied != row.pointee.copied { return "call to be done again" }
      if thread.pointee.stackLow != row.pointee.stack.low || thread.pointee.stackSize != row.pointee.stack.size { return "where its stack is" }
      if thread.pointee.hasSignal != (row.pointee.signal != nil) { return "signal" }
      return nil
    }
  }

  private func isSameState(_ thread: World.Pointer, _ row: UnsafePointer<Model.Row>) -> Bool {
    let peer = thread.pointee.peer.map { $0 - world.core.threads }
    switch (thread.pointee.state, row.pointee.state) {
    case (.free, .free): return true
    case (.runnable, .able): return peer == nil
    case (.receiving, .receiving): return thread.pointee.source == row.pointee.source
    case (.sending, .sending(let other)), (.waiting, .waiting(let other)):
      guard peer == other, need(thread) == row.pointee.need else { return false }
      if row.pointee.need == .delivery { return true }
      return Int(thread.pointee.deliveries) == min(255, row.pointee.heard) && Int(thread.pointee.suspicion) == row.pointee.suspicion
    default: return false
    }
  }

  private func need(_ thread: World.Pointer) -> Model.Need {
    switch thread.pointee.purpose {
    case .send: .delivery
    case .request: .answer
    case .fault: .page
    case .copy: .pageForCall
    case .signal: .pageForSignal
    case .stack: .stack
    }
  }

  private func holds(_ row: UnsafePointer<Model.Row>) -> UInt8 {
    (row.pointee.isStopped ? 1 : 0) | (row.pointee.isFaulted ? 2 : 0) | (row.pointee.hasEnded ? 4 : 0)
  }

  /// Byte for byte; none of these has padding.
  private func isSame<T: BitwiseCopyable>(_ a: T, _ b: T) -> Bool {
    withUnsafePointer(to: a) { a in withUnsafePointer(to: b) { memcmp(a, $0, MemoryLayout<T>.size) == 0 } }
  }

  /// Links followed in both directions.
  private func isSame(_ queue: ThreadQueue<SimulatedContext>, _ slots: [Int]) -> Bool {
    var (next, previous) = (queue.first, World.Pointer?.none)
    for slot in slots {
      guard let thread = next, thread - world.core.threads == slot, thread.pointee.previous == previous else { return false }
      previous = thread
      next = thread.pointee.next
    }
    return next == nil && queue.last == previous
  }

  private func isSame(_ queue: EnvelopeQueue<SimulatedContext>, _ letters: [Model.Letter]) -> Bool {
    var (next, previous) = (queue.first, Envelope<SimulatedContext>.Pointer?.none)
    for letter in letters {
      guard let envelope = next, envelope.pointee.previous == previous, envelope.pointee.flags == letter.flags,
        isSame(envelope.pointee.message, letter.message)
      else { return false }
      previous = envelope
      next = envelope.pointee.next
    }
    return next == nil && queue.last == previous
  }

  private func text(_ registers: SimulatedContext) -> String {
    let message = registers.message
    return "status \(registers.status) flags \(registers.rdi) source \(message.source.raw) type \(message.type) words \(message.payload)"
      + " instruction \(registers.instruction) stack \(registers.stack)"
  }
}
