import IPC
import Protocols

// A missing page is a request to VM in the name of the thread that needs it. The thread waits for the answer like
// for any other; what the answer means depends on why it needed the page. A stack that the kernel does not know is asked for likewise.
extension Core where M: ~Copyable {
  /// Asks VM for a page in the space of `owner`, which is `thread` itself or, in a kernel call, another.
  mutating func askVM(for thread: ThreadPointer, _ purpose: Purpose, in owner: ThreadPointer, address: UInt64, access: UInt32) {
    let vm = threads + Endpoint.vm.slot
    thread.pointee.fault = Message(KernelEvent.PageFault(
      address: address, access: access, space: owner.pointee.space,
      instruction: owner.pointee.context.instruction, stack: owner.pointee.context.stack))
    thread.pointee.deliveries = 0
    thread.pointee.suspicion = 0
    thread.pointee.purpose = purpose
    if accepts(vm, from: thread.pointee.endpoint) {
      stopReceiving(vm)
      hand(thread, to: vm)
      wake(vm)
    } else {
      queue(thread, at: vm, purpose)
    }
  }

  /// A trap with the stack pointer where the kernel knows no stack: VM knows all of them, and says whether the trap is done (V50).
  @inline(never)
  mutating func checkStack(_ me: ThreadPointer) {
    askVM(for: me, .stack, in: me, address: me.pointee.context.stack, access: KernelEvent.PageFault.stack)
    schedule()
  }

  /// VM has answered; `thread` is in no queue.
  mutating func pageDecided(_ thread: ThreadPointer, resolved: Bool) {
    switch thread.pointee.purpose {
    case .send, .request: break
    case .fault:
      // VM tells the supervisor itself, for it knows whether it was a bad address or a bad file.
      if !resolved { thread.pointee.holds.insert(.exception) }
    case .stack:
      if resolved {
        thread.pointee.rerun = true
      } else {
        thread.pointee.context.setResult(status: -Int64(Errno.badAddress.rawValue), flags: 0)
        thread.pointee.holds.insert(.exception)
      }
    case .copy:
      if resolved {
        thread.pointee.rerun = true
      } else {
        thread.pointee.copied = 0
        answer(thread, .badAddress)
      }
    case .signal:
      // `wake` tries again to deliver it.
      if !resolved {
        thread.pointee.hasSignal = false
        stackIsBad(thread)
      }
    }
    wake(thread)
  }

  /// What became of the attempt to use a range of user memory.
  enum Access {
    case granted
    /// VM may be able to help: `PageFault` with this address and access.
    case missing(address: UInt64, access: UInt32)
    /// Nobody can.
    case refused
  }

  /// Whether all pages from `address` on are there, in the space of `owner`. At most a few pages.
  mutating func probe(_ owner: ThreadPointer, _ address: UInt64, _ length: Int, write: Bool) -> Access {
    guard isUserRange(address, UInt64(length)) else { return .refused }
    var page = address
    while page < address + UInt64(length) {
      let place = translate(owner.pointee.root, page, write: write)
      switch place.result {
      case .found: break
      case .absent: return .missing(address: page, access: place.access | KernelEvent.PageFault.kernelCopy)
      case .noMemory: return .refused
      }
      page = (page & ~4095) + 4096
    }
    return .granted
  }
}
