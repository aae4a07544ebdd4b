import ArgumentParser
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

  @OptionGroup var options: MachineOptions
  @Flag(help: "Print the system calls that processes may make, and end.") var listCalls = false

  func run() throws {
    let project = try Project.find()
    if listCalls {
      print(try Child.run([try HostMedia.broker(project, say: say), "--list-calls"]).succeeded("broker"), terminator: "")
      return
    }
    let image = Image(project, say: say)
    try image.make()
    try Files.makeDirectory(project.logs)
    let log = project.logs + "/sim.log"
    var machine = Machine(media: try HostMedia.media(.processes, project, say: say), disk: try options.chosenDisk(image), log: log)
    machine.memory = options.memory
    machine.words = options.words
    let ending = try Interaction.run(&machine, seconds: options.timeout)
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
