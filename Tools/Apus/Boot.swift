import ArgumentParser
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
  @OptionGroup var options: MachineOptions
  @Flag(help: "Wait for a debugger on TCP port 1234.") var gdb = false

  func run() throws {
    let project = try Project.find()
    let image = Image(project, say: say)
    try image.make()
    try Files.makeDirectory(project.logs)
    let log = project.logs + "/boot.log"
    var machine = Machine(media: .direct(kernel: project.kernel, archive: project.archive), disk: try options.chosenDisk(image), log: log)
    if iso {
      let file = project.output + "/apus.iso"
      try ISO.make(file, kernel: project.kernel, archive: project.archive, words: options.words)
      machine.media = .iso(file)
    }
    machine.cpu = cpu
    machine.memory = options.memory
    machine.words = options.words
    machine.gdb = gdb
    let ending = try Interaction.run(&machine, seconds: options.timeout)
    if let complaint = ending.complaint {
      say("\(complaint); the kernel's log is \(log)")
      let panic = KernelLog.panic((try? Files.read(log)).map { String(decoding: $0, as: UTF8.self) } ?? "")
      for line in Symbols(file: project.kernel).explain(panic) { say(line) }
    }
    throw ExitCode(ending.exitStatus)
  }
}
