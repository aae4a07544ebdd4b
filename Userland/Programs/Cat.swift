import IPC
import POSIX

/// cat(1): files one after the other; `-n` numbers the lines.
public func cat(_ program: Program) -> Int {
  let options = program.options("nu", usage: "[-n] [file...]\nWrites files, or standard input for none or -, to standard output.")
  let files = options.operands.isEmpty ? [[UInt8]("-")] : options.operands
  var status = 0
  var numbering = Numbering()
  for file in files {
    do throws(Errno) {
      let descriptor = file == "-" ? 0 : try open(file)
      defer { if descriptor != 0 { do throws(Errno) { try close(descriptor) } catch {} } }
      let input = Input(descriptor: descriptor, capacity: 64 << 10)
      while true {
        let block = try input.block()
        if block.isEmpty { break }
        if options["n"] { numbering.write(block) } else { standardOutput.write(block) }
        // What came from a terminal or a pipe goes on at once.
        if block.count < 4096 { standardOutput.flush() }
      }
    } catch {
      program.complain(file, error)
      status = 1
    }
  }
  return status
}

/// Line numbers in front of lines, over block and file boundaries.
struct Numbering {
  var line = 0
  var atStart = true

  mutating func write(_ block: UnsafeRawBufferPointer) {
    for byte in block {
      if atStart {
        line += 1
        printBytes(right(decimal(line), 6))
        printText("\t")
      }
      atStart = byte == "\n"
      standardOutput.write(byte: byte)
    }
  }
}
