// A campaign's result as text, JSON and page.
extension CampaignResult {
  private var head: String {
    var words = "seed \(seed), \(shards.count == 1 ? "shard \(shards[0])" : "\(shards.count) shards")"
    if !recovers { words += ", recovery switched off" }
    if let mistake { words += ", planted mistake '\(mistake)'" }
    return words
  }

  /// What servers do not survive yet: "pm: its death", "vfs: refuse".
  public var cannotSurvive: [(what: String, lost: Int, activated: Int)] {
    var found: [String: (Int, Int)] = [:]
    for (service, kinds) in counts {
      for (kind, counts) in kinds where isExpected(service, kind) && counts.lost > 0 {
        let what = CampaignFault.Kind(rawValue: kind)?.mayShow == true ? "\(service): \(kind)" : "\(service): its death"
        let old = found[what] ?? (0, 0)
        found[what] = (old.0 + counts.lost, old.1 + counts.activated)
      }
    }
    return found.sorted { $0.key < $1.key }.map { ($0.key, $0.value.0, $0.value.1) }
  }

  public var text: String {
    var lines = ["campaign, \(head)"]
    lines.append("  \(grouped(pointsTried)) of \(grouped(points)) crash points, \(grouped(randomRuns)) random runs, \(Int(seconds)) s")
    lines += columns(rows, left: [0, 1]).split(separator: "\n").map { "  \($0)" }
    if !cannotSurvive.isEmpty {
      lines.append("  servers do not survive yet: " + cannotSurvive.map { "\($0.what) (\($0.lost) of \($0.activated))" }.joined(separator: ", "))
    }
    for finding in findings where !finding.isKnown {
      lines.append("  LOST: \(finding.service) \(finding.kind): \(finding.what)\n        \(finding.command)")
    }
    lines.append("  \(grouped(losses)) lost: \(passed ? "passed" : "failed")")
    return lines.joined(separator: "\n")
  }

  private func perSecond(_ time: UInt64) -> Int { Int(Double(timedRuns) * 1e9 / Double(time)) }

  public var page: Page {
    var page = Page(title: "Campaign", passed: passed)
    page.about = "\(head). Every message of every workload as a crash point of every driver, then random faults; virtual time."
    let recoveredSum = counts.values.flatMap(\.values).reduce(0) { $0 + $1.recovered }
    page.figures = [
      .init(grouped(runs), "runs"), .init("\(grouped(pointsTried)) of \(grouped(points))", "crash points", isGood: pointsTried == points),
      .init(grouped(recoveredSum), "recovered"), .init(grouped(losses), "lost", isGood: losses == 0),
    ]
    page.timelineTitle = "Faults and recoveries in virtual time, of \(timeline.count) deaths"
    page.marks = timeline
    if timedRuns > 0, timeWith > 0, timeWithout > 0 {
      page.throughput = [("without faults", perSecond(timeWithout)), ("with faults", perSecond(timeWith))]
      page.throughputUnit = "workloads a second of virtual time"
    }
    page.recoveries = recoveries.values.flatMap { $0 }
    page.tables = [.init("Faults by service and kind", rows, bad: [6])]
    if !cannotSurvive.isEmpty {
      page.tables.append(.init("What servers do not survive yet", [["service", "of what", "lost", "tried"]] + cannotSurvive.map {
        let words = $0.what.split(separator: ":", maxSplits: 1).map(String.init)
        return [words[0], words[1], "\($0.lost)", "\($0.activated)"]
      }))
    }
    let times = recoveries.sorted { $0.key < $1.key }.filter { !$0.value.isEmpty }
    if !times.isEmpty {
      page.tables.append(.init("Recoveries", [["service", "recoveries", "median", "longest"]] + times.map { service, all in
        let sorted = all.sorted()
        return [service, grouped(sorted.count), Picture.duration(Double(sorted[sorted.count / 2])), Picture.duration(Double(sorted.last ?? 0))]
      }))
    }
    page.complaints = findings.filter { !$0.isKnown }.map { "\($0.service) \($0.kind): \($0.what) (\($0.command))" }
    page.notes = findings.filter(\.isKnown).map { "known: \($0.service) \($0.kind): \($0.what) (\($0.command))" }
    return page
  }
}
