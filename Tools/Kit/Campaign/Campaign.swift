import Foundation

/// Where a campaign's runs are made. One run at a time for each slot of it.
public protocol CampaignHost: AnyObject {
  var slots: Int { get }
  func start(_ run: CampaignRun, slot: Int) throws
  /// The next run that has ended: its slot, what came of it (nil: the simulator died), and `e2fsck`'s complaint.
  func next() throws -> (slot: Int, outcome: CampaignOutcome?, diskComplaint: String?)
}

/// Makes the runs of a plan and judges them: all crash points first, then random faults until the time is up.
public final class Campaign {
  public var result: CampaignResult
  private let host: any CampaignHost
  private let workloads: [Workload]
  private let deadline: Date
  private let shard: (index: Int, count: Int)
  private var random: CampaignRandom
  public var recovers = true
  public var mistake: String?
  /// Told of the state of things now and then.
  public var progress: ((CampaignResult) -> Void)?
  /// Stops at the first thing that is lost.
  public var stopsAtLoss = false
  /// Whether crash points come first.
  public var triesPoints = true
  /// Random runs, at most; nil: until the deadline.
  public var randomLimit: Int?

  public init(_ host: any CampaignHost, workloads: [Workload], seed: UInt64, shard: (index: Int, count: Int) = (1, 1), deadline: Date) {
    self.host = host
    self.workloads = workloads
    self.deadline = deadline
    self.shard = shard
    random = CampaignRandom(seed: seed &* 0x1_0000 &+ UInt64(shard.index))
    result = CampaignResult(seed: seed, shard: "\(shard.index)/\(shard.count)")
  }

  private struct Job {
    var item: CampaignPlan.Item
    var reference: CampaignOutcome
    var isPoint: Bool
  }

  private var isOver: Bool { Date() >= deadline || (stopsAtLoss && result.losses > 0) }

  public func run() throws -> CampaignResult {
    let start = Date()
    result.recovers = recovers
    result.mistake = mistake
    var plain = workloads.map { workload -> CampaignRun in
      var run = workload.run(seed: 1)
      run.points = true
      return run
    }
    let references = try outcomes(of: plain, of: workloads)
    let points = CampaignPlan.exhaustive(workloads, references: references)
    result.points = points.count
    let mine = CampaignPlan.shard(points, shard.index, of: shard.count)
    var at = 0
    let place = Dictionary(uniqueKeysWithValues: workloads.enumerated().map { ($1.name, $0) })
    try work {
      guard self.triesPoints, at < mine.count, !self.isOver else { return nil }
      at += 1
      return Job(item: mine[at - 1], reference: references[place[mine[at - 1].workload.name]!], isPoint: true)
    }
    // Then whatever comes: generated scripts too, each with a reference of its own.
    var pool = Array(zip(workloads, references))
    if !isOver, randomLimit != 0 {
      let generated = (0..<12).map { _ in Workload(script: UInt64(1 + random.below(100_000)), ram: random.below(3) == 0) }
      plain = generated.map { $0.run(seed: 1) }
      pool += zip(generated, try outcomes(of: plain, of: generated))
    }
    var made = 0
    try work {
      guard !self.isOver, made < self.randomLimit ?? .max else { return nil }
      made += 1
      let (workload, reference) = self.random.pick(pool)
      return Job(item: CampaignPlan.random(&self.random, workload: workload, reference: reference), reference: reference, isPoint: false)
    }
    result.seconds = Date().timeIntervalSince(start)
    return result
  }

  /// Runs without faults, which must all end well.
  private func outcomes(of runs: [CampaignRun], of workloads: [Workload]) throws -> [CampaignOutcome] {
    var found = [CampaignOutcome?](repeating: nil, count: runs.count)
    var next = 0
    var busy: [Int: Int] = [:]
    while next < runs.count || !busy.isEmpty {
      for slot in 0..<host.slots where busy[slot] == nil && next < runs.count {
        var run = runs[next]
        run.mistake = mistake
        try host.start(run, slot: slot)
        busy[slot] = next
        next += 1
      }
      let (slot, outcome, complaint) = try host.next()
      guard let index = busy.removeValue(forKey: slot) else { continue }
      guard let outcome, outcome.ending == "shutdown", complaint == nil, outcome.unanswered.isEmpty, outcome.broken == nil else {
        throw Failure("'\(workloads[index].name)' fails without any fault: \(outcome?.ending ?? "the simulator died") \(complaint ?? "")")
      }
      found[index] = outcome
    }
    return found.compactMap { $0 }
  }

  /// Keeps all slots busy with what `source` gives until it gives nothing more.
  private func work(_ source: () -> Job?) throws {
    var busy: [Int: Job] = [:]
    while true {
      for slot in 0..<host.slots where busy[slot] == nil {
        guard let job = source() else { break }
        var run = job.item.workload.run(seed: job.item.seed, faults: job.item.faults)
        run.recovers = recovers
        run.mistake = mistake
        try host.start(run, slot: slot)
        busy[slot] = job
      }
      if busy.isEmpty { return }
      let (slot, outcome, complaint) = try host.next()
      guard let job = busy.removeValue(forKey: slot) else { continue }
      let wrong = CampaignOracle.judge(job.item, outcome, reference: job.reference, diskComplaint: complaint)
      result.add(job.item, outcome, reference: job.reference, wrong: wrong, isPoint: job.isPoint)
      progress?(result)
    }
  }
}
