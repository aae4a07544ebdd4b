import CLinux
import Glibc

// What happens, as events: from the listener of all processes, from their deaths, from other descriptors.
extension Sandbox {
  enum Source: UInt64 { case listener, death, other }

  /// The next thing that happened; `.timeout` at `deadline` (CLOCK_MONOTONIC, nanoseconds), `UInt64.max` for never.
  public func wait(until deadline: UInt64) -> Event {
    while true {
      if !events.isEmpty { return events.removeFirst() }
      if gather(until: min(deadline, patience)) { continue }
      let now = Self.now()
      if now >= patience {
        chances -= 1
        patience = chances > 0 ? now + patienceLimit / 16 : .max
        if chances == 0 { for slot in 0..<slots where bodies[slot].interrupting { condemn(slot) } }
      } else if now >= deadline {
        return .timeout
      }
    }
  }

  /// What to wait for at a descriptor.
  public enum Interest: UInt32, Sendable { case input = 1, output = 4 }  // EPOLLIN, EPOLLOUT

  /// Tells of a descriptor by `.ready` as long as there is something to read, or room to write. False for one that is always
  /// ready, as files are.
  @discardableResult
  public func watch(_ descriptor: Int32, _ interest: Interest = .input) -> Bool {
    guard !watched.contains(descriptor) else { return true }
    guard observe(descriptor, .other, Int(descriptor), interest) else { return false }
    watched.insert(descriptor)
    return true
  }

  public func unwatch(_ descriptor: Int32) {
    guard watched.remove(descriptor) != nil else { return }
    linux(LINUX_epoll_ctl, Int64(poll), 2, Int64(descriptor))  // EPOLL_CTL_DEL
    events.removeAll { $0 == .ready(descriptor: descriptor) }
  }

  /// - Parameter index: the process whose death it is, or the descriptor.
  @discardableResult
  func observe(_ descriptor: Int32, _ source: Source, _ index: Int, _ interest: Interest = .input) -> Bool {
    var event = linux_event(events: interest.rawValue, data: source.rawValue << 32 | UInt64(index))
    return withUnsafePointer(to: &event) { linux(LINUX_epoll_ctl, Int64(poll), 1, Int64(descriptor), address($0)) } == 0  // EPOLL_CTL_ADD
  }

  /// Waits for something to happen and puts it into `events`, which may stay empty; false at the deadline.
  func gather(until deadline: UInt64) -> Bool {
    var found: (linux_event, linux_event, linux_event, linux_event) = (linux_event(), linux_event(), linux_event(), linux_event())
    var time = linux_time(seconds: 0, nanoseconds: 0)
    if deadline != .max {
      let now = Self.now(), rest = deadline > now ? deadline - now : 0
      time = linux_time(seconds: Int64(rest / 1_000_000_000), nanoseconds: Int64(rest % 1_000_000_000))
    }
    let count = withUnsafeMutableBytes(of: &found) { found in
      withUnsafeMutablePointer(to: &time) {
        linux(LINUX_epoll_pwait2, Int64(poll), address(found.baseAddress), 4, deadline == .max ? 0 : address($0))
      }
    }
    guard count != 0 else { return false }
    withUnsafeBytes(of: found) { found in
      // What a process said comes before its death.
      for pass in [Source.listener, .death, .other] {
        for index in 0..<max(0, Int(count)) {
          let data = found.loadUnaligned(fromByteOffset: index * MemoryLayout<linux_event>.stride + 4, as: UInt64.self)
          guard data >> 32 == pass.rawValue else { continue }
          let index = Int(data & 0xFFFF_FFFF)
          switch pass {
          case .listener: hear()
          case .death:
            // By its number, not its slot: what was said of an earlier process there is not this one's death.
            guard let slot = slotOfProcess[Int32(index)] else { continue }
            bury(slot)
            events.append(.died(slot: slot))
          case .other: events.append(.ready(descriptor: Int32(index)))
          }
        }
      }
    }
    return true
  }

  /// Takes one notification. The program may have put anything into it but its sender and the place that it came from.
  private func hear() {
    var notification = linux_notification()
    let result = withUnsafeMutablePointer(to: &notification) {
      linux(LINUX_ioctl, Int64(zygote.listener), Int64(LINUX_NOTIF_RECV), address($0))
    }
    guard result == 0 else { return }  // it was killed before we could listen
    let pid = Int32(truncatingIfNeeded: notification.pid)
    let slot: Int
    if bodies[running].pid == pid { slot = running } else if let found = slotOfProcess[pid] { slot = found } else { return }
    if notification.number < STUB_TRAP { carryOut(slot, notification) } else { note(slot, notification) }
  }

  /// mmap, munmap or arch_prctl: exactly what is next on our list, from the place where the stub carries out the list. Its arguments
  /// are registers, so they are what Linux will use.
  private func carryOut(_ slot: Int, _ notification: linux_notification) {
    let body = bodies[slot]
    guard body.owes, notification.instruction == zygote.ordered, body.published[body.done].isAsked(by: notification) else {
      return condemn(slot)
    }
    bodies[slot].done += 1
    if !bodies[slot].owes {
      ordersPage(slot).storeBytes(of: 0, toByteOffset: Int(ORDERS_COUNT), as: UInt64.self)
      if body.interrupting { signal(slot) }
    }
    zygote.answer(notification.id, value: 0, flags: UInt32(LINUX_ANSWER_CONTINUE.rawValue))
  }

  /// Word from the stub. From any other place, or with orders open, it is a program that would go on with mappings that
  /// it should have given up.
  private func note(_ slot: Int, _ notification: linux_notification) {
    let isStarting = bodies[slot].state == .starting
    guard notification.instruction == zygote.notified, !bodies[slot].owes, isStarting == (notification.number == STUB_READY) else {
      return condemn(slot)
    }
    if bodies[slot].interrupting {
      bodies[slot].interrupting = false
      patience = .max
      ordersPage(slot).storeBytes(of: 0, toByteOffset: Int(ORDERS_INTERRUPT), as: UInt64.self)
    }
    bodies[slot].state = .blocked(notification.id)
    bodies[slot].leave = STUB_LEAVE_HANDLER
    switch notification.number {
    case STUB_READY: bodies[slot].leave = STUB_LEAVE_FULL
    case STUB_TRAP:
      bodies[slot].leave = STUB_LEAVE_TRAP
      events.append(.trap(slot: slot))
    case STUB_FAULT: events.append(.fault(slot: slot, address: notification.argument.0, error: notification.argument.1))
    case STUB_EXCEPTION: events.append(.exception(slot: slot, vector: notification.argument.0, address: notification.argument.1))
    case STUB_INTERRUPTED: events.append(.interrupted(slot: slot))
    default: condemn(slot)
    }
  }
}
