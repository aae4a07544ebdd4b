// A campaign's result as text, JSON and page.
extension CampaignResult {
  private var head: String {
    var words = "seed \(seed), \(shards.count == 1 ? "shard \(shards[0])" : "\(shards.count) shards")"
    if !recovers { words += ", recovery switched off" }
    if let mistake { words += ", planted mistake '\(mistake)'" }
    return words
  }

  /// Vital services that the runs have hurt: what nobody survives yet.
  public var cannotSurvive: [(service: String, lost: Int, injected: Int)] {
    counts.keys.sorted().compactMap { service in
      let kinds = (counts[service] ?? [:]).filter { isExpected(service, $0.key) }
      let lost = kinds.reduce(0) { $0 + $1.value.lost }
      return lost == 0 ? nil : (service, lost, kinds.reduce(0) { $0 + $1.value.activated })
    }
  }

  public var text: String {
    var lines = ["campaign, \(head)"]
    lines.append("  \(grouped(pointsTried)) of \(grouped(points)) crash points, \(grouped(randomRuns)) random runs, \(Int(seconds)) s")
    lines += columns(rows, left: [0, 1]).split(separator: "\n").map { "  \($0)" }
    if !cannotSurvive.isEmpty {
      lines.append("  cannot be survived yet: " + cannotSurvive.map { "\($0.service) (\($0.lost) of \($0.injected))" }.joined(separator: ", "))
    }
    for finding in findings where !finding.isVital {
      lines.append("  LOST: \(finding.service) \(finding.kind): \(finding.what)\n        \(finding.command)")
    }
    lines.append("  \(grouped(losses)) lost: \(passed ? "passed" : "failed")")
    return lines.joined(separator: "\n")
  }

  public var page: Page {
    var page = Page(title: "Campaign", passed: passed)
    page.about = "\(head). Every message of every workload as a crash point of every driver, then random faults; virtual time."
    let recoveredSum = counts.values.flatMap(\.values).reduce(0) { $0 + $1.recovered }
    page.figures = [
      .init(grouped(runs), "runs"), .init("\(grouped(pointsTried)) of \(grouped(points))", "crash points", isGood: pointsTried == points),
      .init(grouped(recoveredSum), "recovered"), .init(grouped(losses), "lost", isGood: losses == 0),
    ]
    page.recoveries = recoveries.values.flatMap { $0 }
    page.tables = [.init("Faults by service and kind", rows, bad: [6])]
    if !cannotSurvive.isEmpty {
      page.tables.append(.init("Cannot be survived yet", [["service", "ended the system", "of deaths"]] + cannotSurvive.map { [$0.service, "\($0.lost)", "\($0.injected)"] }))
    }
    let times = recoveries.sorted { $0.key < $1.key }.filter { !$0.value.isEmpty }
    if !times.isEmpty {
      page.tables.append(.init("Recoveries", [["service", "recoveries", "median", "longest"]] + times.map { service, all in
        let sorted = all.sorted()
        return [service, grouped(sorted.count), Picture.duration(Double(sorted[sorted.count / 2])), Picture.duration(Double(sorted.last ?? 0))]
      }))
    }
    page.complaints = findings.filter { !$0.isVital }.map { "\($0.service) \($0.kind): \($0.what) (\($0.command))" }
    page.notes = findings.filter(\.isVital).map { "expected: \($0.service) \($0.kind): \($0.what) (\($0.command))" }
    return page
  }
}
