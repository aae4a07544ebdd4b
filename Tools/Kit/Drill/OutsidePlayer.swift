/// Plays a drill of kills from outside: the guest's client `steady` reads a device and says how long the answers across
/// a death took, and everything else is as it was.
public struct OutsidePlayer {
  let image: Image
  let media: Machine.Media
  let progress: Progress?

  /// - Parameter media: what the processes host boots from.
  public init(_ image: Image, media: Machine.Media, progress: Progress? = nil) {
    self.image = image
    self.media = media
    self.progress = progress
  }

  /// Deaths before the counting, to warm up what caches and tables keep.
  static let warmUp = 20

  /// What the guest runs.
  static func script(_ outside: Drill.Outside) -> String {
    let client = { (deaths: Int) in "steady -n \(deaths) \(outside.service) \(outside.device)" }
    return (Ballast.commands + [client(warmUp)] + Snapshot.commands("before") + [client(warmUp + outside.kills)] + Snapshot.commands("after"))
      .joined(separator: "\n") + "\n"
  }

  /// Whether the client that counts has begun: after the snapshot, and it knows how many deaths there were before.
  static func isCounting(_ output: String) -> Bool {
    output.firstRange(of: "== end").map { output[$0.upperBound...].contains("steady: asks") } ?? false
  }

  public func play(_ drill: Drill, outside: Drill.Outside, seed: Int? = nil, seconds: Int = 600) throws -> DrillReport {
    let project = image.project
    let disk = project.output + "/drill.\(drill.label(.processes)).img"
    try Files.makeDirectory(project.logs)
    try image.makeDisk(disk, files: Ballast.files.merging(["drill/run": Self.script(outside)]) { $1 })
    var machine = Machine(media: media, disk: .file(disk), log: project.logs + "/drill.\(drill.label(.processes)).log")
    machine.memory = drill.memory
    machine.words = [Batch.word, Machine.sameAddresses, "run=/drill/run"]
    var report = DrillReport(drill: drill.name, seed: seed ?? drill.seed)
    report.about = drill.about
    report.host = .processes
    report.kills = outside.kills

    let session = try Session(machine, seconds: seconds)
    let killer = OutsideKiller(machine: session.process, service: outside.service, limit: Self.warmUp, seed: report.seed)
    session.watcher = { [progress, unowned session] in
      if Self.isCounting(session.text) { killer.allow(outside.kills + Self.warmUp) }
      progress?.show("\(drill.name): \(max(0, killer.kills - Self.warmUp)) of \(outside.kills) kills")
    }
    killer.start()
    let ending = session.end()
    killer.stop()

    if ending != .shutdown(0) { report.complaints.append(ending.complaint ?? "the script ended with status \(ending.exitStatus)") }
    judge(session.text, session.log, outside, &report)
    if case .shutdown = ending, let complaint = try DiskImage.complaint(disk) { report.complaints.append("e2fsck: \(complaint)") }
    if report.passed { Files.remove(disk) } else {
      try Files.write(session.text, to: project.logs + "/drill.\(drill.label(.processes)).output")
      report.notes.append("kept: \(disk) and \(project.logs)/drill.\(drill.label(.processes)).*")
    }
    return report
  }

  private func judge(_ output: String, _ log: String, _ outside: Drill.Outside, _ report: inout DrillReport) {
    report.restarts = Array(KernelLog.restarts(log).filter { $0.service == outside.service }.dropFirst(Self.warmUp))
    let said = output.split(whereSeparator: \.isNewline).filter { $0.hasPrefix("steady: ") && $0.contains("answers") }
    let deaths = said.last.flatMap { $0.firstMatch(of: #/, (\d+) deaths/#) }.flatMap { Int($0.1) } ?? 0
    report.unborn = max(0, deaths - report.restarts.count)
    if said.count == 2 { report.notes += said.dropFirst().map(String.init) } else { report.complaints.append("the client did not come to its end") }
    report.digestsDiffering += said.count { !$0.contains(" 0 wrong") }
    guard let before = Snapshot("before", in: output), let after = Snapshot("after", in: output) else {
      report.complaints.append("the guest did not print its counters before and after")
      return
    }
    report.leaks = after.leaks(since: before)
    let moved = after.movedPages(since: before)
    if !moved.isEmpty { report.notes.append("pages of services: " + moved.joined(separator: ", ")) }
    report.processesLost = after.processesLost(since: before)
  }
}
