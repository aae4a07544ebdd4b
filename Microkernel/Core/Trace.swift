import IPC

/// What is told to `Machine.traced`.
public enum Tracing: BitwiseCopyable, Sendable {
  /// Nothing: each place that delivers a message on the slow path asks this once, the fast path never.
  case off
  case messages
  /// Kernel calls and their answers too.
  case everything
}

// The trace: one record for each message that is delivered, made at the places where a message goes into its
// receiver's registers. The fast path has no such place: who wants a trace enters by `tracedTrap`, which takes
// the slow path only, and nobody else pays for that.
extension Core where M: ~Copyable {
  /// From here on `machine.traced` hears of each delivery, if the machine's entry code calls `tracedTrap` instead of `trap`.
  public mutating func startTrace(_ what: Tracing) {
    tracing = what
    shortcuts = false
  }

  /// `trap`, every message of which is seen.
  public mutating func tracedTrap() {
    guard let me = current else { return }
    guard me.pointee.isOnStack else { return checkStack(me) }
    if tracing == .everything, me.pointee.context.operation == TrapOperation.kernelCall.rawValue {
      performRecorded(me)
    } else {
      perform(me)
    }
    schedule()
  }

  /// A kernel call, between the records of its beginning and its end.
  @inline(never)
  private mutating func performRecorded(_ me: ThreadPointer) {
    let endpoint = me.pointee.endpoint
    record(TraceRecord.Kind.kernelCall, from: endpoint, to: .kernel, 0, me.pointee.context.message)
    perform(me)
    // One that waits for a page is answered later, unseen; one that has ended gets no answer.
    if me.pointee.endpoint == endpoint, me.pointee.state == .runnable, !me.pointee.holds.contains(.ended), !me.pointee.rerun {
      record(TraceRecord.Kind.kernelReply, from: .kernel, to: endpoint, 0, me.pointee.context.message)
    }
  }

  /// `to` has a message of `from` in its registers.
  @inline(__always)
  mutating func traceDelivery(_ kind: UInt32, from: Endpoint, to: ThreadPointer, _ flags: Delivery.Flags = Delivery.Flags(raw: 0)) {
    if tracing != .off { recordDelivery(kind, from: from, to: to, flags.raw) }
  }

  /// Something happened that is no message.
  @inline(__always)
  mutating func traceEvent(_ kind: UInt32, from: Endpoint, to: Endpoint, type: Int32 = 0) {
    if tracing != .off { record(kind, from: from, to: to, 0, Message(type: type)) }
  }

  @inline(never)
  private mutating func recordDelivery(_ kind: UInt32, from: Endpoint, to: ThreadPointer, _ flags: UInt64) {
    record(kind, from: from, to: to.pointee.endpoint, flags, to.pointee.context.message)
  }

  @inline(never)
  mutating func record(_ kind: UInt32, from: Endpoint, to: Endpoint, _ flags: UInt64, _ message: Message) {
    var record = TraceRecord(time: machine.now, kind: kind, from: from, to: to, flags: flags, message: message)
    record.sequence = traceCount
    traceCount &+= 1
    machine.traced(record)
  }
}

/// The last records, in memory that is given at start. What does not fit any more pushes out the oldest, unless
/// the owner empties it before.
public struct TraceRing: BitwiseCopyable {
  let records: UnsafeMutablePointer<TraceRecord>
  public let capacity: Int
  /// Place of the oldest.
  var first = 0
  public private(set) var count = 0

  /// - Parameter memory: of `capacity` records, aligned as one.
  public init(memory: UnsafeMutableRawPointer, capacity: Int) {
    records = memory.bindMemory(to: TraceRecord.self, capacity: capacity)
    self.capacity = capacity
  }

  public var isFull: Bool { count == capacity }

  public mutating func add(_ record: TraceRecord) {
    if capacity == 0 { return }
    if isFull { dropFirst() }
    var place = first &+ count
    if place >= capacity { place &-= capacity }
    (records + place).initialize(to: record)
    count &+= 1
  }

  /// The oldest, nil if there is none.
  public mutating func take() -> TraceRecord? {
    if count == 0 { return nil }
    let record = records[first]
    dropFirst()
    return record
  }

  private mutating func dropFirst() {
    first = first &+ 1 == capacity ? 0 : first &+ 1
    count &-= 1
  }
}
