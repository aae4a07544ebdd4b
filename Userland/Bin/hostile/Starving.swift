import IPC
import POSIX
import Protocols

// Memory that is held, not asked for again and again. It comes by mlock, because what mlock cannot get is an error and nobody's end: so
// the holder lives until somebody else faults. It need not stay locked (RLIMIT_MEMLOCK is less): memory of its own cannot be given up.

/// Pages at a time, down to one: what is left at last is less than a page and its tables.
private let steps = [256, 16, 1]

/// Takes all memory that there is for users; pages held.
private func takeAll() throws(Errno) -> UInt64 {
  var held: UInt64 = 0
  for pages in steps {
    while true {
      do throws(Errno) {
        let part = try mapMemory(pages * 4096)
        do throws(Errno) {
          try lockMemory(part, pages * 4096)
          try unlockMemory(part, pages * 4096)
        } catch {
          try unmapMemory(part, pages * 4096)
          throw error
        }
        held += UInt64(pages)
      } catch {
        if error != .noMemory, error != .wouldBlock { throw error }
        break
      }
    }
  }
  return held
}

/// V93: holds all memory until it is killed.
func holdMemory() {
  do throws(Errno) {
    printLine(Bytes("hostile hold: ") + decimal(try takeAll()) + Bytes(" pages"))
    standardOutput.flush()
    while true { do throws(Errno) { try pause() } catch {} }
  } catch { fail(error) }
}

/// SEC36: kills the disk driver and reads from the disk, first with memory, then while it holds all of it. What the second time needs
/// of its own (stack, heap) the first has touched.
func starve() {
  do throws(Errno) {
    let disk = try place(of: "disk")
    let buffer = UnsafeMutableRawBufferPointer(start: try mapMemory(Trial.length), count: Trial.length)
    try lockMemory(buffer.baseAddress!, Trial.length)
    let before = try Trial(disk, buffer)
    before.say("with memory", held: 0)
    let held = try takeAll()
    let after = try Trial(disk, buffer)
    after.say("without memory", held: held)
    if after.sum != before.sum || after.restarts != before.restarts + 1 || after.free >= before.free { exit(1) }
  } catch { fail(error) }
}

/// The disk driver was killed and came back, and then the disk was read.
private struct Trial {
  static let length = 64 << 10
  var restarts: UInt32
  var nanoseconds: UInt64
  /// Frames, the service's reserve among them.
  var free: UInt64
  var sum: UInt64 = 0

  init(_ disk: UInt64, _ buffer: UnsafeMutableRawBufferPointer) throws(Errno) {
    let service = try request(RS.Status(index: disk), of: .rs)
    free = try request(VM.Information(), of: .vm).free
    _ = try request(RS.Kill(name: service.name), of: .rs)
    while true {
      let now = try request(RS.Status(index: disk), of: .rs)
      if now.restarts != service.restarts, now.state == RS.State.running {
        restarts = now.restarts
        nanoseconds = now.lastRecovery
        break
      }
      if now.state == RS.State.failed { throw .ioError }
      try sleep(nanoseconds: 200_000)
    }
    let descriptor = try open([UInt8]("/dev/hd0"))
    for _ in 0..<4 {
      let count = try read(descriptor, into: buffer)
      if count != Trial.length { throw .ioError }
      for byte in buffer { sum = (sum ^ UInt64(byte)) &* 0x100_0000_01B3 }
    }
    try close(descriptor)
  }

  func say(_ when: StaticString, held: UInt64) {
    var line = Bytes("hostile starve: ") + Bytes(when)
    line += Bytes(": ") + decimal(held) + Bytes(" pages held, ") + decimal(free) + Bytes(" free; disk restarted in ")
    line += decimal(nanoseconds / 1000) + Bytes(" us, sum ") + decimal(sum)
    printLine(line)
    standardOutput.flush()
  }
}

/// Where a service stands in RS's table.
private func place(of name: StaticString) throws(Errno) -> UInt64 {
  let name = packed([UInt8](name)) ?? (0, 0)
  var index: UInt64 = 0
  while try request(RS.Status(index: index), of: .rs).name != name { index += 1 }
  return index
}

private func fail(_ error: Errno) -> Never {
  printLine(Bytes("hostile: ") + Bytes(errorText(error)))
  exit(1)
}
