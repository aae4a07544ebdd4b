import ArgumentParser
import Foundation
import ToolKit

struct DrillCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "drill",
    abstract: "Hurts the running system on purpose and reports what was lost.",
    discussion: """
      Drills stand in Tests/Drills. A drill gets no input from outside; on metal its machine counts instructions, and they are its
      time. The status is 0 only if every drill passed.

      EXAMPLES
        apus drill --list
        apus drill disk-driver-dies
        apus drill disk-driver-dies --kills 1000 --seed 7 --json report.json
        apus drill storm-of-kills --report pages
        apus drill --host processes         in Linux processes, no QEMU
        apus drill --host simulator         those with a script, in a second
      """)

  @Argument(help: "Drills to play; none: all.") var names: [String] = []
  @Flag(help: "Only list the drills.") var list = false
  @Option(help: ArgumentHelp("Seed instead of the drill's own.", valueName: "n")) var seed: Int?
  @Option(help: ArgumentHelp("Kills in a storm, instead of the drill's own number.", valueName: "n")) var kills: Int?
  @Option(help: ArgumentHelp("Also write the report to this file; of several drills, a list.", valueName: "file")) var json: String?
  @Option(help: "Where the system runs: metal, processes or simulator.") var host = ToolKit.Host.metal
  @Option(help: ArgumentHelp("Also write a page with pictures, and all figures as JSON, for each drill to this folder.", valueName: "dir")) var report: String?
  @Option(help: ArgumentHelp("End a machine after so many seconds.", valueName: "s")) var timeout = 3000

  func validate() throws {
    guard (kills ?? 1) > 0 else { throw ValidationError("--kills takes at least 1") }
    guard (seed ?? 0) >= 0 else { throw ValidationError("--seed takes 0 or more") }
  }

  func run() throws {
    let project = try Project.find()
    let all = try Drill.all(project)
    if list {
      let width = all.map(\.name.count).max() ?? 0
      for drill in all { print(drill.name.padding(toLength: width, withPad: " ", startingAt: 0), "", drill.about) }
      return
    }
    var drills = try names.isEmpty ? all : names.map { name in
      guard let drill = all.first(where: { $0.name == name }) else { throw Failure("there is no drill '\(name)'; --list shows them") }
      return drill
    }
    if let kills {
      for index in drills.indices {
        drills[index].storm?.kills = kills
        drills[index].outside?.kills = kills
      }
    }
    let progress = Progress()
    let image = Image(project, say: say)
    if names.isEmpty { drills.removeAll { !$0.hosts.contains(host) } }
    if let unfit = drills.first(where: { !$0.hosts.contains(host) }) {
      throw Failure("'\(unfit.name)' cannot be played there: --host \(unfit.hosts.map(\.rawValue).joined(separator: " or "))")
    }
    if host != .simulator { try image.make() }
    let media = host == .simulator ? nil : try HostMedia.media(host, project, say: say)
    var reports: [DrillReport] = []
    for drill in drills {
      say("drill \(drill.name)")
      let report = if let media, let storm = drill.storm {
        try StormPlayer(image, host: host, media: media, say: say, progress: progress).play(drill, storm: storm, seed: seed, seconds: timeout)
      } else if let media, let outside = drill.outside {
        try OutsidePlayer(image, media: media, progress: progress).play(drill, outside: outside, seed: seed, seconds: timeout)
      } else if let media {
        try Player(image, host: host, media: media, progress: progress).play(drill, seed: seed, seconds: timeout)
      } else {
        try ScriptPlayer(project, say: say).play(drill, seed: seed)
      }
      progress.finish()
      print(report.text)
      reports.append(report)
      if let folder = self.report { try report.page.write(report.fullJSON, to: folder, name: drill.name) }
    }
    if let folder = self.report {
      if reports.count > 1 {
        let all = Page.index(reports.map { ($0.drill, $0.page) }, title: "Drills")
        try all.write(["drills": reports.map(\.json)], to: folder, name: "index")
      }
      say("the pages are in \(folder)")
    }
    if let json {
      if reports.count == 1 { try writeJSON(reports[0].json, to: json) } else { try writeJSON(["drills": reports.map(\.json)], to: json) }
    }
    if !reports.allSatisfy(\.passed) { throw ExitCode(1) }
  }
}
