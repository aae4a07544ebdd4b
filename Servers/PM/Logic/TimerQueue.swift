/// Sleeps and alarms, the earliest at the end. A process has at most one of each, so it never overflows.
struct TimerQueue {
  enum Kind: BitwiseCopyable { case sleep, alarm }

  struct Entry: BitwiseCopyable {
    var deadline: UInt64
    var process: Int
    var kind: Kind
  }

  private let entries: UnsafeMutablePointer<Entry>
  private(set) var count = 0
  static var capacity: Int { 2 * ProcessTable.capacity }

  init() { entries = .allocate(capacity: Self.capacity) }

  /// The deadline of the earliest, 0 if there is none: what Kernel.Alarm wants.
  var earliest: UInt64 { count == 0 ? 0 : entries[count - 1].deadline }

  /// Replaces the entry of the same process and kind.
  mutating func set(_ deadline: UInt64, _ process: Int, _ kind: Kind) {
    cancel(process, kind)
    guard count < Self.capacity else { return }
    var position = count
    // Equal deadlines fire in the order in which they were set: the new one goes further from the end.
    while position > 0, entries[position - 1].deadline <= deadline { position -= 1 }
    var index = count
    while index > position {
      (entries + index).initialize(to: entries[index - 1])
      index -= 1
    }
    (entries + position).initialize(to: Entry(deadline: deadline, process: process, kind: kind))
    count += 1
  }

  /// The deadline that was cancelled, nil if there was none.
  @discardableResult
  mutating func cancel(_ process: Int, _ kind: Kind) -> UInt64? {
    for index in 0..<count where entries[index].process == process && entries[index].kind == kind {
      let deadline = entries[index].deadline
      var next = index
      while next < count - 1 {
        entries[next] = entries[next + 1]
        next += 1
      }
      count -= 1
      return deadline
    }
    return nil
  }

  /// Takes the earliest away if its time has come.
  mutating func popDue(_ now: UInt64) -> Entry? {
    guard count > 0, entries[count - 1].deadline <= now else { return nil }
    count -= 1
    return entries[count]
  }
}
