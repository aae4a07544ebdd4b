import IPC
import Protocols

// Signal frames on user stacks. When a thread gets its handler, all pages of the frame are there before the first
// byte is written and the first register changed.
extension Core where M: ~Copyable {
  /// The end of the alternate stack that `call` names; 0 if there is none or the thread is on it: a handler in a handler goes on there.
  mutating func alternateStack(_ call: Kernel.Signal, of thread: ThreadPointer) throws(Errno) -> UInt64 {
    guard call.stackSize > 0 else { return 0 }
    guard isUserRange(call.stackBase, call.stackSize) else { throw .badAddress }
    let stack = thread.pointee.context.stack
    return stack > call.stackBase && stack - call.stackBase <= call.stackSize ? 0 : call.stackBase + call.stackSize
  }

  /// Where a frame of `thread` would be, from `top` on or from its stack pointer if that is 0; nil if there is no such place.
  mutating func frameAddress(_ thread: ThreadPointer, top: UInt64) -> UInt64? {
    let stack = top == 0 ? thread.pointee.context.stack : top
    let size = UInt64(M.Context.signalFrameSize)
    guard stack >= size + 16, isUserRange(stack, 0) else { return nil }
    return (stack - size) & ~15
  }

  /// Whether the frame of `thread` can be written now.
  mutating func probeFrame(_ thread: ThreadPointer, top: UInt64) -> Access {
    guard let address = frameAddress(thread, top: top) else { return .refused }
    return probe(thread, address, M.Context.signalFrameSize, write: true)
  }

  /// Writes the frame; `probeFrame` has granted it.
  mutating func enter(_ thread: ThreadPointer, _ signal: PendingSignal) {
    guard let address = frameAddress(thread, top: signal.stackTop) else { return }
    // What the frame does not say stays as it is: the red zone, and no byte of another thread's frame (SEC20).
    transfer(thread, address, write: false)
    thread.pointee.context.enterSignal(
      frameBuffer, at: address, signal: signal.number, handler: signal.handler, restorer: signal.restorer, mask: signal.mask)
    machine.saveExtendedState(slot: thread.pointee.slot, signalFrame: frameBuffer)
    transfer(thread, address, write: true)
  }

  /// Between `frameBuffer` and a frame whose pages are there.
  mutating func transfer(_ thread: ThreadPointer, _ address: UInt64, write: Bool) {
    let size = UInt64(M.Context.signalFrameSize)
    var done: UInt64 = 0
    while done < size {
      let place = translate(thread.pointee.root, address + done, write: write)
      guard place.result == .found else { return }
      let count = min(size - done, 4096 - place.physical % 4096)
      let user = machine.memory(at: place.physical)
      if write {
        user.copyMemory(from: frameBuffer + Int(done), byteCount: Int(count))
      } else {
        (frameBuffer + Int(done)).copyMemory(from: user, byteCount: Int(count))
      }
      done += count
    }
  }

  /// `thread` has what it waited for: now its signal. If a page of its stack is missing it waits again, for VM.
  mutating func deliverPendingSignal(_ thread: ThreadPointer) {
    switch probeFrame(thread, top: thread.pointee.signal.stackTop) {
    case .granted:
      thread.pointee.hasSignal = false
      enter(thread, thread.pointee.signal)
    case .missing(let address, let access):
      faults &+= 1
      askVM(for: thread, .signal, in: thread, address: address, access: access)
    case .refused:
      thread.pointee.hasSignal = false
      stackIsBad(thread)
    }
  }

  /// A signal for which there is no room, with nobody waiting for the answer: SIGSEGV, as POSIX has it.
  mutating func stackIsBad(_ thread: ThreadPointer) {
    thread.pointee.holds.insert(.exception)
    report(thread, KernelEvent.Exception(
      thread: thread.pointee.endpoint, signal: 11, address: thread.pointee.context.stack,
      instruction: thread.pointee.context.instruction, vector: 14))
  }
}
