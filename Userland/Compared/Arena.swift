import IPC
import POSIX
import Protocols

/// Sixteen pages at one place that both systems leave free:
///
///     0-1  private rw, the first touched     8-9  private rw of a file of one page
///     2    nothing                          10    shared r of a file opened for reading
///     3-4  private r                        11    nothing
///     5    private, no access               12    private rw, locked
///     6-7  shared rw                        13-15 nothing
///
/// and eight more behind them with nothing.
struct Arena {
  static let start: UInt64 = 0x1800_0000_0000
  static let pages: UInt64 = 24
  static let length = pages &* page

  let path: [UInt8]
  /// The file, open for reading, for writing, for both.
  let reader, writer, both: Int
  private let readEnd, writeEnd: Int
  private let byte = UnsafeMutableRawBufferPointer.allocate(byteCount: 1, alignment: 1)

  init() throws(Errno) {
    path = try makeFile(1)
    reader = try open(path, OpenFlags.readOnly)
    writer = try open(path, OpenFlags.writeOnly)
    both = try open(path, OpenFlags.readWrite)
    (readEnd, writeEnd) = try pipe(OpenFlags.nonBlocking)
    // Both caches have the file's page then.
    _ = try read(reader, into: byte)
  }

  static func at(_ index: UInt64) -> UInt64 { start &+ index &* page }

  /// As the table above says, whatever was there.
  func build() throws(Errno) {
    _ = try request(VM.MLockAll(flags: 0), of: .vm)
    _ = try request(VM.MUnmap(address: Self.start, length: Self.length), of: .vm)
    let both = Protection.read | Protection.write
    try memory(0, 2, both, MapFlags.private)
    UnsafeMutableRawPointer(bitPattern: UInt(Self.start))?.storeBytes(of: 1, as: UInt8.self)
    try memory(3, 2, Protection.read, MapFlags.private)
    try memory(5, 1, Protection.none, MapFlags.private)
    try memory(6, 2, both, MapFlags.shared)
    try file(self.both, 8, 2, both, MapFlags.private)
    try file(reader, 10, 1, Protection.read, MapFlags.shared)
    try memory(12, 1, both, MapFlags.private)
    _ = try request(VM.MLock(address: Self.at(12), length: page), of: .vm)
  }

  private func memory(_ index: UInt64, _ count: UInt64, _ access: UInt32, _ flags: UInt32) throws(Errno) {
    let flags = flags | MapFlags.anonymous | MapFlags.fixed
    _ = try request(VM.MMap(address: Self.at(index), length: count &* page, protection: access, flags: flags), of: .vm)
  }

  private func file(_ descriptor: Int, _ index: UInt64, _ count: UInt64, _ access: UInt32, _ flags: UInt32) throws(Errno) {
    _ = try request(
      VFS.MapFile(
        descriptor: Int64(descriptor), address: Self.at(index), length: count &* page, offset: 0, protection: access, flags: flags | MapFlags.fixed),
      of: .vfs)
  }

  /// A letter a page: `.` nothing, `-` no access, `r` can be read, `w` written too. Then a digit a page: whether it was in memory
  /// before it was touched for that.
  var text: [UInt8] {
    var there: [UInt8] = [], access: [UInt8] = []
    for index in 0..<Self.pages { there.append(isThere(index)) }
    for index in 0..<Self.pages { access.append(letter(index)) }
    while access.last == 0x2E, there.last == 0x2E {
      access.removeLast()
      there.removeLast()
    }
    return access + [UInt8](" ") + there
  }

  /// mincore: `1`, `0`, or `.` if the page is not mapped.
  private func isThere(_ index: UInt64) -> UInt8 {
    do throws(Errno) { return try request(VM.MInCore(address: Self.at(index), pages: 1), of: .vm).bits.0 & 1 == 0 ? 0x30 : 0x31 } catch { return 0x2E }
  }

  /// Nothing dies of a system call's access.
  private func letter(_ index: UInt64) -> UInt8 {
    guard answer({ () throws(Errno) in _ = try request(VM.MSync(address: Self.at(index), length: page, flags: 1), of: .vm) }) == "ok" else { return 0x2E }
    let memory = UnsafeMutableRawBufferPointer(start: UnsafeMutableRawPointer(bitPattern: UInt(Self.at(index))), count: 1)
    guard answer({ () throws(Errno) in _ = try write(writeEnd, UnsafeRawBufferPointer(memory)) }) == "ok" else { return 0x2D }
    if answer({ () throws(Errno) in _ = try read(readEnd, into: memory) }) == "ok" { return UInt8(ascii: "w") }
    _ = answer { () throws(Errno) in _ = try read(readEnd, into: byte) }
    return UInt8(ascii: "r")
  }
}
