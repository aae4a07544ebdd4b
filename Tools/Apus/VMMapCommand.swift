import ArgumentParser
import Foundation
import ToolKit

struct VMMapCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "vmmap",
    abstract: "Draws address spaces and the frame table as one SVG picture, from a running system or a dump.",
    discussion: """
      Starts the system on a fresh disk, runs a command line in its shell, and draws what /proc/vm, /proc/<pid>/maps and the program vmmap say then. A column
      for each space, regions with low addresses at the top; a bar for all frames. What the command prints goes to standard error.

      EXAMPLES
        apus vmmap --output memory.svg
        apus vmmap --host processes 1 shell vfs > three.svg
        apus vmmap --run 'cat /bin/* > /dev/null; sleep 100 &' --output read.svg
        apus vmmap --dump memory.txt --output memory.svg
        apus vmmap --from memory.txt > again.svg
      """)

  @Option(help: "Where the system runs: metal or processes.") var host = ToolKit.Host.metal
  @Option(name: .customLong("run"), help: ArgumentHelp("Run this command line in the shell first.", valueName: "command")) var command: String?
  @Option(help: ArgumentHelp("Draw this dump; no system is started.", valueName: "file")) var from: String?
  @Option(help: ArgumentHelp("Also save the text that the picture is made of.", valueName: "file")) var dump: String?
  @Option(name: .shortAndLong, help: ArgumentHelp("Write the picture to this file instead of standard output.", valueName: "file")) var output: String?
  @Option(help: ArgumentHelp("End the run after so many seconds.", valueName: "s")) var timeout = 120
  @Argument(help: ArgumentHelp("Process ids, 'shell', names of services (default: 1, shell, and every service but vm).", valueName: "space"))
  var spaces: [String] = []

  func validate() throws {
    guard timeout > 0 else { throw ValidationError("--timeout takes at least 1") }
    guard host != .simulator else { throw ValidationError("the simulator runs scripts, not shells: --host takes metal or processes") }
    guard from == nil || (command == nil && dump == nil && spaces.isEmpty) else { throw ValidationError("--from draws what the dump has: no --run, no --dump, no spaces") }
    for space in spaces where MapRun.Subject(space) == nil {
      throw ValidationError("'\(space)' is no process id, not 'shell', and no service with a listing")
    }
  }

  func run() throws {
    guard let from else { return try runSystem() }
    try draw(String(decoding: Files.read(from), as: UTF8.self), title: "apus vmmap: \(from)")
  }

  private func runSystem() throws {
    let image = Image(try Project.find(), say: say)
    try image.make()
    let subjects = spaces.isEmpty ? MapRun.Subject.usual : spaces.compactMap(MapRun.Subject.init)
    let result = try MapRun(image, say: say).run(command, of: subjects, on: host, seconds: timeout)
    FileHandle.standardError.write(Data(result.output.utf8))
    guard let text = result.dump else { throw Failure("the system printed no dump\(result.ending == .timeout ? "" : ": the shell must be there after the command")") }
    // Before it is judged: what cannot be drawn can then be looked at.
    if let dump { try Files.write(text, to: dump) }
    try draw(text, title: "apus vmmap on \(host.rawValue)\(command.map { ": \($0)" } ?? "")")
    if result.ending != .shutdown(0) { throw ExitCode(result.ending.exitStatus) }
  }

  private func draw(_ text: String, title: String) throws {
    let map = try MapText.parse(text)
    for space in map.spaces { if let note = space.note { say("\(space.title): \(note)") } }
    let svg = MapPicture(map, title: title).svg
    guard let output else { return FileHandle.standardOutput.write(Data(svg.utf8)) }
    try Files.write(svg, to: output)
  }
}
