import IPC
import Protocols
import ServerKit

// File systems without a disk (tmpfs; /dev/shm is one). VFS is their server itself: what it would ask a file system is a call here,
// answered at once, so the walk and all that changes names is the same for every mount. Contents are pages of VM's cache
// that VM makes itself (`PageCache.MakeStore`).
extension VirtualFileSystem {
  /// Whether the files of a mount are memory.
  func isMemory(mount: Int) -> Bool { tables.mounts[mount].server == .vfs }
  func isMemory(_ vnode: Int) -> Bool { isMemory(mount: tables.vnodes[vnode].mount) }

  /// Seconds since boot: nobody knows the date.
  private var now: UInt64 {
    do throws(Errno) { return try ipc.kernel(Kernel.Clock()).now / 1_000_000_000 } catch { return 0 }
  }

  /// Mounts an empty one over the directory `covered`; takes over its hold, also on failure.
  /// - Parameter limit: bytes; 0: half of memory.
  func attachMemory(_ worker: Int, limit: UInt64, isReadOnly: Bool, on covered: Int) throws(Errno) {
    do throws(Errno) {
      let mount = try freeMount()
      let number = mountNumber + 1
      do throws(Errno) { _ = try ipc.call(.vm, PageCache.MakeStore(mount: number, pages: limit >> 12 + (limit & 4095 != 0 ? 1 : 0))) } catch {
        throw Self.sane(error)
      }
      mountNumber = number
      tables.mounts[mount] = Mount(isUsed: true, server: .vfs, root: -1, covered: covered, isReadOnly: isReadOnly)
      tables.mounts[mount].number = number
      do throws(Errno) { tables.mounts[mount].root = try adopt(mount, memoryNames.makeRoot(mount, now)) } catch {
        dropMemory(mount)
        tables.mounts[mount] = Mount()
        throw error
      }
      setPath(mount, worker)
      tables.vnodes[covered].covering = mount
    } catch {
      releaseVnode(covered)
      throw error
    }
  }

  /// Everything in it is gone.
  func dropMemory(_ mount: Int) {
    memoryNames.drop(mount)
    forgetPages(mount, 0)
  }

  /// The last use of a vnode is over.
  func memoryReleased(_ mount: Int, _ inode: UInt64) {
    if memoryNames.release(inode) { forgetPages(mount, inode) }
  }

  /// What a file system server would answer. Names stand in our own buffers.
  func askMemory(_ message: Message) throws(Errno) -> Message {
    switch FS.Number(rawValue: message.type) {
    case .lookup:
      let call: FS.Lookup = message.body()
      return Message(reply: try memoryNames.lookup(call.directory, name(call.offset, call.length)))
    case .create:
      let call: FS.Create = message.body()
      return Message(reply: try memoryNames.make(
        call.directory, name(call.offset, UInt64(call.length)), mode: VFS.Mode.regular | call.mode & 0o7777, now))
    case .makeDirectory:
      let call: FS.MakeDirectory = message.body()
      _ = try memoryNames.make(call.directory, name(call.offset, UInt64(call.length)), mode: VFS.Mode.directory | call.mode & 0o7777, now)
    case .symbolicLink:
      let call: FS.SymbolicLink = message.body()
      let length = call.lengths & 0xFFFF
      _ = try memoryNames.make(
        call.directory, name(call.offset, length), mode: VFS.Mode.symbolicLink | 0o777,
        target: name(call.offset + length, call.lengths >> 16 & 0xFFFF), now)
    case .unlink:
      let call: FS.Unlink = message.body()
      try memoryNames.unlink(call.directory, name(call.offset, call.length), now)
    case .removeDirectory:
      let call: FS.RemoveDirectory = message.body()
      try memoryNames.removeDirectory(call.directory, name(call.offset, call.length), now)
    case .rename:
      let call: FS.Rename = message.body()
      let length = call.lengths & 0xFFFF
      try memoryNames.rename(call.from, name(call.offset, length), call.to, name(call.offset + length, call.lengths >> 16 & 0xFFFF), now)
    case .link:
      let call: FS.Link = message.body()
      try memoryNames.link(call.inode, call.directory, name(call.offset, call.length), now)
    case .readLink:
      let call: FS.ReadLink = message.body()
      return Message(reply: VFS.Count(count: try memoryNames.readLink(call.inode, into: scratches + Int(call.offset))))
    case .readDirectory:
      let call: FS.ReadDirectory = message.body()
      return Message(reply: try memoryNames.readDirectory(
        call.inode, call.position, into: scratches + Int(call.offset), Int(min(call.length, UInt64(Arena.scratchSize)))))
    case .attributes: return Message(reply: memoryNames.describe(try memoryNames.index((message.body() as FS.Attributes).inode)))
    case .setAttributes:
      let call: FS.SetAttributes = message.body()
      if call.fields & 1 != 0 { try memoryNames.setMode(call.inode, call.mode) }
      if call.fields & 2 != 0 { try memoryNames.setModified(call.inode, call.modified) }
    case .sync: break
    // The rest has no server to go to: mounting, contents and references are done where they come up.
    case .mount, .unmount, .forget, .read, .write, .truncate, .statistics, nil: throw .noSuchCall
    }
    return Message(reply: Done())
  }

  private func name(_ offset: UInt64, _ length: UInt64) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: arenas + Int(offset), count: Int(length))
  }

  /// statfs(2). An inode is one of a table that all have together.
  func memoryStatistics(_ mount: Int) throws(Errno) -> FS.Statistics.Reply {
    let store = try ipc.call(.vm, PageCache.StoreInformation(mount: tables.mounts[mount].number))
    return FS.Statistics.Reply(
      blockSize: 4096, blocks: store.limit, freeBlocks: store.limit - min(store.pages, store.limit),
      inodes: memoryNames.used(mount) + memoryNames.freeNodes, freeInodes: memoryNames.freeNodes)
  }

  // MARK: Contents

  /// write(2) in the loop, without a job: nobody has to be waited for. Nil if somebody else moves the file's position.
  func writeAtOnce(_ index: Int, _ file: Int, _ address: UInt64, _ length: UInt64) throws(Errno) -> Message? {
    let record = tables.files[file]
    guard record.vnode >= 0, isMemory(record.vnode), tables.vnodes[record.vnode].isRegular, tables.locks[file] == 0 else { return nil }
    let isAppending = record.flags & VFS.OpenFlags.append != 0
    let reply = try put(tables.processes[index].endpoint, record.vnode, isAppending ? .max : record.position, address, length)
    tables.files[file].position = isAppending ? reply.size : record.position + reply.count
    return Message(reply: VFS.Count(count: reply.count))
  }

  /// Bytes of a client become the file's. Fewer than `length` where memory or the store ends, or a page of the buffer has to be
  /// fetched first; an error only if it would be none.
  /// - Parameter position: `.max` appends.
  func put(_ client: Endpoint, _ vnode: Int, _ position: UInt64, _ address: UInt64, _ length: UInt64) throws(Errno) -> FS.Write.Reply {
    let start = position == .max ? tables.vnodes[vnode].node.size : position
    guard start < Bound.fileSize else { throw .fileTooLarge }
    let length = min(length, Bound.fileSize - start)
    var done: UInt64 = 0
    while done < length {
      let size = tables.vnodes[vnode].node.size
      let want = min(length - done, PageCache.limit)
      let call = PageCache.Put(
        process: client, mount: tables.mounts[tables.vnodes[vnode].mount].number, inode: tables.vnodes[vnode].inode, position: start + done,
        address: address &+ done, length: want, size: size)
      do throws(Errno) {
        let count = try min(ipc.call(.vm, call).count, want)
        done += count
        try setSize(vnode, max(size, start + done))
        if count < want { break }
      } catch {
        if done == 0 { throw Self.sane(error) }
        break
      }
    }
    return FS.Write.Reply(count: done, size: tables.vnodes[vnode].node.size)
  }

  private func setSize(_ vnode: Int, _ size: UInt64) throws(Errno) {
    try memoryNames.setSize(tables.vnodes[vnode].inode, size, now)
    tables.vnodes[vnode].node.size = size
  }

  /// truncate(2).
  func resizeMemory(_ vnode: Int, _ size: UInt64) throws(Errno) {
    let call = PageCache.Truncate(mount: tables.mounts[tables.vnodes[vnode].mount].number, inode: tables.vnodes[vnode].inode, size: size)
    do throws(Errno) { _ = try ipc.call(.vm, call) } catch { throw Self.sane(error) }
    try setSize(vnode, size)
  }

  /// Contents for VFS itself; fewer bytes only at the end of the file.
  func readMemory(_ vnode: Int, _ position: UInt64, into buffer: UnsafeMutableRawPointer, _ length: UInt64) throws(Errno) -> UInt64 {
    let size = tables.vnodes[vnode].node.size
    let length = position < size ? min(length, size - position) : 0
    var done: UInt64 = 0
    while done < length {
      let call = PageCache.Read(
        process: .vfs, mount: tables.mounts[tables.vnodes[vnode].mount].number, inode: tables.vnodes[vnode].inode, position: position + done,
        address: UInt64(UInt(bitPattern: buffer)) + done, length: length - done)
      let count: UInt64
      do throws(Errno) { count = try min(ipc.call(.vm, call).count, length - done) } catch { throw Self.sane(error) }
      guard count > 0 else { throw .ioError }
      done += count
    }
    return done
  }
}
