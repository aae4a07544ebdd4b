import CLinux

/// What a process must do to its mappings, and to the bases of FS and GS, before its next instruction. Its mappings are a TLB: forgetting more than was
/// asked is always right, so a list that grows too long becomes "forget everything", and so does a space with too many pieces.
struct Orders {
  private(set) var list: [sandbox_order] = []
  /// Mappings made since all were forgotten, at most: Linux has a limit (vm.max_map_count), and each may split two others.
  private(set) var mapped = 0

  static let mapLimit = 20_000

  init() { list.reserveCapacity(Int(ORDERS_LIMIT)) }

  /// False for a range that no process can have; then nothing changes.
  mutating func map(address: UInt64, frame: UInt64, length: UInt64, writable: Bool, executable: Bool, frames: UInt64) -> Bool {
    guard Self.isUser(address, length), frame & 4095 == 0, frame < frames, length <= frames - frame else { return false }
    if mapped >= Self.mapLimit { forgetAll() }
    cover(address, length)
    mapped += 1
    let protection: UInt64 = 1 | (writable ? 2 : 0) | (executable ? 4 : 0)
    // MAP_SHARED, MAP_FIXED; MAP_POPULATE costs what it saves.
    let flags: UInt64 = 0x11
    append(sandbox_order(
      number: UInt64(LINUX_mmap.rawValue), address: address, length: length, protection: protection, flags: flags, offset: frame, reserved: (0, 0)))
    return true
  }

  mutating func forget(address: UInt64, length: UInt64) -> Bool {
    guard Self.isUser(address, length) else { return false }
    if mapped == 0 { return true }
    cover(address, length)
    if let last = list.last, last.number == UInt64(LINUX_munmap.rawValue), last.address &+ last.length == address {
      list[list.count - 1].length += length
    } else {
      append(Self.unmap(address, length))
    }
    return true
  }

  mutating func forgetAll() {
    if mapped == 0 { return }
    mapped = 0
    list.removeAll(keepingCapacity: true)
    list.append(Self.unmap(UInt64(USER_START), UInt64(STUB_START) - UInt64(USER_START)))
    list.append(Self.unmap(UInt64(STUB_END), UInt64(USER_END) - UInt64(STUB_END)))
  }

  /// Hands the list over, in place of an old one; with these bases at its end, if they are to be set.
  mutating func publish(_ old: inout [sandbox_order], bases: Bases? = nil) {
    if let bases {
      list.append(Self.set(LINUX_SET_FS, bases.fs))
      list.append(Self.set(LINUX_SET_GS, bases.gs))
    }
    old.removeAll(keepingCapacity: true)
    swap(&old, &list)
  }

  private static func set(_ which: Int32, _ base: UInt64) -> sandbox_order {
    sandbox_order(number: UInt64(LINUX_arch_prctl.rawValue), address: UInt64(which), length: base, protection: 0, flags: 0, offset: 0, reserved: (0, 0))
  }

  private static func unmap(_ address: UInt64, _ length: UInt64) -> sandbox_order {
    sandbox_order(number: UInt64(LINUX_munmap.rawValue), address: address, length: length, protection: 0, flags: 0, offset: 0, reserved: (0, 0))
  }

  /// Page multiples below or above the stub's area.
  private static func isUser(_ address: UInt64, _ length: UInt64) -> Bool {
    let (end, wrapped) = address.addingReportingOverflow(length)
    guard !wrapped, length > 0, (address | length) & 4095 == 0 else { return false }
    return address >= UInt64(USER_START) && end <= UInt64(STUB_START) || address >= UInt64(STUB_END) && end <= UInt64(USER_END)
  }

  /// Takes out what an order for this range would undo.
  private mutating func cover(_ address: UInt64, _ length: UInt64) {
    if list.isEmpty { return }
    list.removeAll { $0.address >= address && $0.address + $0.length <= address + length }
  }

  private mutating func append(_ order: sandbox_order) {
    if list.count == Int(ORDERS_LIMIT) {
      mapped = 1
      forgetAll()
      if order.number != UInt64(LINUX_mmap.rawValue) { return }
      mapped = 1
    }
    list.append(order)
  }
}

extension sandbox_order {
  /// Whether a process asks for exactly this.
  func isAsked(by notification: linux_notification) -> Bool {
    let asked = notification.argument
    guard UInt64(bitPattern: Int64(notification.number)) == number, asked.0 == address, asked.1 == length else { return false }
    return number != UInt64(LINUX_mmap.rawValue)
      || asked.2 == protection && asked.3 == flags && asked.4 == UInt64(STUB_FRAMES_FD) && asked.5 == offset
  }
}
