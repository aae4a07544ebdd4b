import IPC
import Protocols

// The machine's entry code calls these.
extension Core where M: ~Copyable {
  /// VM, in slot 1, ready to run; RS is its supervisor.
  public mutating func createFirst(root: UInt64, space: UInt32, entry: UInt64, stack: UInt64) {
    let thread = threads + Endpoint.vm.slot
    guard !thread.pointee.isAlive else { return }
    live(thread, root: root, space: space, context: M.Context(entry: entry, stack: stack), supervisor: .rs, priority: bootPrivileges.0.priority)
    machine.resetExtendedState(slot: thread.pointee.slot)
    settle(thread)
    idle = 0 &- machine.ticks  // the boot before us was no idling
    schedule()
  }

  /// Page faults too take the slow path from here on, as calls do if the machine's entry code uses `tracedTrap`.
  public mutating func takeSlowPath() { shortcuts = false }

  /// `thread` runs: the machine's fast path has switched to it.
  @inline(__always)
  public mutating func adopt(_ thread: ThreadPointer?) { current = thread }

  /// What a machine's fast path needs of ours: the thread table, the highest bits of a slot that are one, and where the mask
  /// of priorities that are ready is. For as long as the core stays where it is.
  public mutating func fastPathTables() -> (threads: ThreadPointer, slots: Int, ready: UnsafePointer<UInt32>) {
    var slots = 1
    while slots * 2 <= limits.threads { slots *= 2 }
    return withUnsafePointer(to: &readyMask) { (threads, slots - 1, $0) }
  }

  /// `current` has executed the trap instruction; its registers are in its context. Inlined: entry code has one
  /// function that calls it.
  @inline(__always)
  public mutating func trap() {
    guard let me = current else { return }
    guard me.pointee.isOnStack else { return checkStack(me) }
    let operation = me.pointee.context.operation
    if operation == TrapOperation.sendRec.rawValue, fastCall(me) { return }
    if operation == TrapOperation.replyReceive.rawValue, fastReply(me) { return }
    if operation == TrapOperation.kernelCall.rawValue, fastKernelCall(me) { return }
    if operation == TrapOperation.notify.rawValue, fastNotify(me) { return }
    perform(me)
    schedule()
  }

  /// `current` has touched memory that it cannot. `access` as in `KernelEvent.PageFault`, without `kernelCopy`.
  public mutating func pageFault(address: UInt64, access: UInt32) {
    guard let me = current else { return }
    faults &+= 1
    let access = access & (KernelEvent.PageFault.present | KernelEvent.PageFault.write | KernelEvent.PageFault.execute)
    if fastFault(me, address: address, access: access) { return }
    if me.pointee.slot == Endpoint.vm.slot { machine.panic("VM has touched memory that it does not have") }
    askVM(for: me, .fault, in: me, address: address, access: access)
    schedule()
  }

  /// `current` has raised another exception; `signal` as POSIX numbers them.
  public mutating func exception(vector: UInt64, signal: UInt32, address: UInt64) {
    guard let me = current else { return }
    me.pointee.holds.insert(.exception)
    report(me, KernelEvent.Exception(
      thread: me.pointee.endpoint, signal: signal, address: address, instruction: me.pointee.context.instruction, vector: vector))
    schedule()
  }

  /// What `slot` runs in was taken from it by somebody outside (`kill -9` of a Linux process): for its supervisor the
  /// same as a thread that ended by SIGKILL. It may be `current` or wait for anything; it never runs again in this life.
  public mutating func died(slot: Int) {
    guard slot >= 0, slot < limits.threads else { return }
    let thread = threads + slot
    guard thread.pointee.isAlive, !thread.pointee.holds.contains(.ended) else { return }
    if thread.pointee.canRun, thread != current { dequeue(thread) }
    thread.pointee.holds.insert(.ended)
    report(thread, KernelEvent.Exception(
      thread: thread.pointee.endpoint, signal: 9, address: 0, instruction: thread.pointee.context.instruction, vector: 0))
    schedule()
  }

  /// The device on `line` wants attention: its owner gets a notification, and the line rests until the owner has
  /// seen to it, so no device can keep the processor busy.
  public mutating func interrupt(line: Int) {
    guard line >= 0, line < Self.lines else { return }
    interrupts &+= 1
    machine.maskLine(line)
    if let owner = lineOwners[line] { post(1 << UInt64(line), to: owner) }
    schedule()
  }

  /// The machine's timer went off. Early calls do no harm.
  public mutating func timer() {
    armed = .max
    timerInterrupts &+= 1
    let now = machine.now
    expireTimers(now)
    if now >= sliceEnd { rotate() }
    schedule()
  }

  /// The trap that stands in the registers of `me`, who is `current`.
  mutating func perform(_ me: ThreadPointer) {
    slowPath &+= 1
    do throws(Errno) {
      switch TrapOperation(rawValue: me.pointee.context.operation) {
      case .kernelCall: kernelCall(me)
      case .send: try send(me)
      case .receive: try receive(me)
      case .sendRec: try sendRec(me)
      case .replyReceive:
        // An answer that nobody waits for any more is dropped.
        do throws(Errno) { try reply(me) } catch {}
        try receive(me)
      case .notify: try notify(me)
      case .sendAsync: try sendAsync(me)
      case .reply:
        try reply(me)
        me.pointee.context.setResult(status: 0, flags: 0)
      case nil: throw .noSuchCall
      }
    } catch {
      me.pointee.context.setResult(status: -Int64(error.rawValue), flags: 0)
    }
  }
}
