import IPC
import POSIX
import Protocols

// X11, V53: mode of the file x private or shared x protection of mmap x protection of a later mprotect x descriptor closed in
// between. Each cell tells both answers, and after each what reading, writing and executing come to.

private let modes: [(name: StaticString, flags: UInt32)] = [
  ("r", OpenFlags.readOnly), ("w", OpenFlags.writeOnly), ("rw", OpenFlags.readWrite),
]
private let kinds: [(name: StaticString, flags: UInt32)] = [("private", MapFlags.private), ("shared", MapFlags.shared)]
private let firsts: [(name: StaticString, access: UInt32)] = [
  ("none", Protection.none), ("r", Protection.read), ("rw", Protection.read | Protection.write),
]
private let laters = firsts + [("rx", Protection.read | Protection.execute)]

func printModes() throws(Errno) {
  let path = try makeFile(1)
  for mode in modes {
    for kind in kinds {
      for first in firsts {
        for later in laters {
          for closes in [false, true] {
            var line = [UInt8]("modes")
            for word in [mode.name, kind.name, first.name, later.name, closes ? "closed" : "open"] as [StaticString] {
              line += " "
              line += word
            }
            let descriptor = try open(path, mode.flags)
            line += ": mmap "
            line += tried(descriptor, kind.flags, first.access, later.access, closes: closes)
            if !closes { try close(descriptor) }
            printLine(line)
          }
        }
      }
    }
  }
  try unlink(path)
}

private func tried(_ descriptor: Int, _ flags: UInt32, _ first: UInt32, _ later: UInt32, closes: Bool) -> [UInt8] {
  var memory: UnsafeMutableRawPointer?
  var line = answer { () throws(Errno) in memory = try mapFile(descriptor, Int(page), first, flags: flags) }
  if closes { _ = answer { () throws(Errno) in try close(descriptor) } }
  guard let memory else { return line }
  line += touches(memory)
  line += " mprotect "
  line += answer { () throws(Errno) in try protectMemory(memory, Int(page), later) }
  line += touches(memory)
  _ = answer { () throws(Errno) in try unmapMemory(memory, Int(page)) }
  return line
}

/// Reading, writing, executing: the signal that a process dies of, 0 for none.
private func touches(_ memory: UnsafeMutableRawPointer) -> [UInt8] {
  var text = [UInt8](" touch")
  for way in 0..<3 {
    text += " "
    text += decimal(signal(of: way, at: memory))
  }
  return text
}

private func signal(of way: Int, at memory: UnsafeMutableRawPointer) -> Int {
  do throws(Errno) {
    let child = try fork()
    if child == 0 {
      switch way {
      // The byte must be used, or the compiler leaves the access out.
      case 0: terminate(memory.load(as: UInt8.self) == 0xC3 ? 0 : 1)
      case 1: memory.storeBytes(of: 0xC3, as: UInt8.self)
      default: unsafeBitCast(UnsafeRawPointer(memory), to: (@convention(c) () -> Void).self)()
      }
      terminate(0)
    }
    return Int(waitUntilEnd(of: child).raw & 0x7F)
  } catch { return -1 }
}
