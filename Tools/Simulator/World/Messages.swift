import IPC
import KernelCore
import PageTable
import Protocols
import SimulatedArch

// Each message has a number, counted when it is sent. Faults strike at numbers.
extension World {
  /// The message that `slot` sends.
  @inline(__always)
  func message(_ slot: Int) {
    messages &+= 1
    let context = contexts[slot]
    let to = Endpoint(raw: UInt32(truncatingIfNeeded: context.pointee.rdi)).slot
    let message = context.pointee.words.message
    mix(context.pointee.rax << 56 ^ UInt64(slot) << 44 ^ UInt64(to) << 32 ^ message.header & 0xFFFF_FFFF)
    mix(Self.visible(message.payload.0) ^ Self.visible(message.payload.1) &* 3 ^ Self.visible(message.payload.2) &* 5)
    mix(Self.visible(message.payload.3) ^ Self.visible(message.payload.4) &* 3 ^ Self.visible(message.payload.5) &* 5 ^ message.payload.6 &* 7)
    if scenario.records { record(slot, to, context.pointee.rax, message) }
    if messages == scenario.stopBefore { end = .stopped }
    if nextFault < faults.count, faults[nextFault].at <= messages {
      strikeFaults(slot)
    } else {
      enterKernel()
    }
  }

  /// Addresses of the host differ from run to run.
  @inline(__always)
  private static func visible(_ word: UInt64) -> UInt64 {
    word >= AddressSpace.mmapEnd && word < AddressSpace.userEnd ? 0 : word
  }

  private func record(_ slot: Int, _ to: Int, _ operation: UInt64, _ message: Message) {
    var answers: Int32 = 0
    if operation == TrapOperation.sendRec.rawValue {
      requests[slot] = (to, message.type)
    } else if operation == TrapOperation.reply.rawValue || operation == TrapOperation.replyReceive.rawValue, to < World.threadLimit {
      // VM also answers those who ask somebody else: their pages are what it found.
      answers = requests[to].server == slot ? requests[to].type : KernelEvent.PageFault.number
    }
    guard scenario.recordRange.contains(messages) else { return }
    sent.append(SentMessage(
      index: messages, time: kernel.pointee.machine.clock, operation: UInt8(operation), from: slot, to: to, type: message.type, answers: answers,
      payload: message.payload))
  }

  /// Those of this message; then the message itself, if nothing stands against it.
  private func strikeFaults(_ slot: Int) {
    var after: [Int] = []
    var isRefused = false
    var isDead = false
    while nextFault < faults.count, faults[nextFault].at <= messages {
      let fault = faults[nextFault]
      nextFault += 1
      mix(fault.at ^ 0xFA17)
      switch fault.kind {
      case .killBefore:
        if isAlive(fault.service) { struck += 1 }
        kernel.pointee.died(slot: fault.service)
        isDead = isDead || fault.service == slot
      case .killAfter: after.append(fault.service)
      case .killDuring:
        if isAlive(fault.service) { struck += 1 }
        doomed[fault.service] = true
      case .refuse: isRefused = true
      case .delay:
        // Only a service: a process could get a signal while it waits.
        guard slot < Endpoint.serviceSlots else { break }
        struck += 1
        delay(slot, fault.amount)
        return
      case .exhaust:
        failReservation = true
        struck += 1
      case .harm: harms[fault.service] = fault.amount
      case .writeError: break
      }
    }
    if isDead { return }
    if isRefused, refuse(slot) {
      struck += 1
      kernel.pointee.schedule()
    } else if kernel.pointee.current?.pointee.endpoint.slot == slot {
      enterKernel()
    } else {
      // The death of another has made somebody more important run first: the trap comes when it is our turn again.
      repeats[slot] = true
    }
    for service in after {
      if isAlive(service) { struck += 1 }
      kernel.pointee.died(slot: service)
    }
  }

  func isAlive(_ slot: Int) -> Bool { slot < Endpoint.serviceSlots && started[slot] }

  /// As the kernel could: a queue is full, a peer is gone. An answer cannot be refused.
  private func refuse(_ slot: Int) -> Bool {
    let errno: Errno
    switch contexts[slot].pointee.rax {
    case TrapOperation.sendAsync.rawValue:
      // Quotas are such that there is always room for an answer, and for RS's news of services.
      guard contexts[slot].pointee.words.message.type > 0, slot != Endpoint.rs.slot else { return false }
      errno = .wouldBlock
    case TrapOperation.send.rawValue, TrapOperation.sendRec.rawValue, TrapOperation.notify.rawValue:
      // Those that are never down answer always.
      let to = Endpoint(raw: UInt32(truncatingIfNeeded: contexts[slot].pointee.rdi))
      guard to == .tty || to == .memory || to == .disk || to == .echo else { return false }
      errno = .deadEndpoint
    default: return false
    }
    contexts[slot].pointee.setResult(status: -Int64(errno.rawValue), flags: 0)
    return true
  }

  private func delay(_ slot: Int, _ nanoseconds: UInt64) {
    delayed[slot] = contexts[slot].pointee
    contexts[slot].pointee.rax = TrapOperation.receive.rawValue
    contexts[slot].pointee.rsi = UInt64(Endpoint.none.raw)
    contexts[slot].pointee.rdx = kernel.pointee.machine.clock &+ nanoseconds
    enterKernel()
  }

  /// Planned harm, as soon as the service runs with a message in its hands.
  func strike(_ slot: Int) {
    let kind = harms[slot]
    harms[slot] = 0
    struck += 1
    switch kind {
    case Service.Harm.endlessLoop: spinning[slot] = true
    default: doomed[slot] = true
    }
  }
}
