import IPC
import Protocols

// Names: the calls that take paths, and directories.

/// stat(2).
public func stat(_ path: [UInt8]) throws(Errno) -> Attributes {
  try request(path: path) { VFS.Stat(path: $0, length: $1, follow: 1) }
}

/// lstat(2).
public func linkStat(_ path: [UInt8]) throws(Errno) -> Attributes {
  try request(path: path) { VFS.Stat(path: $0, length: $1, follow: 0) }
}

extension VFS.Attributes {
  public func isType(_ type: UInt32) -> Bool { mode & VFS.Mode.typeMask == type }
  public var isDirectory: Bool { isType(VFS.Mode.directory) }
  public var isRegular: Bool { isType(VFS.Mode.regular) }
  public var isSymbolicLink: Bool { isType(VFS.Mode.symbolicLink) }
  public func isSame(as other: VFS.Attributes) -> Bool { inode == other.inode && device == other.device }
}

public enum AccessMode {
  public static var exists: UInt64 { 0 }
  public static var execute: UInt64 { 1 }
  public static var write: UInt64 { 2 }
  public static var read: UInt64 { 4 }
}

/// access(2).
public func access(_ path: [UInt8], _ mode: UInt64) throws(Errno) {
  _ = try request(path: path) { VFS.Access(path: $0, length: $1, mode: mode) }
}

public func exists(_ path: [UInt8]) -> Bool {
  do throws(Errno) { _ = try linkStat(path); return true } catch { return false }
}

public func isDirectory(_ path: [UInt8]) -> Bool {
  do throws(Errno) { return try stat(path).isDirectory } catch { return false }
}

/// unlink(2).
public func unlink(_ path: [UInt8]) throws(Errno) { _ = try request(path: path) { VFS.Unlink(path: $0, length: $1) } }

/// rmdir(2).
public func removeDirectory(_ path: [UInt8]) throws(Errno) { _ = try request(path: path) { VFS.RemoveDirectory(path: $0, length: $1) } }

/// mkdir(2).
public func makeDirectory(_ path: [UInt8], mode: UInt32 = 0o777) throws(Errno) {
  _ = try request(path: path) { VFS.MakeDirectory(path: $0, length: $1, mode: UInt64(mode)) }
}

/// chmod(2).
public func changeMode(_ path: [UInt8], _ mode: UInt32) throws(Errno) {
  _ = try request(path: path) { VFS.ChangeMode(path: $0, length: $1, mode: UInt64(mode)) }
}

/// truncate(2).
public func truncate(_ path: [UInt8], _ size: UInt64) throws(Errno) {
  _ = try request(path: path) { VFS.Truncate(path: $0, length: $1, size: size) }
}

/// chdir(2).
public func changeDirectory(_ path: [UInt8]) throws(Errno) {
  _ = try request(path: path) { VFS.ChangeDirectory(path: $0, length: $1) }
}

/// A call with two paths.
@inline(__always)
private func request<C: Call>(_ a: [UInt8], _ b: [UInt8], _ make: (UInt64, UInt64, UInt64, UInt64) -> C) throws(Errno) -> C.Reply {
  try checkPath(a)
  try checkPath(b)
  let reply = a.withUnsafeBytes { a in
    b.withUnsafeBytes { b in exchange(make(address(of: a), UInt64(a.count), address(of: b), UInt64(b.count)), with: .vfs) }
  }
  return try reply.reply()
}

/// rename(2).
public func rename(_ from: [UInt8], to: [UInt8]) throws(Errno) {
  _ = try request(from, to) { VFS.Rename(from: $0, fromLength: $1, to: $2, toLength: $3) }
}

/// link(2).
public func link(_ from: [UInt8], to: [UInt8]) throws(Errno) {
  _ = try request(from, to) { VFS.Link(from: $0, fromLength: $1, to: $2, toLength: $3) }
}

/// symlink(2).
public func symbolicLink(to target: [UInt8], at path: [UInt8]) throws(Errno) {
  _ = try request(target, path) { VFS.SymbolicLink(target: $0, targetLength: $1, path: $2, length: $3) }
}

/// mount(2): a block device file on a directory.
public func mount(_ source: [UInt8], on target: [UInt8], readOnly: Bool) throws(Errno) {
  _ = try request(source, target) { VFS.Mount(source: $0, sourceLength: $1, target: $2, targetLength: $3, flags: readOnly ? 1 : 0) }
}

/// mount(2) of a new tmpfs with at most `limit` bytes in its files, 0 for half of memory.
public func mountMemory(on target: [UInt8], limit: UInt64 = 0, readOnly: Bool = false) throws(Errno) {
  guard limit <= UInt64(Int64.max) else { throw .invalidArgument }
  let flags = VFS.MountFlags.memory | (readOnly ? VFS.MountFlags.readOnly : 0) | (limit &+ 4095) & ~4095
  _ = try request(path: target) { VFS.Mount(source: 0, sourceLength: 0, target: $0, targetLength: $1, flags: flags) }
}

/// statfs(2): the file system that a path is in.
public func fileSystemStatistics(_ path: [UInt8]) throws(Errno) -> FS.Statistics.Reply {
  try request(path: path) { VFS.FileSystemStatistics(path: $0, length: $1) }
}

/// umount(2).
public func unmount(_ path: [UInt8]) throws(Errno) { _ = try request(path: path) { VFS.Unmount(path: $0, length: $1) } }

/// readlink(2).
public func readLink(_ path: [UInt8]) throws(Errno) -> [UInt8] {
  try checkPath(path)
  let target = withBuffer(4096) { target in
    path.withUnsafeBytes { path in
      let call = VFS.ReadLink(
        path: address(of: path), length: UInt64(path.count), address: address(of: UnsafeRawBufferPointer(target)), capacity: UInt64(target.count))
      return taken(exchange(call, with: .vfs), from: target)
    }
  }
  return try target.get()
}

/// getcwd(3).
public func currentDirectory() throws(Errno) -> [UInt8] {
  let path = withBuffer(4096) { path in
    taken(exchange(VFS.CurrentDirectory(address: address(of: UnsafeRawBufferPointer(path)), capacity: UInt64(path.count)), with: .vfs), from: path)
  }
  return try path.get()
}

// MARK: Directories

public struct DirectoryItem {
  public var name: [UInt8]
  public var inode: UInt64
  /// `DirectoryEntry.regular` and so on, or `.unknown`.
  public var type: UInt8
}

/// Everything in a directory, `.` and `..` too, in the order of the file system.
public func directory(_ path: [UInt8]) throws(Errno) -> [DirectoryItem] {
  let descriptor = try open(path, OpenFlags.readOnly | OpenFlags.directory)
  defer { do throws(Errno) { try close(descriptor) } catch {} }
  let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 8192, alignment: 16)
  defer { buffer.deallocate() }
  var items: [DirectoryItem] = []
  while true {
    let call = VFS.ReadDirectory(descriptor: Int64(descriptor), address: address(of: UnsafeRawBufferPointer(buffer)), length: UInt64(buffer.count))
    let count = min(Int(clamping: try request(call, of: .vfs).count), buffer.count)
    if count == 0 { return items }
    try parseDirectory(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[..<count]), into: &items)
  }
}

/// The records of getdents64(2); `.badMessage` if they do not hold together.
func parseDirectory(_ bytes: UnsafeRawBufferPointer, into items: inout [DirectoryItem]) throws(Errno) {
  var at = 0
  while at + DirectoryEntry.nameOffset < bytes.count {
    let length = Int(bytes.loadUnaligned(fromByteOffset: at + 16, as: UInt16.self))
    guard length > DirectoryEntry.nameOffset, length <= bytes.count - at else { throw .badMessage }
    var end = at + DirectoryEntry.nameOffset
    while end < at + length, bytes[end] != 0 { end += 1 }
    items.append(
      DirectoryItem(
        name: [UInt8](UnsafeRawBufferPointer(rebasing: bytes[at + DirectoryEntry.nameOffset..<end])),
        inode: bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self), type: bytes[at + 18]))
    at += length
  }
}

// MARK: Text of paths

/// `directory/name`.
public func join(_ directory: [UInt8], _ name: [UInt8]) -> [UInt8] {
  if directory.isEmpty { return name }
  return directory[directory.count - 1] == "/" ? directory + name : directory + [0x2F] + name
}

/// The last component, as basename(1).
public func baseName(_ path: [UInt8]) -> [UInt8] {
  var end = path.count
  while end > 1, path[end - 1] == "/" { end -= 1 }
  var start = end
  while start > 0, path[start - 1] != "/" { start -= 1 }
  return start == end ? path.slice(0..<end) : path.slice(start..<end)
}
