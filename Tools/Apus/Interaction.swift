import Foundation
import ToolKit

/// How `apus boot` and `apus sim` give a machine to the user.
enum Interaction {
  /// With a terminal an interactive shell, else the lines of standard input are the shell's.
  /// - Parameter seconds: nil: 300, without an end at a terminal.
  static func run(_ machine: inout Machine, seconds: Int?) throws -> Ending {
    guard isatty(0) == 1 else { return try feed(machine, seconds ?? 300) }
    machine.serial = .terminal
    try Files.write("", to: machine.log)
    let line = machine.commandLine
    let status = try Terminal.plain { try Child(line, seconds: seconds ?? 365 * 86400, pipes: .terminal).wait() }
    return Ending(status: Int(status), log: String(decoding: try Files.read(machine.log), as: UTF8.self))
  }

  private static func feed(_ machine: Machine, _ seconds: Int) throws -> Ending {
    let script = String(decoding: FileHandle.standardInput.readDataToEndOfFile(), as: UTF8.self)
    return try Batch.run(machine, script: script, seconds: seconds) { bytes in FileHandle.standardOutput.write(Data(bytes)) }.ending
  }
}
