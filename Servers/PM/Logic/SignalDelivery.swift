import IPC
import Protocols
import ServerKit

// From the moment a signal is sent until its handler runs or the process ends.
extension ProcessManager {
  /// `signal` (1 ... 64) is for a process.
  mutating func post(_ signal: UInt32, to index: Int, _ ipc: inout T) {
    guard table.isAlive(index) else { return }
    let action = table[index].action(signal)
    // The first process only gets what it asked for: a slip must not end the system.
    if index == Self.first && !action.isHandler { return }
    if signal == Signals.continue {
      table[index].pending.bits &= ~Signals.stops
      resume(index, &ipc)
    } else if Signals.stops & SignalSet.bit(signal) != 0 {
      table[index].pending.remove(Signals.continue)
    }
    if !table[index].blocked.contains(signal), isIgnored(signal, action) { return }
    table[index].pending.insert(signal)
    deliver(index, &ipc)
  }

  private func isIgnored(_ signal: UInt32, _ action: Action) -> Bool {
    if Signals.isUncatchable(signal) { return false }
    if action.isIgnored { return true }
    guard !action.isHandler else { return false }
    switch Signals.byDefault(signal) {
    case .ignore, .continue: return true
    case .terminate, .stop: return false
    }
  }

  /// Does what the pending signals say, as far as it can be done now.
  mutating func deliver(_ index: Int, _ ipc: inout T) {
    while table.isAlive(index) {
      let deliverable = SignalSet(bits: table[index].pending.bits & ~table[index].blocked.bits)
      let signal = deliverable.contains(Signals.kill) ? Signals.kill : deliverable.first
      guard signal != 0 else { return }
      if table[index].isStopped && signal != Signals.kill { return }
      let action = table[index].action(signal)
      if action.isHandler && !Signals.isUncatchable(signal) {
        guard enterHandler(index, signal, action, &ipc) else { return }
        continue
      }
      if isIgnored(signal, action) {
        table[index].pending.remove(signal)
        continue
      }
      switch Signals.byDefault(signal) {
      case .terminate: terminate(index, status: Int32(signal), &ipc)
      case .stop:
        if table[index].isLoading { return }  // its new image would run at once
        table[index].pending.remove(signal)
        stop(index, signal, &ipc)
      case .ignore, .continue: table[index].pending.remove(signal)
      }
    }
  }

  /// False if the signal has to wait: for the end of exec, or of a handler that the kernel still holds.
  private mutating func enterHandler(_ index: Int, _ signal: UInt32, _ action: Action, _ ipc: inout T) -> Bool {
    if table[index].isLoading || table[index].pageToken != 0 { return false }
    let onStack = action.flags & Signals.Flag.onStack != 0
    let deferred: Bool
    do throws(Errno) {
      deferred = try ipc.kernel(Kernel.Signal(
        thread: table[index].endpoint, signal: signal, handler: action.handler, restorer: action.restorer,
        mask: table[index].blocked.bits, stackBase: onStack ? table[index].stackBase : 0,
        stackSize: onStack ? table[index].stackSize : 0)).deferred != 0
    } catch {
      if error == .busy { return false }
      if error == .badAddress, bringPage(index, &ipc) { return false }
      // No room for a frame: what a fault there would have meant.
      terminate(index, status: Int32(Signals.segmentation), &ipc)
      return false
    }
    table[index].pagesBrought = 0
    table[index].pending.remove(signal)
    table[index].blocked.bits |= action.mask & Signals.blockable
    if action.flags & Signals.Flag.noDefer == 0 { table[index].blocked.insert(signal) }
    if action.flags & Signals.Flag.resetHandler != 0 { table[index].actions[Int(signal) - 1] = Action() }
    if deferred { interrupt(index, restart: action.flags & Signals.Flag.restart != 0, &ipc) }
    return true
  }

  /// A frame may be larger than a page, and pages that came may be gone again; but not for ever.
  private static var pageLimit: UInt32 { 16 }

  /// The frame's place may be a page of a file that is not there. VM does not let PM wait for a disk; VFS brings it, if it is
  /// one. False if it is known to be none.
  private mutating func bringPage(_ index: Int, _ ipc: inout T) -> Bool {
    guard table[index].pagesBrought < Self.pageLimit else { return false }
    lastToken &+= 1
    var request = Message(VFS.BringPage(process: table[index].endpoint))
    request.token = lastToken
    do throws(Errno) { try ipc.sendAsync(request, to: .vfs) } catch { return false }
    table[index].pageToken = lastToken
    table[index].pagesBrought &+= 1
    return true
  }

  /// VFS's answer to `BringPage`.
  mutating func pageCame(_ index: Int, _ answer: Message, _ ipc: inout T) {
    table[index].pageToken = 0
    guard answer.type == 0 else { return terminate(index, status: Int32(Signals.segmentation), &ipc) }
    deliver(index, &ipc)
  }

  /// The process waits, and the handler for the end of that: whoever it waits for must let it go.
  private mutating func interrupt(_ index: Int, restart: Bool, _ ipc: inout T) {
    switch table[index].wait {
    case .child:
      // `.restarted`: the library asks again once the handler is over (SA_RESTART).
      wake(index, Message(error: restart ? .restarted : .interrupted), &ipc)
    case .sleep:
      timers.cancel(index, .sleep)
      wake(index, Message(error: .interrupted), &ipc)
    case .pause: wake(index, Message(error: .interrupted), &ipc)
    case .exec: break
    case .none:
      do throws(Errno) {
        let thread = try ipc.kernel(Kernel.ThreadInfo(slot: UInt64(table[index].endpoint.slot)))
        guard thread.peer == .vfs else { return }
        try ipc.sendAsync(Message(VFS.Cancel(process: table[index].endpoint, restart: restart)), to: .vfs)
      } catch {}  // then it goes on waiting, and the handler with it
    }
  }

  // MARK: Stopping

  private mutating func stop(_ index: Int, _ signal: UInt32, _ ipc: inout T) {
    _ = ipc.kernel(Message(Kernel.ThreadStop(thread: table[index].endpoint)))
    table[index].isStopped = true
    table[index].news = Int32(signal) << 8 | 0x7F
    childChanged(index, stopped: true, &ipc)
  }

  private mutating func resume(_ index: Int, _ ipc: inout T) {
    guard table[index].isStopped else { return }
    table[index].isStopped = false
    table[index].news = 0xFFFF
    _ = ipc.kernel(Message(Kernel.ThreadStart(thread: table[index].endpoint)))
    childChanged(index, stopped: false, &ipc)
    deliver(index, &ipc)  // what came while it was stopped
  }

  // MARK: Exceptions

  /// A thread of ours was stopped by what it did, or ended itself.
  mutating func exception(_ event: KernelEvent.Exception, _ ipc: inout T) {
    guard let index = table.find(event.thread) else { return }
    let signal = event.signal
    guard signal >= 1, signal <= Signals.limit else {
      return terminate(index, status: Int32(truncatingIfNeeded: event.address & 0xFF) << 8, &ipc)
    }
    let action = table[index].action(signal)
    // Blocked or ignored it would happen again and again: the process ends.
    guard action.isHandler, !table[index].blocked.contains(signal), !Signals.isUncatchable(signal), !table[index].isLoading else {
      return terminate(index, status: Int32(signal), &ipc)
    }
    table[index].pending.insert(signal)
    if enterHandler(index, signal, action, &ipc) {
      _ = ipc.kernel(Message(Kernel.ThreadStart(thread: table[index].endpoint)))
      if table[index].isStopped { _ = ipc.kernel(Message(Kernel.ThreadStop(thread: table[index].endpoint))) }
    } else if table[index].pageToken == 0 {
      terminate(index, status: Int32(signal), &ipc)
    }
  }
}
