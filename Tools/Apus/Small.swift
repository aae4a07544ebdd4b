import ArgumentParser
import Foundation
import ToolKit

struct ImageCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "image",
    abstract: "Builds what is out of date and makes the boot archive and the standard disk; --iso also a CD.",
    discussion: """
      EXAMPLES
        apus image
        apus image --iso            also .build/apus/apus.iso
      """)

  @Flag(help: "Also make the CD.") var iso = false
  @Option(parsing: .singleValue, help: ArgumentHelp("Words for the kernel's command line on the CD.", valueName: "words")) var append: [String] = []

  func run() throws {
    let project = try Project.find()
    try Image(project, say: say).make()
    print("kernel   \(project.kernel)")
    print("archive  \(project.archive)")
    for module in Archive.modules(try Files.read(project.archive)) ?? [] {
      print("         \(module.name.padding(toLength: 16, withPad: " ", startingAt: 0)) \(module.contents.count) bytes")
    }
    print("disk     \(project.disk)")
    if iso {
      let file = project.output + "/apus.iso"
      try ISO.make(file, kernel: project.kernel, archive: project.archive, words: append)
      print("cd       \(file)")
    }
  }
}

struct Symbolize: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Names function, file and line of addresses.",
    discussion: """
      EXAMPLES
        apus symbolize ffffffff80101234
        apus symbolize --file vm 0x401234     in a server or program (bin-ls) of the build, or any ELF file
      """)

  @Argument(help: "Hexadecimal, with or without 0x.") var addresses: [String]
  @Option(help: ArgumentHelp("A product of the build, or a path.", valueName: "file")) var file = "kernel"

  func run() throws {
    let project = try Project.find()
    let path = Files.exists(file) && !Files.isDirectory(file) ? file : project.product(file)
    guard Files.exists(path) else { throw Failure("there is no \(path); `apus image` builds it") }
    let numbers = try addresses.map { text in
      guard let number = UInt64(text.hasPrefix("0x") ? String(text.dropFirst(2)) : text, radix: 16) else {
        throw Failure("'\(text)' is no hexadecimal address")
      }
      return number
    }
    for (address, description) in zip(addresses, try Symbols(file: path).describe(numbers)) { print("\(address)  \(description)") }
  }
}

struct Clean: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Removes what was built. The standard disk goes too, with what you wrote to it.",
    discussion: """
      EXAMPLES
        apus clean
        apus clean --disk           only the standard disk: the next boot starts with a new one
      """)

  @Flag(help: "Only the standard disk.") var disk = false

  func run() throws {
    let project = try Project.find()
    if disk { return Files.remove(project.disk) }
    for folder in [project.metal, project.tests, project.build + "/host", project.output] { Files.remove(folder) }
  }
}
