/// A virtio block device with the legacy port interface (virtio 1.2, 4.1.4.8 and 5.2), as QEMU's pc machine has it:
/// a PCI function with 64 ports and one queue.
public struct VirtioBlockModel<Memory: GuestMemory, Store: BlockStore> {
  public static var portCount: UInt32 { 64 }
  /// Most bytes that one request may move.
  static var lengthLimit: Int { 4 << 20 }

  public var store: Store
  public internal(set) var header: PCIHeader
  /// The interrupt line that firmware has wired it to.
  public let line: Int
  /// Interrupts and requests so far, for tests and traces.
  public private(set) var requests: UInt64 = 0

  private var queue: VirtioQueue<Memory>
  private var status: UInt8 = 0
  private var selected: UInt16 = 0
  private var guestFeatures: UInt32 = 0
  private var isPending = false
  private var nextToken: UInt64 = 1
  private var waiting: [Waiting] = []

  private struct Waiting {
    var request: BlockRequest
    var head: UInt16
    var status: UnsafeMutableRawPointer
  }

  public init(_ store: Store, memory: Memory, firstPort: UInt32, line: Int) {
    self.store = store
    self.line = line
    queue = VirtioQueue(memory)
    header = PCIHeader(
      identity: 0x1001_1AF4, classCode: 0x0100_0000, subsystem: 0x0002_1AF4, ports: firstPort, portCount: Self.portCount,
      line: UInt32(line))
  }

  public var isRaised: Bool { isPending && header.raisesLine }
  /// Requests that the store has not finished.
  public var inFlight: Int { waiting.count }

  private enum Register {
    static var hostFeatures: UInt32 { 0 }
    static var guestFeatures: UInt32 { 4 }
    static var queueFrame: UInt32 { 8 }
    static var queueSize: UInt32 { 12 }
    static var queueSelect: UInt32 { 14 }
    static var queueNotify: UInt32 { 16 }
    static var status: UInt32 { 18 }
    static var interruptStatus: UInt32 { 19 }
    static var capacity: UInt32 { 20 }
  }

  private enum Status {
    static var ready: UInt8 { 4 }
    static var needsReset: UInt8 { 64 }
  }

  private var features: UInt32 { 1 << 9 | (store.isReadOnly ? 1 << 5 : 0) }

  // MARK: Registers

  mutating func read(_ register: UInt32, _ width: UInt32) -> UInt32 {
    switch register {
    case Register.hostFeatures: return features
    case Register.guestFeatures: return guestFeatures
    case Register.queueFrame: return selected == 0 ? queue.frame : 0
    case Register.queueSize: return selected == 0 ? UInt32(VirtioQueue<Memory>.size) : 0
    case Register.queueSelect: return UInt32(selected)
    case Register.status: return UInt32(status)
    case Register.interruptStatus:
      // Reading it quiets the line.
      defer { isPending = false }
      return isPending ? 1 : 0
    case Register.capacity..<Register.capacity + 8:
      return UInt32(truncatingIfNeeded: (store.size >> 9) >> UInt64(8 * (register - Register.capacity)))
    default: return 0
    }
  }

  mutating func write(_ register: UInt32, _ width: UInt32, _ value: UInt32) {
    switch register {
    case Register.guestFeatures: guestFeatures = value & features
    case Register.queueFrame: if selected == 0 { queue.frame = value }
    case Register.queueSelect: selected = UInt16(truncatingIfNeeded: value)
    case Register.queueNotify: if UInt16(truncatingIfNeeded: value) == 0 { work() }
    case Register.status:
      let new = UInt8(truncatingIfNeeded: value)
      if new == 0 { reset() } else { status = new | status & Status.needsReset }
    default: break
    }
  }

  /// What the store still does for the driver's last life goes nowhere: that memory may be somebody else's by now.
  private mutating func reset() {
    queue.reset()
    status = 0
    selected = 0
    guestFeatures = 0
    isPending = false
    waiting = []
  }

  // MARK: Requests

  /// Takes what the driver has offered. Nothing moves without leave: driver ready, bus master on, queue sound.
  private mutating func work() {
    guard status & Status.ready != 0, status & Status.needsReset == 0, header.isMaster, queue.frame != 0 else { return }
    for _ in 0..<VirtioQueue<Memory>.size {
      switch queue.next() {
      case .none: return
      case .broken: return stop()
      case .head(let head):
        guard let parts = queue.chain(head), begin(head, parts) else { return stop() }
      }
    }
  }

  /// The driver has written nonsense: nothing more until it resets us.
  private mutating func stop() {
    status |= Status.needsReset
    waiting = []
  }

  /// False if the chain is none that a driver may offer.
  private mutating func begin(_ head: UInt16, _ parts: [VirtioQueue<Memory>.Part]) -> Bool {
    guard parts.count >= 2, let first = parts.first, let last = parts.last, first.bytes.count == 16, !first.isWritable,
      last.bytes.count == 1, last.isWritable, let status = last.bytes.baseAddress, let start = first.bytes.baseAddress
    else { return false }
    requests &+= 1
    let type = start.loadUnaligned(as: UInt32.self)
    let sector = start.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
    let data = parts[1..<parts.count - 1]
    let kind: BlockRequest.Kind
    switch type {
    case 0: kind = .read
    case 1: kind = .write
    case 4: kind = .flush
    default:
      status.storeBytes(of: 2, as: UInt8.self)
      use(head, written: 1)
      return true
    }
    var length = 0
    for part in data {
      guard part.isWritable == (kind == .read), kind != .flush else { return false }
      length += part.bytes.count
      guard length <= Self.lengthLimit else { return false }
    }
    let place = Waiting(
      request: BlockRequest(
        kind: kind, position: kind == .flush ? 0 : sector &<< 9, length: length, parts: data.map(\.bytes), token: nextToken),
      head: head, status: status)
    nextToken += 1
    guard kind == .flush || isInside(sector, length) && !(kind == .write && store.isReadOnly) else {
      finish(place, .failed)
      return true
    }
    if let outcome = store.begin(place.request) { finish(place, outcome) } else { waiting.append(place) }
    return true
  }

  private func isInside(_ sector: UInt64, _ length: Int) -> Bool {
    length > 0 && length % 512 == 0 && sector <= store.size >> 9 && UInt64(length) >> 9 <= store.size >> 9 - sector
  }

  /// The store has finished a request that it had begun. One of before a reset is forgotten.
  /// - Parameter data: what was read, if the store has not put it into the request's parts itself.
  public mutating func complete(_ token: UInt64, _ outcome: BlockOutcome, data: UnsafeRawBufferPointer? = nil) {
    guard let index = waiting.firstIndex(where: { $0.request.token == token }) else { return }
    let place = waiting.remove(at: index)
    if let data, outcome == .done, place.request.kind == .read { place.request.fill(from: data) }
    finish(place, outcome)
  }

  private mutating func finish(_ place: Waiting, _ outcome: BlockOutcome) {
    place.status.storeBytes(of: outcome == .done ? 0 : 1, as: UInt8.self)
    use(place.head, written: 1 + (place.request.kind == .read && outcome == .done ? UInt32(place.request.length) : 0))
  }

  private mutating func use(_ head: UInt16, written: UInt32) {
    if queue.complete(head, written: written) { isPending = true }
  }
}
