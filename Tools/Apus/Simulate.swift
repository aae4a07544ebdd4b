import ArgumentParser
import Foundation
import ToolKit

struct Simulate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Plays a script on the whole system in one process, in virtual time; the same seed gives the same run.",
    discussion: """
      A scenario is a script of Tests/Scenarios by its name, a file, or the number of a generated script. Faults strike at numbers
      of messages: --trace shows them. The language of scripts: Userland/Script/README.md.

      EXAMPLES
        apus simulate files --seed 7
        apus simulate 12 --seed 3 --trace
        apus simulate files --seed 7 --fault kill-after@812:disk --until 830
        apus simulate files --sweep disk               a death at every message
        apus simulate files --seed 7 --fault kill-after@812:disk --shrink
        apus simulate --seeds 1000                     each twice: the same hash
        apus simulate --agree 200 --host metal         generated scripts do the same there
        apus simulate --pools 200                      memory runs out, with so many sizes of it
        apus simulate --bench
      """)

  @Argument(help: "Name in Tests/Scenarios, file, or number of a generated script.") var scenario: String?
  @Option(help: ArgumentHelp("Decides who is interrupted where, and how long devices take.", valueName: "n")) var seed: UInt64 = 1
  @Option(help: ArgumentHelp("Stop before this message; messages are printed by name.", valueName: "message")) var until: UInt64?
  @Option(help: ArgumentHelp("Print messages from this one on.", valueName: "message")) var from: UInt64?
  @Flag(help: "Print all messages.") var trace = false
  @Option(parsing: .singleValue, help: ArgumentHelp("kill-before@N:SERVICE, kill-after@, kill-during@, delay@N:NS, refuse@N, exhaust@N, write-error@N, harm@N:SERVICE:KIND.", valueName: "fault"))
  var fault: [String] = []
  @Flag(help: "The root is the RAM disk, not the block driver's.") var ram = false
  @Option(help: ArgumentHelp("Write the root disk of the end to this file.", valueName: "file")) var disk: String?
  @Flag(help: "Print the outcome as JSON.") var json = false
  @Flag(help: "Look for a smaller scenario that fails in the same way.") var shrink = false
  @Option(help: ArgumentHelp("Kill this service at every message, one run each.", valueName: "service")) var sweep: String?
  @Option(help: ArgumentHelp("Run so many seeds twice and compare.", valueName: "n")) var seeds: UInt64?
  @Option(help: ArgumentHelp("Play one script of hogs with so many sizes of memory, from the least that boots.", valueName: "n")) var pools: UInt64?
  @Option(help: ArgumentHelp("Compare so many generated scripts with another host.", valueName: "n")) var agree: UInt64?
  @Option(help: ArgumentHelp("The first of them.", valueName: "n")) var first: UInt64 = 1
  @Option(help: "The other host: metal or processes.") var host = ToolKit.Host.metal
  @Flag(help: "Measure messages a second.") var bench = false

  func validate() throws {
    let ways = [scenario != nil, seeds != nil, agree != nil, pools != nil, bench].filter { $0 }.count
    guard ways == 1 else { throw ValidationError("name one scenario, or one of --seeds, --agree, --pools, --bench") }
    guard host != .simulator else { throw ValidationError("--host takes metal or processes") }
  }

  func run() throws {
    let project = try Project.find()
    let simulator = try SimulatorProgram(project, say: say)
    if let agree { return try compare(project, simulator, count: agree) }
    throw ExitCode(try simulator.run(arguments(project), seconds: 3600))
  }

  private func arguments(_ project: Project) throws -> [String] {
    if bench { return ["bench"] }
    if let pools { return ["pools", "--count", "\(pools)"] }
    if let seeds { return ["seeds", "--count", "\(seeds)", "--first", "\(first)"] }
    guard let scenario else { return [] }
    var name = scenario
    let known = project.root + "/Tests/Scenarios/" + scenario + ".script"
    if Files.exists(known) { name = known }
    guard UInt64(name) != nil || Files.exists(name) else { throw Failure("there is no scenario '\(scenario)' in Tests/Scenarios and no such file") }
    var line = [sweep != nil ? "sweep" : shrink ? "shrink" : "run", name, "--seed", "\(seed)"] + (ram ? ["--ram"] : [])
    if let sweep { return line + ["--service", sweep] }
    line += fault.flatMap { ["--fault", $0] }
    if shrink { return line }
    if let until { line += ["--until", "\(until)"] }
    if let from { line += ["--from", "\(from)"] }
    if trace || from != nil { line.append("--trace") }
    if json { line.append("--json") }
    if let disk { line += ["--disk", disk] }
    return line
  }

  private func compare(_ project: Project, _ simulator: SimulatorProgram, count: UInt64) throws {
    let agreement = Agreement(scripts: first..<first + count)
    let expected = try agreement.simulated(simulator)
    let found = Agreement.histories(terminal: try terminal(project, agreement.shellScript))
    let differences = agreement.compare(expected, found)
    for difference in differences {
      print("script \(difference.script): the simulator says '\(difference.expected)', \(host.rawValue) says '\(difference.found)'")
    }
    let lines = expected.values.reduce(0) { $0 + $1.split(separator: "\n").count }
    print("\(count) scripts, \(lines) lines of history: \(differences.count) differ between simulator and \(host.rawValue)")
    if !differences.isEmpty { throw ExitCode(1) }
  }

  /// What the other host shows while its shell plays the scripts, in one boot.
  private func terminal(_ project: Project, _ script: String) throws -> String {
    let image = Image(project, say: say)
    try image.make()
    try Files.makeDirectory(project.logs)
    let disk = project.output + "/agree.img"
    try image.makeDisk(disk, size: Image.diskSize)
    var machine = Machine(media: try HostMedia.media(host, project, say: say), disk: .copyOnWrite(disk), log: project.logs + "/agree.log")
    machine.words = [Batch.word]
    let result = try Batch.run(machine, script: script, seconds: 1800)
    if let complaint = result.ending.complaint { say("\(complaint); the kernel's log is \(machine.log)") }
    return result.output
  }
}
