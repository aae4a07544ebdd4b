import IPC
import POSIX
import Protocols

let page = 4096
private let readWrite = Protection.read | Protection.write
private let make = OpenFlags.readWrite | OpenFlags.create | OpenFlags.exclusive

/// The process's own name for an object.
private func name(_ mark: UInt64 = 0) -> [UInt8] { [UInt8]("/shm.") + decimal(UInt64(processID())) + [UInt8](".") + decimal(mark) }

private func byte(_ index: Int) -> UInt8 { UInt8(truncatingIfNeeded: index &* 31 ^ index >> 8 ^ index >> 12) }
private func at(_ memory: UnsafeMutableRawPointer, _ index: Int) -> UInt8 { memory.load(fromByteOffset: index, as: UInt8.self) }
private func set(_ memory: UnsafeMutableRawPointer, _ index: Int, _ value: UInt8) { memory.storeBytes(of: value, toByteOffset: index, as: UInt8.self) }

private func error(_ body: () throws(Errno) -> Void) -> Errno? {
  do throws(Errno) {
    try body()
    return nil
  } catch { return error }
}

/// Status of a child that does this: 0 if it says true; a signal's number above 1000.
private func inChild(_ body: () throws(Errno) -> Bool) throws(Errno) -> Int {
  let child = try fork()
  if child == 0 {
    do throws(Errno) { terminate(try body() ? 0 : 1) } catch { terminate(100 + Int(error.rawValue)) }
  }
  let end = waitUntilEnd(of: child).raw
  return end & 0x7F != 0 ? 1000 + Int(end & 0x7F) : Int(end >> 8)
}

/// The signal of an access, 0 if it is one that can be made.
private func signal(_ body: () -> UInt8) throws(Errno) -> Int {
  let end = try inChild { () throws(Errno) in body() != 255 }
  return end > 1000 ? end - 1000 : 0
}

func creation() throws(Errno) -> Bool {
  let object = name()
  let descriptor = try openSharedMemory(object, make)
  if error({ () throws(Errno) in _ = try openSharedMemory(object, make) }) != .fileExists { return false }
  let new = try stat(descriptor)
  if new.size != 0 || new.mode & 0o777 != 0o600 { return false }
  try truncate(descriptor, UInt64(3 * page + 5))
  let again = try openSharedMemory(object, OpenFlags.readWrite | OpenFlags.create)
  let found = try stat(again)
  if found.size != UInt64(3 * page + 5) || found.inode != new.inode { return false }
  try close(again)
  // exec closes it.
  if try control(descriptor, 1) & 1 != 1 { return false }
  let cut = try openSharedMemory(object, OpenFlags.readWrite | OpenFlags.truncate)
  if try stat(descriptor).size != 0 { return false }
  try close(cut)
  try unlinkSharedMemory(object)
  return error { () throws(Errno) in _ = try openSharedMemory(object, OpenFlags.readWrite) } == .noSuchFile
    && error { () throws(Errno) in try unlinkSharedMemory(object) } == .noSuchFile
}

func names() throws(Errno) -> Bool {
  let long = [UInt8]("/") + [UInt8](repeating: UInt8(ascii: "a"), count: 255)
  for bad in ["", "/", "/a/b", "a/", "/.", "/..", "//"] as [StaticString] {
    if error({ () throws(Errno) in _ = try openSharedMemory([UInt8](bad), make) }) != .invalidArgument { return false }
    if error({ () throws(Errno) in try unlinkSharedMemory([UInt8](bad)) }) != .invalidArgument { return false }
  }
  if error({ () throws(Errno) in _ = try openSharedMemory(long + [97], make) }) != .nameTooLong { return false }
  if error({ () throws(Errno) in try unlinkSharedMemory(long + [97]) }) != .nameTooLong { return false }
  try close(try openSharedMemory(long, make))
  try unlinkSharedMemory(long)
  let object = name()
  for flags in [OpenFlags.writeOnly | OpenFlags.create, OpenFlags.readWrite | OpenFlags.append, 3] {
    if error({ () throws(Errno) in _ = try openSharedMemory(object, flags) }) != .invalidArgument { return false }
  }
  try close(try openSharedMemory(object.slice(from: 1), make))
  if error({ () throws(Errno) in _ = try openSharedMemory(object, OpenFlags.truncate) }) != .accessDenied { return false }
  try unlinkSharedMemory([UInt8]("/") + object)
  let directory = [UInt8]("/dev/shm") + object
  try makeDirectory(directory)
  let wrong = error { () throws(Errno) in _ = try openSharedMemory(object, 0) } != .invalidArgument
    || error { () throws(Errno) in _ = try openSharedMemory(object, OpenFlags.readWrite) } != .invalidArgument
    || error { () throws(Errno) in try unlinkSharedMemory(object) } != .accessDenied
  try removeDirectory(directory)
  return !wrong
}

/// Two who know nothing but the name.
func twoProcesses() throws(Errno) -> Bool {
  let object = name()
  let descriptor = try openSharedMemory(object, make)
  try truncate(descriptor, UInt64(4 * page))
  let memory = try mapFile(descriptor, 4 * page, readWrite, flags: MapFlags.shared)
  set(memory, page + 1, 11)
  let end = try inChild { () throws(Errno) in
    try unmapMemory(memory, 4 * page)
    try close(descriptor)
    let own = try openSharedMemory(object, OpenFlags.readWrite)
    let other = try mapFile(own, 4 * page, readWrite, flags: MapFlags.shared)
    if at(other, page + 1) != 11 || at(other, 3 * page) != 0 { return false }
    set(other, 3 * page + 7, 22)
    set(other, page + 1, 12)
    return true
  }
  try unlinkSharedMemory(object)
  return end == 0 && at(memory, 3 * page + 7) == 22 && at(memory, page + 1) == 12
}

func privateCopies() throws(Errno) -> Bool {
  let descriptor = try openSharedMemory(name(), make)
  try unlinkSharedMemory(name())
  try truncate(descriptor, UInt64(3 * page))
  let shared = try mapFile(descriptor, 3 * page, readWrite, flags: MapFlags.shared)
  let mine = try mapFile(descriptor, 3 * page, readWrite)
  set(mine, 2 * page, 5)
  set(mine, 5, 6)
  if at(shared, 2 * page) != 0 || at(shared, 5) != 0 { return false }
  // A page that was not written yet shows what is written to the file.
  set(shared, page + 3, 7)
  return at(mine, page + 3) == 7 && at(mine, 5) == 6
}

func forkShares() throws(Errno) -> Bool {
  let descriptor = try openSharedMemory(name(), make)
  try unlinkSharedMemory(name())
  try truncate(descriptor, UInt64(600 * page))
  let memory = try mapFile(descriptor, 600 * page, readWrite, flags: MapFlags.shared)
  set(memory, 0, 1)
  let end = try inChild { () throws(Errno) in
    for index in 0..<600 { set(memory, index * page, 9) }
    return true
  }
  if end != 0 { return false }
  for index in 0..<600 where at(memory, index * page) != 9 { return false }
  return true
}

/// The name is free at once, the memory stays for who has it.
func unlinkedStays() throws(Errno) -> Bool {
  let object = name()
  let descriptor = try openSharedMemory(object, make)
  try truncate(descriptor, UInt64(30 * page))
  let memory = try mapFile(descriptor, 30 * page, readWrite, flags: MapFlags.shared)
  set(memory, 5 * page, 1)
  try unlinkSharedMemory(object)
  let new = try openSharedMemory(object, make)
  try truncate(new, UInt64(page))
  set(try mapFile(new, page, readWrite, flags: MapFlags.shared), 0, 3)
  try close(descriptor)
  for index in 0..<30 { set(memory, index * page + 1, 2) }
  try unlinkSharedMemory(object)
  return at(memory, 5 * page) == 1 && at(memory, 0) == 0
}

/// V29.
func endIsSignal() throws(Errno) -> Bool {
  let descriptor = try openSharedMemory(name(), make)
  try unlinkSharedMemory(name())
  let memory = try mapFile(descriptor, 4 * page, readWrite, flags: MapFlags.shared)
  if try signal({ at(memory, 0) }) != 7 { return false }
  try truncate(descriptor, UInt64(page + 1))
  set(memory, page + 100, 9)
  if try signal({ at(memory, 2 * page) }) != 7 { return false }
  try truncate(descriptor, UInt64(4 * page))
  // What was written behind the end is not in the file.
  if at(memory, page + 100) != 0 { return false }
  set(memory, 3 * page, 4)
  set(memory, 50, 4)
  try truncate(descriptor, 10)
  if try signal({ at(memory, 3 * page) }) != 7 { return false }
  try truncate(descriptor, UInt64(4 * page))
  return at(memory, 3 * page) == 0 && at(memory, 50) == 0
}

/// Contents stay between the last close and the next open.
func persists() throws(Errno) -> Bool {
  let object = name()
  let written = try inChild { () throws(Errno) in
    let descriptor = try openSharedMemory(object, make)
    try truncate(descriptor, UInt64(2 * page))
    set(try mapFile(descriptor, 2 * page, readWrite, flags: MapFlags.shared), page + 5, 77)
    return true
  }
  if written != 0 { return false }
  let descriptor = try openSharedMemory(object, OpenFlags.readOnly)
  try unlinkSharedMemory(object)
  _ = try seek(descriptor, page + 4)
  return try read(descriptor, atMost: 3) == [0, 77, 0]
}

/// read, write, appending, holes, sync: what one can do with files.
func contents() throws(Errno) -> Bool {
  let path = [UInt8]("/dev/shm") + name()
  let descriptor = try open(path, make)
  let length = 300 * page + 123
  var bytes: [UInt8] = []
  bytes.reserveCapacity(length)
  for index in 0..<length { bytes.append(byte(index)) }
  try writeAll(descriptor, bytes)
  if try seek(descriptor, 0, Whence.end) != length { return false }
  _ = try seek(descriptor, 0)
  if try contents(of: descriptor) != bytes { return false }
  let memory = try mapFile(descriptor, length, readWrite, flags: MapFlags.shared)
  for index in [0, 4095, 4096, 200 * page + 17, length - 1] where at(memory, index) != byte(index) { return false }
  set(memory, 100 * page, 1)
  try synchronizeMemory(memory, 300 * page)
  try sync(descriptor)
  try sync()
  _ = try seek(descriptor, 100 * page)
  if try read(descriptor, atMost: 2) != [1, byte(100 * page + 1)] { return false }
  let end = try open(path, OpenFlags.writeOnly | OpenFlags.append)
  try writeAll(end, [1, 2, 3])
  _ = try seek(descriptor, 500 * page)
  try writeAll(descriptor, [4])
  _ = try seek(descriptor, length - 1)
  if try read(descriptor, atMost: 5) != [byte(length - 1), 1, 2, 3, 0] { return false }
  _ = try seek(descriptor, 400 * page)
  for byte in try read(descriptor, atMost: page) where byte != 0 { return false }
  try unlink(path)
  let last = try stat(descriptor)
  return last.size == UInt64(500 * page + 1) && last.links == 0
}

func isListed() throws(Errno) -> Bool {
  let object = name()
  var found = 0
  for mark in 0..<60 as Range<UInt64> { try close(try openSharedMemory(name(mark), make)) }
  for item in try directory([UInt8]("/dev/shm")) where item.name.count > object.count - 2 {
    if [UInt8](item.name[..<(object.count - 2)]) == [UInt8](object[1..<(object.count - 1)]) { found += 1 }
  }
  for mark in 0..<60 as Range<UInt64> { try unlinkSharedMemory(name(mark)) }
  var isThere = false
  for item in try directory([UInt8]("/dev")) where item.name == [UInt8]("shm") { isThere = true }
  try changeDirectory([UInt8]("/dev/shm"))
  if try currentDirectory() != [UInt8]("/dev/shm") { return false }
  try changeDirectory([UInt8]("../shm/./.."))
  return try currentDirectory() == [UInt8]("/dev") && found == 60 && isThere
}

/// Directories, links and renames in a tmpfs.
func tree() throws(Errno) -> Bool {
  let top = [UInt8]("/tmp/shm.tree.") + decimal(UInt64(processID()))
  try makeDirectory(top)
  try mountMemory(on: top, limit: 1 << 20)
  try changeDirectory(top)
  try makeDirectory([UInt8]("a"))
  try makeDirectory([UInt8]("a/b"))
  let file = try open([UInt8]("a/b/file"), make)
  try writeAll(file, [1, 2, 3])
  try link([UInt8]("a/b/file"), to: [UInt8]("other"))
  try symbolicLink(to: [UInt8]("a/b/../b/file"), at: [UInt8]("link"))
  if try stat(file).links != 2 { return false }
  if try contents(of: [UInt8]("link")) != [1, 2, 3] { return false }
  if try readLink([UInt8]("link")) != [UInt8]("a/b/../b/file") { return false }
  if error({ () throws(Errno) in try rename([UInt8]("a"), to: [UInt8]("a/b/a")) }) != .invalidArgument { return false }
  if error({ () throws(Errno) in try removeDirectory([UInt8]("a")) }) != .notEmpty { return false }
  if error({ () throws(Errno) in try rename([UInt8]("other"), to: [UInt8]("/tmp/shm.other")) }) != .crossDevice { return false }
  if error({ () throws(Errno) in try unmount(top) }) != .busy { return false }
  try rename([UInt8]("a/b"), to: [UInt8]("c"))
  try changeDirectory([UInt8]("c"))
  if try currentDirectory() != top + [UInt8]("/c") { return false }
  if try contents(of: [UInt8]("../c/file")) != [1, 2, 3] { return false }
  try rename([UInt8]("file"), to: [UInt8]("../other"))
  try unlink([UInt8]("../other"))
  // Two names of one file: the rename did nothing.
  if try stat(file).links != 1 { return false }
  try unlink([UInt8]("file"))
  try changeDirectory([UInt8](".."))
  for directory in ["a", "c"] as [StaticString] { try removeDirectory([UInt8](directory)) }
  try unlink([UInt8]("link"))
  try close(file)
  try changeDirectory([UInt8]("/"))
  try unmount(top)
  try removeDirectory(top)
  return true
}

/// ENOSPC and SIGBUS where a tmpfs ends; both stop when something goes.
func fullStore() throws(Errno) -> Bool {
  let top = [UInt8]("/tmp/shm.full.") + decimal(UInt64(processID()))
  try makeDirectory(top)
  try mountMemory(on: top, limit: 8 << 12)
  let space = try fileSystemStatistics(top)
  if space.blocks != 8 || space.freeBlocks != 8 { return false }
  let path = join(top, [UInt8]("file")), other = join(top, [UInt8]("other"))
  let descriptor = try open(path, make), second = try open(other, make)
  try writeAll(second, [UInt8](repeating: 1, count: 2 * page))
  let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 9 * page, alignment: 16)
  bytes.initializeMemory(as: UInt8.self, repeating: 2)
  if try write(descriptor, UnsafeRawBufferPointer(bytes)) != 6 * page { return false }
  if error({ () throws(Errno) in try writeAll(descriptor, [1]) }) != .noSpace { return false }
  try truncate(descriptor, UInt64(20 * page))
  let memory = try mapFile(descriptor, 20 * page, readWrite, flags: MapFlags.shared)
  if at(memory, 6 * page - 1) != 2 { return false }
  if try signal({ at(memory, 6 * page) }) != 7 { return false }
  try close(second)
  try unlink(other)
  set(memory, 10 * page, 1)
  if try fileSystemStatistics(top).freeBlocks != 1 { return false }
  try unmapMemory(memory, 20 * page)
  try close(descriptor)
  if error({ () throws(Errno) in try unmount(join(top, [UInt8]("file"))) }) != .invalidArgument { return false }
  try unmount(top)
  try removeDirectory(top)
  return true
}

/// Each page is counted while it is there, and all come back.
func counted() throws(Errno) -> Bool {
  func pages() throws(Errno) -> UInt64 { try request(PageCache.StoreInformation(mount: 0), of: .vm).pages }
  let before = try pages()
  let descriptor = try openSharedMemory(name(), make)
  try truncate(descriptor, UInt64(1000 * page))
  if try pages() != before { return false }
  let memory = try mapFile(descriptor, 1000 * page, readWrite, flags: MapFlags.shared)
  for index in 0..<50 { set(memory, index * 20 * page, 1) }
  if try pages() != before + 50 { return false }
  try truncate(descriptor, UInt64(20 * page))
  if try pages() != before + 1 { return false }
  try unlinkSharedMemory(name())
  try close(descriptor)
  if try pages() != before + 1 { return false }
  try unmapMemory(memory, 1000 * page)
  // VFS hears of it by a message; the last to let go frees the page.
  for _ in 0..<1000 where try pages() != before { _ = try stat([UInt8]("/dev/shm")) }
  return try pages() == before
}

/// V53.
func modes() throws(Errno) -> Bool {
  let object = name()
  let writer = try openSharedMemory(object, make)
  try truncate(writer, UInt64(page))
  let reader = try openSharedMemory(object, OpenFlags.readOnly)
  try unlinkSharedMemory(object)
  if error({ () throws(Errno) in _ = try mapFile(reader, page, readWrite, flags: MapFlags.shared) }) != .accessDenied { return false }
  if error({ () throws(Errno) in try truncate(reader, 0) }) != .invalidArgument { return false }
  if error({ () throws(Errno) in try writeAll(reader, [1]) }) != .badFileDescriptor { return false }
  let shared = try mapFile(reader, page, flags: MapFlags.shared)
  set(try mapFile(writer, page, readWrite, flags: MapFlags.shared), 9, 8)
  return at(shared, 9) == 8 && error { () throws(Errno) in try protectMemory(shared, page, readWrite) } == .accessDenied
}

/// V90, V91.
func residence() throws(Errno) -> Bool {
  let descriptor = try openSharedMemory(name(), make)
  try unlinkSharedMemory(name())
  try truncate(descriptor, UInt64(8 * page))
  let memory = try mapFile(descriptor, 8 * page, readWrite, flags: MapFlags.shared)
  set(memory, 2 * page, 6)
  try lockMemory(memory + 4 * page, 2 * page)
  if try residentPages(memory, 8 * page) != [false, false, true, false, true, true, false, false] { return false }
  try unlockMemory(memory + 4 * page, 2 * page)
  try adviseMemory(memory, 8 * page, Advice.dontNeed)
  if try residentPages(memory, 8 * page)[2] != true || at(memory, 2 * page) != 6 { return false }
  let moved = try remapMemory(memory, 8 * page, 16 * page, Remap.mayMove)
  if at(moved, 2 * page) != 6 { return false }
  return try signal({ at(moved, 9 * page) }) == 7
}

/// Pages that nobody has touched, of memory and of a disk, as buffers of each other.
func buffers() throws(Errno) -> Bool {
  let path = [UInt8]("/tmp/shm.disk.") + decimal(UInt64(processID()))
  let disk = try open(path, OpenFlags.readWrite | OpenFlags.create | OpenFlags.truncate)
  var bytes: [UInt8] = []
  for index in 0..<20 * page { bytes.append(byte(index)) }
  try writeAll(disk, bytes)
  let descriptor = try openSharedMemory(name(), make)
  try unlinkSharedMemory(name())
  try truncate(descriptor, UInt64(40 * page))
  let memory = try mapFile(descriptor, 40 * page, readWrite, flags: MapFlags.shared)
  _ = try seek(disk, 0)
  if try read(disk, into: UnsafeMutableRawBufferPointer(start: memory + page + 5, count: 10 * page)) != 10 * page { return false }
  for index in 0..<10 * page where at(memory, page + 5 + index) != byte(index) { return false }
  _ = try seek(descriptor, 20 * page)
  try writeAll(descriptor, UnsafeRawBufferPointer(start: try mapFile(disk, 20 * page) + 3, count: 9 * page))
  for index in 0..<9 * page where at(memory, 20 * page + index) != byte(3 + index) { return false }
  // Into itself, from a hole too.
  _ = try seek(descriptor, 35 * page)
  try writeAll(descriptor, UnsafeRawBufferPointer(start: memory + 32 * page, count: page))
  _ = try seek(descriptor, 20 * page)
  if try read(descriptor, into: UnsafeMutableRawBufferPointer(start: memory + 36 * page, count: page)) != page { return false }
  try unlink(path)
  return at(memory, 35 * page) == 0 && at(memory, 36 * page + 1) == byte(4)
}

/// A program in memory is one like others.
func execution() throws(Errno) -> Bool {
  let path = [UInt8]("/dev/shm") + name()
  let descriptor = try open(path, make, mode: 0o755)
  try writeAll(descriptor, try contents(of: [UInt8]("/bin/echo")))
  try close(descriptor)
  let (readEnd, writeEnd) = try pipe()
  let child = try fork()
  if child == 0 {
    do throws(Errno) { try duplicate(writeEnd, to: 1) } catch { terminate(1) }
    terminate(execute(path, [[UInt8]("echo"), [UInt8]("hello")], []) == .noMemory ? 2 : 3)
  }
  try close(writeEnd)
  let end = waitUntilEnd(of: child)
  try unlink(path)
  if end.raw != 0 { return false }
  return try read(readEnd, atMost: 100) == [UInt8]("hello\n")
}
