/// What a drill found out.
public struct DrillReport: Sendable {
  public var drill: String
  public var about = ""
  public var host = Host.metal
  public var seed: Int
  /// How often a service was ended or told to harm itself.
  public var kills = 0
  public var restarts: [KernelLog.Restart] = []
  /// Lives that ended before they had said that they were ready: RS began the next, but has no recovery to tell of.
  public var unborn = 0
  /// Services that RS has given up, where the drill expects that.
  public var givenUp: [String] = []
  public var processesLost = 0
  public var digestsDiffering = 0
  public var leaks: [String: Int] = [:]
  /// Bytes checked in a second of guest time: with the kills, and in the same run without.
  public var throughput: (with: Int, without: Int)?
  /// Everything that did not go as it must, in words.
  public var complaints: [String] = []
  /// What else the reader should know.
  public var notes: [String] = []

  public init(drill: String, seed: Int) {
    self.drill = drill
    self.seed = seed
  }

  public var passed: Bool {
    complaints.isEmpty && processesLost == 0 && digestsDiffering == 0 && restarts.count + unborn >= kills
      && leaks.allSatisfy { $0.value <= 0 }
  }

  /// In the log's nanoseconds: guest instructions on metal.
  public var recovery: (median: Int, p99: Int, max: Int) {
    let sorted = restarts.map(\.recovery).sorted()
    guard let last = sorted.last else { return (0, 0, 0) }
    return (sorted[sorted.count / 2], sorted[min(sorted.count - 1, sorted.count * 99 / 100)], last)
  }

  /// What a nanosecond of the log is.
  private var unit: String {
    switch host {
    case .metal: "guest instructions"
    case .processes: "nanoseconds"
    case .simulator: "virtual nanoseconds"
    }
  }

  public var json: [String: Any] {
    [
      "drill": drill, "host": host.rawValue, "seed": seed, "kills": kills, "restarts": restarts.count + unborn, "processesLost": processesLost,
      "digestsDiffering": digestsDiffering, "leaks": leaks,
      "recovery": ["median": recovery.median, "p99": recovery.p99, "max": recovery.max],
      "verdict": passed ? "passed" : "failed",
    ]
  }

  public var text: String {
    var lines = ["drill \(drill), seed \(seed)"]
    lines.append("  kills \(kills), restarts \(restarts.count + unborn), processes lost \(processesLost), digests differing \(digestsDiffering)")
    let kinds = Dictionary(grouping: restarts, by: \.cause).map { ($0.key, $0.value.count) }.sorted { ($1.1, $0.0) < ($0.1, $1.0) }
    if !kinds.isEmpty { lines.append("  by kind: " + kinds.map { "\($0.0) \($0.1)" }.joined(separator: ", ")) }
    if unborn > 0 { lines.append("  killed before they were ready: \(unborn)") }
    if !restarts.isEmpty {
      lines.append("  recovery in \(unit): median \(grouped(recovery.median)), p99 \(grouped(recovery.p99)), max \(grouped(recovery.max))")
    }
    if let throughput {
      let share = throughput.without == 0 ? 0 : throughput.with * 100 / throughput.without
      lines.append("  throughput: \(grouped(throughput.with / 1024)) KiB a second of guest time, \(grouped(throughput.without / 1024)) without kills (\(share) %)")
    }
    let leaked = leaks.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
    if !leaks.isEmpty { lines.append("  leaks: \(leaked)") }
    lines += notes.map { "  \($0)" }
    lines += complaints.map { "  FAILED: \($0)" }
    lines.append("  \(passed ? "passed" : "failed")")
    return lines.joined(separator: "\n")
  }
}
