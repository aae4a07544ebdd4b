import IPC
import POSIX

// Programs of a few lines each.

/// true(1).
public func trueProgram(_ program: Program) -> Int { 0 }

/// false(1).
public func falseProgram(_ program: Program) -> Int { 1 }

/// echo(1): `-n` leaves the newline out.
public func echo(_ program: Program) -> Int {
  var words = program.arguments
  let newline = words.first.map { $0 != "-n" } ?? true
  if !newline { words.removeFirst() }
  for index in 0..<words.count {
    if index > 0 { printText(" ") }
    printBytes(words[index])
  }
  if newline { standardOutput.newline() }
  return 0
}

/// uname(1).
public func uname(_ program: Program) -> Int {
  let options = program.options("asnrvm", usage: "[-asnrvm]\nWrites the name of the system; -a writes all that is known.")
  let parts: [(Unicode.Scalar, StaticString)] = [("s", "Apus"), ("n", "apus"), ("r", "0.1"), ("v", "microkernel"), ("m", "x86_64")]
  let none = !(options["s"] || options["n"] || options["r"] || options["v"] || options["m"] || options["a"])
  var first = true
  for (letter, text) in parts where options["a"] || options[letter] || none && letter == "s" {
    if !first { printText(" ") }
    first = false
    printText(text)
  }
  standardOutput.newline()
  return 0
}

/// pwd(1).
public func pwd(_ program: Program) -> Int {
  do throws(Errno) { printLine(try currentDirectory()) } catch { program.die([], error) }
  return 0
}

/// sync(1).
public func syncProgram(_ program: Program) -> Int {
  do throws(Errno) { try sync() } catch { program.die([], error) }
  return 0
}

/// env(1): `env [-i] [NAME=value...] [program [argument...]]`.
public func env(_ program: Program) -> Int {
  var environment = program.environment
  var words = program.arguments
  if let first = words.first, first == "-i" || first == "-" {
    environment = []
    words.removeFirst()
  }
  while let word = words.first, let equals = word.firstIndex(of: "=") {
    environment.removeAll { $0.count > equals && $0.slice(0..<equals + 1) == word.slice(0..<equals + 1) }
    environment.append(word)
    words.removeFirst()
  }
  guard let command = words.first else {
    for entry in environment { printLine(entry) }
    return 0
  }
  let error = executeFound(command, words, environment)
  program.die(command, error, status: error == .noSuchFile ? 127 : 126)
}

/// sleep(1): seconds, with a fraction if you like.
public func sleepProgram(_ program: Program) -> Int {
  let usage: StaticString = "seconds[.fraction]\nWaits."
  let options = program.options("", usage: usage)
  guard options.operands.count == 1 else { program.misused(usage) }
  guard let time = nanoseconds(options.operands[0]) else { program.die("invalid time interval") }
  do throws(Errno) { try sleep(nanoseconds: time) } catch { program.die([], error) }
  return 0
}

/// Seconds in decimal notation as nanoseconds; nil if it is none or too long.
func nanoseconds(_ text: [UInt8]) -> UInt64? {
  let dot = text.firstIndex(of: ".") ?? text.count
  let whole = text.slice(0..<dot)
  let fraction = dot < text.count ? text.slice(from: dot + 1) : []
  guard !(whole.isEmpty && fraction.isEmpty) else { return nil }
  guard let seconds = whole.isEmpty ? 0 : number(whole), seconds < 9_000_000_000 else { return nil }
  var part: UInt64 = 0
  var unit: UInt64 = 100_000_000
  for byte in fraction {
    guard byte.isDigit else { return nil }
    part += UInt64(byte - 0x30) * unit
    unit /= 10
  }
  return seconds * 1_000_000_000 + part
}

/// kill(1): `kill [-SIGNAL | -s SIGNAL] id...`, `kill -l`.
public func killProgram(_ program: Program) -> Int {
  let usage: StaticString = "[-s signal | -signal] id...\n       kill -l\nSends a signal to processes, SIGTERM if none is named; a negative id is a process group."
  var words = program.arguments
  var signal = Signal.terminate
  if let first = words.first, first.count > 1, first[0] == "-", first != "--" {
    if first == "--help" { printBytes([UInt8]("usage: kill ") + [UInt8](usage) + [0x0A]); return 0 }
    if first == "-l" {
      for number in 1...22 {
        if let name = Signal.name(number) {
          printBytes(right(decimal(number), 2))
          printText(" ")
          printLine([UInt8](name))
        }
      }
      return 0
    }
    words.removeFirst()
    var name = first.slice(from: 1)
    if first == "-s" {
      guard !words.isEmpty else { program.misused(usage) }
      name = words.removeFirst()
    }
    guard let parsed = Signal.parse(name) else {
      program.complain(name, "no such signal")
      return 1
    }
    signal = parsed
  }
  if let first = words.first, first == "--" { words.removeFirst() }
  if words.isEmpty { program.misused(usage) }
  var status = 0
  for word in words {
    guard let id = integer(word) else {
      program.complain(word, "not a process id")
      status = 1
      continue
    }
    do throws(Errno) { try kill(id, signal) } catch {
      program.complain(word, error)
      status = 1
    }
  }
  return status
}
