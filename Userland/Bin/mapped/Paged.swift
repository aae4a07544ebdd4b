import IPC
import POSIX
import Protocols

// Programs are read as far as they are touched. The program is this one with a segment more: 4 MiB to be read, of which it reads
// three pages.

private let base = 0x1000_0000
private let pages = 1024
private let touched = [5, 500, 1000]

/// V20: the parent makes the file, checks who may write to it, and runs it.
func programsArePaged() throws(Errno) -> Bool {
  let path = [UInt8]("/tmp/paged.") + decimal(UInt64(processID()))
  let descriptor = try open(path, OpenFlags.readWrite | OpenFlags.create | OpenFlags.truncate, mode: 0o755)
  try writeProgram(descriptor)
  // What is open for writing does not run, what runs is not open for writing.
  if try status(of: path) != 100 + Int(Errno.textFileBusy.rawValue) { return false }
  try close(descriptor)
  let before = try request(PageCache.Information(), of: .vm).pages
  if try status(of: path) != 0 { return false }
  // Three windows of the segment, and of the program itself no more than there is.
  let own = (try stat([UInt8]("/bin/mapped")).size + 4095) / 4096
  if try request(PageCache.Information(), of: .vm).pages > before + UInt64(own) + 16 + UInt64(16 * touched.count) { return false }
  try close(try open(path, OpenFlags.readWrite))
  try unlink(path)
  return true
}

private func status(of path: [UInt8]) throws(Errno) -> Int {
  let child = try fork()
  if child == 0 { terminate(100 + Int(execute(path, [[UInt8]("mapped"), [UInt8]("touch"), path], []).rawValue)) }
  return waitUntilEnd(of: child).shellStatus
}

/// `/bin/mapped` with one program header more, and pages behind it that say which they are.
private func writeProgram(_ descriptor: Int) throws(Errno) {
  let program = try open([UInt8]("/bin/mapped"))
  var bytes: [UInt8] = []
  while true {
    let part = try read(program, atMost: 65536)
    if part.isEmpty { break }
    bytes += part
  }
  try close(program)
  while bytes.count % page != 0 { bytes.append(0) }
  func put(_ value: UInt64, at place: Int, _ size: Int) {
    for index in 0..<size { bytes[place + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index)) }
  }
  let header = 64 + 56 * Int(bytes[56])
  bytes[56] += 1
  put(1, at: header, 4)  // PT_LOAD
  put(4, at: header + 4, 4)  // to be read
  let length = UInt64(pages * page)
  for (index, value) in [UInt64(bytes.count), UInt64(base), UInt64(base), length, length, 4096].enumerated() {
    put(value, at: header + 8 + 8 * index, 8)
  }
  try writeAll(descriptor, bytes)
  for number in 0..<pages { try writeAll(descriptor, [UInt8](repeating: mark(number), count: page)) }
}

private func mark(_ page: Int) -> UInt8 { UInt8(truncatingIfNeeded: page &* 37 &+ 11) }

/// The new program.
func touchPages(_ path: [UInt8]) -> Int {
  for number in touched {
    guard let place = UnsafeRawPointer(bitPattern: base + number * page + 77), place.load(as: UInt8.self) == mark(number) else { return 1 }
  }
  do throws(Errno) {
    let region = try request(VM.RegionInformation(process: .none, address: UInt64(base)), of: .vm)
    guard region.kind == VM.RegionKind.image, region.end - region.start == UInt64(pages * page) else { return 2 }
    guard region.resident >= UInt32(touched.count), region.resident <= UInt32(16 * touched.count) else { return 3 }
    _ = try open(path, OpenFlags.readWrite)
    return 4
  } catch { return error == .textFileBusy ? 0 : 5 }
}
