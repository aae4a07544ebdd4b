import IPC
import Protocols
import ServerKit

// The mount table, and how the system gets its root.
extension VirtualFileSystem {
  /// The first job: finds a root, and mounts /proc and /dev on it. Requests wait until it is done.
  func startUp(_ worker: Int) {
    let words = CommandLine(&ipc)
    isCaching = !words.has("cache=off")
    if !words.has("root=ram") {
      do throws(Errno) { rootMount = try attach(worker, .rootfs, driver: .disk, minor: 0, flags: 0, on: -1) } catch {
        var line = Text("VFS: no root file system on the disk (")
        line.append(signed: Int64(error.rawValue))
        line.append("): using the RAM disk\n")
        log(line)
      }
    }
    if rootMount < 0 {
      do throws(Errno) { rootMount = try attach(worker, .rootfs, driver: .memory, minor: 0, flags: 0, on: -1) } catch {
        var line = Text("VFS: no root file system on the RAM disk either (")
        line.append(signed: Int64(error.rawValue))
        line.append("); there is nothing to start from\n")
        log(line)
        return
      }
    }
    do throws(Errno) { _ = try attach(worker, .proc, driver: .none, minor: 0, flags: 0, on: directory(worker, "proc")) } catch {
      log(Text("VFS: no /proc\n"))
    }
    do throws(Errno) { try attachDevices(worker, directory(worker, "dev")) } catch { log(Text("VFS: no /dev\n")) }
    if deviceMount >= 0 {
      do throws(Errno) { try attachMemory(worker, limit: 0, isReadOnly: false, on: sharedMemoryDirectory()) } catch { log(Text("VFS: no /dev/shm\n")) }
    }
    isRooted = true
    for index in 0..<limits.processes where tables.processes[index].endpoint != .none && tables.processes[index].directory < 0 {
      tables.processes[index].directory = tables.mounts[rootMount].root
      hold(tables.mounts[rootMount].root)
    }
  }

  /// A directory in the root for a mount; made if it is missing. Held.
  private func directory(_ worker: Int, _ name: StaticString) throws(Errno) -> Int {
    let count = name.utf8CodeUnitCount
    name.withUTF8Buffer { path(worker).copyMemory(from: $0.baseAddress!, byteCount: count) }
    let root = tables.mounts[rootMount].root
    let grant = tables.mounts[rootMount].names
    let look = FS.Lookup(directory: tables.vnodes[root].inode, grant: grant, offset: pathOffset(worker, 0), length: UInt64(count))
    let node: FS.Node
    do throws(Errno) { node = try ask(worker, .rootfs, look) } catch {
      guard error == .noSuchFile else { throw error }
      _ = try ask(worker, .rootfs, FS.MakeDirectory(
        directory: tables.vnodes[root].inode, grant: grant, offset: pathOffset(worker, 0), length: UInt32(count), mode: 0o755))
      node = try ask(worker, .rootfs, look)
    }
    let vnode = try adopt(rootMount, node)
    guard tables.vnodes[vnode].isDirectory else {
      releaseVnode(vnode)
      throw .notDirectory
    }
    return vnode
  }

  private func sharedMemoryDirectory() throws(Errno) -> Int {
    let name: StaticString = "shm"
    let inode = name.withUTF8Buffer { Device.find(UnsafeRawBufferPointer($0)) }
    guard let inode, let node = Device.node(inode) else { throw .noSuchFile }
    return try adopt(deviceMount, node)
  }

  func freeMount() throws(Errno) -> Int {
    guard let mount = (0..<limits.mounts).first(where: { !tables.mounts[$0].isUsed }) else { throw .tooManyOpenFilesInSystem }
    return mount
  }

  /// Mounts what `server` finds on a device over the directory `covered`; takes over its hold, also on failure.
  private func attach(_ worker: Int, _ server: Endpoint, driver: Endpoint, minor: UInt32, flags: UInt64, on covered: Int) throws(Errno) -> Int {
    do throws(Errno) {
      let mount = try freeMount()
      var record = Mount(isUsed: true, server: server, root: -1, covered: covered, isReadOnly: flags & 1 != 0, driver: driver, minor: minor)
      let bytes = UInt64(workerCount)
      record.names = try ipc.kernel(Kernel.GrantCreate(
        address: UInt64(UInt(bitPattern: arenas)), length: bytes * UInt64(Arena.size), grantee: server, access: Kernel.Access.read)).id
      do throws(Errno) {
        record.scratch = try ipc.kernel(Kernel.GrantCreate(
          address: UInt64(UInt(bitPattern: scratches)), length: bytes * UInt64(Arena.scratchSize), grantee: server, access: Kernel.Access.write)).id
      } catch {
        revoke(record.names)
        throw error
      }
      do throws(Errno) { try cache(&record) } catch {
        revoke(record.names)
        revoke(record.scratch)
        throw error
      }
      tables.mounts[mount] = record
      do throws(Errno) {
        let node = try ask(worker, server, FS.Mount(driver: driver, minor: minor, flags: flags))
        let root = try adopt(mount, node)
        guard tables.vnodes[root].isDirectory else {
          releaseVnode(root)
          throw .ioError
        }
        tables.mounts[mount].root = root
      } catch {
        revokeAll(record)
        tables.mounts[mount] = Mount()
        throw error
      }
      setPath(mount, worker)
      if covered >= 0 { tables.vnodes[covered].covering = mount }
      return mount
    } catch {
      if covered >= 0 { releaseVnode(covered) }
      throw error
    }
  }

  private func attachDevices(_ worker: Int, _ covered: Int) throws(Errno) {
    do throws(Errno) {
      let mount = try freeMount()
      tables.mounts[mount] = Mount(isUsed: true, server: .none, root: -1, covered: covered)
      deviceMount = mount
      tables.mounts[mount].root = try adopt(mount, Device.node(Device.rootInode)!)
      setPath(mount, worker)
      tables.vnodes[covered].covering = mount
    } catch {
      releaseVnode(covered)
      throw error
    }
  }

  /// mount(2): for the one free file system server, or of memory.
  func mount(_ worker: Int, _ call: VFS.Mount) throws(Errno) {
    acquire(Lock.mounting(limits.files), worker)
    defer { release(lock: Lock.mounting(limits.files)) }
    guard call.flags & VFS.MountFlags.memory == 0 else {
      let target = try mountPoint(worker, call)
      return try attachMemory(
        worker, limit: VFS.MountFlags.limit(call.flags), isReadOnly: call.flags & VFS.MountFlags.readOnly != 0, on: target)
    }
    for mount in 0..<limits.mounts where tables.mounts[mount].isUsed && tables.mounts[mount].server == .extfs { throw .busy }
    let source = try resolve(worker, call.source, call.sourceLength)
    let isBlock = isDevice(source) && tables.vnodes[source].isBlock
    let special = tables.vnodes[source].node.special
    releaseVnode(source)
    guard isBlock else { throw .notBlockDevice }
    let driver = Device.driver(special)
    let minor = Device.minor(special)
    for mount in 0..<limits.mounts where tables.mounts[mount].isUsed && tables.mounts[mount].driver == driver && tables.mounts[mount].minor == minor {
      throw .busy
    }
    let target = try mountPoint(worker, call)
    _ = try attach(worker, .extfs, driver: driver, minor: minor, flags: call.flags & VFS.MountFlags.readOnly, on: target)
  }

  /// The directory that is to be covered; held.
  private func mountPoint(_ worker: Int, _ call: VFS.Mount) throws(Errno) -> Int {
    let target = try resolve(worker, call.target, call.targetLength)
    do throws(Errno) {
      guard tables.vnodes[target].isDirectory else { throw .notDirectory }
      // The root of a mount cannot be covered: what lies on it is what the walk has found.
      guard tables.vnodes[target].covering < 0, tables.mounts[tables.vnodes[target].mount].root != target else { throw .busy }
    } catch {
      releaseVnode(target)
      throw error
    }
    return target
  }

  func unmount(_ worker: Int, _ call: VFS.Unmount) throws(Errno) {
    acquire(Lock.mounting(limits.files), worker)
    defer { release(lock: Lock.mounting(limits.files)) }
    let vnode = try resolve(worker, call.path, call.length)
    let mount = tables.vnodes[vnode].mount
    let isRoot = tables.mounts[mount].root == vnode
    releaseVnode(vnode)
    guard isRoot else { throw .invalidArgument }
    let server = tables.mounts[mount].server
    guard mount != rootMount, server == .extfs || server == .vfs, !isBusy(mount) else { throw .busy }
    // Nobody gets in while the file system takes its leave.
    let covered = tables.mounts[mount].covered
    tables.vnodes[covered].covering = -1
    if server == .extfs {
      do throws(Errno) { _ = try ask(worker, .extfs, FS.Unmount()) } catch {
        tables.vnodes[covered].covering = mount
        throw error
      }
    }
    let record = tables.mounts[mount]
    // The file system has forgotten the root; so its references need not be given back.
    tables.vnodes[record.root].references = 0
    releaseVnode(record.root)
    if server == .vfs {
      dropMemory(mount)
    } else {
      revokeAll(record)
      forgetPages(mount, 0)
    }
    tables.mounts[mount] = Mount()
    releaseVnode(covered)
  }

  private func revokeAll(_ record: Mount) {
    revoke(record.names)
    revoke(record.scratch)
    if record.number != 0 { revoke(record.bufferGrant) }
  }

  /// Whether somebody but the mount itself uses a node of it.
  private func isBusy(_ mount: Int) -> Bool {
    for vnode in 0..<limits.vnodes where tables.vnodes[vnode].mount == mount {
      if vnode != tables.mounts[mount].root || tables.vnodes[vnode].users > 1 { return true }
    }
    return false
  }

  /// Remembers where a new mount lies. A rename above it later does not change this text.
  func setPath(_ mount: Int, _ worker: Int) {
    let covered = tables.mounts[mount].covered
    var start = Bound.path
    if covered >= 0 {
      do throws(Errno) { start = try writePath(worker, of: covered) } catch { start = Bound.path }
    } else {
      start -= 1
      path(worker).storeBytes(of: UInt8(ascii: "/"), toByteOffset: start, as: UInt8.self)
    }
    let count = min(Bound.path - start, MemoryLayout<(UInt64, UInt64, UInt64, UInt64, UInt64)>.size)
    withUnsafeMutableBytes(of: &tables.mounts[mount].path) {
      $0.copyMemory(from: UnsafeRawBufferPointer(start: path(worker) + start, count: count))
    }
  }

  func mountInformation(_ call: VFS.MountInformation) -> Message {
    for mount in 0..<limits.mounts where UInt64(mount) >= call.index && tables.mounts[mount].isUsed && tables.mounts[mount].root >= 0 {
      let record = tables.mounts[mount]
      return Message(reply: VFS.MountInformation.Reply(
        index: UInt16(mount), flags: record.isReadOnly ? 1 : 0, server: record.server, driver: record.driver, minor: record.minor, path: record.path))
    }
    return Message(error: .noSuchFile)
  }
}
