import IPC
import Protocols
import ServerKit

// Files in the memory of processes. VM shows their pages; it asks VFS for those that it lacks (V82, V84), and says when
// nobody maps a file any more. VFS holds the vnode until then, and takes what processes have changed to the file system.
extension VirtualFileSystem {
  /// mmap(2): the descriptor decides what may be done, also later by mprotect and after it is closed (V53).
  func mapFile(_ index: Int, _ call: VFS.MapFile) throws(Errno) -> VM.AddressReply {
    let file = try file(index, call.descriptor)
    let record = tables.files[file]
    let sharing = call.flags & (VM.Flags.shared | VM.Flags.private)
    guard sharing == VM.Flags.shared || sharing == VM.Flags.private else { throw .invalidArgument }
    guard record.isReadable else { throw .accessDenied }
    guard record.vnode >= 0, tables.vnodes[record.vnode].isRegular, isCached(record.vnode) else { throw .operationNotSupportedByDevice }
    let isShared = sharing == VM.Flags.shared
    var allowed = VM.Protection.read | VM.Protection.execute
    if !isShared || record.isWritable { allowed |= VM.Protection.write }
    let reply = try ipc.call(.vm, PageCache.Map(
      process: tables.processes[index].endpoint, mount: tables.mounts[tables.vnodes[record.vnode].mount].number,
      inode: tables.vnodes[record.vnode].inode, position: call.offset, address: call.address, length: call.length,
      size: min(tables.vnodes[record.vnode].node.size, Bound.fileSize), protection: call.protection & 0xFF, allowed: allowed,
      flags: call.flags & ~(VM.Flags.anonymous | PageCache.Map.image)))
    noteMapping(record.vnode, reply)
    if isShared, record.isWritable { tables.vnodes[record.vnode].isMappedForWriting = true }
    return VM.AddressReply(address: reply.address)
  }

  /// A file that VM has begun to show is held until `VFS.FileUnmapped`.
  func noteMapping(_ vnode: Int, _ reply: PageCache.Map.Reply) {
    guard reply.isFirst != 0 else { return }
    hold(vnode)
    tables.vnodes[vnode].mappings += 1
  }

  /// The vnode that VM means, nil if nobody has it.
  private func vnode(_ number: UInt32, _ inode: UInt64) -> Int? {
    guard number != 0, let mount = (0..<limits.mounts).first(where: { tables.mounts[$0].number == number }) else { return nil }
    return find(mount, inode)
  }

  func unmapped(_ call: VFS.FileUnmapped) {
    guard let vnode = vnode(call.mount, call.inode), tables.vnodes[vnode].mappings > 0 else { return }
    tables.vnodes[vnode].mappings -= 1
    if tables.vnodes[vnode].mappings == 0 { tables.vnodes[vnode].isMappedForWriting = false }
    if call.changed == 0 || tables.vnodes[vnode].isChanged || isMemory(vnode) { return releaseVnode(vnode) }
    // The use goes on until the job is over.
    tables.vnodes[vnode].isChanged = true
    changedCount += 1
  }

  /// VM is short of memory: what processes have changed in a file is to become the file system's. VM asks for one file at a time.
  func wantWriteBack(_ call: VFS.WriteBack) {
    guard pressed < 0, let vnode = vnode(call.mount, call.inode) else { return wroteBack(call.mount, call.inode, .noSuchFile) }
    hold(vnode)
    pressed = vnode
  }

  private func wroteBack(_ mount: UInt32, _ inode: UInt64, _ error: Errno?) {
    do throws(Errno) { _ = try ipc.call(.vm, PageCache.WroteBack(mount: mount, inode: inode, error: error)) } catch {}
  }

  // MARK: Pages on demand

  /// What a full queue has no place for VM asks for again: that is no lack of memory.
  func want(_ page: WantedPage) {
    if page.isAhead, wantedCount >= Bound.ahead { return }
    guard wantedCount < tables.wantedPages.count else { return fail(page, .wouldBlock) }
    tables.wantedPages[(firstWanted + wantedCount) % tables.wantedPages.count] = page
    wantedCount += 1
  }

  var hasPageJob: Bool { wantedCount > 0 || changedCount > 0 || pressed >= 0 }

  /// Threads that wait for memory or for a page come before requests.
  func nextPageJob() -> Job {
    if pressed >= 0 {
      let vnode = pressed
      pressed = -1
      return .writeBack(vnode: vnode, isUnmapped: false)
    }
    if wantedCount > 0 {
      let page = tables.wantedPages[firstWanted]
      firstWanted = (firstWanted + 1) % tables.wantedPages.count
      wantedCount -= 1
      return .page(page)
    }
    let vnode = (0..<limits.vnodes).first { tables.vnodes[$0].isChanged } ?? 0
    tables.vnodes[vnode].isChanged = false
    changedCount -= 1
    return .writeBack(vnode: vnode, isUnmapped: true)
  }

  private func fail(_ page: WantedPage, _ error: Errno) {
    do throws(Errno) { _ = try ipc.call(.vm, PageCache.Fail(mount: page.mount, inode: page.inode, position: page.position, error: error)) } catch {}
  }

  /// A job: VM hears of the page, or that there will be none.
  func fetchWanted(_ worker: Int, _ page: WantedPage) {
    var answer = Message(reply: Done())
    do throws(Errno) {
      if try !bringWanted(worker, page) { throw .noMemory }
    } catch {
      fail(page, error)
      answer = Message(error: error)
    }
    if page.process >= 0 { again(Int(page.process), worker) }
    if page.token != 0 {
      answer.token = page.token
      post(answer, to: .pm)
    }
  }

  /// False if there is no memory for it.
  private func bringWanted(_ worker: Int, _ page: WantedPage) throws(Errno) -> Bool {
    guard let vnode = vnode(page.mount, page.inode), !isMemory(vnode) else { throw .ioError }
    hold(vnode)
    defer { releaseVnode(vnode) }
    let lock = cacheLock(tables.vnodes[vnode].mount)
    acquire(lock, worker)
    defer { release(lock: lock) }
    let pages = try fetch(worker, vnode, page.position & ~4095, isAhead: page.isAhead)
    if page.position >= tables.vnodes[vnode].node.size { throw .ioError }
    return pages > 0
  }

  // MARK: Buffers in mapped files

  /// The page that a copy for the client met and VM did not wait for; nil if it was something else.
  private func refused(_ client: Endpoint) -> WantedPage? {
    do throws(Errno) {
      let place = try ipc.call(.vm, PageCache.Missing(process: client))
      return WantedPage(mount: place.mount, inode: place.inode, position: place.position)
    } catch { return nil }
  }

  /// In a job, after an error: whether it is worth another try.
  func fetchRefused(_ worker: Int) -> Bool {
    guard let page = refused(tables.workers[worker].client) else { return false }
    do throws(Errno) { return try bringWanted(worker, page) } catch { return false }
  }

  /// In the loop, after an error: the request is done again when the page is there.
  func wantRefused(_ index: Int, _ delivery: Delivery) -> Bool {
    guard var page = refused(tables.processes[index].endpoint), wantedCount < tables.wantedPages.count else { return false }
    page.process = Int32(index)
    tables.processes[index].request = delivery.message
    tables.processes[index].requester = Requester(delivery)
    tables.processes[index].waiting = .page
    want(page)
    return true
  }

  private func again(_ index: Int, _ worker: Int) {
    guard case .page = tables.processes[index].waiting else { return }
    tables.processes[index].waiting = .nothing
    let requester = tables.processes[index].requester
    if let answer = request(Delivery(message: tables.processes[index].request, flags: .request)) { respond(requester, answer) }
  }

  /// After a device could not copy: the same for what the process asked of it.
  func wantRefusedByDevice(_ index: Int) -> Bool {
    guard var page = refused(tables.processes[index].endpoint), wantedCount < tables.wantedPages.count else { return false }
    page.process = Int32(index)
    tables.processes[index].waiting = .page
    want(page)
    return true
  }

  /// `VFS.BringPage`: PM, too, waits for nobody, and does again what it had to do.
  func bringPage(_ delivery: Delivery) {
    let call: VFS.BringPage = delivery.message.body()
    guard var page = refused(call.process), wantedCount < tables.wantedPages.count else {
      return respond(Requester(delivery), Message(error: .badAddress))
    }
    page.token = delivery.message.token
    want(page)
  }

  // MARK: What processes have changed

  /// A job that VM has asked for: it hears of the end.
  func relieve(_ worker: Int, _ vnode: Int) {
    var failure: Errno?
    do throws(Errno) { try writeBack(worker, vnode) } catch { failure = error }
    wroteBack(tables.mounts[tables.vnodes[vnode].mount].number, tables.vnodes[vnode].inode, failure)
    releaseVnode(vnode)
  }

  /// A job after the last munmap.
  func finishMapping(_ worker: Int, _ vnode: Int) {
    do throws(Errno) { try writeBack(worker, vnode, isLast: true) } catch {
      var line = Text("VFS: what was written to a mapped file is lost, its file system says ")
      line.append(signed: Int64(error.rawValue))
      line.append("\n")
      log(line)
    }
    releaseVnode(vnode)
  }

  /// In a job: changed pages go to the file system, each whole or up to the file's end. An error is that of the first that
  /// did not get there; the rest is tried. What did not stays changed, unless this is the last that anybody will hear of it.
  func writeBack(_ worker: Int, _ vnode: Int, isLast: Bool = false) throws(Errno) {
    if isMemory(vnode) { return }
    let mount = tables.vnodes[vnode].mount
    let lock = cacheLock(mount)
    acquire(lock, worker)
    defer { release(lock: lock) }
    var failure: Errno?
    var position: UInt64 = 0
    while true {
      let take = PageCache.TakeChanged(
        mount: tables.mounts[mount].number, inode: tables.vnodes[vnode].inode, position: position,
        destination: UInt64(UInt(bitPattern: cacheBuffer(mount))))
      do throws(Errno) { position = try ipc.call(.vm, take).count } catch { break }
      let size = tables.vnodes[vnode].node.size
      if position < size {
        let count = min(4096, size - position)
        let write = FS.Write(inode: tables.vnodes[vnode].inode, position: position, grant: tables.mounts[mount].bufferGrant, offset: 0, length: count)
        var problem: Errno?
        do throws(Errno) { if try ask(worker, server(vnode), write, limit: count).count < count { problem = .noSpace } } catch { problem = error }
        if let problem {
          failure = failure ?? problem
          if !isLast { keepChanged(mount, tables.vnodes[vnode].inode) }
        }
      }
      position += 4096
    }
    if let failure { throw failure }
  }

  private func keepChanged(_ mount: Int, _ inode: UInt64) {
    do throws(Errno) { _ = try ipc.call(.vm, PageCache.NotWritten(mount: tables.mounts[mount].number, inode: inode)) } catch {}
  }

  /// msync(2): every file that is mapped shared within the range.
  func syncMemory(_ worker: Int, _ call: VFS.SyncMemory) throws(Errno) {
    let (end, wraps) = call.address.addingReportingOverflow(call.length)
    guard call.address & 4095 == 0, !wraps else { throw .invalidArgument }
    var at = call.address
    while at < end {
      let place = try ipc.call(.vm, PageCache.Mapping(process: tables.workers[worker].client, address: at))
      if place.isShared != 0, let vnode = vnode(place.mount, place.inode) {
        hold(vnode)
        defer { releaseVnode(vnode) }
        try writeBack(worker, vnode)
      }
      guard place.end > at else { return }
      at = place.end
    }
  }
}
