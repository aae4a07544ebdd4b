import IPC
import POSIX
import Protocols

let page: UInt64 = 4096

/// compared: tables of what memory calls answer.
public func compared(_ program: Program) -> Int {
  let usage: StaticString =
    "[modes | edges]\nPrints what calls on memory answer, one case a line, to be compared with another system:\n  modes  the file's mode, the kind of mapping and the protections\n  edges  arguments at and behind the edges of what is allowed"
  let operands = program.options("", usage: usage).operands
  if operands.count > 1 { program.misused(usage, status: 2) }
  do throws(Errno) {
    for signal in [Signal.segmentation, Signal.bus, Signal.illegal] { try resetSignal(signal) }
    switch operands.first ?? [] {
    case "modes": try printModes()
    case "edges": try printEdges()
    case "":
      try printModes()
      try printEdges()
    default: program.misused(usage, status: 2)
    }
  } catch { program.die([UInt8]("cannot prepare"), error, status: 2) }
  return 0
}

/// `ok`, or the error's number: its name is the same on both systems only by its number.
func answer(_ body: () throws(Errno) -> Void) -> [UInt8] {
  do throws(Errno) { try body() } catch { return [UInt8]("errno ") + decimal(Int(error.rawValue)) }
  return [UInt8]("ok")
}

/// A file of this process's own, of `pages` pages that begin with a return instruction.
func makeFile(_ pages: Int) throws(Errno) -> [UInt8] {
  let path = [UInt8]("/tmp/compared.") + decimal(processID())
  let descriptor = try open(path, OpenFlags.readWrite | OpenFlags.create | OpenFlags.truncate)
  try writeAll(descriptor, [UInt8](repeating: 0xC3, count: pages * Int(page)))
  try close(descriptor)
  return path
}
