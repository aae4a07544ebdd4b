import IPC
import Protocols

// Open files and vnodes: taken from free lists, counted by their users, given back at the last.
extension VirtualFileSystem {
  /// A new open file with one user. Takes over a use of the vnode.
  func makeFile(vnode: Int, pipe: Int = -1, flags: UInt32) throws(Errno) -> Int {
    let file = freeFile
    guard file >= 0 else { throw .tooManyOpenFilesInSystem }
    freeFile = tables.files[file].next
    tables.files[file] = OpenFile()
    tables.files[file].users = 1
    tables.files[file].vnode = vnode
    tables.files[file].pipe = pipe
    // What open(2) alone heeds is not kept.
    let once = VFS.OpenFlags.create | VFS.OpenFlags.exclusive | VFS.OpenFlags.truncate | VFS.OpenFlags.noFollow | VFS.OpenFlags.closeOnExec
    tables.files[file].flags = flags & ~once
    if vnode >= 0, tables.files[file].isWritable { tables.vnodes[vnode].writers += 1 }
    return file
  }

  /// One user less. At the last: devices are closed, the other end of a pipe hears of it.
  func releaseFile(_ file: Int) {
    tables.files[file].users -= 1
    guard tables.files[file].users == 0 else { return }
    let record = tables.files[file]
    tables.files[file] = OpenFile()
    tables.files[file].next = freeFile
    freeFile = file
    if record.pipe >= 0 { closePipeEnd(record.pipe, isReader: record.isReadable) }
    if record.vnode >= 0 {
      if record.isWritable { tables.vnodes[record.vnode].writers -= 1 }
      if !record.isInvalid { closeDevice(record.vnode) }
      releaseVnode(record.vnode)
    }
  }

  // MARK: Vnodes

  private func bucket(_ mount: Int, _ inode: UInt64) -> Int {
    Int(truncatingIfNeeded: (inode &* 0x9E37_79B9_7F4A_7C15) >> 56) ^ mount & 255
  }

  /// The vnode for what a file system told, with one user more; the reference that came with it is counted.
  func adopt(_ mount: Int, _ node: FS.Node) throws(Errno) -> Int {
    let hash = bucket(mount, node.inode)
    let counted: UInt64 = tables.mounts[mount].server == .none || isMemory(mount: mount) ? 0 : 1
    if let known = find(mount, node.inode) {
      tables.vnodes[known].users += 1
      tables.vnodes[known].references += counted
      tables.vnodes[known].node = node
      return known
    }
    let vnode = freeVnode
    guard vnode >= 0 else {
      forget(mount, node.inode, counted)
      throw .tooManyOpenFilesInSystem
    }
    freeVnode = tables.vnodes[vnode].next
    tables.vnodes[vnode] = Vnode(mount: mount, inode: node.inode, users: 1, references: counted, node: node, covering: -1, next: Int(tables.vnodeHash[hash]))
    tables.vnodeHash[hash] = Int16(vnode)
    return vnode
  }

  /// The vnode of an inode that somebody uses.
  func find(_ mount: Int, _ inode: UInt64) -> Int? {
    var at = Int(tables.vnodeHash[bucket(mount, inode)])
    while at >= 0 {
      if tables.vnodes[at].mount == mount, tables.vnodes[at].inode == inode { return at }
      at = tables.vnodes[at].next
    }
    return nil
  }

  func hold(_ vnode: Int) { tables.vnodes[vnode].users += 1 }

  /// One user less. At the last the file system gets all its references back at once.
  func releaseVnode(_ vnode: Int) {
    tables.vnodes[vnode].users -= 1
    let record = tables.vnodes[vnode]
    guard record.users == 0 else { return }
    let hash = bucket(record.mount, record.inode)
    var at = Int(tables.vnodeHash[hash])
    if at == vnode {
      tables.vnodeHash[hash] = Int16(record.next)
    } else {
      while tables.vnodes[at].next != vnode { at = tables.vnodes[at].next }
      tables.vnodes[at].next = record.next
    }
    tables.vnodes[vnode] = Vnode()
    tables.vnodes[vnode].next = freeVnode
    freeVnode = vnode
    if isMemory(mount: record.mount) { return memoryReleased(record.mount, record.inode) }
    forget(record.mount, record.inode, record.references)
  }

  private func forget(_ mount: Int, _ inode: UInt64, _ count: UInt64) {
    let server = tables.mounts[mount].server
    if server != .none, count > 0 { post(Message(FS.Forget(inode: inode, count: count)), to: server) }
  }

  func server(_ vnode: Int) -> Endpoint { tables.mounts[tables.vnodes[vnode].mount].server }
  func isDevice(_ vnode: Int) -> Bool {
    tables.vnodes[vnode].mount == deviceMount && !tables.vnodes[vnode].isDirectory
  }

  // MARK: Memory of clients

  /// Lets `server` read or write the client's memory until `revoke`.
  func grant(_ client: Endpoint, _ address: UInt64, _ length: UInt64, to server: Endpoint, access: UInt32) throws(Errno) -> UInt64 {
    do throws(Errno) {
      return try ipc.kernel(Kernel.GrantCaller(client: client, address: address, length: length, grantee: server, access: access)).id
    } catch { throw error == .badAddress || error == .noMemory ? error : .badAddress }
  }

  func revoke(_ grant: UInt64) {
    do throws(Errno) { try ipc.kernel(Kernel.GrantRevoke(id: grant)) } catch {}
  }

  /// Copies between a client that waits and our memory.
  func copy(_ client: Endpoint, _ remote: UInt64, _ local: UnsafeMutableRawPointer, _ length: Int, _ direction: UInt32) throws(Errno) {
    guard length > 0 else { return }
    do throws(Errno) {
      try ipc.kernel(Kernel.CopyCaller(client: client, remote: remote, local: UInt64(UInt(bitPattern: local)), length: UInt64(length), direction: direction))
    } catch { throw .badAddress }
  }
}
