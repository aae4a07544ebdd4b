import IPC
import Protocols

// Paths. A script works in a folder of its own, named for its seed.
extension Player {
  mutating func names(_ operation: Operation, _ s: Statement) {
    do throws(Errno) {
      let length = try path(s.x, at: Play.firstPath)
      let first = Play.firstPath
      switch operation {
      case .stat:
        let found = try patient(VFS.Stat(path: first, length: length, follow: 1))
        let isFolder = found.mode & VFS.Mode.typeMask == VFS.Mode.directory
        tell(operation, isFolder ? 0 : Int64(bitPattern: found.size), Int64(found.mode & VFS.Mode.typeMask), isFolder ? 0 : Int64(found.links))
        return
      case .unlink: _ = try patient(VFS.Unlink(path: first, length: length))
      case .mkdir: _ = try patient(VFS.MakeDirectory(path: first, length: length, mode: 0o755))
      case .rmdir: _ = try patient(VFS.RemoveDirectory(path: first, length: length))
      case .rename:
        let second = try path(UInt32(truncatingIfNeeded: s.y), at: Play.secondPath)
        _ = try patient(VFS.Rename(from: first, fromLength: length, to: Play.secondPath, toLength: second))
      case .link:
        let second = try path(UInt32(truncatingIfNeeded: s.y), at: Play.secondPath)
        _ = try patient(VFS.Link(from: first, fromLength: length, to: Play.secondPath, toLength: second))
      case .list:
        try list(length)
        return
      default: break
      }
      tell(operation, 0)
    } catch { tell(operation, error) }
  }

  private mutating func list(_ length: UInt64) throws(Errno) {
    let flags = VFS.OpenFlags.readOnly | VFS.OpenFlags.directory
    let folder = try patient(VFS.Open(path: Play.firstPath, length: length, flags: flags, mode: 0)).descriptor
    var (names, sum): (Int64, UInt64) = (0, 0)
    while true {
      let count = try patient(VFS.ReadDirectory(descriptor: folder, address: Play.buffer, length: 4096)).count
      if count == 0 || count > 4096 { break }
      var at: UInt64 = 0
      while at + UInt64(DirectoryEntry.nameOffset) < count {
        var record: UInt64 = 0
        for place in 0..<2 as Range<UInt64> { record |= UInt64(memory.load(Play.buffer + at + 16 + place, as: UInt8.self)) << (8 * place) }
        if record < 20 || at + record > count { break }
        var digest = Digest()
        for place in UInt64(DirectoryEntry.nameOffset)..<record {
          let byte: UInt8 = memory.load(Play.buffer + at + place)
          if byte == 0 { break }
          digest.add(byte)
        }
        names += 1
        sum &+= digest.value
        at += record
      }
    }
    _ = try patient(VFS.Close(descriptor: folder))
    tell(.list, digest: (sum ^ sum >> 32) & 0xFFFF_FFFF, names)
  }

  /// Writes the path that a number stands for; its length.
  mutating func path(_ code: UInt32, at address: UInt64) throws(Errno) -> UInt64 {
    var text = LineText()
    if code & ScriptPath.deviceBit != 0 {
      text.append(ScriptPath.deviceName(Int(code & 0xFF)))
    } else {
      text.append("/play")
      text.append(memory.load(Play.seed, as: UInt64.self))
      if code != ScriptPath.root {
        if code >> 15 > 0 {
          text.append("/")
          text.append(UInt64(code >> 15) - 1)
        }
        text.append("/")
        text.append(UInt64(code & 0x7FFF))
      }
    }
    for index in 0..<min(text.count, 120) { memory.store(text.bytes[index], at: address + UInt64(index)) }
    return UInt64(min(text.count, 120))
  }

  mutating func makeFolder() {
    do throws(Errno) {
      let length = try path(ScriptPath.root, at: Play.firstPath)
      _ = try patient(VFS.MakeDirectory(path: Play.firstPath, length: length, mode: 0o755))
      tell(.mkdir, 0)
    } catch { tell(.mkdir, error) }
  }

  mutating func removeFolder() {
    do throws(Errno) {
      let length = try path(ScriptPath.root, at: Play.firstPath)
      _ = try patient(VFS.RemoveDirectory(path: Play.firstPath, length: length))
      tell(.rmdir, 0)
    } catch { tell(.rmdir, error) }
  }
}
