import IPC
import Protocols
import ServerKit

// What processes ask about signals.
extension ProcessManager {
  /// kill(2). Everybody may signal everybody: there is one user.
  mutating func kill(_ call: PM.Kill, by me: Int, _ ipc: inout T) throws(Errno) {
    guard call.signal <= Signals.limit, call.id != .min else { throw .invalidArgument }
    if call.id > 0 {
      guard let index = table.find(id: call.id) else { throw .noSuchProcess }
      if call.signal != 0 { post(call.signal, to: index, &ipc) }
      return
    }
    let group = call.id == 0 ? table[me].group : -call.id
    var found = false
    // Myself last: I may not survive it, and the others must get theirs.
    for index in 0..<table.top where index != me && isTarget(index, group, all: call.id == -1) {
      found = true
      if call.signal != 0 { post(call.signal, to: index, &ipc) }
    }
    if call.id != -1, table[me].group == group {
      found = true
      if call.signal != 0 { post(call.signal, to: me, &ipc) }
    }
    guard found else { throw .noSuchProcess }
  }

  /// -1 is everybody but the first process and the caller, as on Linux.
  private func isTarget(_ index: Int, _ group: Int32, all: Bool) -> Bool {
    guard table.isUsed(index) else { return false }
    return all ? index != Self.first : table[index].group == group
  }

  /// A key of the terminal.
  mutating func signalGroup(_ group: Int32, _ signal: UInt32, _ ipc: inout T) {
    guard group > 0, signal >= 1, signal <= Signals.limit else { return }
    for index in 0..<table.top where table.isAlive(index) && table[index].group == group { post(signal, to: index, &ipc) }
  }

  func signalAction(_ call: PM.SignalAction, _ me: Int) throws(Errno) -> PM.SignalAction.Reply {
    guard call.signal >= 1, call.signal <= Signals.limit else { throw .invalidArgument }
    let place = Int(call.signal) - 1
    let old = table[me].actions[place]
    // Asking is allowed for all, setting is not.
    let isQuestion = call.flags == .max
    if !isQuestion {
      guard !Signals.isUncatchable(call.signal) else { throw .invalidArgument }
      table[me].actions[place] = Action(handler: call.handler, restorer: call.restorer, mask: call.mask, flags: call.flags)
      // Ignoring forgets what is pending, blocked or not.
      if isIgnoredNow(call.signal, me) { table[me].pending.remove(call.signal) }
    }
    return PM.SignalAction.Reply(handler: old.handler, mask: old.mask)
  }

  private func isIgnoredNow(_ signal: UInt32, _ me: Int) -> Bool {
    let action = table[me].action(signal)
    if action.isIgnored { return true }
    guard !action.isHandler else { return false }
    switch Signals.byDefault(signal) {
    case .ignore: return true
    case .continue, .terminate, .stop: return false
    }
  }

  mutating func signalMask(_ call: PM.SignalMask, _ me: Int, _ ipc: inout T) throws(Errno) -> PM.SignalMask.Reply {
    let old = table[me].blocked.bits
    switch call.how {
    case 0: table[me].blocked.bits |= call.mask & Signals.blockable
    case 1: table[me].blocked.bits &= ~call.mask
    case 2: table[me].blocked.bits = call.mask & Signals.blockable
    case 3: break
    default: throw .invalidArgument
    }
    deliver(me, &ipc)
    return PM.SignalMask.Reply(mask: old)
  }

  /// sigaltstack(2).
  mutating func signalStack(_ call: PM.SignalStack, _ me: Int, _ ipc: inout T) throws(Errno) -> PM.SignalStack.Reply {
    let base = table[me].stackBase, size = table[me].stackSize
    let stack = try ipc.kernel(Kernel.ThreadInfo(slot: UInt64(table[me].endpoint.slot))).stack
    let isThere = size > 0 && stack > base && stack - base <= size
    let old = PM.SignalStack.Reply(base: base, size: size, flags: size == 0 ? 2 : isThere ? 1 : 0)
    if call.flags == .max { return old }
    guard call.flags == 0 || call.flags == 2 else { throw .invalidArgument }
    guard !isThere else { throw .notPermitted }
    if call.flags == 2 {
      table[me].stackSize = 0
      return old
    }
    guard call.size >= PM.SignalStack.minimum else { throw .noMemory }
    guard !call.base.addingReportingOverflow(call.size).overflow else { throw .badAddress }
    table[me].stackBase = call.base
    table[me].stackSize = call.size
    return old
  }

  /// The end of a handler: the process goes on where the signal met it, with the mask it had then.
  mutating func signalReturn(_ frame: UInt64, _ me: Int, _ ipc: inout T) {
    do throws(Errno) {
      let mask = try ipc.kernel(Kernel.SignalReturn(thread: table[me].endpoint, frame: frame)).mask
      table[me].blocked.bits = mask & Signals.blockable
      deliver(me, &ipc)
    } catch {
      terminate(me, status: Int32(Signals.segmentation), &ipc)  // a frame that the kernel refuses (M-E6)
    }
  }
}
