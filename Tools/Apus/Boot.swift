import ArgumentParser
import Foundation
import ToolKit

struct Boot: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Builds what is out of date and boots it in QEMU.",
    discussion: """
      With a terminal: an interactive shell; Ctrl-A x ends the machine, Ctrl-A h lists QEMU's other keys. Else the
      lines of standard input are the shell's commands, only what the guest prints is printed, and the shell's exit
      status is the command's.

      The standard disk, .build/apus/disk.img, keeps what is written to it. /bin and the files of Tools/Disk in it
      follow the build.

      EXAMPLES
        apus boot
        printf 'uname\\nps\\n' | apus boot --memory 64
        apus boot --iso --cpu Skylake-Client-v1
        apus boot --append ipc=int
        apus boot --disk ~/tree             a disk made of the standard files and those of a folder
        apus boot --gdb                     then: gdb .build/metal/x86_64-unknown-none-elf/release/kernel -ex 'target remote :1234'
      """)

  @Flag(help: "Boot by GRUB from a CD instead of QEMU's own loader.") var iso = false
  @Option(help: ArgumentHelp("Processor model, as QEMU names it.", valueName: "model")) var cpu = "max"
  @Option(help: ArgumentHelp("Memory in MiB.", valueName: "mib")) var memory = 256
  @Option(help: ArgumentHelp("A disk image that is used as it is, or a folder from which one is made.", valueName: "file|dir"))
  var disk: String?
  @Flag(help: "No disk: the root is the RAM disk.") var noDisk = false
  @Option(parsing: .singleValue, help: ArgumentHelp("Words for the kernel's command line.", valueName: "words")) var append: [String] = []
  @Flag(help: "Wait for a debugger on TCP port 1234.") var gdb = false
  @Option(help: ArgumentHelp("End the machine after so many seconds (default: 300, none with a terminal).", valueName: "s")) var timeout: Int?

  func validate() throws {
    guard (16...65536).contains(memory) else { throw ValidationError("--memory takes 16 to 65536 MiB") }
    guard !(noDisk && disk != nil) else { throw ValidationError("--disk and --no-disk exclude each other") }
    guard (timeout ?? 1) > 0 else { throw ValidationError("--timeout takes at least 1 second") }
  }

  func run() throws {
    let project = try Project.find()
    let image = Image(project, say: say)
    try image.make()
    try Files.makeDirectory(project.logs)
    let terminal = isatty(0) == 1
    var words = append.flatMap { $0.split(separator: " ").map(String.init) }
    if !terminal { words.append(Batch.word) }

    let log = project.logs + "/boot.log"
    var machine = Machine(media: .direct(kernel: project.kernel, archive: project.archive), disk: noDisk ? .none : try DiskChoice.disk(disk, image), log: log)
    if iso {
      let file = project.output + "/apus.iso"
      try ISO.make(file, kernel: project.kernel, archive: project.archive, words: words)
      machine.media = .iso(file)
    }
    machine.cpu = cpu
    machine.memory = memory
    machine.words = words
    machine.gdb = gdb
    let ending = try Interaction.run(&machine, seconds: timeout)
    if let complaint = ending.complaint {
      say("\(complaint); the kernel's log is \(log)")
      let panic = KernelLog.panic((try? Files.read(log)).map { String(decoding: $0, as: UTF8.self) } ?? "")
      for line in Symbols(file: project.kernel).explain(panic) { say(line) }
    }
    throw ExitCode(ending.exitStatus)
  }
}
