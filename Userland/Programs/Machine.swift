import IPC
import POSIX
import Protocols

// mount(1), umount(1), shutdown: programs about the whole machine.

/// mount(1): `mount [-r] [-t type] [-o size=bytes] device directory`.
public func mountProgram(_ program: Program) -> Int {
  let usage: StaticString =
    "[-r] [-t type] [-o size=bytes[k|m]] device directory\nMounts a file system; -r read-only. Type tmpfs: files that are memory, at most `size` of it\n(half of all that there is); the device is only a name then."
  let options = program.options("rwt:o:", usage: usage)
  guard options.operands.count == 2 else { program.misused(usage) }
  let type = options.value("t") ?? []
  let isMemory = type == [UInt8]("tmpfs")
  let size = options.value("o").map(sizeOption) ?? 0
  guard isMemory || type.isEmpty || type == [UInt8]("ext2"), let size, isMemory || options.value("o") == nil else { program.misused(usage) }
  do throws(Errno) {
    if isMemory {
      try mountMemory(on: options.operands[1], limit: size, readOnly: options["r"])
    } else {
      try mount(options.operands[0], on: options.operands[1], readOnly: options["r"])
    }
  } catch { program.die(isMemory ? options.operands[1] : options.operands[0], error) }
  return 0
}

/// `size=64k`: bytes; nil if it is not that.
private func sizeOption(_ text: [UInt8]) -> UInt64? {
  let name = [UInt8]("size=")
  guard text.count > name.count, [UInt8](text[..<name.count]) == name else { return nil }
  var digits = text.slice(from: name.count)
  var unit: UInt64 = 1
  if let last = digits.last {
    if last == "k" { unit = 1 << 10 }
    if last == "m" { unit = 1 << 20 }
    if unit > 1 { digits.removeLast() }
  }
  guard let count = number(digits) else { return nil }
  let (bytes, overflow) = UInt64(count).multipliedReportingOverflow(by: unit)
  return overflow || bytes == 0 || bytes > UInt64(Int64.max) ? nil : bytes
}

/// umount(1).
public func umountProgram(_ program: Program) -> Int {
  let usage: StaticString = "directory...\nUnmounts file systems."
  let options = program.options("", usage: usage)
  if options.operands.isEmpty { program.misused(usage) }
  var status = 0
  for directory in options.operands {
    do throws(Errno) { try unmount(directory) } catch {
      program.complain(directory, error)
      status = 1
    }
  }
  return status
}

/// shutdown: writes everything to the devices and ends the machine with a status.
public func shutdown(_ program: Program) -> Int {
  let usage: StaticString = "[status]\nWrites everything to the devices and ends the machine; the emulator's exit status tells the number."
  let options = program.options("h", usage: usage)
  guard options.operands.count <= 1, let status = options.operands.isEmpty ? 0 : number(options.operands[0]), status < 256 else { program.misused(usage) }
  do throws(Errno) { try sync() } catch { program.complain([UInt8]("sync"), error) }
  do throws(Errno) {
    _ = try request(RS.Shutdown(status: status), of: .rs)
    return 0
  } catch { program.die([], error) }
}
