import CLinux
import Glibc

// Birth and death of processes.
extension Sandbox {
  /// A process for the slot, blocked before its first instruction, with nothing mapped but the stub's area.
  /// - name: what `ps` calls it, 15 bytes of it; empty for the stub's name.
  public func create(slot: Int, name: String = "") throws(SandboxFailure) {
    precondition(bodies[slot].state == .empty, "the slot has a process")
    let page = ordersPage(slot)
    page.storeBytes(of: 0, toByteOffset: Int(ORDERS_COUNT), as: UInt64.self)
    page.storeBytes(of: 0, toByteOffset: Int(ORDERS_INTERRUPT), as: UInt64.self)
    page.storeBytes(of: isWide ? 1 : 0, toByteOffset: Int(ORDERS_WIDE), as: UInt64.self)
    let pid = try zygote.fork(slot: slot, name: name)
    let handle = linux(LINUX_pidfd_open, Int64(pid))
    guard handle >= 0 else {
      kill(pid, SIGKILL)
      waitpid(pid, nil, 0)
      throw SandboxFailure("no descriptor for a process", handle, advice: "see ulimit -n")
    }
    bodies[slot] = Body()
    bodies[slot].state = .starting
    bodies[slot].pid = pid
    bodies[slot].handle = Int32(truncatingIfNeeded: handle)
    slotOfProcess[pid] = slot
    observe(bodies[slot].handle, .death, Int(pid))
    while bodies[slot].state == .starting { _ = gather(until: .max) }
    if case .blocked = bodies[slot].state { return }
    events.removeAll { $0 == .died(slot: slot) }
    let status = bodies[slot].ending
    throw status & 0x7F == 0
      ? SandboxFailure(step: Int64(status >> 8 & 0xFF), error: Int64(EPERM)) : SandboxFailure("a new process died of signal \(status & 0x7F)")
  }

  /// Ends the slot's process; it is gone when this returns. No effect on an empty slot.
  public func destroy(slot: Int) {
    guard bodies[slot].state != .empty else { return }
    kill(bodies[slot].pid, SIGKILL)
    bury(slot)
    events.removeAll { $0.slot == slot }
  }

  /// The process of the slot, for the user to look at or to kill.
  public func pid(slot: Int) -> Int32? { bodies[slot].state == .empty ? nil : bodies[slot].pid }

  /// How the slot's last process ended, as waitpid says it.
  public func ending(slot: Int) -> Int32 { bodies[slot].ending }

  /// Waits for the end of a process that is dead or dying.
  func bury(_ slot: Int) {
    while waitpid(bodies[slot].pid, &bodies[slot].ending, 0) < 0 && errno == EINTR {}
    // Closing is not enough: whoever forks at this moment has a copy for a while, and death would be told again.
    linux(LINUX_epoll_ctl, Int64(poll), 2, Int64(bodies[slot].handle))  // EPOLL_CTL_DEL
    Glibc.close(bodies[slot].handle)
    slotOfProcess[bodies[slot].pid] = nil
    if bodies[slot].interrupting { patience = .max }
    let ending = bodies[slot].ending
    bodies[slot] = Body()
    bodies[slot].ending = ending
  }

  /// A process that has broken the rules: `.died` follows.
  func condemn(_ slot: Int) { kill(bodies[slot].pid, SIGKILL) }
}

extension Sandbox.Event {
  var slot: Int? {
    switch self {
    case .trap(let slot), .fault(let slot, _, _), .exception(let slot, _, _), .interrupted(let slot), .died(let slot): slot
    case .ready, .timeout: nil
    }
  }
}
