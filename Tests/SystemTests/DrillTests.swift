import Testing
import ToolKit

@Suite("Drills in the booted system", .enabled(if: System.isReady)) struct DrillTests {
  static let drills = (try? Drill.all(Project.find())) ?? []

  @Test("every drill of steps passes", arguments: drills.filter { $0.storm == nil }.map(\.name)) func steps(name: String) throws {
    let drill = try #require(Self.drills.first { $0.name == name })
    let report = try Player(System.image(), host: .metal, media: try HostMedia.media(.metal, System.project(), say: { _ in })).play(drill, seconds: 400)
    if !report.passed { Issue.record("\(report.text)") }
  }

  @Test("M-F the disk driver dies 20 times under a workload, and nothing is lost") func storm() throws {
    var drill = try Drill(name: "small-storm", "about a small storm\nfiles 200 8\nstorm disk every 50 kills 20 mixed\n")
    drill.seed = 3
    let report = try StormPlayer(System.image(), host: .metal, media: try HostMedia.media(.metal, System.project(), say: { _ in }), say: { _ in }).play(drill, storm: try #require(drill.storm), seconds: 500)
    if !report.passed { Issue.record("\(report.text)") }
  }
}
