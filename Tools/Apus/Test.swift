import ArgumentParser
import ToolKit

struct Test: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Runs the tests: of every library on this machine, of the booted system in QEMU and in Linux processes, and a campaign of faults.",
    discussion: """
      Prints what fails, the share of lines that the unit tests cover, and at the end a line of counts. The status is
      0 only if nothing failed and no name of Tests/Behaviours has lost its tests.

      EXAMPLES
        apus test
        apus test --fast                    unit tests only, no campaign
        apus test --filter ELF              tests in whose name, suite or target the text occurs
        apus test --behaviours              what the system must do, by name, and how its tests last ended
        apus test --behaviours --filter open
      """)

  @Flag(help: "Only the unit tests, nothing booted.") var fast = false
  @Flag(help: "Runs nothing: prints each behaviour with its tests, or what is open, and fails if a name has gone missing.") var behaviours = false
  @Option(help: ArgumentHelp("Only tests, or lines of --behaviours, with this text in their name, whatever its case.", valueName: "text")) var filter: String?

  func run() throws {
    let project = try Project.find()
    try Files.makeDirectory(project.output)
    let tests = TestRun(project, say: say)
    say("builds the tests")
    try tests.build()
    let all = try tests.list()
    let list = try Behaviours(String(decoding: try Files.read(Behaviours.path(project)), as: UTF8.self))
    let missing = list.complaints(all.functions)
    if behaviours {
      print(list.table(all.functions, TestResults(file: TestResults.path(project)), containing: filter))
      for complaint in missing { print("FAILED \(complaint)") }
      if !missing.isEmpty { throw ExitCode(1) }
      return
    }
    let wanted = filter.map { all.matching($0) } ?? all.functions.map(\.id)
    let system = fast ? [] : wanted.filter { $0.hasPrefix(TestRun.systemTarget + ".") }
    let unit = wanted.filter { !$0.hasPrefix(TestRun.systemTarget + ".") }
    guard !(unit + system).isEmpty else { throw Failure("no test is called like that") }

    var summary = TestRun.Summary()
    if filter == nil { summary.trouble += missing }
    if !unit.isEmpty {
      say("runs \(unit.count) unit tests")
      summary = summary + (try tests.run("unit", ids: filter == nil ? nil : unit, seconds: 900, lively: false))
      if filter == nil, let coverage = try tests.coverage() { print("Lines covered by unit tests:\n\(coverage.table)") }
    }
    if !system.isEmpty {
      try Image(project, say: say).make()
      // Before the tests that want them, not in the middle of one.
      _ = try HostMedia.broker(project, say: say)
      _ = try SimulatorProgram(project, say: say)
      say("runs \(system.count) tests of the booted system")
      summary = summary + (try tests.run("system", ids: system, seconds: 1500, lively: true, environment: [TestRun.gate: "1"]))
    }
    if !fast, filter == nil {
      say("two minutes of faults in the simulator")
      do {
        try CampaignCommand.parse(["--minutes", "2", "--report", project.output + "/campaign"]).run()
        summary.passed += 1
      } catch { summary.trouble.append("the campaign: \(error is ExitCode ? "something was lost, see above" : "\(error)")") }
    }
    for failure in summary.failures {
      print("FAILED \(failure.id)  \(failure.name)")
      for issue in failure.issues.isEmpty ? ["it did not come to its end"] : failure.issues { print("       \(issue)") }
    }
    for trouble in summary.trouble { print("FAILED \(trouble)") }
    print(summary.line)
    if summary.failed > 0 { throw ExitCode(1) }
  }
}
