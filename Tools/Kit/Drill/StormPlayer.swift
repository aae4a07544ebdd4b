import Foundation

/// Plays a drill with a storm: real files of the host on the disk, all of them read and compared by `sha256sum` and
/// some copied, again and again until the last kill; then the same once without kills, for the throughput.
public struct StormPlayer {
  let image: Image
  let host: Host
  let media: Machine.Media
  let say: (String) -> Void
  let progress: Progress?

  /// - Parameters:
  ///   - host: metal or processes, and `media` what it boots from.
  public init(_ image: Image, host: Host, media: Machine.Media, say: @escaping (String) -> Void, progress: Progress? = nil) {
    self.image = image
    self.host = host
    self.media = media
    self.say = say
    self.progress = progress
  }

  static let files = "files", copies = "copies"
  /// No more rounds than this; a storm that is not over by then has failed.
  static let roundLimit = 64

  public func play(_ drill: Drill, storm: Drill.Storm, seed: Int? = nil, seconds: Int = 3000) throws -> DrillReport {
    let seed = seed ?? drill.seed
    let folder = image.project.output + "/drill.\(drill.label(host))"
    try Files.makeDirectory(image.project.logs)
    Files.remove(folder)
    try Files.makeDirectory(folder + "/tree/" + Self.files)
    try Files.makeDirectory(folder + "/tree/" + Self.copies)

    say("gathers files of this machine")
    let wanted = drill.files ?? (count: 1, mebibytes: 1)
    let chosen = try HostFiles.find(count: wanted.count, bytes: wanted.mebibytes << 20)
    let names = try HostFiles.copy(chosen, to: folder + "/tree/" + Self.files).map { Self.files + "/" + $0 }
    let digests = try HostFiles.digests(names, in: folder + "/tree")
    let bytes = chosen.reduce(0) { $0 + $1.size }
    let copied = Self.copied(names)

    var report = DrillReport(drill: drill.name, seed: seed)
    report.about = drill.about
    report.host = host
    report.kills = storm.kills
    report.notes.append("\(names.count) files, \(grouped(bytes)) bytes, \(copied.count) of them copied in each round")
    let work = Work(names: names, copied: copied, digests: digests, bytes: bytes, folder: folder)

    say("\(storm.kills) kills of '\(storm.service)', one each \(storm.every) ms of guest time")
    let with = try run(drill, work, storm: storm, seed: seed, seconds: seconds)
    try judge(with, work, &report)
    say("the same without kills")
    let without = try run(drill, work, storm: nil, seed: seed, seconds: seconds)
    if let a = with.throughput(work), let b = without.throughput(work) { report.throughput = (a, b) }
    if without.ending != .shutdown(0) { report.complaints.append("without kills: \(without.ending.complaint ?? "status \(without.ending.exitStatus)")") }

    if report.passed { Files.remove(folder) } else { report.notes.append("kept: \(folder)") }
    return report
  }

  struct Work {
    var names, copied: [String]
    var digests: [String: String]
    var bytes: Int
    var folder: String
  }

  /// Every 20th file is copied as well.
  static func copied(_ names: [String]) -> [String] {
    stride(from: 0, to: names.count, by: 20).map { names[$0] }
  }

  static func copyName(_ index: Int) -> String { copies + String(format: "/c%03d", index) }

  /// A shell script that prints the digest of each file and of each copy that it makes.
  static func round(_ names: [String], copied: [String]) -> String {
    var lines = ["cd /"]
    for start in stride(from: 0, to: names.count, by: 20) {
      lines.append("sha256sum " + names[start..<min(start + 20, names.count)].joined(separator: " "))
    }
    for (index, name) in copied.enumerated() {
      lines.append("cp \(name) \(copyName(index))")
    }
    for start in stride(from: 0, to: copied.count, by: 20) {
      lines.append("sha256sum " + (start..<min(start + 20, copied.count)).map(copyName).joined(separator: " "))
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// What the guest runs: a small storm and a round to warm up what caches and tables keep, then the storm for the
  /// record. Each in a shell of its own, so that the one which counts stays as it is.
  static func script(_ storm: Drill.Storm?, seed: Int) -> String {
    var lines = Ballast.commands
    if storm != nil { lines.append("sh /drill/storm \(warmUpKills) 0 /drill/warm /drill/warm") }
    lines.append("sh /drill/round > /drill/sums.0")
    lines += Snapshot.commands("before")
    lines.append(storm.map { "sh /drill/storm \($0.kills) \(seed) /drill/over /drill/sums" } ?? "sh /drill/round > /drill/sums.1")
    lines += Snapshot.commands("after") + ["service status"]
    return lines.joined(separator: "\n") + "\n"
  }

  /// Enough for every kind of harm.
  static let warmUpKills = 12

  /// The script `storm KILLS SEED FLAG SUMS`: rounds until the storm has said in the file FLAG that it is over, their
  /// digests in SUMS.1, SUMS.2 and so on. The warm-up has names of its own: its rounds are not in the time measured.
  static func stormScript(_ storm: Drill.Storm) -> String {
    let mixed = storm.mixed ? " --mixed" : ""
    var lines = ["(service storm \(storm.service) --every \(storm.every) --count $1 --seed $2\(mixed); echo over > $3) &"]
    for number in 1...roundLimit {
      lines.append("ls $3 > /dev/null 2> /dev/null || sh /drill/round > $4.\(number)")
    }
    return (lines + ["wait"]).joined(separator: "\n") + "\n"
  }

  struct Outcome {
    var ending: Ending
    var output, log: String
    var disk: String
    /// The digests of each round.
    var sums: [[String: String]]

    /// Bytes that were hashed a second of guest time.
    func throughput(_ work: Work) -> Int? {
      guard let start = Snapshot("before", in: output)?.nanoseconds, let end = Snapshot("after", in: output)?.nanoseconds, end > start, sums.count > 1
      else { return nil }
      return Int(Double(work.bytes) * Double(sums.count - 1) * 1e9 / Double(end - start))
    }
  }

  private func run(_ drill: Drill, _ work: Work, storm: Drill.Storm?, seed: Int, seconds: Int) throws -> Outcome {
    let project = image.project
    let name = "drill.\(drill.label(host))" + (storm == nil ? ".quiet" : "")
    let disk = work.folder + "/" + (storm == nil ? "quiet.img" : "disk.img")
    var files = Ballast.files
    files.merge(["drill/round": Self.round(work.names, copied: work.copied), "drill/run": Self.script(storm, seed: seed)]) { $1 }
    if let storm { files["drill/storm"] = Self.stormScript(storm) }
    try image.makeDisk(disk, adding: work.folder + "/tree", files: files)
    var machine = Machine(media: media, disk: .file(disk), log: project.logs + "/\(name).log")
    machine.counted = host == .metal
    machine.memory = drill.memory
    machine.seed = seed
    // Without the page cache: each read must meet the driver that dies.
    machine.words = [Batch.word, Machine.polling, "cache=off", Machine.sameAddresses, "run=/drill/run"]
    let result = try Batch.run(machine, script: nil, seconds: seconds, watcher: { log in
      guard let storm else { return }
      progress?.show("\(drill.name): \(max(0, KernelLog.restarts(log()).count - Self.warmUpKills)) of \(storm.kills) deaths survived")
    })
    try Files.write(result.output, to: project.logs + "/\(name).output")
    var outcome = Outcome(ending: result.ending, output: result.output, log: result.log, disk: disk, sums: [])
    guard case .shutdown = result.ending else { return outcome }
    for number in 0...Self.roundLimit {
      guard let bytes = try DiskImage.contents(of: "/drill/sums.\(number)", in: disk) else { break }
      outcome.sums.append(HostFiles.readDigests(String(decoding: bytes, as: UTF8.self)))
    }
    return outcome
  }

  private func judge(_ outcome: Outcome, _ work: Work, _ report: inout DrillReport) throws {
    report.restarts = Array(KernelLog.restarts(outcome.log).dropFirst(Self.warmUpKills))
    if outcome.ending != .shutdown(0) {
      report.complaints.append(outcome.ending.complaint ?? "the script ended with status \(outcome.ending.exitStatus)")
    }
    guard case .shutdown = outcome.ending else { return }
    var expected = work.digests
    for (index, name) in work.copied.enumerated() { expected[Self.copyName(index)] = work.digests[name] }
    for sums in outcome.sums { report.digestsDiffering += expected.count { sums[$0.key] != $0.value } }
    report.notes.append("\(outcome.sums.count) rounds, \(grouped(outcome.sums.count * expected.count)) digests compared")
    if outcome.sums.count < 2 { report.complaints.append("the disk holds the digests of \(outcome.sums.count) rounds") }

    // Then on the disk itself: the copies byte for byte, and the file system.
    let extracted = work.folder + "/extracted"
    try Files.makeDirectory(extracted)
    _ = try Child.run(["debugfs", "-R", "rdump /\(Self.copies) \(extracted)", outcome.disk])
    for (index, name) in work.copied.enumerated() {
      let copy = extracted + "/" + Self.copyName(index)
      let same = try Files.exists(copy) && Files.read(copy) == Files.read(work.folder + "/tree/" + name)
      if !same { report.digestsDiffering += 1 }
    }
    if let complaint = try DiskImage.complaint(outcome.disk) { report.complaints.append("e2fsck: \(complaint)") }

    guard let before = Snapshot("before", in: outcome.output), let after = Snapshot("after", in: outcome.output) else {
      report.complaints.append("the guest did not print its counters before and after")
      return
    }
    report.leaks = after.leaks(since: before)
    let moved = after.movedPages(since: before)
    if !moved.isEmpty { report.notes.append("pages of services: " + moved.joined(separator: ", ")) }
    if report.leaks.isEmpty { report.complaints.append("the guest's counters name neither free frames nor grants") }
    report.processesLost = after.processesLost(since: before)
    if report.restarts.count < report.kills { report.complaints.append("\(report.kills) kills, but only \(report.restarts.count) restarts") }
  }
}
