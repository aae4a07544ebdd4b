import IPC
import Protocols

// Messages: who may send to whom, who gets what in which order, who waits.
extension Model {
  func stamped(_ message: Message, _ sender: Int) -> Message {
    var message = message
    message.source = rows[sender].name
    return message
  }

  func put(_ message: Message, _ flags: Delivery.Flags, into slot: Int) {
    rows[slot].registers.message = message
    rows[slot].registers.setResult(status: 0, flags: flags.raw)
  }

  func wants(_ slot: Int, from sender: Endpoint) -> Bool {
    rows[slot].state == .receiving && (rows[slot].source == .any || rows[slot].source == sender)
  }

  func mayReach(_ name: Endpoint, _ me: Int) throws(Errno) -> Int {
    guard let slot = find(name) else { throw .deadEndpoint }
    guard slot < 64, rows[me].privileges.sendTo >> UInt64(slot) & 1 == 1 else { throw .notPermitted }
    return slot
  }

  /// A wait without an end of its own on one thread.
  private func waitsFor(_ slot: Int) -> Int? {
    switch rows[slot].state {
    case .free, .able: nil
    case .sending(let peer), .waiting(let peer): peer
    case .receiving: rows[slot].deadline == 0 ? only(slot) : nil
    }
  }

  /// The one thread that a receiver wants to hear.
  func only(_ slot: Int) -> Int? {
    let source = rows[slot].source
    return source == .any || source == .none || source == .kernel ? nil : source.slot
  }

  func refuseCircle(_ me: Int, _ peer: Int) throws(Errno) {
    var next: Int? = peer
    for _ in 0...rows.count + 1 {
      guard let slot = next else { return }
      if slot == me { throw .wouldDeadlock }
      next = waitsFor(slot)
    }
    throw .wouldDeadlock
  }

  // MARK: The six operations

  func send(_ me: Int, _ name: Endpoint) throws(Errno) {
    guard me < 64 else { throw .notPermitted }
    let receiver = try mayReach(name, me)
    if !wants(receiver, from: rows[me].name) { try refuseCircle(me, receiver) }
    rows[me].need = .delivery
    call(me, receiver)
  }

  func sendRec(_ me: Int, _ name: Endpoint) throws(Errno) {
    let receiver = try mayReach(name, me)
    if !wants(receiver, from: rows[me].name) { try refuseCircle(me, receiver) }
    rows[me].need = .answer
    rows[me].heard = 0
    rows[me].suspicion = 0
    rows[me].requests &+= 1
    call(me, receiver)
  }

  /// Heard at once, or at the end of the line.
  func call(_ me: Int, _ receiver: Int) {
    if wants(receiver, from: rows[me].name) {
      hear(receiver, me)
      wake(receiver)
    } else {
      rows[me].state = .sending(receiver)
      rows[receiver].line.append(me)
    }
  }

  /// `me` gets what `caller` has to say.
  func hear(_ me: Int, _ caller: Int) {
    rows[me].line.removeAll { $0 == caller }
    let again: Delivery.Flags = rows[caller].heard > 0 ? .again : Delivery.Flags(raw: 0)
    switch rows[caller].need {
    case .delivery:
      put(stamped(rows[caller].registers.message, caller), Delivery.Flags(raw: 0), into: me)
      rows[caller].messages &+= 1
      result(caller)
      wake(caller)
      return
    case .answer: put(stamped(rows[caller].registers.message, caller), .request | again, into: me)
    case .page, .pageForCall, .pageForSignal, .stack: put(stamped(rows[caller].pageFault, caller), .request | .fromKernel | again, into: me)
    }
    moment += 1
    rows[caller].heardAt = moment
    rows[caller].heard += 1
    rows[caller].state = .waiting(me)
  }

  func receive(_ me: Int, _ source: Endpoint, _ deadline: UInt64) throws(Errno) {
    var peer: Int?
    if source != .any, source != .none, source != .kernel {
      peer = find(source)
      if peer == nil { throw .deadEndpoint }
      if peer == me { throw .wouldDeadlock }
    }
    if takeNotification(me, source) || takeLetter(me, source) { return }
    if let caller = rows[me].line.first(where: { source == .any || rows[$0].name == source }) { return hear(me, caller) }
    if deadline != 0, deadline <= now { throw .timedOut }
    if deadline == 0, let peer { try refuseCircle(me, peer) }
    moment += 1
    rows[me].state = .receiving
    rows[me].source = source
    rows[me].deadline = deadline
    rows[me].since = moment
  }

  func reply(_ me: Int, _ name: Endpoint) throws(Errno) {
    guard let caller = find(name) else { throw .deadEndpoint }
    guard rows[caller].state == .waiting(me) else { throw .notReady }
    let message = rows[me].registers.message
    let isGood = message.type == 0
    switch rows[caller].need {
    case .delivery: break
    case .answer:
      rows[me].messages &+= 1
      put(stamped(message, me), Delivery.Flags(raw: 0), into: caller)
    case .page: if !isGood { rows[caller].isFaulted = true }
    case .pageForCall:
      if isGood {
        rows[caller].isToRepeat = true
      } else {
        rows[caller].copied = 0
        put(Message(error: .badAddress), Delivery.Flags(raw: 0), into: caller)
      }
    case .pageForSignal: if !isGood { stackIsBad(caller) }
    case .stack:
      if isGood {
        rows[caller].isToRepeat = true
      } else {
        result(caller, .badAddress)
        rows[caller].isFaulted = true
      }
    }
    wake(caller)
  }

  // MARK: Messages without a partner

  func notify(_ me: Int, _ name: Endpoint) throws(Errno) {
    guard me < 64 else { throw .notPermitted }
    let receiver = try mayReach(name, me)
    rows[me].messages &+= 1
    result(me)
    ring(receiver, bit: me)
  }

  func post(_ events: UInt64, to receiver: Int) {
    rows[receiver].events |= events
    ring(receiver, bit: 0)
  }

  private func ring(_ receiver: Int, bit: Int) {
    rows[receiver].notifications |= 1 << UInt64(bit)
    if rows[receiver].state == .receiving, takeNotification(receiver, rows[receiver].source) { wake(receiver) }
  }

  private func takeNotification(_ me: Int, _ source: Endpoint) -> Bool {
    if rows[me].notifications == 0 { return false }
    for bit in 0..<64 where rows[me].notifications >> UInt64(bit) & 1 == 1 {
      let sender = rows[bit].name
      guard source == .any || source == sender else { continue }
      var message = Message(type: KernelEvent.notification)
      message.source = sender
      if bit == 0 {
        message.payload.0 = rows[me].events
        rows[me].events = 0
      }
      rows[me].notifications &= ~(1 << UInt64(bit))
      put(message, bit == 0 ? .notification | .fromKernel : .notification, into: me)
      return true
    }
    return false
  }

  func sendAsync(_ me: Int, _ name: Endpoint) throws(Errno) {
    guard me < 64 else { throw .notPermitted }
    let receiver = try mayReach(name, me)
    let message = stamped(rows[me].registers.message, me)
    if !wants(receiver, from: rows[me].name) {
      guard lettersInFlight(of: me) < Int(rows[me].privileges.asynchronousQuota), lettersInFlight() < envelopes else { throw .wouldBlock }
    }
    rows[me].messages &+= 1
    result(me)
    post(Letter(message: message, flags: .asynchronous, sender: me), to: receiver)
  }

  func post(_ letter: Letter, to receiver: Int) {
    if wants(receiver, from: letter.message.source) {
      put(letter.message, letter.flags, into: receiver)
      wake(receiver)
    } else {
      rows[receiver].inbox.append(letter)
    }
  }

  func lettersInFlight(of sender: Int? = nil) -> Int {
    slots.reduce(0) { $0 + rows[$1].inbox.count { sender == nil ? $0.sender != nil : $0.sender == sender } }
  }

  private func takeLetter(_ me: Int, _ source: Endpoint) -> Bool {
    guard let index = rows[me].inbox.firstIndex(where: { source == .any || $0.message.source == source }) else { return false }
    let letter = rows[me].inbox.remove(at: index)
    put(letter.message, letter.flags, into: me)
    return true
  }

  /// The news of a thread's end. If older news are not read yet these take their place.
  func report(_ slot: Int, signal: UInt32, address: UInt64, vector: UInt64) {
    let news = Message(KernelEvent.Exception(
      thread: rows[slot].name, signal: signal, address: address, instruction: rows[slot].registers.instruction, vector: vector))
    for other in slots {
      if let index = rows[other].inbox.firstIndex(where: { $0.subject == slot }) {
        rows[other].inbox[index].message = news
        return
      }
    }
    if let supervisor = find(rows[slot].supervisor) {
      post(Letter(message: news, flags: .asynchronous | .fromKernel, subject: slot), to: supervisor)
    }
  }

  // MARK: Ends of waiting

  func wake(_ slot: Int) {
    rows[slot].state = .able
    rows[slot].deadline = 0
    // Else its call is not over.
    if !rows[slot].isToRepeat { deliverSignal(slot) }
    settle(slot)
  }

  func endReceive(_ slot: Int, _ error: Errno) {
    result(slot, error)
    wake(slot)
  }
}
