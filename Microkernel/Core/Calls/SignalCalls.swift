import IPC
import Protocols

// PM's way to interrupt a process: a frame on its stack and a handler that runs, and the way back.
extension Core where M: ~Copyable {
  mutating func signal(_ call: Kernel.Signal, _ me: ThreadPointer) throws(Errno) -> Answer<Kernel.Signal.Reply> {
    guard let thread = lookup(call.thread) else { throw .deadEndpoint }
    guard !call.thread.isService else { throw .notPermitted }
    try checkStart(entry: call.handler, stack: 0)
    guard !thread.pointee.hasSignal else { throw .busy }
    let signal = PendingSignal(
      number: call.signal, handler: call.handler, restorer: call.restorer, mask: call.mask, stackTop: try alternateStack(call, of: thread))
    switch thread.pointee.state {
    case .free: throw .deadEndpoint
    case .runnable where thread.pointee.rerun, .sending, .waiting:
      thread.pointee.signal = signal
      thread.pointee.hasSignal = true
      return .reply(Kernel.Signal.Reply(deferred: 1))
    case .runnable, .receiving: break
    }
    switch probeFrame(thread, top: signal.stackTop) {
    case .refused: throw .badAddress
    case .missing(let address, let access):
      guard me.pointee.slot != Endpoint.vm.slot else { throw .badAddress }
      faults &+= 1
      askVM(for: me, .copy, in: thread, address: address, access: access)
      return .suspend
    case .granted: break
    }
    let waited = thread.pointee.state == .receiving
    if waited {
      stopReceiving(thread)
      thread.pointee.context.setResult(status: -Int64(Errno.interrupted.rawValue), flags: 0)
      thread.pointee.state = .runnable
    }
    enter(thread, signal)
    let held = thread.pointee.holds.contains(.exception)
    thread.pointee.holds.remove(.exception)
    if waited || held { settle(thread) }
    return .reply(Kernel.Signal.Reply(deferred: 0))
  }

  mutating func signalReturn(_ call: Kernel.SignalReturn, _ me: ThreadPointer) throws(Errno) -> Answer<Kernel.SignalReturn.Reply> {
    let thread = try waitingClient(call.thread, of: me)
    switch probe(thread, call.frame, M.Context.signalFrameSize, write: false) {
    case .refused: throw .badAddress
    case .missing(let address, let access):
      guard me.pointee.slot != Endpoint.vm.slot else { throw .badAddress }
      faults &+= 1
      askVM(for: me, .copy, in: thread, address: address, access: access)
      return .suspend
    case .granted: break
    }
    transfer(thread, call.frame, write: false)
    guard let mask = thread.pointee.context.leaveSignal(frameBuffer) else { throw .invalidArgument }
    machine.restoreExtendedState(slot: thread.pointee.slot, signalFrame: frameBuffer)
    wake(thread)
    return .reply(Kernel.SignalReturn.Reply(mask: mask))
  }
}
