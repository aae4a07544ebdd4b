import ArgumentParser
import Foundation
import ToolKit

extension ToolKit.Host: ExpressibleByArgument {}

struct TraceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "trace",
    abstract: "Runs shell commands and shows every message that the system passed meanwhile, by name.",
    discussion: """
      Standard input holds the commands; in the simulator, whose programs are scripts, a script of Userland/Script. A chart is one HTML page without anything from outside: a column for each thread,
      a row for each message.

      EXAMPLES
        echo 'ls /' | apus trace --format chart --output ls.html
        echo 'cat /etc/motd' | apus trace --only rootfs --only disk
        printf 'service kill disk\\nls /bin\\n' | apus trace --name Block --format json --output disk.json
        echo 'ls /' | apus trace --host processes
        apus trace --host simulator < Tests/Scenarios/files.script
        echo 'true' | apus trace --boot --kernel-calls | head -100
      """)

  enum Format: String, ExpressibleByArgument, CaseIterable { case text, json, chart }

  @Option(help: "Where the system runs: metal, processes or simulator.") var host = ToolKit.Host.metal
  @Option(help: "text, json or chart.") var format = Format.text
  @Option(name: .shortAndLong, help: ArgumentHelp("Write to this file instead of standard output.", valueName: "file")) var output: String?
  @Option(parsing: .singleValue, help: ArgumentHelp("Only messages from or to this service; may be given again.", valueName: "service")) var only: [String] = []
  @Option(help: ArgumentHelp("Only calls with this in their name, and their answers.", valueName: "text")) var name: String?
  @Flag(help: "Also what came before the shell was there to read.") var boot = false
  @Flag(help: "Also kernel calls.") var kernelCalls = false
  @Option(help: ArgumentHelp("Show no more than so many messages (default: all; 4000 in a chart).", valueName: "n")) var limit: Int?
  @Option(help: ArgumentHelp("End the run after so many seconds.", valueName: "s")) var timeout = 120

  func validate() throws {
    guard (limit ?? 1) > 0, timeout > 0 else { throw ValidationError("--limit and --timeout take at least 1") }
    for name in only where EndpointNames.service(name) == nil { throw ValidationError("there is no service '\(name)'") }
  }

  func run() throws {
    let commands = String(decoding: FileHandle.standardInput.readDataToEndOfFile(), as: UTF8.self)
    let project = try Project.find()
    let result: TraceRun.Result
    switch host {
    case .metal, .processes:
      let image = Image(project, say: say)
      try image.make()
      result = try TraceRun(image, say: say).run(commands, on: host, kernelCalls: kernelCalls, seconds: timeout)
    case .simulator: result = try TraceRun.simulator(project, script: commands, kernelCalls: kernelCalls, seconds: timeout, say: say)
    }
    var filter = TraceFilter()
    filter.participants = Set(only)
    filter.name = name
    filter.skipsBoot = !boot
    filter.limit = limit ?? (format == .chart ? 4000 : nil)
    let trace = filter.apply(result.trace)
    say("\(result.trace.events.count) messages, \(trace.events.count) shown\(result.trace.lost == 0 ? "" : ", \(result.trace.lost) lost")")
    switch format {
    case .text: try write(trace.text + "\n")
    case .json: try write(jsonText(trace.json))
    case .chart: try write(TraceChart(trace, title: "apus trace: \(commands.split(separator: "\n").joined(separator: "; "))").html)
    }
    if result.ending != .shutdown(0) { throw ExitCode(result.ending.exitStatus) }
  }

  private func write(_ text: String) throws {
    guard let output else { return FileHandle.standardOutput.write(Data(text.utf8)) }
    try Files.write(text, to: output)
  }
}
