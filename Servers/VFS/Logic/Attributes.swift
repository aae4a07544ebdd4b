import IPC
import Protocols

// stat and its relatives, truncate, chmod, access, statfs.
extension VirtualFileSystem {
  /// What a vnode is now.
  func attributes(_ worker: Int, _ vnode: Int) throws(Errno) -> FS.Node {
    let record = tables.vnodes[vnode]
    guard record.mount != deviceMount else { return record.node }
    let node = try ask(worker, server(vnode), FS.Attributes(inode: record.inode))
    tables.vnodes[vnode].node = node
    return node
  }

  private func describe(_ mount: Int, _ node: FS.Node) -> VFS.Attributes {
    VFS.Attributes(
      inode: node.inode, size: node.size, mode: node.mode, links: node.links, device: UInt32(mount + 1),
      special: node.special, modified: node.modified, blocks: UInt64(node.blocks))
  }

  func stat(_ worker: Int, _ call: VFS.Stat) throws(Errno) -> VFS.Attributes {
    let place = try walk(worker, fetchPath(worker, call.path, call.length), follow: call.follow != 0, wantsParent: false)
    defer { drop(place) }
    let node = place.isFresh ? tables.vnodes[place.node].node : try attributes(worker, place.node)
    return describe(tables.vnodes[place.node].mount, node)
  }

  func fileStat(_ worker: Int, _ call: VFS.FileStat) throws(Errno) -> VFS.Attributes {
    let file = try holdFile(worker, call.descriptor)
    defer { releaseFile(file) }
    let vnode = tables.files[file].vnode
    return describe(tables.vnodes[vnode].mount, try attributes(worker, vnode))
  }

  func pipeAttributes(_ pipe: Int) -> VFS.Attributes {
    VFS.Attributes(
      inode: UInt64(pipe + 1), size: UInt64(tables.pipes[pipe].count), mode: VFS.Mode.fifo | 0o600, links: 1, device: 0, special: 0,
      modified: 0, blocks: 0)
  }

  /// access(2) for the superuser, who every process is: execution needs a bit for somebody, writing a mount that
  /// can be written.
  func access(_ worker: Int, _ call: VFS.Access) throws(Errno) {
    guard call.mode & ~7 == 0 else { throw .invalidArgument }
    let vnode = try resolve(worker, call.path, call.length)
    defer { releaseVnode(vnode) }
    let record = tables.vnodes[vnode]
    if call.mode & 2 != 0, tables.mounts[record.mount].isReadOnly { throw .readOnlyFileSystem }
    if call.mode & 1 != 0, record.isRegular, record.node.mode & 0o111 == 0 { throw .accessDenied }
  }

  func truncate(_ worker: Int, _ call: VFS.Truncate) throws(Errno) {
    let vnode = try resolve(worker, call.path, call.length)
    defer { releaseVnode(vnode) }
    if tables.vnodes[vnode].isDirectory { throw .isDirectory }
    try truncate(worker, vnode, call.size)
  }

  func fileTruncate(_ worker: Int, _ call: VFS.FileTruncate) throws(Errno) {
    let file = try holdFile(worker, call.descriptor)
    defer { releaseFile(file) }
    guard tables.files[file].isWritable, tables.files[file].vnode >= 0 else { throw .invalidArgument }
    try truncate(worker, tables.files[file].vnode, call.size)
  }

  private func truncate(_ worker: Int, _ vnode: Int, _ size: UInt64) throws(Errno) {
    guard tables.vnodes[vnode].isRegular, size <= Bound.fileSize else { throw .invalidArgument }
    try checkWritable(tables.vnodes[vnode].mount)
    try checkNotRunning(vnode)
    tables.vnodes[vnode].writers += 1
    defer { tables.vnodes[vnode].writers -= 1 }
    try resize(worker, vnode, size)
  }

  func changeMode(_ worker: Int, _ call: VFS.ChangeMode) throws(Errno) {
    let vnode = try resolve(worker, call.path, call.length)
    defer { releaseVnode(vnode) }
    try checkWritable(tables.vnodes[vnode].mount)
    let mode = UInt32(truncatingIfNeeded: call.mode) & 0o7777
    _ = try ask(worker, server(vnode), FS.SetAttributes(inode: tables.vnodes[vnode].inode, fields: 1, mode: mode, modified: 0))
    tables.vnodes[vnode].node.mode = tables.vnodes[vnode].type | mode
  }

  func statistics(_ worker: Int, _ call: VFS.FileSystemStatistics) throws(Errno) -> FS.Statistics.Reply {
    let vnode = try resolve(worker, call.path, call.length)
    defer { releaseVnode(vnode) }
    if tables.vnodes[vnode].mount == deviceMount {
      return FS.Statistics.Reply(blockSize: 4096, blocks: 0, freeBlocks: 0, inodes: UInt64(Device.count + 1), freeInodes: 0)
    }
    if isMemory(vnode) { return try memoryStatistics(tables.vnodes[vnode].mount) }
    return try ask(worker, server(vnode), FS.Statistics())
  }

  func fileSync(_ worker: Int, _ call: VFS.FileSync) throws(Errno) {
    let file = try holdFile(worker, call.descriptor)
    defer { releaseFile(file) }
    let vnode = tables.files[file].vnode
    guard vnode >= 0 else { throw .invalidArgument }
    if tables.vnodes[vnode].mount != deviceMount {
      if isCached(vnode), tables.vnodes[vnode].isRegular { try writeBack(worker, vnode) }
      _ = try ask(worker, server(vnode), FS.Sync())
    } else if tables.vnodes[vnode].isBlock {
      let special = tables.vnodes[vnode].node.special
      _ = try ask(worker, Device.driver(special), Block.Flush(minor: UInt64(Device.minor(special))))
    }
  }

  /// Every file system writes everything out, then the answer goes back.
  func sync(_ worker: Int) throws(Errno) {
    var failure: Errno?
    for vnode in 0..<limits.vnodes where tables.vnodes[vnode].mappings > 0 {
      hold(vnode)
      do throws(Errno) { try writeBack(worker, vnode) } catch { failure = error }
      releaseVnode(vnode)
    }
    for mount in 0..<limits.mounts where tables.mounts[mount].isUsed && tables.mounts[mount].server != .none {
      do throws(Errno) { _ = try ask(worker, tables.mounts[mount].server, FS.Sync()) } catch { failure = error }
    }
    if let failure { throw failure }
  }
}
