import IPC
import POSIX
import Protocols

// wc(1), head(1): programs that read text once.

struct TextCounts {
  var lines: UInt64 = 0, words: UInt64 = 0, bytes: UInt64 = 0
  private var inWord = false

  mutating func count(_ block: UnsafeRawBufferPointer) {
    bytes += UInt64(block.count)
    for byte in block {
      if byte == "\n" { lines += 1 }
      if byte.isSpace {
        inWord = false
      } else if !inWord {
        inWord = true
        words += 1
      }
    }
  }

  static func += (a: inout TextCounts, b: TextCounts) {
    a.lines += b.lines
    a.words += b.words
    a.bytes += b.bytes
  }
}

/// wc(1): lines, words and bytes.
public func wc(_ program: Program) -> Int {
  let options = program.options("lwcm", usage: "[-lwc] [file...]\nCounts lines, words and bytes.")
  let all = !(options["l"] || options["w"] || options["c"] || options["m"])
  var results: [(counts: TextCounts, name: [UInt8])] = []
  var total = TextCounts()
  var status = 0
  for file in options.operands.isEmpty ? [[UInt8]("-")] : options.operands {
    do throws(Errno) {
      let descriptor = file == "-" ? 0 : try open(file)
      defer { if descriptor != 0 { do throws(Errno) { try close(descriptor) } catch {} } }
      let input = Input(descriptor: descriptor, capacity: 64 << 10)
      var counts = TextCounts()
      while true {
        let block = try input.block()
        if block.isEmpty { break }
        counts.count(block)
      }
      total += counts
      results.append((counts, options.operands.isEmpty ? [] : file))
    } catch {
      program.complain(file, error)
      status = 1
    }
  }
  if options.operands.count > 1 { results.append((total, [UInt8]("total"))) }
  var width = 1
  func columns(_ counts: TextCounts) -> [[UInt8]] {
    var columns: [[UInt8]] = []
    if all || options["l"] { columns.append(decimal(counts.lines)) }
    if all || options["w"] { columns.append(decimal(counts.words)) }
    if all || options["c"] || options["m"] { columns.append(decimal(counts.bytes)) }
    return columns
  }
  for result in results {
    let row = columns(result.counts)
    if row.count > 1 || results.count > 1 { for column in row { width = max(width, column.count) } }
  }
  for result in results {
    let row = columns(result.counts)
    for index in 0..<row.count {
      if index > 0 { printText(" ") }
      printBytes(right(row[index], width))
    }
    if !result.name.isEmpty {
      printText(" ")
      printBytes(result.name)
    }
    standardOutput.newline()
  }
  return status
}

/// head(1): the first lines (`-n`, 10 if not said) or bytes (`-c`).
public func head(_ program: Program) -> Int {
  var arguments = program
  // The old way, head -5.
  if let first = program.arguments.first, first.count > 1, first[0] == "-", number(first.slice(from: 1)) != nil {
    arguments.arguments[0] = [UInt8]("-n") + first.slice(from: 1)
  }
  let options = arguments.options("n:c:", usage: "[-n lines | -c bytes] [file...]\nWrites the first lines or bytes of files.")
  let inBytes = options.last(of: "nc").map { $0 == "c" } ?? false
  guard let limit = number(options.value(inBytes ? "c" : "n") ?? [UInt8]("10")) else { program.die("not a number of lines or bytes") }
  var status = 0
  var first = true
  for file in options.operands.isEmpty ? [[UInt8]("-")] : options.operands {
    do throws(Errno) {
      let descriptor = file == "-" ? 0 : try open(file)
      defer { if descriptor != 0 { do throws(Errno) { try close(descriptor) } catch {} } }
      if options.operands.count > 1 {
        if !first { standardOutput.newline() }
        printText("==> ")
        printBytes(file)
        printText(" <==\n")
      }
      first = false
      try writeHead(descriptor, limit, inBytes: inBytes)
    } catch {
      program.complain(file, error)
      status = 1
    }
  }
  return status
}

private func writeHead(_ descriptor: Int, _ limit: UInt64, inBytes: Bool) throws(Errno) {
  let input = Input(descriptor: descriptor, capacity: 4096)
  var left = limit
  while left > 0 {
    let block = try input.block()
    if block.isEmpty { return }
    var end = 0
    if inBytes {
      end = Int(min(UInt64(block.count), left))
      left -= UInt64(end)
    } else {
      while end < block.count, left > 0 {
        if block[end] == "\n" { left -= 1 }
        end += 1
      }
    }
    standardOutput.write(UnsafeRawBufferPointer(rebasing: block[..<end]))
  }
}
