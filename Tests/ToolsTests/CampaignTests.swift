import BootImage
import Foundation
import Testing

@testable import ToolKit

#if canImport(FoundationXML)
  import FoundationXML
#endif

/// A system of 40 messages in which a death at one message of one service goes wrong.
private final class FakeHost: CampaignHost {
  let slots = 3
  var waiting: [(slot: Int, run: CampaignRun)] = []
  var runs: [CampaignRun] = []
  /// Text of a fault -> what it does to the outcome.
  var harm: [String: (inout CampaignOutcome) -> Void] = [:]

  static func plain(_ messages: UInt64 = 40) -> CampaignOutcome {
    CampaignOutcome(
      ending: "shutdown", status: 0, history: "0 0 open 0\n0 1 exit 0\n", contradictions: 0, messages: messages, writes: 4, time: 1, restarts: [:],
      leaks: [], unanswered: [], struck: 0, broken: nil, log: "", diskDigest: "d",
      points: (1...messages).map { CampaignOutcome.Point(index: $0, from: $0 > 10 && $0 < 30 ? "process.66" : "disk", to: $0 == 20 ? "tty" : "vfs", name: "x") })
  }

  func start(_ run: CampaignRun, slot: Int) throws {
    #expect(!waiting.contains { $0.slot == slot }, "one run a slot at a time")
    waiting.append((slot, run))
    runs.append(run)
  }

  func next() throws -> (slot: Int, outcome: CampaignOutcome?, diskComplaint: String?) {
    let (slot, run) = waiting.removeLast()
    var outcome = Self.plain()
    if !run.faults.isEmpty {
      outcome.struck = 1
      outcome.restarts = ["disk": 1]
      outcome.messages += 3
      outcome.log = "RS: disk restarted (kill) recovery 5000 ns count 1 at 9\n"
    }
    for fault in run.faults { harm[fault]?(&outcome) }
    if run.recovers == false, !run.faults.isEmpty { outcome.ending = "stuck: for ever" }
    return (slot, outcome, nil)
  }
}

@Suite("Campaign") struct CampaignTests {
  static let workloads = [Workload(name: "a", text: "x"), Workload(name: "b", text: "y")]

  private static func campaign(_ host: FakeHost, seed: UInt64 = 1, shard: (Int, Int) = (1, 1), random: Int = 0) -> Campaign {
    let campaign = Campaign(host, workloads: workloads, seed: seed, shard: shard, deadline: .distantFuture)
    campaign.randomLimit = random
    return campaign
  }

  @Test("every message is a crash point of every driver that takes part, in three ways; the common start and end once") func exhaustive() throws {
    let host = FakeHost()
    let result = try Self.campaign(host).run()
    // a: 40 messages; b: 19 from the first to the last of its program. disk is busy only in a, tty in both.
    #expect(result.points == 40 * 2 * 3 + 19 * 1 * 3)
    #expect(result.pointsTried == result.points && result.randomRuns == 0)
    let faults = host.runs.filter { $0.text == "x" }.flatMap(\.faults)
    #expect(Set(faults).count == faults.count)
    for index in 1...40 { #expect(faults.contains("kill-during@\(index):disk")) }
    #expect(result.passed && result.counts["disk"]?["kill-after"]?.recovered == 40)
    #expect(result.timedRuns == result.points && result.timeWith == result.timeWithout && result.timeline.count == result.points)
    let html = result.page.html
    for part in ["Faults and recoveries", "Time from death to ready", "Throughput", "Faults by service and kind"] { #expect(html.contains(part)) }
    #expect(XMLParser(data: Data(html.utf8)).parse())
  }

  @Test("shards are disjoint and together are all; their sums are the whole") func shards() throws {
    let whole = try Self.campaign(FakeHost()).run()
    var faults: [String] = []
    let parts = try (1...3).map { index in
      let host = FakeHost()
      let part = try Self.campaign(host, shard: (index, 3)).run()
      faults += host.runs.filter { !$0.faults.isEmpty }.map { "\($0.text ?? "") \($0.faults)" }
      return part
    }
    #expect(faults.count == whole.points && Set(faults).count == whole.points)
    let sum = parts.dropFirst().reduce(parts[0], +)
    #expect(sum.counts == whole.counts && sum.pointsTried == whole.pointsTried && sum.points == whole.points)
    #expect(sum.shards == ["1/3", "2/3", "3/3"])
    let read = try JSONDecoder().decode(CampaignResult.self, from: JSONEncoder().encode(sum))
    #expect(read == sum)
  }

  @Test("any beginning of the plan is spread over all of it") func spread() {
    let items = CampaignPlan.spread(Array(0..<1000))
    #expect(Set(items).count == 1000)
    let first = items.prefix(100)
    for decade in 0..<10 { #expect((5...15).contains(first.count { $0 / 100 == decade })) }
  }

  struct Way: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var what: String
    var harm: @Sendable (inout CampaignOutcome) -> Void
    init(_ name: String, _ what: String, _ harm: @escaping @Sendable (inout CampaignOutcome) -> Void) {
      testDescription = name
      self.what = what
      self.harm = harm
    }
  }

  static let ways = [
    Way("stuck", "ended with stuck") { $0.ending = "stuck: x" }, Way("status", "ended with shutdown 70") { $0.status = 70 },
    Way("history", "'0 0 open -5', not '0 0 open 0'") { $0.history = "0 0 open -5\n" }, Way("twice", "two versions") { $0.contradictions = 1 },
    Way("leak", "grants 1 -> 2") { $0.leaks = ["grants 1 -> 2"] }, Way("silence", "unanswered: p waits") { $0.unanswered = ["p waits for vfs"] },
    Way("broken", "the kernel: queue") { $0.broken = "queue" }, Way("data", "other data") { $0.diskDigest = "e" },
  ]

  @Test("each way to go wrong is a loss, with the command that shows it again", arguments: ways)
  func losses(way: Way) throws {
    let host = FakeHost()
    host.harm["kill-after@7:disk"] = way.harm
    let result = try Self.campaign(host).run()
    #expect(!result.passed && result.losses == 1)
    #expect(result.counts["disk"]?["kill-after"]?.lost == 1 && result.counts["disk"]?["kill-before"]?.lost == 0)
    #expect(result.findings.count == 1 && result.findings[0].what.contains(way.what), "\(result.findings)")
    #expect(result.text.contains("apus simulate Tests/Drills/Campaign/a.script --seed 1 --fault kill-after@7:disk"))
  }

  @Test("with recovery switched off there are losses") func noRecovery() throws {
    let campaign = Self.campaign(FakeHost())
    campaign.recovers = false
    let result = try campaign.run()
    #expect(!result.passed && result.losses == result.points && result.text.contains("recovery switched off"))
  }

  @Test("what the system cannot live without is listed by name and fails nothing") func vital() {
    var result = CampaignResult(seed: 1, shard: "1/1")
    let reference = FakeHost.plain()
    var outcome = reference
    outcome.struck = 1
    outcome.status = 70
    let item = CampaignPlan.Item(workload: Self.workloads[0], seed: 2, faults: [
      CampaignFault(.killAfter, at: 5, service: "disk"), CampaignFault(.killBefore, at: 9, service: "pm"),
    ])
    let wrong = CampaignOracle.judge(item, outcome, reference: reference, diskComplaint: nil)
    result.add(item, outcome, reference: reference, wrong: wrong, isPoint: false)
    #expect(result.passed && result.cannotSurvive.map(\.what) == ["pm: its death"] && result.counts["disk"]?["kill-after"]?.lost == 0)
    #expect(result.text.contains("servers do not survive yet: pm: its death (1 of 1)"))
    #expect(XMLParser(data: Data(result.page.html.utf8)).parse())
  }

  @Test("errors that a program may see are no loss by themselves; a hang is") func mayShow() {
    let reference = FakeHost.plain()
    let item = CampaignPlan.Item(workload: Self.workloads[0], seed: 1, faults: [CampaignFault(.writeError, at: 1, service: "disk")])
    var outcome = reference
    outcome.history = "0 0 open -5\n"
    outcome.diskDigest = "e"
    #expect(CampaignOracle.judge(item, outcome, reference: reference, diskComplaint: nil).isEmpty)
    outcome.status = 3
    #expect(CampaignOracle.judge(item, outcome, reference: reference, diskComplaint: "bad").isEmpty)
    outcome.leaks = ["grants 1 -> 2"]
    #expect(CampaignOracle.judge(item, outcome, reference: reference, diskComplaint: nil).count == 1)
    outcome.ending = "stuck: x"
    #expect(!CampaignOracle.judge(item, outcome, reference: reference, diskComplaint: nil).isEmpty)
    #expect(!CampaignOracle.judge(item, nil, reference: reference, diskComplaint: nil).isEmpty)
  }

  @Test("the same seed gives the same random runs, another seed others; faults are written as the simulator reads them") func random() throws {
    let runs = try ([5, 5, 6] as [UInt64]).map { seed -> [CampaignRun] in
      let host = FakeHost()
      let result = try Self.campaign(host, seed: seed, random: 50).run()
      #expect(result.randomRuns == 50)
      return Array(host.runs.suffix(50))
    }
    #expect(runs[0].map(\.faults) == runs[1].map(\.faults) && runs[0].map(\.seed) == runs[1].map(\.seed))
    #expect(runs[0].map(\.faults) != runs[2].map(\.faults))
    let kinds = Set(runs.flatMap { $0 }.flatMap(\.faults).map { String($0.prefix { $0 != "@" }) })
    #expect(kinds.isSuperset(of: ["kill-after", "harm", "exhaust", "write-error"]))
    #expect(CampaignFault(.harm, at: 12, service: "tty", amount: 2).text == "harm@12:tty:2")
    #expect(CampaignFault(.delay, at: 77, service: "any", amount: 5).text == "delay@77:5")
    #expect(CampaignFault(.exhaust, at: 7, service: "vm").text == "exhaust@7")
  }

  @Test("a workload that fails by itself stops the campaign: nothing could be judged") func badWorkload() {
    final class Bad: CampaignHost {
      let slots = 1
      func start(_ run: CampaignRun, slot: Int) throws {}
      func next() throws -> (slot: Int, outcome: CampaignOutcome?, diskComplaint: String?) { (0, nil, nil) }
    }
    #expect(throws: Failure.self) { try Campaign(Bad(), workloads: Self.workloads, seed: 1, deadline: .distantFuture).run() }
  }

  @Test("every workload of the tree is there for the campaign") func tree() throws {
    let names = try Workload.all(Project.find()).map(\.name)
    #expect(names.count >= 5 && names.contains("files"))
  }
}
