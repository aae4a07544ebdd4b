import IPC
import Protocols

// Calls that change directories: the walk finds the directory and what is there, the file system does the rest.
extension VirtualFileSystem {
  /// Where a name is to be made, changed or removed. The last component is a name, not "." or "..".
  private func locate(_ worker: Int, _ address: UInt64, _ length: UInt64, dots: Errno) throws(Errno) -> Place {
    let place = try walk(worker, fetchPath(worker, address, length), follow: false, wantsParent: true)
    if place.parent < 0 {
      drop(place)
      throw dots
    }
    return place
  }

  /// A name that must exist, and may go: EBUSY for what a mount lies on.
  private func locateExisting(_ worker: Int, _ address: UInt64, _ length: UInt64, dots: Errno) throws(Errno) -> Place {
    let place = try locate(worker, address, length, dots: dots)
    do throws(Errno) {
      guard place.node >= 0 else { throw .noSuchFile }
      try checkWritable(tables.vnodes[place.parent].mount)
      if tables.vnodes[place.node].mount != tables.vnodes[place.parent].mount { throw .busy }
    } catch {
      drop(place)
      throw error
    }
    return place
  }

  /// A name that must not exist yet.
  private func locateNew(_ worker: Int, _ address: UInt64, _ length: UInt64) throws(Errno) -> Place {
    let place = try locate(worker, address, length, dots: .fileExists)
    do throws(Errno) {
      guard place.node < 0 else { throw .fileExists }
      try checkWritable(tables.vnodes[place.parent].mount)
    } catch {
      drop(place)
      throw error
    }
    return place
  }

  func unlink(_ worker: Int, _ call: VFS.Unlink) throws(Errno) {
    let place = try locateExisting(worker, call.path, call.length, dots: .isDirectory)
    defer { drop(place) }
    if tables.vnodes[place.node].isDirectory { throw .isDirectory }
    _ = try ask(worker, server(place.parent), FS.Unlink(
      directory: tables.vnodes[place.parent].inode, grant: names(for: place.parent), offset: pathOffset(worker, place.name),
      length: UInt64(place.nameLength)))
  }

  func removeDirectory(_ worker: Int, _ call: VFS.RemoveDirectory) throws(Errno) {
    let place = try locateExisting(worker, call.path, call.length, dots: .invalidArgument)
    defer { drop(place) }
    guard tables.vnodes[place.node].isDirectory else { throw .notDirectory }
    _ = try ask(worker, server(place.parent), FS.RemoveDirectory(
      directory: tables.vnodes[place.parent].inode, grant: names(for: place.parent), offset: pathOffset(worker, place.name),
      length: UInt64(place.nameLength)))
  }

  func makeDirectory(_ worker: Int, _ call: VFS.MakeDirectory) throws(Errno) {
    let place = try locateNew(worker, call.path, call.length)
    defer { drop(place) }
    _ = try ask(worker, server(place.parent), FS.MakeDirectory(
      directory: tables.vnodes[place.parent].inode, grant: names(for: place.parent), offset: pathOffset(worker, place.name),
      length: UInt32(place.nameLength), mode: UInt32(truncatingIfNeeded: call.mode) & 0o7777))
  }

  /// link(2) does not follow a symbolic link: the link itself gets another name.
  func link(_ worker: Int, _ call: VFS.Link) throws(Errno) {
    let node = try resolve(worker, call.from, call.fromLength, follow: false)
    defer { releaseVnode(node) }
    if tables.vnodes[node].isDirectory { throw .notPermitted }
    let place = try locateNew(worker, call.to, call.toLength)
    defer { drop(place) }
    if place.wantsDirectory { throw .noSuchFile }
    guard tables.vnodes[node].mount == tables.vnodes[place.parent].mount else { throw .crossDevice }
    _ = try ask(worker, server(place.parent), FS.Link(
      inode: tables.vnodes[node].inode, directory: tables.vnodes[place.parent].inode, grant: names(for: place.parent),
      offset: pathOffset(worker, place.name), length: UInt64(place.nameLength)))
  }

  func symbolicLink(_ worker: Int, _ call: VFS.SymbolicLink) throws(Errno) {
    guard call.targetLength > 0 else { throw .noSuchFile }
    guard call.targetLength <= UInt64(Bound.path) else { throw .nameTooLong }
    let place = try locateNew(worker, call.path, call.length)
    defer { drop(place) }
    if place.wantsDirectory { throw .noSuchFile }
    let names = names(worker)
    names.copyMemory(from: path(worker) + place.name, byteCount: place.nameLength)
    try copy(tables.workers[worker].client, call.target, names + place.nameLength, Int(call.targetLength), Kernel.Direction.read)
    _ = try ask(worker, server(place.parent), FS.SymbolicLink(
      directory: tables.vnodes[place.parent].inode, grant: self.names(for: place.parent), offset: namesOffset(worker),
      lengths: UInt64(place.nameLength) | call.targetLength << 16))
  }

  func readLink(_ worker: Int, _ call: VFS.ReadLink) throws(Errno) -> VFS.Count {
    guard call.capacity > 0 else { throw .invalidArgument }
    let vnode = try resolve(worker, call.path, call.length, follow: false)
    defer { releaseVnode(vnode) }
    guard tables.vnodes[vnode].isSymbolicLink else { throw .invalidArgument }
    let count = try ask(worker, server(vnode), FS.ReadLink(
      inode: tables.vnodes[vnode].inode, grant: tables.mounts[tables.vnodes[vnode].mount].scratch, offset: scratchOffset(worker),
      capacity: UInt64(Bound.path)), limit: UInt64(Bound.path)).count
    let length = min(count, call.capacity)
    try copy(tables.workers[worker].client, call.address, scratch(worker), Int(length), Kernel.Direction.write)
    return VFS.Count(count: length)
  }

  /// rename(2). Loops, types and emptiness are checked by the file system, where nothing can come between.
  func rename(_ worker: Int, _ call: VFS.Rename) throws(Errno) {
    let from = try locateExisting(worker, call.from, call.fromLength, dots: .busy)
    defer { drop(from) }
    // The second walk needs the path buffer.
    let names = names(worker)
    names.copyMemory(from: path(worker) + from.name, byteCount: from.nameLength)
    let to = try locate(worker, call.to, call.toLength, dots: .busy)
    defer { drop(to) }
    guard tables.vnodes[from.parent].mount == tables.vnodes[to.parent].mount else { throw .crossDevice }
    if to.node >= 0, tables.vnodes[to.node].mount != tables.vnodes[to.parent].mount { throw .busy }
    if to.wantsDirectory, !tables.vnodes[from.node].isDirectory { throw .notDirectory }
    (names + from.nameLength).copyMemory(from: path(worker) + to.name, byteCount: to.nameLength)
    _ = try ask(worker, server(from.parent), FS.Rename(
      from: tables.vnodes[from.parent].inode, to: tables.vnodes[to.parent].inode, grant: self.names(for: from.parent),
      offset: namesOffset(worker), lengths: UInt64(from.nameLength) | UInt64(to.nameLength) << 16))
  }
}
