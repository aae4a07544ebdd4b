import IPC
import Protocols

// open(2), and what it means for devices.
extension VirtualFileSystem {
  func open(_ worker: Int, _ call: VFS.Open) throws(Errno) -> VFS.Descriptor {
    typealias Flags = VFS.OpenFlags
    let flags = call.flags
    guard flags & Flags.accessMask != Flags.accessMask else { throw .invalidArgument }
    let client = tables.workers[worker].client
    guard let index = process(client) else { throw .noSuchProcess }
    _ = try freeDescriptor(index)

    let vnode = try openNode(worker, call)
    let file: Int
    // Counted from here on: no program of it may begin while the file is cut off (ETXTBSY).
    let isWriting = flags & Flags.accessMask != Flags.readOnly
    if isWriting { tables.vnodes[vnode].writers += 1 }
    do throws(Errno) {
      try prepare(worker, vnode, flags)
      do throws(Errno) { file = try makeFile(vnode: vnode, flags: flags) } catch {
        if isDevice(vnode) { closeDevice(vnode) }
        throw error
      }
    } catch {
      if isWriting { tables.vnodes[vnode].writers -= 1 }
      releaseVnode(vnode)
      throw error
    }
    if isWriting { tables.vnodes[vnode].writers -= 1 }
    // The process may have died meanwhile.
    guard process(client) == index else {
      releaseFile(file)
      throw .noSuchProcess
    }
    let number: Int
    do throws(Errno) { number = try freeDescriptor(index) } catch {
      releaseFile(file)
      throw error
    }
    install(index, number, file, closeOnExec: flags & Flags.closeOnExec != 0)
    return VFS.Descriptor(descriptor: Int64(number))
  }

  /// The node to open, found or made; held.
  private func openNode(_ worker: Int, _ call: VFS.Open) throws(Errno) -> Int {
    typealias Flags = VFS.OpenFlags
    let length = try fetchPath(worker, call.path, call.length)
    let isExclusive = call.flags & Flags.create != 0 && call.flags & Flags.exclusive != 0
    let follow = call.flags & Flags.noFollow == 0 && !isExclusive
    guard call.flags & Flags.create != 0 else {
      let node = try walk(worker, length, follow: follow, wantsParent: false).node
      if tables.vnodes[node].isSymbolicLink {
        releaseVnode(node)
        throw .tooManyLevels
      }
      return node
    }
    // Between not finding the name and making it another process may make it; then it is found at the second try.
    for _ in 0..<8 {
      let place = try walk(worker, length, follow: follow, wantsParent: true)
      if place.node >= 0 {
        if place.parent >= 0 { releaseVnode(place.parent) }
        do throws(Errno) {
          if isExclusive { throw .fileExists }
          if tables.vnodes[place.node].isSymbolicLink { throw .tooManyLevels }
          if tables.vnodes[place.node].isDirectory { throw .isDirectory }
        } catch {
          releaseVnode(place.node)
          throw error
        }
        return place.node
      }
      defer { releaseVnode(place.parent) }
      if place.wantsDirectory { throw .isDirectory }
      let mount = tables.vnodes[place.parent].mount
      try checkWritable(mount)
      let make = FS.Create(
        directory: tables.vnodes[place.parent].inode, grant: tables.mounts[mount].names, offset: pathOffset(worker, place.name),
        length: UInt32(place.nameLength), mode: call.mode & 0o7777)
      do throws(Errno) {
        let node = try ask(worker, tables.mounts[mount].server, make)
        forgetPages(mount, node.inode)
        return try adopt(mount, node)
      } catch {
        // The walk has used up the path; only the first one began with what the client gave.
        guard error == .fileExists, !isExclusive else { throw error }
        if try fetchPath(worker, call.path, call.length) != length { throw .invalidArgument }
      }
    }
    throw .ioError  // a file system that denies a name and then refuses to make it
  }

  /// EROFS on a read-only mount, and for /dev, whose directory is VFS's own.
  func checkWritable(_ mount: Int) throws(Errno) {
    if tables.mounts[mount].isReadOnly { throw .readOnlyFileSystem }
    if mount == deviceMount { throw .notPermitted }
  }

  /// What the node's type demands before it is open.
  private func prepare(_ worker: Int, _ vnode: Int, _ flags: UInt32) throws(Errno) {
    typealias Flags = VFS.OpenFlags
    let isWriting = flags & Flags.accessMask != Flags.readOnly
    let node = tables.vnodes[vnode]
    if flags & Flags.directory != 0, !node.isDirectory { throw .notDirectory }
    if node.isDirectory {
      if isWriting || flags & Flags.truncate != 0 { throw .isDirectory }
    } else if node.isRegular {
      if isWriting {
        try checkWritable(node.mount)
        try checkNotRunning(vnode)
      }
      if flags & Flags.truncate != 0, isWriting, node.node.size > 0 {
        try resize(worker, vnode, 0)
      }
    } else if isDevice(vnode) {
      try openDevice(worker, vnode, flags: flags)
    } else {
      throw .noSuchDevice  // FIFOs and devices of other file systems
    }
  }

  // MARK: Devices

  /// Tells the driver. The vnode's size becomes that of a block device.
  func openDevice(_ worker: Int, _ vnode: Int, flags: UInt32) throws(Errno) {
    let special = tables.vnodes[vnode].node.special
    let driver = Device.driver(special)
    guard driver != .none else { return }
    if tables.vnodes[vnode].isBlock {
      let reply = try ask(worker, driver, Block.Open(minor: UInt64(Device.minor(special))))
      if reply.readOnly & 1 != 0, flags & VFS.OpenFlags.accessMask != VFS.OpenFlags.readOnly { throw .readOnlyFileSystem }
      tables.vnodes[vnode].node.size = min(reply.size, Bound.fileSize)
    } else {
      _ = try ask(worker, driver, Char.Open(minor: Device.minor(special), flags: flags))
    }
  }

  /// Nobody waits for this: a driver that is dead has forgotten the device anyway.
  func closeDevice(_ vnode: Int) {
    guard isDevice(vnode), tables.vnodes[vnode].isCharacter else { return }
    let special = tables.vnodes[vnode].node.special
    let driver = Device.driver(special)
    if driver != .none { post(Message(Char.Close(minor: UInt64(Device.minor(special)))), to: driver) }
  }
}
