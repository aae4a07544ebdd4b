import ArgumentParser
import Foundation
import ToolKit

struct Sim: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Boots the system on Linux: every server, driver and program a sandboxed process, the same files as on metal.",
    discussion: """
      With a terminal: an interactive shell; Ctrl-A x ends the system. Else the lines of standard input are the shell's commands, only
      what the system prints is printed, and the shell's exit status is the command's.

      The processes are called apus:NAME, so that `ps` shows them and `pkill -9 -x apus:disk` ends a driver. They run as you, need no
      privileges and can do nothing: --list-calls shows what the sandbox allows. Disk and files are those of `apus boot`.

      EXAMPLES
        apus sim
        printf 'uname\\nps\\n' | apus sim --memory 64
        apus sim --disk ~/tree              a disk made of the standard files and those of a folder
        apus sim --list-calls
      """)

  @Option(help: ArgumentHelp("Memory in MiB.", valueName: "mib")) var memory = 256
  @Option(help: ArgumentHelp("A disk image that is used as it is, or a folder from which one is made.", valueName: "file|dir"))
  var disk: String?
  @Flag(help: "No disk: the root is the RAM disk.") var noDisk = false
  @Option(parsing: .singleValue, help: ArgumentHelp("Words for the kernel's command line.", valueName: "words")) var append: [String] = []
  @Flag(help: "Print the system calls that processes may make, and end.") var listCalls = false
  @Option(help: ArgumentHelp("End the system after so many seconds (default: 300, none with a terminal).", valueName: "s")) var timeout: Int?

  func validate() throws {
    guard (16...65536).contains(memory) else { throw ValidationError("--memory takes 16 to 65536 MiB") }
    guard !(noDisk && disk != nil) else { throw ValidationError("--disk and --no-disk exclude each other") }
    guard (timeout ?? 1) > 0 else { throw ValidationError("--timeout takes at least 1 second") }
  }

  func run() throws {
    let project = try Project.find()
    if listCalls {
      print(try Child.run([try HostMedia.broker(project, say: say), "--list-calls"]).succeeded("broker"), terminator: "")
      return
    }
    let image = Image(project, say: say)
    try image.make()
    try Files.makeDirectory(project.logs)
    let terminal = isatty(0) == 1
    let log = project.logs + "/sim.log"
    var machine = Machine(
      media: try HostMedia.media(.processes, project, say: say), disk: noDisk ? .none : try DiskChoice.disk(disk, image), log: log)
    machine.memory = memory
    machine.words = append.flatMap { $0.split(separator: " ").map(String.init) } + (terminal ? [] : [Batch.word])
    let ending = try Interaction.run(&machine, seconds: timeout)
    switch ending {
    // Its status 0: Ctrl-A x.
    case .reset: return
    case .qemu(let status): throw ExitCode(Int32(truncatingIfNeeded: status))  // it has said why
    case .shutdown: break
    case .panic, .timeout:
      say("\(ending.complaint ?? ""); the kernel's log is \(log)")
      for line in KernelLog.panic((try? Files.read(log)).map { String(decoding: $0, as: UTF8.self) } ?? "") { say(line) }
    }
    throw ExitCode(ending.exitStatus)
  }
}
