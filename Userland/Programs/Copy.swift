import IPC
import POSIX
import Protocols

// cp(1) and mv(1).

/// cp(1): `-r` directories too, `-f` removes a target that cannot be opened, `-p` keeps the mode (as it always does here).
public func cp(_ program: Program) -> Int {
  let usage: StaticString = "[-rRfp] source target\n       cp [-rRfp] source... directory\nCopies files; -r copies directories too."
  let options = program.options("rRfp", usage: usage)
  var copier = Copier(program: program, recursive: options["r"] || options["R"], force: options["f"])
  guard let pairs = sourcesAndTargets(program, options.operands, usage) else { return 1 }
  for (source, target) in pairs { copier.copy(source, to: target, depth: 0) }
  return copier.status
}

/// mv(1): renames; over a mount point it copies and removes. `-f` is accepted.
public func mv(_ program: Program) -> Int {
  let usage: StaticString = "[-f] source target\n       mv [-f] source... directory\nRenames or moves files and directories."
  let options = program.options("f", usage: usage)
  guard let pairs = sourcesAndTargets(program, options.operands, usage) else { return 1 }
  var status = 0
  for (source, target) in pairs {
    do throws(Errno) {
      try rename(source, to: target)
    } catch {
      guard error == .crossDevice else {
        program.complain(source, error)
        status = 1
        continue
      }
      var copier = Copier(program: program, recursive: true, force: true)
      copier.copy(source, to: target, depth: 0)
      var remover = Remover(program: program, recursive: true, force: false)
      if copier.status == 0 { remover.remove(source, depth: 0) }
      status = max(status, copier.status, remover.status)
    }
  }
  return status
}

/// Which goes where: the last operand is the target, or the directory for all others. Nil after a complaint.
private func sourcesAndTargets(_ program: Program, _ operands: [[UInt8]], _ usage: StaticString) -> [(source: [UInt8], target: [UInt8])]? {
  guard operands.count >= 2 else { program.misused(usage) }
  let last = operands[operands.count - 1]
  if isDirectory(last) {
    return operands[..<(operands.count - 1)].map { ($0, join(last, baseName($0))) }
  }
  if operands.count > 2 {
    program.complain(last, exists(last) ? Errno.notDirectory : .noSuchFile)
    return nil
  }
  return [(operands[0], last)]
}

/// Deeper than any path can be that a user means; ends a copy of a directory into itself.
let depthLimit = 128

struct Copier {
  let program: Program
  let recursive: Bool
  let force: Bool
  var status = 0
  private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)

  init(program: Program, recursive: Bool, force: Bool) {
    self.program = program
    self.recursive = recursive
    self.force = force
  }

  private mutating func fail(_ what: [UInt8], _ error: Errno) {
    program.complain(what, error)
    status = 1
  }

  mutating func copy(_ source: [UInt8], to target: [UInt8], depth: Int) {
    do throws(Errno) {
      // Without -r a symbolic link stands for its file.
      let attributes = recursive ? try linkStat(source) : try stat(source)
      if attributes.isDirectory {
        guard recursive else {
          program.complain(source, "is a directory (not copied)")
          status = 1
          return
        }
        return copyDirectory(source, to: target, attributes, depth: depth)
      }
      if attributes.isSymbolicLink {
        if force { do throws(Errno) { try unlink(target) } catch {} }
        return try symbolicLink(to: try readLink(source), at: target)
      }
      if let there = statOrNil(target), there.isSame(as: attributes) {
        program.complain(source, [UInt8]("is the same file as ") + target)
        status = 1
        return
      }
      copyFile(source, to: target, attributes)
    } catch { fail(source, error) }
  }

  private func statOrNil(_ path: [UInt8]) -> Attributes? {
    do throws(Errno) { return try stat(path) } catch { return nil }
  }

  private mutating func copyFile(_ source: [UInt8], to target: [UInt8], _ attributes: Attributes) {
    let input: Int
    do throws(Errno) { input = try open(source) } catch { return fail(source, error) }
    defer { do throws(Errno) { try close(input) } catch {} }
    let flags = OpenFlags.writeOnly | OpenFlags.create | OpenFlags.truncate
    var output = -1
    do throws(Errno) { output = try open(target, flags, mode: attributes.mode & 0o777) } catch {
      guard force else { return fail(target, error) }
      do throws(Errno) {
        try unlink(target)
        output = try open(target, flags, mode: attributes.mode & 0o777)
      } catch { return fail(target, error) }
    }
    while true {
      var count = 0
      do throws(Errno) { count = try read(input, into: buffer) } catch {
        fail(source, error)
        break
      }
      if count == 0 { break }
      do throws(Errno) { try writeAll(output, UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[..<count])) } catch {
        fail(target, error)
        break
      }
    }
    do throws(Errno) { try close(output) } catch { fail(target, error) }
  }

  private mutating func copyDirectory(_ source: [UInt8], to target: [UInt8], _ attributes: Attributes, depth: Int) {
    guard depth < depthLimit else { return fail(source, .nameTooLong) }
    do throws(Errno) {
      // Read before the target exists: a copy into itself is then one level deep, not endless.
      let items = try directory(source)
      if !isDirectory(target) { try makeDirectory(target, mode: attributes.mode & 0o777 | 0o700) }
      for item in items where item.name != "." && item.name != ".." {
        copy(join(source, item.name), to: join(target, item.name), depth: depth + 1)
      }
    } catch { fail(source, error) }
  }
}
