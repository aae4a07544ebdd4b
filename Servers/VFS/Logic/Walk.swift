import IPC
import Protocols

/// Where a path leads.
struct Place: BitwiseCopyable {
  /// The directory of the last component, held; -1 if only the node was asked for.
  var parent = -1
  /// The last component in the worker's path buffer; length 0: the path ends in "/", "." or "..".
  var name = 0
  var nameLength = 0
  /// What is there, held; -1 if nothing.
  var node = -1
  /// `node` was told by this walk, not remembered from an earlier one.
  var isFresh = false
  /// The path ends in a slash: what it names must be a directory.
  var wantsDirectory = false
}

// Paths, one component at a time. `..`, mounts and symbolic links are VFS's business; file systems only find names.
extension VirtualFileSystem {
  func path(_ worker: Int) -> UnsafeMutableRawPointer { arenas + worker * Arena.size + Arena.path }
  func names(_ worker: Int) -> UnsafeMutableRawPointer { arenas + worker * Arena.size + Arena.names }
  func scratch(_ worker: Int) -> UnsafeMutableRawPointer { scratches + worker * Arena.scratchSize }
  /// Offsets in the grants to file systems.
  func pathOffset(_ worker: Int, _ at: Int) -> UInt64 { UInt64(worker * Arena.size + Arena.path + at) }
  func namesOffset(_ worker: Int) -> UInt64 { UInt64(worker * Arena.size + Arena.names) }
  func scratchOffset(_ worker: Int) -> UInt64 { UInt64(worker * Arena.scratchSize) }

  /// Gets a path of the client into the worker's buffer. Returns its length.
  func fetchPath(_ worker: Int, _ address: UInt64, _ length: UInt64) throws(Errno) -> Int {
    guard length > 0 else { throw .noSuchFile }
    guard length <= UInt64(Bound.path) else { throw .nameTooLong }
    try copy(tables.workers[worker].client, address, path(worker), Int(length), Kernel.Direction.read)
    try checkPath(worker, Int(length))
    return Int(length)
  }

  func checkPath(_ worker: Int, _ length: Int) throws(Errno) {
    let bytes = path(worker).assumingMemoryBound(to: UInt8.self)
    for at in 0..<length where bytes[at] == 0 { throw .invalidArgument }
  }

  /// The node that a path of the client names, held.
  func resolve(_ worker: Int, _ address: UInt64, _ length: UInt64, follow: Bool = true) throws(Errno) -> Int {
    let place = try walk(worker, fetchPath(worker, address, length), follow: follow, wantsParent: false)
    return place.node
  }

  /// Follows the path in the worker's buffer.
  /// - Parameter follow: also a symbolic link as the last component.
  /// - Parameter wantsParent: the last component need not exist; then its directory is held too, and so is the
  ///   node if there is one. Without it, what does not exist is ENOENT.
  func walk(_ worker: Int, _ pathLength: Int, follow: Bool, wantsParent: Bool) throws(Errno) -> Place {
    let bytes = path(worker).assumingMemoryBound(to: UInt8.self)
    let slash = UInt8(ascii: "/"), dot = UInt8(ascii: ".")
    var length = pathLength
    var at = 0
    var links = 0
    var isFresh = false
    var current = try startingPoint(worker, isAbsolute: bytes[0] == slash)
    while true {
      while at < length, bytes[at] == slash { at += 1 }
      if at == length {
        return Place(parent: -1, name: 0, nameLength: 0, node: current, isFresh: isFresh, wantsDirectory: true)
      }
      let start = at
      while at < length, bytes[at] != slash { at += 1 }
      let count = at - start
      var rest = at
      while rest < length, bytes[rest] == slash { rest += 1 }
      let isLast = rest == length
      let hasSlash = rest > at

      if !tables.vnodes[current].isDirectory {
        releaseVnode(current)
        throw .notDirectory
      }
      if count > Bound.name {
        releaseVnode(current)
        throw .nameTooLong
      }
      let isDot = count == 1 && bytes[start] == dot
      let isDotDot = count == 2 && bytes[start] == dot && bytes[start + 1] == dot
      if isDot || isDotDot {
        if isDotDot {
          current = try goUp(worker, from: current, start)
          isFresh = false
        }
        continue
      }

      let child: Int
      do throws(Errno) {
        child = try look(worker, in: current, start, count)
      } catch {
        if error == .noSuchFile, isLast, wantsParent {
          return Place(parent: current, name: start, nameLength: count, node: -1, isFresh: true, wantsDirectory: hasSlash)
        }
        releaseVnode(current)
        throw error
      }
      if tables.vnodes[child].isSymbolicLink, !isLast || follow || (hasSlash && !wantsParent) {
        links += 1
        do throws(Errno) {
          guard links <= Bound.links else { throw .tooManyLevels }
          length = try splice(worker, child, rest: at, length)
        } catch {
          releaseVnode(child)
          releaseVnode(current)
          throw error
        }
        releaseVnode(child)
        at = 0
        if bytes[0] == slash {
          releaseVnode(current)
          current = try startingPoint(worker, isAbsolute: true)
        }
        continue
      }
      let covering = tables.vnodes[child].covering
      var node = child
      if covering >= 0 {
        node = tables.mounts[covering].root
        hold(node)
        releaseVnode(child)
      }
      isFresh = covering < 0
      if isLast {
        if hasSlash, !tables.vnodes[node].isDirectory {
          releaseVnode(node)
          releaseVnode(current)
          throw .notDirectory
        }
        if wantsParent {
          return Place(parent: current, name: start, nameLength: count, node: node, isFresh: isFresh, wantsDirectory: hasSlash)
        }
        releaseVnode(current)
        return Place(parent: -1, name: start, nameLength: count, node: node, isFresh: isFresh, wantsDirectory: hasSlash)
      }
      releaseVnode(current)
      current = node
    }
  }

  func drop(_ place: Place) {
    if place.parent >= 0 { releaseVnode(place.parent) }
    if place.node >= 0 { releaseVnode(place.node) }
  }

  /// Root, or where the client is; held.
  private func startingPoint(_ worker: Int, isAbsolute: Bool) throws(Errno) -> Int {
    var vnode = tables.mounts[rootMount].root
    if !isAbsolute, let index = process(tables.workers[worker].client), tables.processes[index].directory >= 0 {
      vnode = tables.processes[index].directory
    }
    hold(vnode)
    return vnode
  }

  /// From a directory to its parent, out of mounts too; takes over the hold. `at`: where ".." stands in the path.
  private func goUp(_ worker: Int, from directory: Int, _ at: Int) throws(Errno) -> Int {
    var current = directory
    while tables.mounts[tables.vnodes[current].mount].root == current {
      let covered = tables.mounts[tables.vnodes[current].mount].covered
      if covered < 0 { return current }  // the root is its own parent
      hold(covered)
      releaseVnode(current)
      current = covered
    }
    defer { releaseVnode(current) }
    var parent = try parent(worker, of: current, pathOffset(worker, at))
    // Another mount may lie on the parent only if somebody mounted over a directory in use; the top one counts.
    while tables.vnodes[parent].covering >= 0 {
      let root = tables.mounts[tables.vnodes[parent].covering].root
      hold(root)
      releaseVnode(parent)
      parent = root
    }
    return parent
  }

  /// The directory above, within the mount; held. `dots`: where ".." stands in the buffers that file systems read.
  func parent(_ worker: Int, of directory: Int, _ dots: UInt64) throws(Errno) -> Int {
    let mount = tables.vnodes[directory].mount
    if mount == deviceMount { return try adopt(mount, Device.node(Device.rootInode)!) }
    return try adopt(mount, ask(worker, server(directory), FS.Lookup(
      directory: tables.vnodes[directory].inode, grant: tables.mounts[mount].names, offset: dots, length: 2)))
  }

  /// Our grant of path buffers to the file system of `vnode`.
  func names(for vnode: Int) -> UInt64 { tables.mounts[tables.vnodes[vnode].mount].names }

  /// Finds the name at `start` of the path in a directory; the child is held.
  private func look(_ worker: Int, in directory: Int, _ start: Int, _ count: Int) throws(Errno) -> Int {
    let mount = tables.vnodes[directory].mount
    if mount == deviceMount {
      guard let inode = Device.find(UnsafeRawBufferPointer(start: path(worker) + start, count: count)), let node = Device.node(inode)
      else { throw .noSuchFile }
      return try adopt(mount, node)
    }
    let call = FS.Lookup(
      directory: tables.vnodes[directory].inode, grant: tables.mounts[mount].names, offset: pathOffset(worker, start), length: UInt64(count))
    return try adopt(mount, ask(worker, tables.mounts[mount].server, call))
  }

  /// Puts a link's text in the place of what was walked already; returns the new path's length.
  private func splice(_ worker: Int, _ link: Int, rest: Int, _ length: Int) throws(Errno) -> Int {
    let mount = tables.vnodes[link].mount
    let call = FS.ReadLink(
      inode: tables.vnodes[link].inode, grant: tables.mounts[mount].scratch, offset: scratchOffset(worker), capacity: UInt64(Bound.path))
    let count = try Int(ask(worker, tables.mounts[mount].server, call, limit: UInt64(Bound.path)).count)
    let remaining = length - rest
    guard count > 0 else { throw .noSuchFile }
    guard count + remaining <= Bound.path else { throw .nameTooLong }
    let buffer = path(worker)
    (buffer + count).copyMemory(from: buffer + rest, byteCount: remaining)  // memmove
    buffer.copyMemory(from: scratch(worker), byteCount: count)
    try checkPath(worker, count)
    return count + remaining
  }
}
