import IPC
import Protocols

// getdents, chdir, getcwd.
extension VirtualFileSystem {
  func readDirectory(_ worker: Int, _ call: VFS.ReadDirectory) throws(Errno) -> VFS.Count {
    let file = try holdFile(worker, call.descriptor)
    defer { releaseFile(file) }
    let vnode = tables.files[file].vnode
    guard vnode >= 0, tables.vnodes[vnode].isDirectory else { throw .notDirectory }
    acquire(file, worker)
    defer { release(lock: file) }
    let length = min(call.length, Bound.chunk)
    if tables.vnodes[vnode].mount == deviceMount { return try readDevices(worker, file, call.address, length) }
    if isMemory(vnode) { return try readMemoryDirectory(worker, file, call.address, length) }
    let server = server(vnode)
    let grant = try grant(tables.workers[worker].client, call.address, length, to: server, access: Kernel.Access.write)
    defer { revoke(grant) }
    let reply = try ask(worker, server, FS.ReadDirectory(
      inode: tables.vnodes[vnode].inode, position: tables.files[file].position, grant: grant, offset: 0, length: length), limit: length)
    tables.files[file].position = min(reply.next, Bound.fileSize)
    return VFS.Count(count: reply.count)
  }

  /// By way of our own buffer: there is nobody to whom the client's memory could be granted.
  private func readMemoryDirectory(_ worker: Int, _ file: Int, _ address: UInt64, _ length: UInt64) throws(Errno) -> VFS.Count {
    let vnode = tables.files[file].vnode
    let reply = try ask(worker, server(vnode), FS.ReadDirectory(
      inode: tables.vnodes[vnode].inode, position: tables.files[file].position, grant: 0, offset: scratchOffset(worker), length: length))
    try copy(tables.workers[worker].client, address, scratch(worker), Int(reply.count), Kernel.Direction.write)
    tables.files[file].position = reply.next
    return VFS.Count(count: reply.count)
  }

  /// The entries of /dev from the file's position on: 0 is ".", 1 "..", then the devices.
  private func readDevices(_ worker: Int, _ file: Int, _ address: UInt64, _ length: UInt64) throws(Errno) -> VFS.Count {
    let buffer = scratch(worker)
    let room = Int(min(length, UInt64(Arena.scratchSize)))
    var position = tables.files[file].position
    var count = 0
    while position < UInt64(Device.count) + 2 {
      let device = Device.entry(Int(position) - 2)
      let name: StaticString = position == 0 ? "." : position == 1 ? ".." : device.name
      let record = DirectoryEntry.length(nameCount: name.utf8CodeUnitCount)
      if count + record > room { break }
      let mode = position < 2 ? VFS.Mode.directory : device.mode & VFS.Mode.typeMask
      let type = mode == VFS.Mode.directory ? DirectoryEntry.directory : mode == VFS.Mode.block ? DirectoryEntry.block : DirectoryEntry.character
      let at = buffer + count
      at.initializeMemory(as: UInt8.self, repeating: 0, count: record)
      at.storeBytes(of: position < 2 ? Device.rootInode : position, as: UInt64.self)
      at.storeBytes(of: position + 1, toByteOffset: 8, as: UInt64.self)
      at.storeBytes(of: UInt16(record), toByteOffset: 16, as: UInt16.self)
      at.storeBytes(of: type, toByteOffset: 18, as: UInt8.self)
      name.withUTF8Buffer { (at + DirectoryEntry.nameOffset).copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
      count += record
      position += 1
    }
    if count == 0, position < UInt64(Device.count) + 2 { throw .invalidArgument }
    try copy(tables.workers[worker].client, address, buffer, count, Kernel.Direction.write)
    tables.files[file].position = position
    return VFS.Count(count: UInt64(count))
  }

  func changeDirectory(_ worker: Int, _ call: VFS.ChangeDirectory) throws(Errno) {
    let client = tables.workers[worker].client
    let vnode = try resolve(worker, call.path, call.length)
    guard tables.vnodes[vnode].isDirectory, let index = process(client) else {
      releaseVnode(vnode)
      throw .notDirectory
    }
    let old = tables.processes[index].directory
    tables.processes[index].directory = vnode
    if old >= 0 { releaseVnode(old) }
  }

  /// getcwd(2).
  func currentDirectory(_ worker: Int, _ call: VFS.CurrentDirectory) throws(Errno) -> VFS.Count {
    let client = tables.workers[worker].client
    guard let index = process(client) else { throw .noSuchProcess }
    let start = try writePath(worker, of: tables.processes[index].directory)
    let length = Bound.path - start
    guard UInt64(length) <= call.capacity else { throw .outOfRange }
    try copy(client, call.address, path(worker) + start, length, Kernel.Direction.write)
    return VFS.Count(count: UInt64(length))
  }

  /// Writes a directory's path to the end of the worker's path buffer and returns where it begins. Goes up to the
  /// root and looks in each directory for the one below: slow, and always right, as no remembered text can be
  /// outdated by a rename.
  func writePath(_ worker: Int, of directory: Int) throws(Errno) -> Int {
    let root = tables.mounts[rootMount].root
    var current = directory
    hold(current)
    defer { releaseVnode(current) }
    // ".." for the file system stands in the names buffer.
    names(worker).initializeMemory(as: UInt8.self, repeating: UInt8(ascii: "."), count: 2)
    var start = Bound.path
    while current != root {
      while tables.mounts[tables.vnodes[current].mount].root == current {
        let covered = tables.mounts[tables.vnodes[current].mount].covered
        guard covered >= 0 else { throw .noSuchFile }
        hold(covered)
        releaseVnode(current)
        current = covered
      }
      let parent = try parent(worker, of: current, namesOffset(worker))
      do throws(Errno) {
        guard parent != current else { throw .noSuchFile }
        start = try prependName(worker, of: tables.vnodes[current].inode, in: parent, start)
      } catch {
        releaseVnode(parent)
        throw error
      }
      releaseVnode(current)
      current = parent
    }
    if start == Bound.path {
      start -= 1
      path(worker).storeBytes(of: UInt8(ascii: "/"), toByteOffset: start, as: UInt8.self)
    }
    return start
  }

  /// Finds the entry with this inode in a directory and writes "/name" before `start`. Returns the new start.
  private func prependName(_ worker: Int, of inode: UInt64, in directory: Int, _ start: Int) throws(Errno) -> Int {
    let mount = tables.vnodes[directory].mount
    if mount == deviceMount {
      guard inode >= 2, inode < UInt64(Device.count) + 2 else { throw .noSuchFile }
      let name = Device.entry(Int(inode) - 2).name
      return try prepend(worker, UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount), start)
    }
    let buffer = scratch(worker)
    var position: UInt64 = 0
    while true {
      let reply = try ask(worker, tables.mounts[mount].server, FS.ReadDirectory(
        inode: tables.vnodes[directory].inode, position: position, grant: tables.mounts[mount].scratch, offset: scratchOffset(worker),
        length: UInt64(Arena.scratchSize)), limit: UInt64(Arena.scratchSize))
      // A file system that neither moves on nor ends would keep us for ever.
      guard reply.count > 0, reply.next > position else { throw .noSuchFile }
      position = reply.next
      var at = 0
      while at + DirectoryEntry.nameOffset < Int(reply.count) {
        let length = Int(buffer.loadUnaligned(fromByteOffset: at + 16, as: UInt16.self))
        guard length > DirectoryEntry.nameOffset, at + length <= Int(reply.count) else { throw .ioError }
        if buffer.loadUnaligned(fromByteOffset: at, as: UInt64.self) == inode {
          let name = (buffer + at + DirectoryEntry.nameOffset).assumingMemoryBound(to: UInt8.self)
          var count = 0
          while count < length - DirectoryEntry.nameOffset, name[count] != 0 { count += 1 }
          let isDots = name[0] == UInt8(ascii: ".") && (count == 1 || count == 2 && name[1] == UInt8(ascii: "."))
          if count > 0, !isDots { return try prepend(worker, UnsafeRawBufferPointer(start: name, count: count), start) }
        }
        at += length
      }
    }
  }

  private func prepend(_ worker: Int, _ name: UnsafeRawBufferPointer, _ start: Int) throws(Errno) -> Int {
    guard start > name.count else { throw .outOfRange }
    let text = path(worker)
    (text + start - name.count).copyMemory(from: name.baseAddress!, byteCount: name.count)
    text.storeBytes(of: UInt8(ascii: "/"), toByteOffset: start - name.count - 1, as: UInt8.self)
    return start - name.count - 1
  }
}
