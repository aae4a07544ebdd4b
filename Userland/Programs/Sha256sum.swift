import IPC
import POSIX
import Protocols

/// sha256sum(1): digests of files; `-c` compares with those in a list.
public func sha256sum(_ program: Program) -> Int {
  let options = program.options("cbtqs", usage: "[-cqs] [file...]\nWrites SHA-256 digests; -c reads such lines and compares, -q says only what differs, -s nothing.")
  let files = options.operands.isEmpty ? [[UInt8]("-")] : options.operands
  var status = 0
  let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)
  for file in files {
    do throws(Errno) {
      if options["c"] {
        if try !check(program, file, buffer, quiet: options["q"] || options["s"], silent: options["s"]) { status = 1 }
      } else {
        printBytes(hexadecimal(try digest(file, buffer)))
        printText("  ")
        printLine(file)
        // A reader at the other end of a pipe sees each line as it comes.
        standardOutput.flush()
      }
    } catch {
      program.complain(file, error)
      status = 1
    }
  }
  return status
}

private func digest(_ file: [UInt8], _ buffer: UnsafeMutableRawBufferPointer) throws(Errno) -> [UInt8] {
  let descriptor = file == "-" ? 0 : try open(file)
  defer { if descriptor != 0 { do throws(Errno) { try close(descriptor) } catch {} } }
  var hash = SHA256()
  while true {
    let count = try read(descriptor, into: buffer)
    if count == 0 { return hash.finish() }
    hash.update(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[..<count]))
  }
}

func hexadecimal(_ bytes: [UInt8]) -> [UInt8] {
  var text: [UInt8] = []
  for byte in bytes { text += digits(UInt64(byte), base: 16, width: 2) }
  return text
}

/// A line of a list: 64 digits, blank, blank or star, name. Nil if it is none.
func digestLine(_ line: [UInt8]) -> (digest: [UInt8], file: [UInt8])? {
  guard line.count > 66, line[64] == " ", line[65] == " " || line[65] == "*" else { return nil }
  for index in 0..<64 {
    let byte = line[index].lowered
    guard byte.isDigit || byte >= 0x61 && byte <= 0x66 else { return nil }
  }
  return (line.slice(0..<64).map { $0.lowered }, line.slice(from: 66))
}

/// Whether all files of the list are there and as it says.
private func check(_ program: Program, _ list: [UInt8], _ buffer: UnsafeMutableRawBufferPointer, quiet: Bool, silent: Bool) throws(Errno) -> Bool {
  let input = Input(descriptor: list == "-" ? 0 : try open(list))
  var different: UInt64 = 0, unreadable: UInt64 = 0, malformed: UInt64 = 0, good: UInt64 = 0
  while let line = try input.line() {
    guard let (wanted, file) = digestLine(line) else {
      malformed += 1
      continue
    }
    do throws(Errno) {
      if hexadecimal(try digest(file, buffer)) == wanted {
        good += 1
        if !quiet { printLine(file + [UInt8](": OK")) }
      } else {
        different += 1
        if !silent { printLine(file + [UInt8](": FAILED")) }
      }
    } catch {
      program.complain(file, error)
      if !silent { printLine(file + [UInt8](": FAILED open or read")) }
      unreadable += 1
    }
  }
  for (count, what) in [(malformed, "lines are improperly formatted"), (unreadable, "listed files could not be read"), (different, "computed checksums did NOT match")] as [(UInt64, StaticString)]
  where count > 0 && !silent {
    program.complain([], [UInt8]("WARNING: ") + decimal(count) + [0x20] + [UInt8](what))
  }
  return different == 0 && unreadable == 0 && good > 0
}
