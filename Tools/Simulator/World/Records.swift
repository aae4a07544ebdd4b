import Script

/// An outcome as JSON.
public struct OutcomeRecord: Codable, Sendable {
  public var ending: String
  public var status: UInt64?
  public var history: String
  public var contradictions: Int
  public var hash: String
  public var messages: UInt64
  /// The last message before the script.
  public var begun: UInt64
  public var writes: UInt64
  /// Virtual nanoseconds.
  public var time: UInt64
  public var restarts: [String: UInt32]
  public var leaks: [String]
  public var unanswered: [String]
  public var struck: Int
  public var broken: String?
  public var log: String
  /// Of the root disk; the bytes go to a file if one is named.
  public var diskDigest: String
  /// Index, sender, receiver and name of each message, if asked for.
  public var points: [Point]?

  public struct Point: Codable, Sendable {
    public var index: UInt64
    public var from: String
    public var to: String
    public var name: String
  }

  public init(_ outcome: Outcome, points wanted: Bool = false) {
    switch outcome.ending {
    case .shutdown(let status):
      ending = "shutdown"
      self.status = status
    case .panic(let reason): ending = "panic: \(reason)"
    case .stuck(let reason): ending = "stuck: \(reason)"
    case .stopped: ending = "stopped"
    }
    history = String(decoding: outcome.history, as: UTF8.self)
    contradictions = outcome.contradictions
    hash = String(outcome.hash, radix: 16)
    messages = outcome.messages
    writes = outcome.writes
    begun = outcome.begun
    time = outcome.time
    restarts = [:]
    for slot in outcome.restarts.indices where outcome.restarts[slot] > 0 { restarts["\(ServiceName.text(slot))"] = outcome.restarts[slot] }
    leaks = outcome.leaks
    unanswered = outcome.unanswered
    struck = outcome.struck
    broken = outcome.broken
    log = String(decoding: outcome.log, as: UTF8.self)
    var digest: UInt64 = 0xCBF2_9CE4_8422_2325
    outcome.disk.withUnsafeBytes { bytes in
      for at in stride(from: 0, to: bytes.count & ~7, by: 8) {
        digest = (digest ^ bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self)) &* 0x0000_0100_0000_01B3
        digest ^= digest >> 29
      }
    }
    diskDigest = String(digest, radix: 16)
    if wanted {
      points = outcome.sent.map { Point(index: $0.index, from: SentMessage.thread($0.from), to: SentMessage.thread($0.to), name: $0.name) }
    }
  }
}

/// A run as JSON: what `simulator batch` reads.
public struct PlanRecord: Codable, Sendable {
  /// Comes back in the answer.
  public var id: Int?
  public var text: String?
  public var script: UInt64?
  public var seed: UInt64
  /// As in `Fault.text`.
  public var faults: [String]?
  public var ram: Bool?
  /// False: nobody is restarted.
  public var recovers: Bool?
  /// As `Mistake` names it.
  public var mistake: String?
  public var points: Bool?
  /// The root disk goes into this file at the end.
  public var disk: String?
  public var messageLimit: UInt64?

  public init(seed: UInt64) { self.seed = seed }
}
