import Script

/// Plays a drill of steps: they become a script that the guest runs by itself (`run=`), and what it printed is
/// judged afterwards.
public struct Player {
  let image: Image
  let host: Host
  let media: Machine.Media
  let progress: Progress?

  /// - Parameters:
  ///   - host: metal or processes, and `media` what it boots from.
  public init(_ image: Image, host: Host, media: Machine.Media, progress: Progress? = nil) {
    self.image = image
    self.host = host
    self.media = media
    self.progress = progress
  }

  static let script = "drill/run"
  /// Ends the first, unjudged half of what the guest prints.
  static let record = "== record"

  /// The shell commands for the steps.
  static func commands(_ drill: Drill) -> [String] {
    drill.steps.compactMap { step in
      switch step {
      case .script(let name): "play -c \"$(cat /drill/\(name).script)\""
      case .type(let command): command
      case .kill(let service, nil): "service kill \(service)"
      case .kill(let service, let harm?): "service inject \(service) \(harm)"
      case .expect, .log, .restarts, .givenUp: nil
      }
    }
  }

  /// Twice to warm up what caches and tables keep, then for the record; each time in a shell of its own. Twice, because only
  /// the second round finds the files that the first has left, as the one for the record does.
  static let rounds = 3
  static var play: [String] {
    Ballast.commands + Array(repeating: "sh /drill/steps", count: rounds - 1) + ["echo '\(record)'"] + Snapshot.commands("before") + ["sh /drill/steps"] + Snapshot.commands("after")
  }

  public func play(_ drill: Drill, seed: Int? = nil, seconds: Int = 600) throws -> DrillReport {
    let project = image.project
    let disk = project.output + "/drill.\(drill.label(host)).img"
    try Files.makeDirectory(project.logs)
    var scripts: [String: String] = [:], histories: [String: String] = [:]
    for name in drill.scripts {
      scripts["drill/\(name).script"] = try Drill.script(name, project)
      histories[name] = try ScriptPlayer(project, say: { _ in }).outcome(name, seed: 1).history
    }
    try image.makeDisk(disk, files: Ballast.files.merging(scripts) { $1 }.merging([
      Self.script: Self.play.joined(separator: "\n") + "\n", "drill/steps": Self.commands(drill).joined(separator: "\n") + "\n",
    ]) { $1 })
    var machine = Machine(media: media, disk: .file(disk), log: project.logs + "/drill.\(drill.label(host)).log")
    machine.counted = host == .metal
    machine.memory = drill.memory
    machine.seed = seed ?? drill.seed
    machine.words = [Batch.word, Machine.polling, Machine.sameAddresses, "run=/" + Self.script]
    let result = try Batch.run(machine, script: nil, seconds: seconds, watcher: { log in
      progress?.show("\(drill.name): \(KernelLog.restarts(log()).count) recoveries")
    })
    var report = Self.judge(drill, seed: machine.seed, output: result.output, log: result.log, histories: histories)
    report.host = host
    if result.ending != .shutdown(0) {
      report.complaints.append(result.ending.complaint ?? "the script ended with status \(result.ending.exitStatus)")
    }
    if case .shutdown = result.ending, let complaint = try DiskImage.complaint(disk) { report.complaints.append("e2fsck: \(complaint)") }
    if report.passed { Files.remove(disk) } else {
      try Files.write(result.output, to: project.logs + "/drill.\(drill.label(host)).output")
      report.notes.append("kept: \(disk) and \(project.logs)/drill.\(drill.label(host)).*")
    }
    return report
  }

  /// - Parameter histories: what the scripts' processes write, by the simulator.
  static func judge(_ drill: Drill, seed: Int, output: String, log: String, histories: [String: String] = [:]) -> DrillReport {
    var report = DrillReport(drill: drill.name, seed: seed)
    report.about = drill.about
    report.restarts = KernelLog.restarts(log)
    let givenUp = KernelLog.givenUp(log).map(\.service)
    let half = output.firstRange(of: record).map { output[$0.upperBound...] } ?? ""
    var rest = half
    for step in drill.steps {
      switch step {
      case .type: break
      case .script(let name):
        let seen = History(terminal: Array(half.utf8)).text
        let expected = histories[name] ?? ""
        if String(decoding: seen, as: UTF8.self) != expected {
          let difference = CampaignOracle.difference(String(decoding: seen, as: UTF8.self), expected)
          report.complaints.append("script \(name), against the simulator: \(difference)")
          report.digestsDiffering += 1
        }
      case .kill: report.kills += rounds
      case .expect(let text):
        if let found = rest.firstRange(of: text) { rest = rest[found.upperBound...] } else {
          report.complaints.append("the guest did not print '\(text)'")
        }
      case .log(let text):
        if !log.contains(text) { report.complaints.append("the kernel's log has no '\(text)'") }
      case .restarts(let service, let count):
        let seen = report.restarts.count { $0.service == service }
        if seen < count * rounds { report.complaints.append("\(service) came back \(seen) times in \(rounds) rounds, not \(count) times in each") }
      case .givenUp(let service):
        report.givenUp.append(service)
        let seen = givenUp.count { $0 == service }
        if seen < rounds { report.complaints.append("\(service) was given up \(seen) times in \(rounds) rounds") }
      }
    }
    for service in Set(givenUp).subtracting(report.givenUp).sorted() { report.complaints.append("\(service) was given up") }
    guard drill.balanced else { return report }
    guard let before = Snapshot("before", in: output), let after = Snapshot("after", in: output) else {
      report.complaints.append("the guest did not print its counters before and after")
      return report
    }
    report.leaks = after.leaks(since: before)
    let moved = after.movedPages(since: before)
    if !moved.isEmpty { report.notes.append("pages of services: " + moved.joined(separator: ", ")) }
    report.processesLost = after.processesLost(since: before)
    return report
  }
}
