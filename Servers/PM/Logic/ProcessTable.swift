import IPC
import Protocols

/// All processes: 1,200 slots that are filled from below, so that memory is used only for as many as there have
/// been at once. Ids rise and start again, so that one is not used again soon.
public struct ProcessTable {
  public static var capacity: Int { 1200 }
  /// Slots that only the first process and its children may fill: a fork bomb leaves the shell able to act (SEC35).
  public static var reserve: Int { 8 }
  static var idLimit: Int32 { 32767 }

  let slots: UnsafeMutablePointer<Process>
  /// Slots at and above were never used and hold nothing.
  private(set) var top = 0
  private(set) var count = 0
  private var lastID: Int32 = 0
  /// From the slot number of an endpoint to an index.
  let byThread: UnsafeMutablePointer<Int16>

  public init() {
    slots = .allocate(capacity: Self.capacity)
    byThread = .allocate(capacity: Endpoint.slotLimit)
    byThread.initialize(repeating: -1, count: Endpoint.slotLimit)
  }

  /// `index` comes from this table: 0 ..< top.
  subscript(index: Int) -> Process {
    unsafeAddress { UnsafePointer(slots + index) }
    nonmutating unsafeMutableAddress { slots + index }
  }

  var free: Int { Self.capacity - count }

  /// An unused slot; it counts as used once `insert` has filled it.
  mutating func reserveSlot() -> Int? {
    for index in 0..<top {
      if case .unused = self[index].life, !self[index].owesExit { return index }
    }
    guard top < Self.capacity else { return nil }
    (slots + top).initialize(to: Process())
    top += 1
    return top - 1
  }

  mutating func insert(_ process: Process, at index: Int) {
    self[index] = process
    byThread[process.endpoint.slot] = Int16(index)
    count += 1
  }

  /// The thread is gone; the slot goes on as a zombie.
  func forgetThread(_ index: Int) {
    let slot = self[index].endpoint.slot
    if byThread[slot] == Int16(index) { byThread[slot] = -1 }
  }

  mutating func remove(_ index: Int) {
    self[index].life = .unused
    count -= 1
  }

  mutating func nextID() -> Int32 {
    while true {
      lastID = lastID >= Self.idLimit ? 2 : lastID + 1
      if !isTaken(lastID) { return lastID }  // at most 3 times the capacity are taken
    }
  }

  /// An id stays taken while a group or session bears it.
  private func isTaken(_ id: Int32) -> Bool {
    for index in 0..<top {
      if case .unused = self[index].life { continue }
      if self[index].id == id || self[index].group == id || self[index].session == id { return true }
    }
    return false
  }

  /// The living process behind an endpoint.
  func find(_ endpoint: Endpoint) -> Int? {
    let index = Int(byThread[endpoint.slot])
    guard index >= 0, self[index].endpoint == endpoint, case .alive = self[index].life else { return nil }
    return index
  }

  /// A process by id, zombies too.
  func find(id: Int32) -> Int? {
    for index in 0..<top where self[index].id == id {
      if case .unused = self[index].life { continue }
      return index
    }
    return nil
  }

  func isUsed(_ index: Int) -> Bool { if case .unused = self[index].life { false } else { true } }
  func isAlive(_ index: Int) -> Bool { if case .alive = self[index].life { true } else { false } }
  func isZombie(_ index: Int) -> Bool { if case .zombie = self[index].life { true } else { false } }
}
