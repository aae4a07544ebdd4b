/// What is wrong with a run, by comparison with the same workload without faults.
public enum CampaignOracle {
  /// What the judgement says; empty: nobody could tell that anything had happened.
  /// - Parameter diskComplaint: of `e2fsck`, nil if the disk is sound or was seen before.
  public static func judge(_ item: CampaignPlan.Item, _ outcome: CampaignOutcome?, reference: CampaignOutcome, diskComplaint: String?) -> [String] {
    guard let outcome else { return ["the simulator itself died"] }
    var wrong: [String] = []
    let mayShow = item.faults.contains { $0.kind.mayShow }
    if outcome.ending != reference.ending || (outcome.status != reference.status && (!mayShow || outcome.status == 70)) {
      wrong.append("the run ended with \(outcome.ending)\(outcome.status.map { " \($0)" } ?? "")\(reason(outcome.log))")
    }
    if outcome.contradictions > 0 { wrong.append("\(outcome.contradictions) lines of the history came in two versions") }
    // What was lost on the way to the end is told by that; the rest would only say it again.
    if wrong.isEmpty {
      if !mayShow, outcome.history != reference.history { wrong.append("history: " + difference(outcome.history, reference.history)) }
      let leaks = outcome.leaks.filter { !reference.leaks.contains($0) }
      if !leaks.isEmpty { wrong.append("not as before: " + leaks.joined(separator: ", ")) }
      let unanswered = outcome.unanswered.filter { !reference.unanswered.contains($0) }
      if !unanswered.isEmpty { wrong.append("unanswered: " + unanswered.joined(separator: ", ")) }
      // Only with the reference's schedule are the same blocks written at the same times.
      if !mayShow, item.seed == 1, outcome.diskDigest != reference.diskDigest { wrong.append("the disk holds other data") }
    }
    if let broken = outcome.broken { wrong.append("the kernel: \(broken)") }
    // What could not be written is not there.
    let writes = !item.faults.contains { $0.kind == .writeError }
    if let diskComplaint, writes { wrong.append("e2fsck: \(firstWords(diskComplaint))") }
    return wrong
  }

  /// The first lines that say what is wrong.
  private static func firstWords(_ complaint: String) -> String {
    let lines = complaint.split(separator: "\n").filter { !$0.hasPrefix("e2fsck ") && !$0.hasPrefix("Pass ") && !$0.hasPrefix("Fix?") }
    return lines.prefix(3).joined(separator: "; ")
  }

  /// The log's last word about it.
  private static func reason(_ log: String) -> String {
    let told = log.split(separator: "\n").last { $0.contains("cannot live without") || $0.contains("panic") || $0.contains("given up") }
    return told.map { " (\($0))" } ?? ""
  }

  static func difference(_ text: String, _ reference: String) -> String {
    let (a, b) = (text.split(separator: "\n"), reference.split(separator: "\n"))
    for index in 0..<max(a.count, b.count) {
      let (is_, was) = (index < a.count ? String(a[index]) : nil, index < b.count ? String(b[index]) : nil)
      if is_ != was { return "'\(is_ ?? "nothing")', not '\(was ?? "nothing")'" }
    }
    return "differs"
  }

  /// Whether the fault made any difference to the run.
  public static func manifested(_ outcome: CampaignOutcome, reference: CampaignOutcome) -> Bool {
    outcome.restarts != reference.restarts || outcome.messages != reference.messages || outcome.history != reference.history
  }
}
