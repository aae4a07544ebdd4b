import Foundation

/// Plays the scripts of a drill in the simulator: the system and everything that happens to it in one process, judged by
/// the same script without its faults.
public struct ScriptPlayer {
  let project: Project
  let simulator: SimulatorProgram

  public init(_ project: Project, say: (String) -> Void) throws {
    self.project = project
    simulator = try SimulatorProgram(project, say: say)
  }

  public func play(_ drill: Drill, seed: Int? = nil) throws -> DrillReport {
    var report = DrillReport(drill: drill.name, seed: seed ?? drill.seed)
    report.about = drill.about
    report.host = .simulator
    var log = ""
    for name in drill.scripts {
      let disk = project.output + "/drill.\(name).simulated.img"
      try Files.makeDirectory(project.output)
      defer { Files.remove(disk) }
      let text = try Drill.script(name, project)
      let outcome = try outcome(name, seed: report.seed, disk: disk)
      let plain = try run(Self.withoutFaults(text), seed: report.seed)
      log += outcome.log
      report.notes.append("script \(name): \(Self.faults(in: text)) faults, \(grouped(Int(outcome.messages))) messages, \(Picture.duration(Double(outcome.time))) of virtual time")
      report.complaints += Self.judge(outcome, plain: plain).map { "script \(name): \($0)" }
      report.digestsDiffering += Self.differences(outcome.history, plain.history)
      if outcome.ending == "shutdown", let complaint = try DiskImage.complaint(disk) { report.complaints.append("script \(name): e2fsck: \(complaint)") }
    }
    report.restarts = KernelLog.restarts(log)
    let givenUp = Set(KernelLog.givenUp(log).map(\.service))
    for step in drill.steps {
      switch step {
      case .restarts(let service, let count):
        let seen = report.restarts.count { $0.service == service }
        if seen < count { report.complaints.append("\(service) came back \(seen) times, not \(count)") }
      case .givenUp(let service):
        report.givenUp.append(service)
        if !givenUp.contains(service) { report.complaints.append("\(service) was not given up") }
      case .log(let text):
        if !log.contains(text) { report.complaints.append("the kernel's log has no '\(text)'") }
      case .script, .type, .kill, .expect: break  // the shell's
      }
    }
    for service in givenUp.subtracting(report.givenUp).sorted() { report.complaints.append("\(service) was given up") }
    return report
  }

  /// A run of a script of the tree.
  func outcome(_ name: String, seed: Int, disk: String? = nil) throws -> CampaignOutcome {
    try run(file: "\(project.root)/Tests/Scenarios/\(name).script", seed: seed, disk: disk)
  }

  private func run(_ text: String, seed: Int) throws -> CampaignOutcome {
    let file = NSTemporaryDirectory() + "apus-\(getpid()).script"
    defer { Files.remove(file) }
    try Files.write(text, to: file)
    return try run(file: file, seed: seed, disk: nil)
  }

  private func run(file: String, seed: Int, disk: String?) throws -> CampaignOutcome {
    let said = try simulator.output(["run", file, "--seed", "\(seed)", "--json"] + (disk.map { ["--disk", $0] } ?? []), seconds: 120)
    guard let line = said.split(separator: "\n").first(where: { $0.hasPrefix("{") }) else { throw Failure("the simulator gave no outcome:\n\(said)") }
    return try JSONDecoder().decode(CampaignOutcome.self, from: Data(line.utf8))
  }

  /// Statements that hurt somebody, and those that wait until it is well again.
  static let verbs = ["kill", "inject", "recover"]

  static func faults(in text: String) -> Int {
    text.split(separator: "\n").count { $0.hasPrefix("kill ") || $0.hasPrefix("inject ") }
  }

  /// The same script with a statement of no consequence in each such place, so that lines keep their numbers.
  static func withoutFaults(_ text: String) -> String {
    text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
      verbs.contains { line.hasPrefix($0 + " ") } ? "sleep 0" : String(line)
    }.joined(separator: "\n")
  }

  /// Lines of a history by process and number, without those of the statements above.
  private static func lines(_ history: String) -> [String: String] {
    var found: [String: String] = [:]
    for line in history.split(separator: "\n") {
      let words = line.split(separator: " ")
      guard words.count > 2, !(verbs + ["sleep"]).contains(String(words[2])) else { continue }
      found["\(words[0]) \(words[1])"] = String(line)
    }
    return found
  }

  /// Lines that are not the same in both.
  static func differences(_ history: String, _ plain: String) -> Int {
    let (a, b) = (lines(history), lines(plain))
    return Set(a.keys).union(b.keys).count { a[$0] != b[$0] }
  }

  static func judge(_ outcome: CampaignOutcome, plain: CampaignOutcome) -> [String] {
    var wrong: [String] = []
    if outcome.ending != "shutdown" || outcome.status != plain.status { wrong.append("ended with \(outcome.ending) \(outcome.status.map(String.init) ?? "")") }
    if outcome.contradictions > 0 { wrong.append("\(outcome.contradictions) lines came in two versions") }
    if !outcome.leaks.isEmpty { wrong.append("not as before: " + outcome.leaks.joined(separator: ", ")) }
    if !outcome.unanswered.isEmpty { wrong.append("unanswered: " + outcome.unanswered.joined(separator: ", ")) }
    if let broken = outcome.broken { wrong.append("the kernel: \(broken)") }
    return wrong
  }
}
