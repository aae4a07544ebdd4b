import ArgumentParser
import Foundation
import ToolKit

/// What `apus boot` and `apus sim` let the user choose alike.
struct MachineOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Memory in MiB.", valueName: "mib")) var memory = 256
  @Option(help: ArgumentHelp("A disk image that is used as it is, or a folder from which one is made.", valueName: "file|dir"))
  var disk: String?
  @Flag(help: "No disk: the root is the RAM disk.") var noDisk = false
  @Option(parsing: .singleValue, help: ArgumentHelp("Words for the kernel's command line.", valueName: "words")) var append: [String] = []
  @Option(help: ArgumentHelp("End the machine after so many seconds (default: 300, none with a terminal).", valueName: "s")) var timeout: Int?

  func validate() throws {
    guard (16...65536).contains(memory) else { throw ValidationError("--memory takes 16 to 65536 MiB") }
    guard !(noDisk && disk != nil) else { throw ValidationError("--disk and --no-disk exclude each other") }
    guard (timeout ?? 1) > 0 else { throw ValidationError("--timeout takes at least 1 second") }
  }

  /// Those of `--append`; without a terminal also the one for a shell that is fed.
  var words: [String] { append.flatMap { $0.split(separator: " ").map(String.init) } + (isatty(0) == 1 ? [] : [Batch.word]) }

  /// The disk chosen; without a choice the standard one.
  func chosenDisk(_ image: Image) throws -> Machine.Disk {
    if noDisk { return .none }
    guard let disk else {
      try DiskImage.tidy(image.project.disk)
      return .file(image.project.disk)
    }
    guard Files.exists(disk) else { throw Failure("there is no \(disk)") }
    guard Files.isDirectory(disk) else { return .file(disk) }
    let made = image.project.output + "/folder.img"
    say("makes a disk of \(disk); what the machine writes to it is not written back")
    try image.makeDisk(made, adding: disk)
    return .file(made)
  }
}
