import IPC
import POSIX
import Protocols

// cmp(1), stat(1).

/// cmp(1): 0 the same, 1 different, 2 trouble. `-s` says nothing, `-l` all differences.
public func cmp(_ program: Program) -> Int {
  let usage: StaticString = "[-sl] file1 file2\nSays where two files differ first; -s says nothing, -l says all."
  let options = program.options("sl", usage: usage, status: 2)
  guard options.operands.count == 2 else { program.misused(usage, status: 2) }
  var inputs: [Input] = []
  for file in options.operands {
    do throws(Errno) { inputs.append(Input(descriptor: file == "-" ? 0 : try open(file), capacity: 64 << 10)) } catch {
      if !options["s"] { program.complain(file, error) }
      return 2
    }
  }
  var position: UInt64 = 0
  var line: UInt64 = 1
  var differs = false
  var a = UnsafeRawBufferPointer(start: nil, count: 0), b = a
  while true {
    do throws(Errno) { if a.isEmpty { a = try inputs[0].block() } } catch { program.die(options.operands[0], error, status: 2) }
    do throws(Errno) { if b.isEmpty { b = try inputs[1].block() } } catch { program.die(options.operands[1], error, status: 2) }
    if a.isEmpty || b.isEmpty { break }
    let count = min(a.count, b.count)
    for index in 0..<count {
      if a[index] != b[index] {
        differs = true
        if options["s"] { return 1 }
        let at = position + UInt64(index) + 1
        guard options["l"] else {
          printBytes(options.operands[0] + [0x20] + options.operands[1] + [UInt8](" differ: char ") + decimal(at) + [UInt8](", line ") + decimal(line) + [0x0A])
          return 1
        }
        printBytes(decimal(at) + [0x20] + digits(UInt64(a[index]), base: 8, width: 3) + [0x20] + digits(UInt64(b[index]), base: 8, width: 3) + [0x0A])
      }
      if a[index] == "\n" { line += 1 }
    }
    position += UInt64(count)
    a = UnsafeRawBufferPointer(rebasing: a[count...])
    b = UnsafeRawBufferPointer(rebasing: b[count...])
  }
  if a.isEmpty && b.isEmpty { return differs ? 1 : 0 }
  if !options["s"] {
    program.complain([], [UInt8]("EOF on ") + options.operands[a.isEmpty ? 0 : 1] + [UInt8](" after byte ") + decimal(position))
  }
  return 1
}

/// stat(1): what the file system says of a file; `-L` of what a symbolic link points to.
public func statProgram(_ program: Program) -> Int {
  let usage: StaticString = "[-L] file...\nSays what the file system knows of files."
  let options = program.options("L", usage: usage)
  if options.operands.isEmpty { program.misused(usage) }
  var status = 0
  for file in options.operands {
    do throws(Errno) {
      let attributes = options["L"] ? try stat(file) : try linkStat(file)
      printText("  File: ")
      printLine(file)
      printText("  Size: ")
      printBytes(left(decimal(attributes.size), 12))
      printText("Blocks: ")
      printBytes(left(decimal(attributes.blocks), 10))
      printLine([UInt8](typeText(attributes)))
      printText("Device: ")
      printBytes(left(decimal(UInt64(attributes.device)), 11))
      printText("Inode: ")
      printBytes(left(decimal(attributes.inode), 11))
      printText("Links: ")
      printLine(decimal(UInt64(attributes.links)))
      printText("Access: ")
      printBytes(digits(UInt64(attributes.mode & 0o7777), base: 8, width: 4))
      printText(" ")
      printLine(modeText(attributes.mode))
      printText("Modify: ")
      printLine(dateText(attributes.modified))
    } catch {
      program.complain(file, error)
      status = 1
    }
  }
  return status
}

private func typeText(_ attributes: Attributes) -> StaticString {
  switch attributes.mode & VFS.Mode.typeMask {
  case VFS.Mode.regular: attributes.size == 0 ? "regular empty file" : "regular file"
  case VFS.Mode.directory: "directory"
  case VFS.Mode.symbolicLink: "symbolic link"
  case VFS.Mode.character: "character special file"
  case VFS.Mode.block: "block special file"
  case VFS.Mode.fifo: "fifo"
  default: "unknown"
  }
}
