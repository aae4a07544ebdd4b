import ArgumentParser
import Foundation
import ToolKit

struct CampaignCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "campaign",
    abstract: "Hurts the simulated system at every message and reports what was lost.",
    discussion: """
      First every message of every workload (Tests/Drills/Campaign) is a crash point of every driver: killed before it, after it,
      and in the middle of what it does next. Then random faults until the time is up: deaths, harm, refused and late
      messages, no memory, failed block writes, also in services that the system cannot live without yet; those are listed by
      name and are no failure. The status is 0 only if nothing else was lost.

      Shards are equal parts of the plan. Their JSON files add up with --merge.

      EXAMPLES
        apus campaign --minutes 2
        apus campaign --minutes 10 --seed 7 --json campaign.json --report pages
        parallel apus campaign --shard {}/8 --json {}.json ::: 1 2 3 4 5 6 7 8; apus campaign --merge 1.json --merge 2.json ...
        apus campaign --mistake stale-reply       plants a mistake; the campaign must find it
        apus campaign --no-recovery               nobody is restarted: the campaign must report losses
      """)

  @Option(help: ArgumentHelp("Stop after so many minutes.", valueName: "m")) var minutes = 2.0
  @Option(help: ArgumentHelp("Seed of the random part.", valueName: "n")) var seed: UInt64 = 1
  @Option(help: ArgumentHelp("Part I of N of the plan.", valueName: "i/n")) var shard = "1/1"
  @Option(help: ArgumentHelp("Also write the result to this file.", valueName: "file")) var json: String?
  @Option(help: ArgumentHelp("Also write a page with pictures, and all figures as JSON, to this folder.", valueName: "dir")) var report: String?
  @Option(parsing: .upToNextOption, help: ArgumentHelp("Only add up these results.", valueName: "files")) var merge: [String] = []
  @Option(help: ArgumentHelp("Plant this mistake into the system.", valueName: "name")) var mistake: String?
  @Flag(inversion: .prefixedNo, help: "Whether services that died are restarted.") var recovery = true
  @Flag(inversion: .prefixedNo, help: "Whether crash points come before the random part.") var points = true
  @Flag(help: "Stop at the first loss.") var firstLoss = false
  @Option(help: ArgumentHelp("Simulators at a time (default: one for each processor).", valueName: "n")) var jobs: Int?

  private var part: (index: Int, count: Int)? {
    let words = shard.split(separator: "/").compactMap { Int($0) }
    guard words.count == 2, words[0] >= 1, words[0] <= words[1] else { return nil }
    return (words[0], words[1])
  }

  func validate() throws {
    guard minutes > 0, (jobs ?? 1) > 0 else { throw ValidationError("--minutes and --jobs take more than 0") }
    guard part != nil else { throw ValidationError("--shard takes I/N, as in 1/8") }
  }

  func run() throws {
    let result = try merge.isEmpty ? play() : merged()
    print(result.text)
    let bytes = try { () -> [UInt8] in
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
      return [UInt8](try encoder.encode(result)) + [10]
    }()
    if let json { try Files.write(bytes, to: json) }
    if let report {
      try Files.makeDirectory(report)
      try Files.write(result.page.html, to: report + "/campaign.html")
      try Files.write(bytes, to: report + "/campaign.json")
      say("the page is \(report)/campaign.html")
    }
    if !result.passed { throw ExitCode(1) }
  }

  private func merged() throws -> CampaignResult {
    let all = try merge.map { path in
      do { return try JSONDecoder().decode(CampaignResult.self, from: Data(Files.read(path))) } catch {
        throw Failure("\(path) is no result of a campaign")
      }
    }
    return all.dropFirst().reduce(all[0], +)
  }

  private func play() throws -> CampaignResult {
    let project = try Project.find()
    let program = try HostBuild(project, "simulator").run(say: say)
    let workloads = try Workload.all(project)
    guard !workloads.isEmpty, let part else { throw Failure("there are no workloads in Tests/Drills/Campaign") }
    let workers = try SimulatorWorkers(
      program, count: jobs ?? ProcessInfo.processInfo.activeProcessorCount, seconds: Int(minutes * 60) + 120)
    defer { workers.close() }
    let campaign = Campaign(workers, workloads: workloads, seed: seed, shard: part, deadline: Date(timeIntervalSinceNow: minutes * 60))
    campaign.recovers = recovery
    campaign.mistake = mistake
    campaign.stopsAtLoss = firstLoss
    campaign.triesPoints = points
    let progress = Progress()
    let start = Date()
    campaign.progress = { result in
      progress.show("\(Int(Date().timeIntervalSince(start))) s: \(grouped(result.pointsTried)) of \(grouped(result.points / part.count)) crash points, \(grouped(result.randomRuns)) random runs, \(result.losses) lost")
    }
    let result = try campaign.run()
    progress.finish()
    return result
  }
}
