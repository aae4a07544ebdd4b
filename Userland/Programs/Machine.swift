import IPC
import POSIX
import Protocols

// mount(1), umount(1), shutdown: programs about the whole machine.

/// mount(1): `mount [-r] device directory`.
public func mountProgram(_ program: Program) -> Int {
  let usage: StaticString = "[-r] device directory\nMounts a file system; -r read-only."
  let options = program.options("rw", usage: usage)
  guard options.operands.count == 2 else { program.misused(usage) }
  do throws(Errno) { try mount(options.operands[0], on: options.operands[1], readOnly: options["r"]) } catch { program.die(options.operands[0], error) }
  return 0
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
