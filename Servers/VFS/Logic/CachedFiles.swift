import IPC
import Protocols
import ServerKit

// Regular files of disks. Their pages are in VM's cache, one copy for all; what is there costs no message to the file
// system. VFS brings what is missing, and tells VM of every change, all under one lock for each file system: so what is
// brought is never older than what was written. A write goes to the file system at once (an acknowledged byte is the file
// system's), then to the page.
extension VirtualFileSystem {
  func isCached(_ vnode: Int) -> Bool { tables.mounts[tables.vnodes[vnode].mount].number != 0 }

  func cacheLock(_ mount: Int) -> Int { Lock.cache(limits.files, tables.mounts[mount].buffer) }
  func cacheBuffer(_ mount: Int) -> UnsafeMutableRawPointer { cacheBuffers + tables.mounts[mount].buffer * Int(Bound.chunk) }

  /// Before the mount is used: a number that no mount had before, and a grant over the buffer through which pages come.
  func cache(_ mount: inout Mount) throws(Errno) {
    guard isCaching, mount.driver != .none else { return }
    mount.buffer = mount.server == .rootfs ? 0 : 1
    mount.bufferGrant = try ipc.kernel(Kernel.GrantCreate(
      address: UInt64(UInt(bitPattern: cacheBuffers + mount.buffer * Int(Bound.chunk))), length: Bound.chunk, grantee: mount.server,
      access: Kernel.Access.read | Kernel.Access.write)).id
    mountNumber += 1
    mount.number = mountNumber
  }

  // MARK: Reading

  /// In the loop, without a job: all of a read whose pages are there. Nil if something is missing, or somebody else moves
  /// the file's position.
  func readAtOnce(_ index: Int, _ file: Int, _ address: UInt64, _ length: UInt64) throws(Errno) -> Message? {
    let record = tables.files[file]
    guard record.vnode >= 0, tables.vnodes[record.vnode].isRegular, isCached(record.vnode), tables.locks[file] == 0 else { return nil }
    let size = min(tables.vnodes[record.vnode].node.size, Bound.fileSize)
    guard record.position < size else { return Message(reply: VFS.Count(count: 0)) }
    let want = min(length, size - record.position)
    var done: UInt64 = 0
    while done < want {
      guard let count = try pages(tables.processes[index].endpoint, record.vnode, record.position + done, address &+ done, want - done) else {
        return nil
      }
      if count == 0 { return nil }
      done += count
    }
    tables.files[file].position = record.position + done
    return Message(reply: VFS.Count(count: done))
  }

  /// Copies from pages to a client. Nil if VM does not answer for pages at all.
  func pages(_ client: Endpoint, _ vnode: Int, _ position: UInt64, _ address: UInt64, _ length: UInt64) throws(Errno) -> UInt64? {
    let call = PageCache.Read(
      process: client, mount: tables.mounts[tables.vnodes[vnode].mount].number, inode: tables.vnodes[vnode].inode, position: position,
      address: address, length: length)
    do throws(Errno) { return min(try ipc.call(.vm, call).count, length) } catch {
      if error == .badAddress { throw error }
      return nil
    }
  }

  /// In a job. Fewer bytes than `length` only at the end of the file, or after an error behind the first byte.
  func readPages(_ worker: Int, _ vnode: Int, _ position: UInt64, _ address: UInt64, _ length: UInt64) throws(Errno) -> UInt64 {
    var done: UInt64 = 0
    var hasWaited = false
    do throws(Errno) {
      while done < length {
        let size = min(tables.vnodes[vnode].node.size, Bound.fileSize)
        guard position + done < size else { break }
        let want = min(length, size - position) - done
        if want == 0 { break }
        let count = try pages(tables.workers[worker].client, vnode, position + done, address &+ done, want)
        done += count ?? 0
        if count == want { break }
        if isMemory(vnode) {
          // VM has all of it; without an answer there is no memory for the client's own page.
          guard let count, count > 0 else { throw .noMemory }
          continue
        }
        var isCaching = count != nil
        if isCaching { isCaching = try bring(worker, vnode, position + done, &hasWaited) }
        if !isCaching {
          // No cache, or no memory for one: the file system copies to the client itself.
          done += try readThrough(worker, vnode, position + done, address &+ done, length - done)
          break
        }
      }
    } catch { if done == 0 { throw error } }
    return done
  }

  /// Fetches the page at `position`, unless somebody else did meanwhile. False if the cache takes none.
  func bring(_ worker: Int, _ vnode: Int, _ position: UInt64, _ hasWaited: inout Bool) throws(Errno) -> Bool {
    let lock = cacheLock(tables.vnodes[vnode].mount)
    // Who has waited for the lock looks first whether the page is there by now; but only once, or two who hand each other the
    // lock would look for ever.
    let looksAgain = tables.locks[lock] != 0 && !hasWaited
    acquire(lock, worker)
    defer { release(lock: lock) }
    hasWaited = looksAgain
    if looksAgain || position >= tables.vnodes[vnode].node.size { return true }
    return try fetch(worker, vnode, position & ~4095) > 0
  }

  /// Under the lock: fetches the page at `start` and some behind it, many if the file is read in order or will be needed. The answer is the
  /// pages that the cache has then; 0 if it takes none, or the file has none there.
  func fetch(_ worker: Int, _ vnode: Int, _ start: UInt64, isAhead: Bool = false) throws(Errno) -> UInt64 {
    let mount = tables.vnodes[vnode].mount
    let window = isAhead || start == tables.vnodes[vnode].readUpTo ? Bound.chunk : Bound.firstRead
    let size = tables.vnodes[vnode].node.size
    guard start < size else { return 0 }
    let want = min(window, size - start)
    let call = FS.Read(inode: tables.vnodes[vnode].inode, position: start, grant: tables.mounts[mount].bufferGrant, offset: 0, length: want)
    let count = try ask(worker, server(vnode), call, limit: want).count
    // The file system has less than it said: there the file ends.
    if count < want { tables.vnodes[vnode].node.size = start + count }
    guard count > 0 else { return 0 }
    tables.vnodes[vnode].readUpTo = start + count
    let fill = PageCache.Fill(
      mount: tables.mounts[mount].number, inode: tables.vnodes[vnode].inode, position: start,
      source: UInt64(UInt(bitPattern: cacheBuffer(mount))), length: count)
    do throws(Errno) { return try ipc.call(.vm, fill).count } catch { return 0 }
  }

  // MARK: Writing

  /// In a job. - Parameter position: `.max` appends.
  func writePages(
    _ worker: Int, _ vnode: Int, _ position: UInt64, _ address: UInt64, _ length: UInt64
  ) throws(Errno) -> FS.Write.Reply {
    let mount = tables.vnodes[vnode].mount
    let lock = cacheLock(mount)
    acquire(lock, worker)
    defer { release(lock: lock) }
    let buffer = cacheBuffer(mount)
    var done: UInt64 = 0
    do throws(Errno) {
      while done < length {
        let want = min(Bound.chunk, length - done)
        try copy(tables.workers[worker].client, address &+ done, buffer, Int(want), Kernel.Direction.read)
        let at = position == .max ? position : position + done
        let call = FS.Write(inode: tables.vnodes[vnode].inode, position: at, grant: tables.mounts[mount].bufferGrant, offset: 0, length: want)
        let reply = try ask(worker, server(vnode), call, limit: want)
        let start = position == .max ? reply.size &- reply.count : at
        let write = PageCache.Write(
          mount: tables.mounts[mount].number, inode: tables.vnodes[vnode].inode, position: start,
          source: UInt64(UInt(bitPattern: buffer)), length: reply.count, size: reply.size)
        if reply.count > 0 { tellCache(write, vnode) }
        tables.vnodes[vnode].node.size = reply.size
        done += reply.count
        if reply.count < want { break }
      }
    } catch { if done == 0 { throw error } }
    return FS.Write.Reply(count: done, size: tables.vnodes[vnode].node.size)
  }

  /// In a job: the file gets another size.
  func resize(_ worker: Int, _ vnode: Int, _ size: UInt64) throws(Errno) {
    let mount = tables.vnodes[vnode].mount
    let inode = tables.vnodes[vnode].inode
    if isMemory(vnode) { return try resizeMemory(vnode, size) }
    guard isCached(vnode) else {
      _ = try ask(worker, server(vnode), FS.Truncate(inode: inode, size: size))
      tables.vnodes[vnode].node.size = size
      return
    }
    acquire(cacheLock(mount), worker)
    defer { release(lock: cacheLock(mount)) }
    _ = try ask(worker, server(vnode), FS.Truncate(inode: inode, size: size))
    tellCache(PageCache.Truncate(mount: tables.mounts[mount].number, inode: inode, size: size), vnode)
    tables.vnodes[vnode].node.size = size
  }

  /// VM must know; if it cannot do what it is told, it knows nothing of the file any more.
  private func tellCache<C: Call>(_ call: C, _ vnode: Int) {
    do throws(Errno) { _ = try ipc.call(.vm, call) } catch { forgetPages(tables.vnodes[vnode].mount, tables.vnodes[vnode].inode) }
  }

  /// Pages of a file that is no more; an inode number can come again. With inode 0 those of the whole mount.
  func forgetPages(_ mount: Int, _ inode: UInt64) {
    guard tables.mounts[mount].number != 0 else { return }
    do throws(Errno) { _ = try ipc.call(.vm, PageCache.Forget(mount: tables.mounts[mount].number, inode: inode)) } catch {}
  }
}
