import Script

/// One mishap, at a place that is the same in every run with the same seed: the number of a message, or of a block write.
public struct Fault: Equatable, Sendable {
  public enum Kind: String, CaseIterable, Sendable {
    /// The service dies before the message is sent; if it is the sender it never sends it.
    case killBefore = "kill-before"
    /// It dies right after the message has arrived, or is queued.
    case killAfter = "kill-after"
    /// It dies at its next trap after the message: in the middle of its work.
    case killDuring = "kill-during"
    /// The kernel refuses the message as it could: no room for an asynchronous one, a dead peer for any other.
    case refuse
    /// The sender, a service, is held up for `amount` nanoseconds before it sends.
    case delay
    /// VM finds no frames at the first reservation after the message.
    case exhaust
    /// Block write number `at` (of all disks) fails.
    case writeError = "write-error"
    /// Harm of `Service.Harm` number `amount` done by the service after it has received its next message.
    case harm
  }

  public var kind: Kind
  public var at: UInt64
  /// Slot of the service that is meant, where one is.
  public var service: Int
  public var amount: UInt64

  public init(_ kind: Kind, at: UInt64, service: Int = 0, amount: UInt64 = 0) {
    self.kind = kind
    self.at = at
    self.service = service
    self.amount = amount
  }

  /// `kill-after@1234:disk`, `delay@77:5000000`, `write-error@3`, `harm@12:tty:2`.
  public var text: String {
    var text = "\(kind.rawValue)@\(at)"
    if needsService { text += ":\(ServiceName.text(service))" }
    if kind == .delay || kind == .harm { text += ":\(amount)" }
    return text
  }

  private var needsService: Bool {
    switch kind {
    case .killBefore, .killAfter, .killDuring, .harm: true
    case .refuse, .delay, .exhaust, .writeError: false
    }
  }

  public init?(_ text: some StringProtocol) {
    let halves = text.split(separator: "@", maxSplits: 1)
    guard halves.count == 2, let kind = Kind(rawValue: String(halves[0])) else { return nil }
    var words = halves[1].split(separator: ":").makeIterator()
    guard let first = words.next(), let at = UInt64(first) else { return nil }
    self.init(kind, at: at)
    if needsService {
      guard let name = words.next(), let slot = (1..<ServiceName.count).first(where: { "\(ServiceName.text($0))" == name }) else { return nil }
      service = slot
    }
    if kind == .delay || kind == .harm {
      guard let word = words.next(), let value = UInt64(word) else { return nil }
      amount = value
    }
    if words.next() != nil { return nil }
  }
}

extension Scenario {
  /// Whether programs may see errors because of its faults.
  public var mayFail: Bool {
    faults.contains {
      switch $0.kind {
      case .refuse, .exhaust, .writeError: true
      case .killBefore, .killAfter, .killDuring, .delay, .harm: false
      }
    }
  }
}
