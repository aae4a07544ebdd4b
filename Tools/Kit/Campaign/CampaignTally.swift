/// Counts of one kind of fault in one service.
public struct FaultCounts: Codable, Equatable, Sendable {
  public var injected = 0, activated = 0, manifested = 0, recovered = 0, lost = 0
  public init() {}
  static func + (a: FaultCounts, b: FaultCounts) -> FaultCounts {
    var sum = a
    sum.injected += b.injected
    sum.activated += b.activated
    sum.manifested += b.manifested
    sum.recovered += b.recovered
    sum.lost += b.lost
    return sum
  }
}

/// What a campaign, or a shard of one, has found out.
public struct CampaignResult: Codable, Equatable, Sendable {
  /// Something that was lost, and how to see it again.
  public struct Finding: Codable, Equatable, Sendable {
    public var service, kind, what, command: String
    /// What the system is known not to survive yet.
    public var isKnown: Bool
  }

  public var seed: UInt64
  public var shards: [String]
  /// Crash points of the plan, and those that were tried.
  public var points = 0, pointsTried = 0
  public var randomRuns = 0
  public var seconds = 0.0
  public var mistake: String?
  public var recovers = true
  /// Service, then kind.
  public var counts: [String: [String: FaultCounts]] = [:]
  /// At most `findingLimit` of each service and kind.
  public var findings: [Finding] = []
  /// Nanoseconds of virtual time from a death to ready, by service.
  public var recoveries: [String: [Int]] = [:]

  /// Deaths and returns in virtual time, of the first runs.
  public var timeline: [Page.Mark] = []
  /// Of runs that recovered: how many, their virtual time in all, and that of the same workloads without faults.
  public var timedRuns = 0, timeWith: UInt64 = 0, timeWithout: UInt64 = 0

  static let findingLimit = 3, recoveryLimit = 20_000, timelineLimit = 500

  public init(seed: UInt64, shard: String) {
    self.seed = seed
    shards = [shard]
  }

  public var runs: Int { pointsTried + randomRuns }

  /// What was lost although it should not have been.
  public var losses: Int {
    counts.reduce(0) { sum, row in
      sum + row.value.reduce(0) { $0 + (isExpected(row.key, $1.key) ? 0 : $1.value.lost) }
    }
  }

  public var passed: Bool { losses == 0 && runs > 0 }

  /// Whether a loss tells of something that the system is known not to survive yet: the death of a service that the boot table
  /// calls vital, and what servers make of a full queue, of no memory and of a bad block.
  func isExpected(_ service: String, _ kind: String) -> Bool {
    guard let kind = CampaignFault.Kind(rawValue: kind) else { return false }
    return kind.mayShow || CampaignPlan.services(vital: true).contains(service) && kind.hasService
  }

  /// Takes in one run.
  public mutating func add(_ item: CampaignPlan.Item, _ outcome: CampaignOutcome?, reference: CampaignOutcome, wrong: [String], isPoint: Bool) {
    if isPoint { pointsTried += 1 } else { randomRuns += 1 }
    let vital = Set(CampaignPlan.services(vital: true))
    let struck = outcome.map { $0.struck > 0 } ?? true
    let manifested = outcome.map { struck && CampaignOracle.manifested($0, reference: reference) } ?? true
    // With several faults a loss is that of those which may not be survived, if there are any.
    let guilty = item.faults.filter { $0.kind.mayShow || vital.contains($0.service) && $0.kind.hasService }
    for fault in item.faults {
      var counts = FaultCounts()
      counts.injected = 1
      counts.activated = struck ? 1 : 0
      counts.manifested = manifested || !wrong.isEmpty ? 1 : 0
      let isLost = !wrong.isEmpty && (guilty.isEmpty || guilty.contains(fault))
      counts.lost = isLost ? 1 : 0
      counts.recovered = manifested && wrong.isEmpty ? 1 : 0
      self.counts[fault.service, default: [:]][fault.kind.rawValue, default: FaultCounts()] =
        self.counts[fault.service]?[fault.kind.rawValue].map { $0 + counts } ?? counts
      if isLost {
        add(Finding(
          service: fault.service, kind: fault.kind.rawValue, what: wrong.joined(separator: "; "),
          command: item.workload.command(seed: item.seed, faults: item.faults), isKnown: isExpected(fault.service, fault.kind.rawValue)))
      }
    }
    guard let outcome else { return }
    if manifested && wrong.isEmpty {
      timedRuns += 1
      timeWith += outcome.time
      timeWithout += reference.time
    }
    let marks = KernelLog.restarts(outcome.log).filter { $0.time > 0 }.map(Page.Mark.init)
    timeline += marks.prefix(max(0, Self.timelineLimit - timeline.count))
    for restart in KernelLog.restarts(outcome.log) where recoveries[restart.service, default: []].count < Self.recoveryLimit {
      recoveries[restart.service, default: []].append(restart.recovery)
    }
  }

  private mutating func add(_ finding: Finding) {
    guard findings.count(where: { $0.service == finding.service && $0.kind == finding.kind }) < Self.findingLimit else { return }
    findings.append(finding)
  }

  /// The sum of two shards of the same campaign.
  public static func + (a: CampaignResult, b: CampaignResult) -> CampaignResult {
    var sum = a
    sum.shards += b.shards
    sum.points = max(a.points, b.points)
    sum.pointsTried += b.pointsTried
    sum.randomRuns += b.randomRuns
    sum.seconds += b.seconds
    for (service, kinds) in b.counts {
      for (kind, counts) in kinds { sum.counts[service, default: [:]][kind] = (sum.counts[service]?[kind] ?? FaultCounts()) + counts }
    }
    for finding in b.findings { sum.add(finding) }
    sum.timeline = Array((a.timeline + b.timeline).prefix(timelineLimit))
    sum.timedRuns += b.timedRuns
    sum.timeWith += b.timeWith
    sum.timeWithout += b.timeWithout
    for (service, times) in b.recoveries {
      sum.recoveries[service] = Array(((sum.recoveries[service] ?? []) + times).prefix(recoveryLimit))
    }
    return sum
  }

  /// A row for each service and kind, with a heading.
  public var rows: [[String]] {
    [["service", "kind", "injected", "activated", "manifested", "recovered", "lost"]]
      + counts.sorted { $0.key < $1.key }.flatMap { service, kinds in
        kinds.sorted { $0.key < $1.key }.map { kind, c in
          [service, kind] + [c.injected, c.activated, c.manifested, c.recovered, c.lost].map(grouped)
        }
      }
  }
}
