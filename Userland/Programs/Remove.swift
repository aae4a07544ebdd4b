import IPC
import POSIX
import Protocols

// rm(1), rmdir(1), mkdir(1), ln(1), touch(1): programs that change names.

/// rm(1): `-r` directories with all that is in them, `-f` no word about what is not there.
public func rm(_ program: Program) -> Int {
  let usage: StaticString = "[-rRf] file...\nRemoves files; -r directories too, -f does not mind if they are missing."
  let options = program.options("rRfi", usage: usage)
  if options.operands.isEmpty {
    if options["f"] { return 0 }
    program.misused(usage)
  }
  var remover = Remover(program: program, recursive: options["r"] || options["R"], force: options["f"])
  for operand in options.operands {
    let name = baseName(operand)
    if name == "." || name == ".." || name == "/" {
      program.complain(operand, "refusing to remove")
      remover.status = 1
    } else {
      remover.remove(operand, depth: 0)
    }
  }
  return remover.status
}

struct Remover {
  let program: Program
  let recursive: Bool
  let force: Bool
  var status = 0

  init(program: Program, recursive: Bool, force: Bool) {
    self.program = program
    self.recursive = recursive
    self.force = force
  }

  mutating func remove(_ path: [UInt8], depth: Int) {
    do throws(Errno) {
      guard try linkStat(path).isDirectory else { return try unlink(path) }
      guard recursive else { throw .isDirectory }
      guard depth < depthLimit else { throw .nameTooLong }
      for item in try directory(path) where item.name != "." && item.name != ".." {
        remove(join(path, item.name), depth: depth + 1)
      }
      try removeDirectory(path)
    } catch {
      if force, error == .noSuchFile { return }
      program.complain(path, error)
      status = 1
    }
  }
}

/// rmdir(1): `-p` parents too.
public func rmdir(_ program: Program) -> Int {
  let usage: StaticString = "[-p] directory...\nRemoves empty directories; -p their parents too."
  let options = program.options("p", usage: usage)
  if options.operands.isEmpty { program.misused(usage) }
  var status = 0
  for operand in options.operands {
    var path = operand
    do throws(Errno) {
      try removeDirectory(path)
      while options["p"], let slash = path.lastIndex(of: "/"), slash > 0 {
        path = path.slice(0..<slash)
        try removeDirectory(path)
      }
    } catch {
      program.complain(path, error)
      status = 1
    }
  }
  return status
}

/// mkdir(1): `-p` parents too, and no error if it is there.
public func mkdir(_ program: Program) -> Int {
  let usage: StaticString = "[-p] [-m mode] directory...\nMakes directories; -p their parents too."
  let options = program.options("pm:", usage: usage)
  if options.operands.isEmpty { program.misused(usage) }
  var mode: UInt32 = 0o777
  if let text = options.value("m") {
    guard let octal = octal(text) else { program.die("bad mode") }
    mode = octal
  }
  var status = 0
  for operand in options.operands {
    do throws(Errno) {
      if options["p"] {
        for index in 1..<max(operand.count, 1) where operand[index] == "/" && operand[index - 1] != "/" {
          let parent = operand.slice(0..<index)
          if !isDirectory(parent) { try makeDirectory(parent) }
        }
        if isDirectory(operand) { continue }
      }
      try makeDirectory(operand, mode: mode)
    } catch {
      program.complain(operand, error)
      status = 1
    }
  }
  return status
}

func octal(_ text: [UInt8]) -> UInt32? {
  guard !text.isEmpty, text.count <= 5 else { return nil }
  var value: UInt32 = 0
  for byte in text {
    guard byte >= 0x30, byte < 0x38 else { return nil }
    value = value << 3 | UInt32(byte - 0x30)
  }
  return value
}

/// ln(1): `-s` symbolic, `-f` replaces.
public func ln(_ program: Program) -> Int {
  let usage: StaticString = "[-sf] target [name]\n       ln [-sf] target... directory\nMakes links; -s symbolic ones."
  let options = program.options("sf", usage: usage)
  let operands = options.operands
  guard let last = operands.last else { program.misused(usage) }
  let intoDirectory = operands.count > 1 && isDirectory(last)
  guard operands.count <= 2 || intoDirectory else {
    program.complain(last, Errno.notDirectory)
    return 1
  }
  var status = 0
  for target in operands.count == 1 ? operands : [[UInt8]](operands[..<(operands.count - 1)]) {
    let name = operands.count == 1 ? baseName(target) : intoDirectory ? join(last, baseName(target)) : last
    do throws(Errno) {
      if options["f"] { do throws(Errno) { try unlink(name) } catch {} }
      if options["s"] { try symbolicLink(to: target, at: name) } else { try link(target, to: name) }
    } catch {
      program.complain(name, error)
      status = 1
    }
  }
  return status
}

/// touch(1): makes files; those that are there count as modified now. `-c` makes none.
public func touch(_ program: Program) -> Int {
  let usage: StaticString = "[-c] file...\nMakes files, or marks them as modified now."
  let options = program.options("cam", usage: usage)
  if options.operands.isEmpty { program.misused(usage) }
  var status = 0
  for operand in options.operands {
    do throws(Errno) {
      let descriptor = try open(operand, OpenFlags.writeOnly | (options["c"] ? 0 : OpenFlags.create))
      defer { do throws(Errno) { try close(descriptor) } catch {} }
      // There is no utimes call: setting the size to what it is modifies the file and changes nothing.
      let attributes = try stat(descriptor)
      if attributes.isRegular { try truncate(descriptor, attributes.size) }
    } catch {
      if options["c"], error == .noSuchFile { continue }
      program.complain(operand, error)
      status = 1
    }
  }
  return status
}
