import IPC
import PageTable
import Protocols
import SimulatedArch

// Threads that begin, end, and begin again; page faults and signals.
extension Model {
  /// A new thread in a free slot; the caller lets it stand or run.
  func live(_ slot: Int, entry: UInt64, stack: UInt64, space: Int, spaceName: UInt32, supervisor: Endpoint, priority: Int) {
    free.removeAll { $0 == slot }
    var row = Row(name: rows[slot].name)
    row.registers = SimulatedContext(entry: entry, stack: stack)
    row.space = space
    row.spaceName = spaceName
    row.supervisor = supervisor
    row.priority = priority
    row.state = .able
    switch slot {
    case 1: row.privileges = World.all
    case 2:
      row.privileges = rowOfRS
      rowOfRS = Privileges(kernelCalls: 0, sendTo: 0)
    case 64...: row.privileges = .user
    default: break
    }
    rows[slot] = row
  }

  /// Out of whatever it is in; its call is forgotten.
  func unlink(_ slot: Int) {
    leaveReady(slot)
    for other in slots { rows[other].line.removeAll { $0 == slot } }
    rows[slot].state = .able
    rows[slot].deadline = 0
    rows[slot].signal = nil
    rows[slot].isToRepeat = false
    rows[slot].copied = 0
  }

  func forgetNews(of slot: Int) {
    for other in slots { rows[other].inbox.removeAll { $0.subject == slot } }
  }

  /// What ends with every life: all that it has under way with others.
  private func release(_ slot: Int) {
    unlink(slot)
    forgetNews(of: slot)
    for other in slots { rows[other].inbox.removeAll { $0.sender == slot } }
    while let grant = rows[slot].grants.first { revoke(grant) }
    for line in lineOwners.indices where lineOwners[line] == slot {
      lineOwners[line] = nil
      openLines &= ~(1 << UInt32(line))
    }
    rows[slot].alarm = 0
    rows[slot].events = 0
    rows[slot].notifications &= ~1
  }

  func destroy(_ slot: Int) {
    release(slot)
    let line = rows[slot].line
    let listeners = slots.filter { rows[$0].state == .receiving && only($0) == slot }.sorted { rows[$0].since < rows[$1].since }
    let askers = askers(of: slot)
    var name = rows[slot].name
    if slot >= 64 { name = Endpoint(slot: slot, generation: name.generation + 1) }
    rows[slot] = Row(name: name)
    for other in line + listeners + askers { endReceive(other, .deadEndpoint) }
    if slot < 64 {
      for other in slots { rows[other].notifications &= ~(1 << UInt64(slot)) }
    } else {
      free.append(slot)
    }
  }

  func askers(of slot: Int) -> [Int] { slots.filter { rows[$0].state == .waiting(slot) } }

  /// Who waits for its answer is heard again, before those that were not heard yet, in the order in which they were. After a
  /// fault all of them are suspected, most of all the last.
  func restart(_ slot: Int, entry: UInt64, stack: UInt64, space: Int, spaceName: UInt32, isFault: Bool) {
    release(slot)
    rows[slot].registers = SimulatedContext(entry: entry, stack: stack)
    rows[slot].space = space
    rows[slot].spaceName = spaceName
    rows[slot].isStopped = true
    rows[slot].isFaulted = false
    rows[slot].hasEnded = false
    let askers = askers(of: slot)
    let last = askers.max { rows[$0].heardAt < rows[$1].heardAt || rows[$0].heardAt == rows[$1].heardAt && $0 > $1 }
    for asker in askers {
      if isFault { rows[asker].suspicion += asker == last ? 2 : 1 }
      if rows[asker].suspicion >= 4 {
        put(stamped(Message(error: .ioError), slot), Delivery.Flags(raw: 0), into: asker)
        wake(asker)
      } else {
        rows[asker].state = .sending(slot)
        rows[slot].line.append(asker)
      }
    }
    let wasHeard = { (asker: Int) in self.rows[asker].need != .delivery && self.rows[asker].heard > 0 }
    let heard = rows[slot].line.filter(wasHeard).sorted { (rows[$0].heardAt, $0) < (rows[$1].heardAt, $1) }
    rows[slot].line = heard + rows[slot].line.filter { !wasHeard($0) }
  }

  func fork(_ parent: Int, space: Int, spaceName: UInt32) throws(Errno) -> Int {
    guard case .waiting = rows[parent].state, rows[parent].need == .answer else { throw .notReady }
    guard let child = free.first else { throw .wouldBlock }
    let old = rows[parent]
    live(child, entry: 0, stack: 0, space: space, spaceName: spaceName, supervisor: old.supervisor, priority: old.priority)
    rows[child].registers = old.registers
    rows[child].state = old.state
    rows[child].heard = old.heard
    rows[child].heardAt = old.heardAt
    rows[child].suspicion = old.suspicion
    rows[child].stack = old.stack
    return child
  }

  func exec(_ slot: Int, entry: UInt64, stack: UInt64, space: Int, spaceName: UInt32) {
    unlink(slot)
    forgetNews(of: slot)
    rows[slot].registers = SimulatedContext(entry: entry, stack: stack)
    rows[slot].space = space
    rows[slot].spaceName = spaceName
    rows[slot].isFaulted = false
    settle(slot)
  }

  // MARK: Page faults

  func askVM(_ slot: Int, _ need: Need, owner: Int, address: UInt64, access: UInt32) {
    rows[slot].pageFault = Message(KernelEvent.PageFault(
      address: address, access: access, space: rows[owner].spaceName, instruction: rows[owner].registers.instruction,
      stack: rows[owner].registers.stack))
    rows[slot].need = need
    rows[slot].heard = 0
    rows[slot].suspicion = 0
    call(slot, 1)
  }

  // MARK: Signals

  /// The end of the stack that the signal brings, unless the thread is on it already.
  func alternateStack(_ call: Kernel.Signal, _ slot: Int) throws(Errno) -> UInt64 {
    if call.stackSize == 0 { return 0 }
    guard ModelMemory.isUserRange(call.stackBase, call.stackSize) else { throw .badAddress }
    let end = call.stackBase + call.stackSize
    return rows[slot].registers.stack > call.stackBase && rows[slot].registers.stack <= end ? 0 : end
  }

  func frameAddress(_ slot: Int, top: UInt64) -> UInt64? {
    let (stack, size) = (top == 0 ? rows[slot].registers.stack : top, UInt64(SimulatedContext.signalFrameSize))
    return stack >= size + 16 && stack <= AddressSpace.userEnd ? (stack - size) / 16 * 16 : nil
  }

  /// The frame, all of its pages being there. Above it is what the interrupted code may be using, which stays as it is.
  func enter(_ slot: Int, _ signal: Kernel.Signal, at address: UInt64) {
    var frame = (0..<UInt64(SimulatedContext.signalFrameSize)).map { memory.byte(rows[slot].space, address + $0) }
    frame.withUnsafeMutableBytes {
      rows[slot].registers.enterSignal(
        $0.baseAddress!, at: address, signal: signal.signal, handler: signal.handler, restorer: signal.restorer, mask: signal.mask)
      $0.storeBytes(of: floatingPoint[slot], toByteOffset: SimulatedContext.extendedStateOffset, as: UInt64.self)
    }
    for (offset, byte) in frame.enumerated() { memory.setByte(rows[slot].space, address + UInt64(offset), byte) }
  }

  /// The signal that waits for the end of a call: now, or when its page is there, or never for want of a stack.
  func deliverSignal(_ slot: Int) {
    guard let signal = rows[slot].signal else { return }
    guard let address = frameAddress(slot, top: rows[slot].signalTop) else { return stackIsBad(slot) }
    if let missing = memory.missing(rows[slot].space, address, UInt64(SimulatedContext.signalFrameSize), write: true) {
      askVM(slot, .pageForSignal, owner: slot, address: missing.address, access: missing.access)
    } else {
      rows[slot].signal = nil
      enter(slot, signal, at: address)
    }
  }

  func stackIsBad(_ slot: Int) {
    rows[slot].signal = nil
    rows[slot].isFaulted = true
    report(slot, signal: 11, address: rows[slot].registers.stack, vector: 14)
  }
}
