import IPC
import POSIX
import Protocols

// ls(1).

/// ls(1): `-a` names with a dot, `-A` but not `.` and `..`, `-l` long, `-1` one a line, `-R` subdirectories, `-d` the directory
/// itself, `-r` backwards, `-t` newest first, `-S` largest first, `-i` inode numbers, `-F` marks by type.
public func ls(_ program: Program) -> Int {
  let options = program.options("aAl1RdrtSiFC", usage: "[-aAl1RdrtSiF] [file...]\nLists directories and files.", status: 2)
  var listing = Listing(program: program, options: options)
  let operands = options.operands.isEmpty ? [[UInt8](".")] : options.operands
  var files: [Entry] = []
  var directories: [Entry] = []
  for operand in operands {
    do throws(Errno) {
      var attributes = try linkStat(operand)
      // A symbolic link named on the command line stands for what it points to, but not with -l.
      if attributes.isSymbolicLink, !options["l"], !options["d"] {
        do throws(Errno) { attributes = try stat(operand) } catch {}
      }
      let entry = Entry(name: operand, path: operand, attributes: attributes)
      if attributes.isDirectory && !options["d"] { directories.append(entry) } else { files.append(entry) }
    } catch {
      program.complain(operand, error)
      listing.status = 2
    }
  }
  listing.sort(&files)
  listing.sort(&directories)
  listing.write(files)
  var any = !files.isEmpty
  for directory in directories {
    listing.list(directory.path, heading: operands.count > 1 || options["R"], blankLine: any)
    any = true
  }
  return listing.status
}

struct Entry {
  var name, path: [UInt8]
  /// Nil if it could not be had and is not needed.
  var attributes: Attributes?
}

struct Listing {
  let program: Program
  let options: Options
  var status = 0
  let columns: Int

  init(program: Program, options: Options) {
    self.program = program
    self.options = options
    columns = options["1"] || options["l"] || !isTerminal(1) ? 0 : terminalColumns(1)
  }

  /// Whether a name is not enough.
  var needsAttributes: Bool { options["l"] || options["R"] || options["t"] || options["S"] || options["i"] || options["F"] }

  mutating func list(_ path: [UInt8], heading: Bool, blankLine: Bool) {
    var entries: [Entry] = []
    do throws(Errno) {
      for item in try directory(path) {
        if item.name[0] == "." {
          guard options["a"] || options["A"] && item.name != "." && item.name != ".." else { continue }
        }
        var entry = Entry(name: item.name, path: join(path, item.name), attributes: nil)
        if needsAttributes {
          do throws(Errno) { entry.attributes = try linkStat(entry.path) } catch {
            program.complain(entry.path, error)
            status = 1
            continue
          }
        }
        entries.append(entry)
      }
    } catch {
      program.complain(path, error)
      status = 2
      return
    }
    sort(&entries)
    if heading {
      if blankLine { standardOutput.newline() }
      printBytes(path)
      printText(":\n")
    }
    if options["l"] {
      var blocks: UInt64 = 0
      for entry in entries { blocks += entry.attributes?.blocks ?? 0 }
      printText("total ")
      printLine(decimal(blocks / 2))
    }
    write(entries)
    guard options["R"] else { return }
    for entry in entries where entry.name != "." && entry.name != ".." {
      if entry.attributes?.isDirectory ?? false { list(entry.path, heading: true, blankLine: true) }
    }
  }

  func sort(_ entries: inout [Entry]) {
    let byTime = options["t"], bySize = options["S"], backwards = options["r"]
    entries.sort { a, b in
      let (a, b) = backwards ? (b, a) : (a, b)
      if byTime, let x = a.attributes?.modified, let y = b.attributes?.modified, x != y { return x > y }
      if bySize, let x = a.attributes?.size, let y = b.attributes?.size, x != y { return x > y }
      return isLess(a.name, b.name)
    }
  }

  func write(_ entries: [Entry]) {
    if options["l"] { return writeLong(entries) }
    var names: [[UInt8]] = []
    for entry in entries {
      let inode = options["i"] ? decimal(entry.attributes?.inode ?? 0) + [0x20] : []
      names.append(inode + entry.name + mark(entry))
    }
    if columns == 0 {
      for name in names { printLine(name) }
    } else {
      printBytes(inColumns(names, width: columns))
    }
  }

  func mark(_ entry: Entry) -> [UInt8] {
    guard options["F"], let attributes = entry.attributes else { return [] }
    if attributes.isDirectory { return [UInt8]("/") }
    if attributes.isSymbolicLink { return [UInt8]("@") }
    if attributes.isType(VFS.Mode.fifo) { return [UInt8]("|") }
    return attributes.mode & 0o111 != 0 && attributes.isRegular ? [UInt8]("*") : []
  }

  func writeLong(_ entries: [Entry]) {
    var linkWidth = 1, sizeWidth = 1
    var sizes: [[UInt8]] = []
    for entry in entries {
      guard let attributes = entry.attributes else { continue }
      linkWidth = max(linkWidth, decimal(UInt64(attributes.links)).count)
      let special = attributes.isType(VFS.Mode.character) || attributes.isType(VFS.Mode.block)
      sizes.append(
        special
          ? decimal(UInt64(attributes.special >> 16)) + [UInt8](", ") + decimal(UInt64(attributes.special & 0xFFFF))
          : decimal(attributes.size))
      sizeWidth = max(sizeWidth, sizes[sizes.count - 1].count)
    }
    var index = 0
    for entry in entries {
      guard let attributes = entry.attributes else { continue }
      if options["i"] { printBytes(right(decimal(attributes.inode), 6) + [0x20]) }
      printBytes(modeText(attributes.mode))
      printText(" ")
      printBytes(right(decimal(UInt64(attributes.links)), linkWidth))
      printText(" ")
      printBytes(right(sizes[index], sizeWidth))
      index += 1
      printText(" ")
      printBytes(dateText(attributes.modified))
      printText(" ")
      printBytes(entry.name + mark(entry))
      if attributes.isSymbolicLink {
        printText(" -> ")
        do throws(Errno) { printBytes(try readLink(entry.path)) } catch { printText("?") }
      }
      standardOutput.newline()
    }
  }
}

/// `drwxr-xr-x`.
func modeText(_ mode: UInt32) -> [UInt8] {
  var text: [UInt8] = []
  switch mode & VFS.Mode.typeMask {
  case VFS.Mode.directory: text += "d"
  case VFS.Mode.symbolicLink: text += "l"
  case VFS.Mode.character: text += "c"
  case VFS.Mode.block: text += "b"
  case VFS.Mode.fifo: text += "p"
  default: text += "-"
  }
  let letters = [UInt8]("rwx")
  for bit in 0..<9 {
    text.append(mode & (0o400 >> UInt32(bit)) != 0 ? letters[bit % 3] : 0x2D)
  }
  if mode & 0o4000 != 0 { text[3] = text[3] == "x" ? UInt8(ascii: "s") : UInt8(ascii: "S") }
  if mode & 0o2000 != 0 { text[6] = text[6] == "x" ? UInt8(ascii: "s") : UInt8(ascii: "S") }
  if mode & 0o1000 != 0 { text[9] = text[9] == "x" ? UInt8(ascii: "t") : UInt8(ascii: "T") }
  return text
}

/// `2026-11-21 00:34`, in UTC.
func dateText(_ seconds: UInt64) -> [UInt8] {
  // Days to a date: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
  let days = Int(clamping: seconds / 86400) % 100_000_000 + 719468
  let era = days / 146097
  let dayOfEra = days % 146097
  let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146096) / 365
  let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
  let shifted = (5 * dayOfYear + 2) / 153
  let day = dayOfYear - (153 * shifted + 2) / 5 + 1
  let month = shifted < 10 ? shifted + 3 : shifted - 9
  let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  var text = digits(UInt64(year), base: 10, width: 4)
  text += "-"
  text += digits(UInt64(month), base: 10, width: 2)
  text += "-"
  text += digits(UInt64(day), base: 10, width: 2)
  text += " "
  text += digits(seconds / 3600 % 24, base: 10, width: 2)
  text += ":"
  text += digits(seconds / 60 % 60, base: 10, width: 2)
  return text
}

/// Names in columns, down first, as many as fit.
func inColumns(_ names: [[UInt8]], width: Int) -> [UInt8] {
  if names.isEmpty { return [] }
  var longest = 0
  for name in names { longest = max(longest, name.count) }
  let columns = max(1, (width + 2) / (longest + 2))
  let rows = (names.count + columns - 1) / columns
  var text: [UInt8] = []
  for row in 0..<rows {
    var index = row
    while index < names.count {
      text += index + rows < names.count ? left(names[index], longest + 2) : names[index]
      index += rows
    }
    text += "\n"
  }
  return text
}
