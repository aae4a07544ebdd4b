import ArgumentParser
import ToolKit

struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Measures the booted system in guest instructions, beside the figures of others.",
    discussion: """
      QEMU counts instructions (-icount shift=0,sleep=off), so a figure is the same on every machine and in every run.
      "bar" is what must be reached, "goal" what we are after.

      EXAMPLES
        apus bench
        apus bench ipc-roundtrip null-call
        apus bench boot-to-shell --json figures.json
        apus bench --cpu max,-erms
        apus bench --trace ipc-roundtrip
      """)

  @Argument(help: "Figures to measure; none: all.") var names: [String] = []
  @Option(help: ArgumentHelp("Also write the figures to this file.", valueName: "file")) var json: String?
  @Option(help: ArgumentHelp("Processor model, as QEMU names it.", valueName: "model")) var cpu = "max"
  @Option(help: ArgumentHelp(
    "Instead: the instructions of one iteration by function; of \(BenchTrace.names.joined(separator: ", ")).", valueName: "name"))
  var trace: String?
  @Option(help: ArgumentHelp("For --trace: a word for the kernel's command line, like fastpath=off.", valueName: "word")) var word: [String] = []
  @Option(help: ArgumentHelp("End the machine after so many seconds.", valueName: "s")) var timeout = 600

  func validate() throws {
    if let trace, !BenchTrace.names.contains(trace) {
      throw ValidationError("there is no trace of '\(trace)'; there are: \(BenchTrace.names.joined(separator: " "))")
    }
    for name in names where Peer.named(name) == nil {
      throw ValidationError("there is no figure '\(name)'; there are: \(Peer.table.map(\.name).joined(separator: " "))")
    }
  }

  func run() throws {
    let image = Image(try Project.find(), say: say)
    try image.make()
    if let trace { return print(try Bench(image).trace(trace, cpu: cpu, words: word, seconds: timeout).table) }
    let report = try Bench(image).run(names, cpu: cpu, seconds: timeout)
    print(report.table)
    if let json { try writeJSON(report.json, to: json) }
    let missing = names.filter { name in !report.figures.contains { $0.name == name } }
    if !missing.isEmpty { throw Failure("not measured: \(missing.joined(separator: " "))") }
    if !report.isCalibrated { throw Failure("the calibration loop must read 2,001: these are no instruction counts") }
    if report.figures.isEmpty { throw Failure("the guest gave no figures") }
  }
}
