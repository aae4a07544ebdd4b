import IPC
import Protocols
import SimulatedArch

@testable import KernelCore

/// What a wrong kernel could do. Each is made around a step of the core, by changing what it is asked or what it has done, so
/// that the core itself has no place for it; the model must tell.
enum Mistake: String, CaseIterable {
  case lostReply, doubledReply, generationNotCounted, droppedNotification, wrongReceiveOrder, staleEndpointAccepted, lostQueueLink
  case forgedFromKernel, wrongSource, privilegesIgnored, kernelCallMaskIgnored, deadlineNotCancelled, quotaIgnored, grantNotRevoked
  case againNotSaid, circleAccepted
}

/// Makes one kind of mistake wherever it can.
final class Saboteur {
  typealias Pointer = World.Pointer

  let mistake: Mistake
  /// How often it had the opportunity.
  private(set) var done = 0
  private let twins: Twins
  private var deadlines: [Int: UInt64] = [:]
  private var names: [Endpoint] = []
  private var privileges: Privileges?

  init(_ mistake: Mistake, in twins: Twins) {
    self.mistake = mistake
    self.twins = twins
  }

  private var threads: Pointer { twins.world.core.threads }
  private func thread(_ name: Endpoint) -> Pointer? { twins.world.core.lookup(name) }

  /// The step that the core gets instead of `step`.
  func before(_ step: Step) -> Step {
    names = Twins.slots.map { threads[$0].endpoint }
    deadlines = [:]
    for slot in Twins.slots where threads[slot].deadline != 0 { deadlines[slot] = threads[slot].deadline }
    privileges = nil
    guard case .trap(var registers, let traced) = step, let me = twins.world.core.current else { return step }
    let operation = registers.operation
    switch mistake {
    case .lostReply:
      guard operation == 4, let caller = thread(registers.destination), caller.pointee.state == .waiting, caller.pointee.peer == me else { break }
      registers.rdi = UInt64(Endpoint.none.raw)
      done += 1
    case .wrongReceiveOrder:
      guard operation == 2 || operation == 4, registers.source == .any, let first = me.pointee.callers.first, me.pointee.callers.last != first else { break }
      me.pointee.callers.remove(first)
      me.pointee.callers.append(first)
      done += 1
    case .staleEndpointAccepted:
      let name = registers.destination
      guard operation != 0, name.slot < 68, threads[name.slot].isAlive, threads[name.slot].endpoint != name else { break }
      registers.rdi = UInt64(threads[name.slot].endpoint.raw)
      done += 1
    case .privilegesIgnored: if [1, 3, 5, 6].contains(operation) { allow(me) { $0.sendTo = ~0 } }
    case .kernelCallMaskIgnored:
      if operation == 0, registers.message.type != Kernel.SetPrivileges.number { allow(me) { $0.kernelCalls = ~0 } }
    case .quotaIgnored: if operation == 6 { allow(me) { $0.asynchronousQuota = .max } }
    case .grantNotRevoked:
      guard operation == 0, registers.message.type == Kernel.GrantRevoke.number, let grant = twins.world.core.grant(registers.message.payload.0),
        grant.pointee.owner == me
      else { break }
      registers.message.type = Kernel.Null.number
      done += 1
    default: break
    }
    return .trap(registers, traced: traced)
  }

  private func allow(_ me: Pointer, _ change: (inout Privileges) -> Void) {
    privileges = me.pointee.privileges
    change(&me.pointee.privileges)
    done += 1
  }

  /// What is changed when the core has carried out `step` of `slot`; `made` is what it was given.
  func after(_ step: Step, of slot: Int?, made: Step) {
    switch mistake {
    case .generationNotCounted:
      for (slot, name) in zip(Twins.slots, names) where threads[slot].endpoint != name && !threads[slot].isAlive {
        threads[slot].endpoint = name
        done += 1
      }
    case .lostQueueLink:
      for slot in Twins.slots {
        guard let first = threads[slot].callers.first, threads[slot].callers.last != first else { continue }
        first.pointee.next = nil
        threads[slot].callers.last = first
        done += 1
        return
      }
    case .deadlineNotCancelled:
      for (slot, deadline) in deadlines where threads[slot].isAlive && threads[slot].deadline == 0 && deadline > twins.world.core.machine.clock {
        threads[slot].deadline = deadline
        twins.world.core.updateTimer(threads + slot)
        done += 1
      }
    default: if case .trap(let registers, _) = step, let slot { afterTrap(registers, threads + slot, made) }
    }
  }

  private func afterTrap(_ registers: SimulatedContext, _ me: Pointer, _ made: Step) {
    if let privileges { me.pointee.privileges = privileges }
    // The registers that a trap does not change are as the thread has left them.
    if case .trap(let given, _) = made, me.pointee.context.rax == given.rax, me.pointee.context.rdi == given.rdi { me.pointee.context.rdi = registers.rdi }
    guard let other = thread(registers.destination), other != me else { return }
    let wasHeard = [1, 3].contains(registers.operation) && other.pointee.state == .runnable && me.pointee.peer ?? other == other
      && other.pointee.context.message.source == me.pointee.endpoint && other.pointee.context.message.payload.1 == registers.message.payload.1
    switch mistake {
    case .doubledReply:
      guard registers.operation == 7, me.pointee.context.status == 0, let envelope = twins.world.core.freeEnvelopes else { return }
      twins.world.core.freeEnvelopes = envelope.pointee.next
      envelope.pointee.message = other.pointee.context.message
      other.pointee.inbox.append(envelope)
      done += 1
    case .droppedNotification:
      let bit: UInt64 = 1 << UInt64(me.pointee.slot & 63)
      guard registers.operation == 5, other.pointee.notifications & bit != 0 else { return }
      other.pointee.notifications &= ~bit
      done += 1
    case .forgedFromKernel:
      guard wasHeard else { return }
      other.pointee.context.rdi |= Delivery.Flags.fromKernel.raw
      done += 1
    case .wrongSource:
      guard wasHeard else { return }
      other.pointee.context.message.source = registers.message.source
      done += 1
    case .againNotSaid:
      for slot in 1...5 where threads[slot].state == .runnable && threads[slot].context.flags == .request | .again {
        threads[slot].context.rdi &= ~Delivery.Flags.again.raw
        done += 1
      }
    case .circleAccepted:
      guard [1, 3].contains(registers.operation), me.pointee.context.status == -Int64(Errno.wouldDeadlock.rawValue) else { return }
      me.pointee.context = registers
      twins.world.core.queue(me, at: other, registers.operation == 1 ? .send : .request)
      twins.world.core.schedule()
      done += 1
    default: break
    }
  }
}
