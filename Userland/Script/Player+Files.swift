import IPC
import Protocols

// Descriptors: what is read is checked or digested, so that a lost or doubled byte shows in the history.
extension Player {
  mutating func files(_ operation: Operation, _ s: Statement) {
    do throws(Errno) {
      switch operation {
      case .open:
        let length = try path(s.x, at: Play.firstPath)
        let opened = try patient(VFS.Open(path: Play.firstPath, length: length, flags: Self.openFlags(s.flags), mode: 0o644)).descriptor
        setDescriptor(s.a, opened)
        tell(operation, 0)
      case .close:
        _ = try patient(VFS.Close(descriptor: descriptor(s.a)))
        setDescriptor(s.a, -1)
        tell(operation, 0)
      case .write: tell(operation, Int64(try write(descriptor(s.a), s.y, seed: UInt64(s.x), from: 0)))
      case .read: try read(s)
      case .seek: tell(operation, try patient(VFS.Seek(descriptor: descriptor(s.a), offset: Int64(bitPattern: s.y), whence: 0)).offset)
      case .truncate:
        _ = try patient(VFS.FileTruncate(descriptor: descriptor(s.a), size: s.y))
        tell(operation, 0)
      case .fsync:
        _ = try patient(VFS.FileSync(descriptor: descriptor(s.a)))
        tell(operation, 0)
      case .sync:
        _ = try patient(VFS.Sync())
        tell(operation, 0)
      case .pipe:
        let ends = try patient(VFS.Pipe(flags: 0))
        setDescriptor(s.a, ends.readEnd)
        setDescriptor(s.b, ends.writeEnd)
        setRegister(Play.received, s.a, 0)
        setRegister(Play.sent, s.b, 0)
        tell(operation, 0)
      case .send:
        let first = register(Play.sent, s.a)
        setRegister(Play.sent, s.a, first &+ s.y)
        tell(operation, Int64(try write(descriptor(s.a), s.y, seed: Self.stream, from: first)))
      case .receive: try receive(s)
      case .dup:
        setDescriptor(s.b, try patient(VFS.Duplicate(descriptor: descriptor(s.a), target: -1)).descriptor)
        tell(operation, 0)
      default: break
      }
    } catch { tell(operation, error) }
  }

  static var stream: UInt64 { 0x5EED }

  static func openFlags(_ flags: UInt8) -> UInt32 {
    var all = VFS.OpenFlags.readWrite
    if flags & OpenBits.readOnly != 0 { all = VFS.OpenFlags.readOnly }
    if flags & OpenBits.create != 0 { all |= VFS.OpenFlags.create }
    if flags & OpenBits.append != 0 { all |= VFS.OpenFlags.append }
    if flags & OpenBits.truncate != 0 { all |= VFS.OpenFlags.truncate }
    if flags & OpenBits.exclusive != 0 { all |= VFS.OpenFlags.exclusive }
    return all
  }

  /// All of `length` bytes of a pattern; fewer if there is no room.
  private mutating func write(_ descriptor: Int64, _ length: UInt64, seed: UInt64, from first: UInt64) throws(Errno) -> UInt64 {
    var done: UInt64 = 0
    while done < length {
      let chunk = min(length - done, Play.bufferSize)
      let start = first &+ done
      memory.pieces(Play.buffer, chunk, write: true) { bytes, offset in
        for index in 0..<bytes.count { bytes[index] = patternByte(seed, start &+ offset &+ UInt64(index)) }
      }
      let count: UInt64
      do throws(Errno) { count = try patient(VFS.Write(descriptor: descriptor, address: Play.buffer, length: chunk)).count } catch {
        if done == 0 { throw error }
        return done
      }
      if count == 0 { return done }
      done += count
    }
    return done
  }

  private mutating func read(_ s: Statement) throws(Errno) {
    var digest = Digest()
    var done: UInt64 = 0
    while done < s.y {
      let count = try patient(VFS.Read(descriptor: descriptor(s.a), address: Play.buffer, length: min(s.y - done, Play.bufferSize))).count
      if count == 0 { break }
      memory.pieces(Play.buffer, min(count, Play.bufferSize), write: false) { bytes, _ in digest.add(bytes) }
      done += count
    }
    tell(.read, digest: digest.short, Int64(done))
  }

  /// Numbered bytes: count, and where the first wrong one was, -1 for nowhere.
  private mutating func receive(_ s: Statement) throws(Errno) {
    let first = register(Play.received, s.a)
    var done: UInt64 = 0
    var wrong: Int64 = -1
    while done < s.y {
      let count = try patient(VFS.Read(descriptor: descriptor(s.a), address: Play.buffer, length: min(s.y - done, Play.bufferSize))).count
      if count == 0 { break }
      let start = first &+ done
      memory.pieces(Play.buffer, min(count, Play.bufferSize), write: false) { bytes, offset in
        for index in 0..<bytes.count where wrong < 0 {
          if bytes[index] != patternByte(Self.stream, start &+ offset &+ UInt64(index)) { wrong = Int64(start &+ offset) + Int64(index) }
        }
      }
      done += count
    }
    setRegister(Play.received, s.a, first &+ done)
    tell(.receive, Int64(done), wrong)
  }
}

/// Flags of `Operation.open`.
public enum OpenBits {
  public static var readOnly: UInt8 { 1 }
  public static var create: UInt8 { 2 }
  public static var append: UInt8 { 4 }
  public static var truncate: UInt8 { 8 }
  public static var exclusive: UInt8 { 16 }
}
