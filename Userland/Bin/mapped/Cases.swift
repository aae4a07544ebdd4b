import IPC
import POSIX
import Protocols

let page = 4096
private let readWrite = Protection.read | Protection.write

/// A file of pages and a bit, each word telling where it stands. Its name is the process's own.
func makeFile(_ length: Int, mark: UInt8 = 0) throws(Errno) -> (path: [UInt8], descriptor: Int) {
  let path = [UInt8]("/tmp/mapped.") + decimal(UInt64(processID())) + [UInt8](".") + decimal(UInt64(mark))
  let descriptor = try open(path, OpenFlags.readWrite | OpenFlags.create | OpenFlags.truncate)
  var bytes: [UInt8] = []
  bytes.reserveCapacity(length)
  for index in 0..<length { bytes.append(byte(index) ^ mark) }
  try writeAll(descriptor, bytes)
  return (path, descriptor)
}

func byte(_ index: Int) -> UInt8 { UInt8(truncatingIfNeeded: index &* 31 ^ index >> 8 ^ index >> 12) }

private func at(_ memory: UnsafeMutableRawPointer, _ index: Int) -> UInt8 { memory.load(fromByteOffset: index, as: UInt8.self) }

/// What read(2) gives for one byte.
private func inFile(_ descriptor: Int, _ index: Int) throws(Errno) -> UInt8? {
  _ = try seek(descriptor, index)
  return try read(descriptor, atMost: 1).first
}

/// The signal that a child dies of when it reads or writes a byte, 0 if it lives. The byte must be used, or the compiler
/// leaves the access out.
private func signal(of body: () -> UInt8) throws(Errno) -> Int {
  let child = try fork()
  if child == 0 { terminate(Int(body())) }
  return Int(waitUntilEnd(of: child).raw & 0x7F)
}

/// V24, V34: each page is the file's, from the offset on; the rest of the last is zero.
func contentsAreSeen() throws(Errno) -> Bool {
  let length = 40 * page + 100
  let (path, descriptor) = try makeFile(length)
  let memory = try mapFile(descriptor, length)
  let tail = try mapFile(descriptor, 3 * page, offset: UInt64(38 * page))
  // Here and there first, then all.
  for index in [39 * page + 5, 7, 20 * page, 38 * page - 1] where at(memory, index) != byte(index) { return false }
  for index in 0..<length where at(memory, index) != byte(index) { return false }
  for index in length..<41 * page where at(memory, index) != 0 { return false }
  for index in 0..<2 * page + 100 where at(tail, index) != byte(38 * page + index) { return false }
  try unmapMemory(memory + 3 * page, 30 * page)
  for index in 33 * page..<length where at(memory, index) != byte(index) { return false }
  try unlink(path)
  return true
}

func privateStaysPrivate() throws(Errno) -> Bool {
  let (path, descriptor) = try makeFile(5 * page)
  let mine = try mapFile(descriptor, 5 * page, readWrite)
  let other = try mapFile(descriptor, 5 * page)
  for index in [0, page + 3, 4 * page + 4095] {
    mine.storeBytes(of: 0xEE, toByteOffset: index, as: UInt8.self)
    if at(mine, index) != 0xEE || at(other, index) != byte(index) { return false }
    if try inFile(descriptor, index) != byte(index) { return false }
    if at(mine, index ^ 1) != byte(index ^ 1) { return false }
  }
  try unlink(path)
  return true
}

/// V62, S1: what either writes after a fork is its own.
func forkKeepsPrivate() throws(Errno) -> Bool {
  let (path, descriptor) = try makeFile(3 * page)
  let memory = try mapFile(descriptor, 3 * page, readWrite)
  memory.storeBytes(of: 1, toByteOffset: 0, as: UInt8.self)
  _ = at(memory, page)
  let child = try fork()
  if child == 0 {
    memory.storeBytes(of: 2, toByteOffset: 0, as: UInt8.self)
    memory.storeBytes(of: 2, toByteOffset: page, as: UInt8.self)
    memory.storeBytes(of: 2, toByteOffset: 2 * page, as: UInt8.self)
    terminate(at(memory, 0) == 2 && at(memory, 2 * page) == 2 ? 0 : 1)
  }
  if waitUntilEnd(of: child).raw != 0 { return false }
  try unlink(path)
  return at(memory, 0) == 1 && at(memory, page) == byte(page) && at(memory, 2 * page) == byte(2 * page)
}

/// What is written to shared pages is what read(2) gives at once, and what is written to the file is what the pages show.
func sharedIsTheFile() throws(Errno) -> Bool {
  let (path, descriptor) = try makeFile(4 * page)
  let memory = try mapFile(descriptor, 4 * page, readWrite, flags: MapFlags.shared)
  let other = try mapFile(descriptor, 4 * page, flags: MapFlags.shared)
  memory.storeBytes(of: 0x77, toByteOffset: page + 9, as: UInt8.self)
  if at(other, page + 9) != 0x77 { return false }
  if try inFile(descriptor, page + 9) != 0x77 { return false }
  _ = try seek(descriptor, 2 * page - 2)
  try writeAll(descriptor, [1, 2, 3, 4])
  if at(memory, 2 * page - 2) != 1 || at(other, 2 * page + 1) != 4 { return false }
  let child = try fork()
  if child == 0 {
    memory.storeBytes(of: 0x55, toByteOffset: 3 * page, as: UInt8.self)
    terminate(0)
  }
  if waitUntilEnd(of: child).raw != 0 || at(other, 3 * page) != 0x55 { return false }
  try unlink(path)
  return true
}

/// fsync(2), and the end of the last mapping, take changes to the file system; the pages go on changing afterwards.
func syncReachesFile() throws(Errno) -> Bool {
  let (path, descriptor) = try makeFile(3 * page + 10)
  let memory = try mapFile(descriptor, 3 * page + 10, readWrite, flags: MapFlags.shared)
  for round in 1...3 as ClosedRange<UInt8> {
    for index in [0, 2 * page + 1, 3 * page + 9] { memory.storeBytes(of: round, toByteOffset: index, as: UInt8.self) }
    if round == 2 { _ = try request(VFS.SyncMemory(address: UInt64(UInt(bitPattern: memory)), length: UInt64(4 * page)), of: .vfs) } else { try sync(descriptor) }
    if try inFile(descriptor, 3 * page + 9) != round { return false }
  }
  if try stat(descriptor).size != UInt64(3 * page + 10) { return false }
  memory.storeBytes(of: 9, toByteOffset: page, as: UInt8.self)
  try unmapMemory(memory, 4 * page)
  if try inFile(descriptor, page) != 9 { return false }
  try unlink(path)
  return true
}

/// V29: the file's last page is there to its end; what lies behind is SIGBUS, until the file grows.
func endIsSignal() throws(Errno) -> Bool {
  let (path, descriptor) = try makeFile(page + 1)
  let memory = try mapFile(descriptor, 4 * page, readWrite)
  if at(memory, page) != byte(page) || at(memory, page + 1) != 0 { return false }
  if try signal(of: { at(memory, 2 * page) }) != 7 { return false }
  if try signal(of: {
    memory.storeBytes(of: 1, toByteOffset: 3 * page, as: UInt8.self)
    return 1
  }) != 7 { return false }
  try truncate(descriptor, UInt64(3 * page))
  if at(memory, 2 * page) != 0 { return false }
  try unlink(path)
  return try signal(of: { at(memory, 3 * page) }) == 7
}

/// X12: what was cut off is SIGBUS for who had it, and zero when the file grows again.
func truncationIsSeen() throws(Errno) -> Bool {
  let (path, descriptor) = try makeFile(4 * page)
  let shared = try mapFile(descriptor, 4 * page, readWrite, flags: MapFlags.shared)
  let mine = try mapFile(descriptor, 4 * page, readWrite)
  for index in 0..<4 {
    _ = at(shared, index * page)
    mine.storeBytes(of: 3, toByteOffset: index * page, as: UInt8.self)
  }
  shared.storeBytes(of: 5, toByteOffset: 3 * page, as: UInt8.self)
  try truncate(descriptor, UInt64(page + 100))
  if try signal(of: { at(shared, 2 * page) }) != 7 { return false }
  if try signal(of: { at(mine, 3 * page) }) != 7 { return false }
  if at(shared, page + 99) != byte(page + 99) || at(shared, page + 100) != 0 { return false }
  try truncate(descriptor, UInt64(4 * page))
  try unlink(path)
  return at(shared, page + 200) == 0 && at(shared, 3 * page) == 0 && at(mine, 3 * page) == 0 && at(mine, 0) == 3
}

/// V85: pages that nobody has touched yet as buffers of system calls, whoever copies.
func buffersAreFetched() throws(Errno) -> Bool {
  let (path, descriptor) = try makeFile(60 * page)
  let (outPath, out) = try makeFile(0, mark: 1)
  let memory = try mapFile(descriptor, 60 * page, readWrite)
  // To a file, from the middle of a page over several.
  try writeAll(out, UnsafeRawBufferPointer(start: memory + 10 * page + 7, count: 9 * page))
  _ = try seek(out, 0)
  let copied = try read(out, atMost: 9 * page)
  for index in 0..<9 * page where copied[index] != byte(10 * page + 7 + index) { return false }
  // Through a pipe, into another page that was never touched.
  let (readEnd, writeEnd) = try pipe()
  try writeAll(writeEnd, UnsafeRawBufferPointer(start: memory + 50 * page, count: 300))
  var count = 0
  while count < 300 { count += try read(readEnd, into: UnsafeMutableRawBufferPointer(start: memory + 55 * page + count, count: 300 - count)) }
  for index in 0..<300 where at(memory, 55 * page + index) != byte(50 * page + index) { return false }
  if at(memory, 55 * page + 300) != byte(55 * page + 300) { return false }
  // A path.
  let name = [UInt8]("/tmp/mapped.path.") + decimal(UInt64(processID())) + [0]
  _ = try seek(descriptor, 30 * page)
  try writeAll(descriptor, name)
  let made = try request(VFS.Open(path: UInt64(UInt(bitPattern: memory + 30 * page)), length: UInt64(name.count - 1), flags: OpenFlags.create | OpenFlags.readWrite, mode: 0o600), of: .vfs)
  try close(Int(made.descriptor))
  try unlink(Array(name.dropLast()))
  try unlink(path)
  try unlink(outPath)
  return true
}

/// M-N8: a file read into its own pages, and written from them.
func fileIntoItself() throws(Errno) -> Bool {
  let (path, descriptor) = try makeFile(20 * page)
  let memory = try mapFile(descriptor, 20 * page, readWrite, flags: MapFlags.shared)
  if try read(descriptor, into: UnsafeMutableRawBufferPointer(start: memory, count: 1)) != 0 { return false }
  _ = try seek(descriptor, 0)
  if try read(descriptor, into: UnsafeMutableRawBufferPointer(start: memory + 10 * page, count: 2 * page)) != 2 * page { return false }
  for index in 0..<2 * page where at(memory, 10 * page + index) != byte(index) { return false }
  _ = try seek(descriptor, 15 * page)
  try writeAll(descriptor, UnsafeRawBufferPointer(start: memory + 3 * page, count: page))
  for index in 0..<page where at(memory, 15 * page + index) != byte(3 * page + index) { return false }
  try unlink(path)
  return true
}

/// V53: the mode of the descriptor counts, for mprotect too, and after close.
func modesAreKept() throws(Errno) -> Bool {
  let (path, descriptor) = try makeFile(2 * page)
  try close(descriptor)
  func fails(_ error: Errno, _ body: () throws(Errno) -> Void) -> Bool {
    do throws(Errno) {
      try body()
      return false
    } catch let found { return found == error }
  }
  let reader = try open(path), writer = try open(path, OpenFlags.writeOnly)
  if !fails(.accessDenied, { () throws(Errno) in _ = try mapFile(writer, page, Protection.none) }) { return false }
  if !fails(.accessDenied, { () throws(Errno) in _ = try mapFile(reader, page, readWrite, flags: MapFlags.shared) }) { return false }
  let shared = try mapFile(reader, 2 * page, flags: MapFlags.shared)
  let mine = try mapFile(reader, 2 * page)
  try close(reader)
  if !fails(.accessDenied, { () throws(Errno) in try protectMemory(shared, page, readWrite) }) { return false }
  if !fails(.accessDenied, { () throws(Errno) in try protectMemory(shared + page, page, readWrite) }) { return false }
  try protectMemory(mine, page, readWrite)
  mine.storeBytes(of: 1, toByteOffset: 3, as: UInt8.self)
  if at(shared, 3) != byte(3) { return false }
  // What may be written is noticed again after it was protected.
  let both = try open(path, OpenFlags.readWrite)
  let changing = try mapFile(both, page, readWrite, flags: MapFlags.shared)
  changing.storeBytes(of: 1, toByteOffset: 0, as: UInt8.self)
  try protectMemory(changing, page, Protection.read)
  try sync(both)
  try protectMemory(changing, page, readWrite)
  changing.storeBytes(of: 2, toByteOffset: 0, as: UInt8.self)
  try unmapMemory(changing, page)
  let last = try inFile(both, 0)
  try unlink(path)
  return last == 2
}

/// A mapping outlives the descriptor and the name.
func unlinkedStays() throws(Errno) -> Bool {
  let (path, descriptor) = try makeFile(30 * page)
  let memory = try mapFile(descriptor, 30 * page, readWrite, flags: MapFlags.shared)
  try close(descriptor)
  try unlink(path)
  for index in 0..<30 {
    if at(memory, index * page + 1) != byte(index * page + 1) { return false }
    memory.storeBytes(of: 1, toByteOffset: index * page, as: UInt8.self)
  }
  return true
}

func errorsAreTold() throws(Errno) -> Bool {
  let (path, descriptor) = try makeFile(page)
  func error(_ body: () throws(Errno) -> Void) -> Errno? {
    do throws(Errno) {
      try body()
      return nil
    } catch { return error }
  }
  let null = try open([UInt8]("/dev/null"), OpenFlags.readWrite), directory = try open([UInt8]("/tmp"))
  let wrong = error { () throws(Errno) in _ = try mapFile(descriptor, page, offset: 1) } != .invalidArgument
    || error { () throws(Errno) in _ = try mapFile(descriptor, 0) } != .invalidArgument
    || error { () throws(Errno) in _ = try mapFile(descriptor, page, flags: 0) } != .invalidArgument
    || error { () throws(Errno) in _ = try mapFile(99, page) } != .badFileDescriptor
    || error { () throws(Errno) in _ = try mapFile(null, page) } != .operationNotSupportedByDevice
    || error { () throws(Errno) in _ = try mapFile(directory, page) } != .operationNotSupportedByDevice
    || error { () throws(Errno) in _ = try mapFile(descriptor, page, Protection.write | Protection.execute) } != .accessDenied
  try unlink(path)
  return !wrong
}
