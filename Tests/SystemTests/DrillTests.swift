import Testing
import ToolKit

@Suite("Drills in the booted system", .enabled(if: System.isReady)) struct DrillTests {
  static let drills = (try? Drill.all(Project.find())) ?? []

  @Test("every drill of steps passes", arguments: drills.filter { !$0.steps.isEmpty }.map(\.name), [ToolKit.Host.metal, .processes])
  func steps(name: String, host: ToolKit.Host) throws {
    let drill = try #require(Self.drills.first { $0.name == name })
    let report = try Player(System.image(), host: host, media: System.media(host)).play(drill, seconds: 400)
    if !report.passed { Issue.record("\(report.text)") }
  }

  /// On a machine of its own the median is below 1 ms (`apus drill killed-from-outside --host processes`); here others run beside it, and
  /// the bound only tells a restart from a wait for some heartbeat.
  @Test("kill -9 from outside, a thousand times: nothing is lost, and a client does not wait for its next good answer")
  func outside() throws {
    let drill = try #require(Self.drills.first { $0.outside != nil })
    let report = try OutsidePlayer(System.image(), media: System.media(.processes)).play(drill, outside: try #require(drill.outside), seconds: 200)
    if !report.passed { Issue.record("\(report.text)") }
    let median = try #require(report.notes.lazy.compactMap { $0.firstMatch(of: #/across a death: median (\d+) ns/#) }.first.flatMap { Int($0.1) })
    #expect(median < 50_000_000)
  }

  @Test("M-F the disk driver dies 20 times under a workload, and nothing is lost", arguments: [ToolKit.Host.metal, .processes])
  func storm(host: ToolKit.Host) throws {
    var drill = try Drill(name: "small-storm", "about a small storm\nfiles 200 8\nstorm disk every 50 kills 20 mixed\n")
    drill.seed = 3
    let report = try StormPlayer(System.image(), host: host, media: System.media(host), say: { _ in }).play(drill, storm: try #require(drill.storm), seconds: 500)
    if !report.passed { Issue.record("\(report.text)") }
  }
}
