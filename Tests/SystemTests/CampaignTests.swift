import Foundation
import Testing
import ToolKit

/// The campaign over the real simulator, which is built for it.
@Suite("Campaign in the simulator", .enabled(if: System.isReady), .serialized) struct CampaignTests {
  private static func campaign(seconds: Double) throws -> (Campaign, SimulatorWorkers) {
    let project = try Project.find()
    let program = try HostBuild(project, "simulator").run { _ in }
    let workers = try SimulatorWorkers(program, count: 2, seconds: 300)
    return (Campaign(workers, workloads: try Workload.all(project), seed: 1, deadline: Date(timeIntervalSinceNow: seconds)), workers)
  }

  @Test("each planted mistake is found", arguments: [
    "lost-reply", "lost-answer", "doubled-reply", "old-generation", "lost-news", "lost-ready", "leaked-frames", "leaked-grant",
    "dropped-descriptor", "lost-write", "shifted-copy", "dropped-request", "lost-signal",
  ])
  func mistake(name: String) throws {
    let (campaign, workers) = try Self.campaign(seconds: 60)
    defer { workers.close() }
    campaign.mistake = name
    campaign.stopsAtLoss = true
    let result = try campaign.run()
    #expect(result.losses > 0, "\(result.text)")
  }

  @Test("with recovery switched off it reports losses") func noRecovery() throws {
    let (campaign, workers) = try Self.campaign(seconds: 60)
    defer { workers.close() }
    campaign.recovers = false
    campaign.stopsAtLoss = true
    #expect(try campaign.run().losses > 0)
  }

  @Test("drivers that die at messages all over the workloads: nothing is lost") func drivers() throws {
    let (campaign, workers) = try Self.campaign(seconds: 20)
    defer { workers.close() }
    campaign.randomLimit = 0
    let result = try campaign.run()
    if !result.passed { Issue.record("\(result.text)") }
    #expect(result.pointsTried > 100)
  }
}
