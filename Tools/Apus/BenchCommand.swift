import ArgumentParser
import ToolKit

struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Measures the booted system in guest instructions, beside the figures of others.",
    discussion: """
      QEMU counts instructions (-icount shift=0,sleep=off), so a figure is the same on every machine and in every run.
      "bar" is what must be reached, "goal" what we are after. The columns are the medians of all samples, the least and the greatest.
      Messages, traps and the boot are measured on two processors: QEMU's `max`, which the figures of others are of, and a model of Intel's.

      EXAMPLES
        apus bench
        apus bench ipc-roundtrip null-call
        apus bench scale                    operations on memory among 100 and among 65,536 regions
        apus bench boot-to-shell --json figures.json
        apus bench --cpu max,-erms
        apus bench --trace ipc-roundtrip
        apus bench --trace boot-to-shell
      """)

  @Argument(help: "Figures to measure; none: all.") var names: [String] = []
  @Option(help: ArgumentHelp("Also write the figures to this file.", valueName: "file")) var json: String?
  @Option(parsing: .singleValue, help: ArgumentHelp("Only this processor, as QEMU names it; given twice: both.", valueName: "model")) var cpu: [String] = []
  @Option(help: ArgumentHelp(
    "Instead: the instructions of one iteration, or of the boot, by function; of \(BenchTrace.names.joined(separator: ", ")).", valueName: "name"))
  var trace: String?
  @Option(help: ArgumentHelp("For --trace: a word for the kernel's command line, like fastpath=off.", valueName: "word")) var word: [String] = []
  @Option(help: ArgumentHelp("End the machine after so many seconds.", valueName: "s")) var timeout = 600

  func validate() throws {
    if let trace, !BenchTrace.names.contains(trace) {
      throw ValidationError("there is no trace of '\(trace)'; there are: \(BenchTrace.names.joined(separator: " "))")
    }
    for name in names where name != Peer.scale && Peer.named(name) == nil {
      throw ValidationError("there is no figure '\(name)'; there are: \(Peer.table.map(\.name).joined(separator: " ")), and scale")
    }
  }

  func run() throws {
    let image = Image(try Project.find(), say: say)
    try image.make()
    if let trace { return print(try Bench(image).trace(trace, cpu: cpu.first, words: word, seconds: timeout).table()) }
    let names = names.flatMap { $0 == Peer.scale ? Peer.ofScale : [$0] }
    let report = try Bench(image).run(names, models: cpu, seconds: timeout)
    print(report.table)
    if let json { try writeJSON(report.json, to: json) }
    let missing = names.filter { !report.names.contains($0) }
    if !missing.isEmpty { throw Failure("not measured: \(missing.joined(separator: " "))") }
    if !report.isCalibrated { throw Failure("the calibration loop must read 2,001: these are no instruction counts") }
    if report.names.isEmpty { throw Failure("the guest gave no figures") }
  }
}
