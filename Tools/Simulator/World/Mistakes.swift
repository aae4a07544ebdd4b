import IPC
import KernelCore
import Protocols
import SimulatedArch

/// Mistakes that a system like this can have, planted between a service and the kernel of the simulated machine, for
/// the campaign to find. Each is made only once a driver has been restarted: a run without faults shows nothing of it. None of
/// this exists on other hosts.
public enum Mistake: String, CaseIterable, Sendable {
  /// The first answer of the new life to a request never arrives.
  case lostReply = "lost-reply"
  /// An asynchronous answer of the new life never arrives.
  case lostAnswer = "lost-answer"
  /// An answer arrives, and once more in place of the next one.
  case doubledReply = "doubled-reply"
  /// A process gets the generation of the one that had its slot before, while everybody is told the next.
  case oldGeneration = "old-generation"
  /// VFS does not hear of the new life.
  case lostNews = "lost-news"
  /// The new life says that it is ready, and nobody hears it.
  case lostReady = "lost-ready"
  /// The memory of a process that has ended is not given back.
  case leakedFrames = "leaked-frames"
  /// A grant is not taken back.
  case leakedGrant = "leaked-grant"
  /// A program's descriptor is another one from then on.
  case droppedDescriptor = "dropped-descriptor"
  /// A block is reported as written and is not.
  case lostWrite = "lost-write"
  /// The bytes of a copy come from one place further on.
  case shiftedCopy = "shifted-copy"
  /// A request that is offered again is thrown away.
  case droppedRequest = "dropped-request"
  /// A signal is asked for and not sent.
  case lostSignal = "lost-signal"
}

extension World {
  private static var drivers: [Int] { [Endpoint.tty.slot, Endpoint.memory.slot, Endpoint.disk.slot, Endpoint.echo.slot] }

  /// A driver lives its second life, or a later one.
  private var isAfterRestart: Bool { Self.drivers.contains { restarts[$0] > 0 } }

  /// Changes the trap that stands in the registers of `slot`. False: it does not happen at all and its maker goes on.
  func commit(_ mistake: Mistake, _ slot: Int) -> Bool {
    guard isAfterRestart, mistakesMade < 1 || mistake == .droppedDescriptor else { return true }
    let context = contexts[slot]
    let operation = TrapOperation(rawValue: context.pointee.rax)
    let type = context.pointee.words.message.type
    let isReborn = slot < Endpoint.serviceSlots && restarts[slot] > 0
    switch mistake {
    case .lostReply:
      // In the new life, to a program or a server that waits for it.
      guard operation == .replyReceive, isReborn || slot == Endpoint.vfs.slot, context.pointee.destination != .none else { return true }
      context.pointee.rax = TrapOperation.receive.rawValue
    case .lostAnswer:
      guard operation == .sendAsync, isReborn, type <= 0 else { return true }
      return skip(slot)
    case .doubledReply:
      guard operation == .replyReceive || operation == .reply, slot == Endpoint.vfs.slot, type == 0 else { return true }
      if let old = keptReply {
        context.pointee.words.message.payload = old
      } else {
        keptReply = context.pointee.words.message.payload
        return true
      }
    case .oldGeneration:
      guard operation == .kernelCall, slot == Endpoint.vm.slot, type == Protocols.Kernel.ThreadFork.number else { return true }
      kernel.pointee.trap()
      forgetGeneration((context.pointee.words.message.body() as Protocols.Kernel.ThreadReply).thread)
      mistakesMade += 1
      return false
    case .lostNews:
      guard operation == .sendAsync, slot == Endpoint.rs.slot, type == VFS.ServiceUp.number else { return true }
      return skip(slot)
    case .lostReady:
      guard operation == .sendAsync, isReborn, type == RS.Ready.number else { return true }
      return skip(slot)
    case .leakedFrames:
      guard operation == .sendRec, slot == Endpoint.pm.slot, type == VM.Exit.number else { return true }
      return skip(slot, Message(reply: Done()))
    case .leakedGrant:
      guard operation == .kernelCall, type == Protocols.Kernel.GrantRevoke.number, slot == Endpoint.rootfs.slot else { return true }
      return skip(slot, Message(reply: Done()))
    case .droppedDescriptor:
      guard operation == .sendRec, slot >= Endpoint.serviceSlots, type == VFS.Read.number || type == VFS.Write.number else { return true }
      var call: VFS.Read = context.pointee.words.message.body()
      guard call.descriptor > 2 else { return true }
      call.descriptor &+= 40
      let header = context.pointee.words.message.header
      context.pointee.words.message = Message(call)
      context.pointee.words.message.header = header
    case .lostWrite: return true  // the disk's
    case .shiftedCopy:
      guard operation == .kernelCall, type == Protocols.Kernel.CopyGrant.number, slot == Endpoint.rootfs.slot || isReborn else { return true }
      var call: Protocols.Kernel.CopyGrant = context.pointee.words.message.body()
      guard call.length > 8 else { return true }
      call.address &+= 1
      call.length &-= 1
      context.pointee.words.message = Message(call)
    case .droppedRequest: return true  // at its delivery
    case .lostSignal:
      guard operation == .kernelCall, type == Protocols.Kernel.Signal.number, slot == Endpoint.pm.slot else { return true }
      return skip(slot, Message(reply: Done()))
    }
    mistakesMade += 1
    return true
  }

  /// The trap is over before it began, and was good.
  private func skip(_ slot: Int, _ answer: Message? = nil) -> Bool {
    if let answer { contexts[slot].pointee.words.message = answer }
    contexts[slot].pointee.setResult(status: 0, flags: 0)
    mistakesMade += 1
    return false
  }

  /// The record of a thread, whose registers are its beginning, says the generation before.
  private func forgetGeneration(_ thread: Endpoint) {
    guard let offset = MemoryLayout<KernelCore.Thread<SimulatedContext>>.offset(of: \.endpoint) else { return }
    let old = Endpoint(slot: thread.slot, generation: thread.generation &- 1)
    (UnsafeMutableRawPointer(contexts[thread.slot]) + offset).storeBytes(of: old, as: Endpoint.self)
  }

  /// `slot` has just got a message. True: it never did, and has to wait again.
  func swallows(_ slot: Int) -> Bool {
    guard scenario.mistake == .droppedRequest, mistakesMade == 0, contexts[slot].pointee.flags.contains(.again) else { return false }
    mistakesMade += 1
    return true
  }

  /// Whether the disk is to say that it has written what it has not.
  func losesWrite() -> Bool {
    guard scenario.mistake == .lostWrite, mistakesMade == 0, isAfterRestart else { return false }
    mistakesMade += 1
    return true
  }
}
