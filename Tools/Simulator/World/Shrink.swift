import Script

/// Makes a failing scenario small: fewer faults, fewer statements, as long as it still fails. Message numbers move when the
/// script changes, so the faults are looked for again in each candidate.
public struct Shrinker {
  /// Runs that it may use.
  public var budget: Int
  public private(set) var runs = 0
  let image: [UInt8]
  /// Of the best scenario so far, without its faults.
  private var lastMessages: UInt64 = 0
  private var cleanMessages: UInt64 = 0
  /// What is wrong with a run, given the run of the same scenario without faults; nil if nothing that counts.
  let failure: (Outcome, _ reference: Outcome) -> String?

  public init(budget: Int = 3000, image: [UInt8], failure: @escaping (Outcome, Outcome) -> String? = { $0.complaints(reference: $1).first }) {
    self.budget = budget
    self.image = image
    self.failure = failure
  }

  public mutating func run(_ scenario: Scenario) -> Outcome {
    runs += 1
    return World(scenario, disk: image).run()
  }

  /// Nil if `scenario` does not fail.
  public mutating func shrink(_ scenario: Scenario) -> (scenario: Scenario, failure: String)? {
    var best = scenario
    best.records = false
    guard var reason = fails(best, reference(best)) else { return nil }
    dropFaults(&best, &reason)
    shortenScript(&best, &reason)
    dropFaults(&best, &reason)
    return (best, reason)
  }

  private mutating func reference(_ scenario: Scenario) -> Outcome {
    var clean = scenario
    clean.faults = []
    return run(clean)
  }

  private mutating func fails(_ scenario: Scenario, _ reference: Outcome) -> String? { failure(run(scenario), reference) }

  private mutating func dropFaults(_ best: inout Scenario, _ reason: inout String) {
    let reference = reference(best)
    var index = 0
    while index < best.faults.count, runs < budget {
      var candidate = best
      candidate.faults.remove(at: index)
      if let still = fails(candidate, reference) {
        best = candidate
        reason = still
      } else {
        index += 1
      }
    }
  }

  /// Takes out ever smaller pieces of the script.
  private mutating func shortenScript(_ best: inout Scenario, _ reason: inout String) {
    var script: [Statement]
    if let text = best.text {
      guard let parsed = try? parseScript(text) else { return }
      script = parsed
    } else {
      script = Generator.script(seed: best.scriptSeed)
    }
    lastMessages = reference(best).messages
    var size = max(script.count / 2, 1)
    while size >= 1, runs < budget {
      var start = 0
      while start < script.count, runs < budget {
        let shorter = Self.without(script, start..<min(start + size, script.count))
        var candidate = best
        candidate.text = Array(scriptText(shorter).utf8)
        if shorter.count < script.count, let (found, why) = search(candidate) {
          best = found
          reason = why
          lastMessages = cleanMessages
          script = shorter
        } else {
          start += size
        }
      }
      size /= 2
    }
    if best.text == nil { best.text = Array(scriptText(script).utf8) }
  }

  /// The faults of a candidate at other messages: as far from the end as they were, as far from the start, then everywhere.
  private mutating func search(_ candidate: Scenario) -> (Scenario, String)? {
    // A script that makes no sense alone, such as a wait for nobody, may run for ever: no more than a fair share.
    var candidate = candidate
    candidate.timeLimit = 60_000_000_000
    let clean = reference(candidate)
    cleanMessages = clean.messages
    guard case .shutdown = clean.ending else { return nil }
    if candidate.faults.isEmpty {
      return failure(clean, clean).map { (candidate, $0) }
    }
    let last = candidate.faults.map(\.at).max() ?? 0
    // As far from the end as before, as far from the start, then here and there.
    var steps = [Int64(clean.messages) - Int64(lastMessages), 0]
    var at = clean.begun + 1
    while at <= clean.messages {
      steps.append(Int64(at) - Int64(last))
      at += max(1, (clean.messages - clean.begun) / 40)
    }
    for step in steps where runs < budget {
      var moved = candidate
      for index in moved.faults.indices {
        let at = Int64(moved.faults[index].at) + step
        guard at > 0 else { continue }
        moved.faults[index].at = UInt64(at)
      }
      if let why = fails(moved, clean) { return (moved, why) }
    }
    return nil
  }

  /// The script without a piece; jumps go where they went, or to what follows.
  static func without(_ script: [Statement], _ piece: Range<Int>) -> [Statement] {
    var shorter: [Statement] = []
    for (index, statement) in script.enumerated() where !piece.contains(index) {
      var kept = statement
      if kept.operation == Operation.fork.rawValue || kept.operation == Operation.exec.rawValue {
        let target = Int(kept.x)
        kept.x = UInt32(target >= piece.upperBound ? target - piece.count : min(target, piece.lowerBound))
      }
      shorter.append(kept)
    }
    return shorter
  }
}
