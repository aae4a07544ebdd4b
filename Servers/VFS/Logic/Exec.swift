import Executable
import IPC
import PageTable
import Protocols
import ServerKit

// exec: PM asks, a job finds the file and looks at its header, VM builds the new space. Until VM's commit nothing has changed.
extension VirtualFileSystem {
  /// `VFS.ExecLoad` from PM. The process waits for PM, so its place in our queue is free.
  func load(_ delivery: Delivery) {
    let call: VFS.ExecLoad = delivery.message.body()
    guard let index = process(call.process), case .nothing = tables.processes[index].waiting else {
      respond(Requester(delivery), Message(error: .noSuchProcess))
      return
    }
    enqueue(index, delivery)
  }

  /// The job.
  func loadProgram(_ worker: Int, _ call: VFS.ExecLoad) throws(Errno) -> VFS.ExecLoad.Reply {
    guard call.pathLength > 0 else { throw .noSuchFile }
    guard call.pathLength <= UInt32(Bound.path) else { throw .nameTooLong }
    let length = Int(call.pathLength)
    let copy = Kernel.CopyGrant(
      granter: .pm, id: call.grant, offset: 0, address: UInt64(UInt(bitPattern: path(worker))), length: UInt64(length),
      direction: Kernel.Direction.read)
    do throws(Errno) { try ipc.kernel(copy) } catch { throw .badAddress }
    try checkPath(worker, length)
    let name = lastName(worker, length)
    let vnode = try walk(worker, length, follow: true, wantsParent: false).node
    defer { releaseVnode(vnode) }
    guard tables.vnodes[vnode].isRegular, tables.vnodes[vnode].node.mode & 0o111 != 0 else { throw .accessDenied }
    guard tables.vnodes[vnode].writers == 0, !tables.vnodes[vnode].isMappedForWriting else { throw .textFileBusy }
    // It runs from now on, so that nobody opens it for writing meanwhile.
    run(vnode)
    do throws(Errno) { try build(worker, vnode, call) } catch {
      stopRunning(vnode)
      throw error
    }
    guard let index = process(call.process) else {
      stopRunning(vnode)
      throw .noSuchProcess
    }
    let old = tables.processes[index].program
    tables.processes[index].program = vnode
    if old >= 0 { stopRunning(old) }
    closeOnExec(index)
    return VFS.ExecLoad.Reply(name: name)
  }

  /// What follows the last slash of the path, 24 bytes at most.
  private func lastName(_ worker: Int, _ length: Int) -> (UInt64, UInt64, UInt64) {
    let bytes = path(worker)
    var begin = 0
    for index in 0..<length where bytes.load(fromByteOffset: index, as: UInt8.self) == 0x2F && index + 1 < length { begin = index + 1 }
    var words = InlineArray<3, UInt64>(repeating: 0)
    for index in 0..<min(24, length - begin) {
      words[index / 8] |= UInt64(bytes.load(fromByteOffset: begin + index, as: UInt8.self)) << UInt64(index % 8 * 8)
    }
    return (words[0], words[1], words[2])
  }

  // MARK: Who runs what

  /// A process more runs the file, and holds it.
  func run(_ vnode: Int) {
    hold(vnode)
    tables.vnodes[vnode].programs += 1
  }

  func stopRunning(_ vnode: Int) {
    tables.vnodes[vnode].programs -= 1
    releaseVnode(vnode)
  }

  /// Nobody changes what somebody runs.
  func checkNotRunning(_ vnode: Int) throws(Errno) {
    if tables.vnodes[vnode].programs > 0 { throw .textFileBusy }
  }

  // MARK: The new space

  private func build(_ worker: Int, _ vnode: Int, _ call: VFS.ExecLoad) throws(Errno) {
    acquire(Lock.program(limits.files), worker)
    defer { release(lock: Lock.program(limits.files)) }
    // The segments are taken from the header before the buffer is used for their contents.
    let count = try read(worker, vnode, from: 0, count: UInt64(ELF.headerLimit))
    let header = UnsafeRawBufferPointer(start: programBuffer, count: Int(count))
    guard let file = ELF(header: header) else { throw .notExecutable }
    var segments: [ELF.Segment] = []
    for index in 0..<file.programHeaders {
      switch file.segment(index, header: header, userStart: AddressSpace.userStart, userEnd: AddressSpace.userEnd) {
      case .other: break
      case .invalid: throw .notExecutable
      case .load(let segment): segments.append(segment)
      }
    }
    guard !segments.isEmpty else { throw .notExecutable }
    let size = tables.vnodes[vnode].node.size
    for segment in segments where segment.fileOffset + segment.fileLength > size { throw .notExecutable }

    _ = try askVM(VM.ExecBegin(process: call.process))
    do throws(Errno) {
      for segment in segments { try load(worker, vnode, segment, into: call.process) }
      _ = try askVM(VM.ExecCommit(process: call.process, entry: file.entry, arguments: call.arguments, argumentsLength: call.argumentsLength))
    } catch {
      do throws(Errno) { _ = try ipc.call(.vm, VM.ExecAbort(process: call.process)) } catch {}
      throw error
    }
  }

  private func load(_ worker: Int, _ vnode: Int, _ segment: ELF.Segment, into process: Endpoint) throws(Errno) {
    var protection = VM.Protection.read
    if segment.writable { protection |= VM.Protection.write }
    if segment.executable { protection |= VM.Protection.execute }
    // Bytes of the segment that its pages show; what follows is copied, and zero behind the file's part.
    let shown = isCached(vnode) ? segment.shown : 0
    if shown > 0 {
      let inside = segment.address & 4095
      noteMapping(vnode, try askVM(PageCache.Map(
        process: process, mount: tables.mounts[tables.vnodes[vnode].mount].number, inode: tables.vnodes[vnode].inode,
        position: segment.fileOffset - inside, address: segment.address - inside, length: shown + inside,
        size: min(tables.vnodes[vnode].node.size, Bound.fileSize), protection: protection, allowed: protection,
        flags: VM.Flags.private | PageCache.Map.image)))
    }
    guard shown < segment.memoryLength else { return }
    _ = try askVM(VM.ExecMap(
      process: process, address: segment.address + shown, length: segment.memoryLength - shown, protection: protection))
    var done = shown
    while done < segment.fileLength {
      let want = min(Bound.chunk, segment.fileLength - done)
      guard try read(worker, vnode, from: segment.fileOffset + done, count: want) == want else { throw .notExecutable }
      _ = try askVM(VM.ExecWrite(
        process: process, address: segment.address + done, source: UInt64(UInt(bitPattern: programBuffer)), length: want))
      done += want
    }
  }

  /// Reads from the file into the program buffer, at most `Bound.chunk`; fewer bytes than `count` only at its end.
  private func read(_ worker: Int, _ vnode: Int, from position: UInt64, count: UInt64) throws(Errno) -> UInt64 {
    if isMemory(vnode) { return try readMemory(vnode, position, into: programBuffer, count) }
    if isCached(vnode), let done = try readCached(worker, vnode, from: position, count: count) { return done }
    let server = server(vnode)
    let grant = try ipc.kernel(Kernel.GrantCreate(
      address: UInt64(UInt(bitPattern: programBuffer)), length: Bound.chunk, grantee: server, access: Kernel.Access.write)).id
    defer { revoke(grant) }
    return try ask(worker, server, FS.Read(
      inode: tables.vnodes[vnode].inode, position: position, grant: grant, offset: 0, length: count), limit: count).count
  }

  /// The same by way of the page cache; nil if it takes no pages.
  private func readCached(_ worker: Int, _ vnode: Int, from position: UInt64, count: UInt64) throws(Errno) -> UInt64? {
    let size = tables.vnodes[vnode].node.size
    let want = position < size ? min(count, size - position) : 0
    var done: UInt64 = 0
    var hasWaited = false
    while done < want {
      guard let copied = try pages(.vfs, vnode, position + done, UInt64(UInt(bitPattern: programBuffer)) + done, want - done) else { return nil }
      done += copied
      if done < want {
        guard try bring(worker, vnode, position + done, &hasWaited) else { return nil }
        // The file has become shorter.
        if position + done >= tables.vnodes[vnode].node.size { break }
      }
    }
    return done
  }

  /// VM never waits for anybody, so neither does this.
  private func askVM<C: Call>(_ call: C) throws(Errno) -> C.Reply {
    do throws(Errno) { return try ipc.call(.vm, call) } catch { throw Self.sane(error) }
  }
}

extension ELF.Segment {
  /// How many of its bytes can be pages of the file as they are: all that lie in whole pages of it; the last page too unless it
  /// goes on with zeroed memory or can be written to. 0 if file and memory do not have the same borders of pages.
  var shown: UInt64 {
    guard address & 4095 == fileOffset & 4095, fileLength > 0 else { return 0 }
    if fileLength == memoryLength, !writable { return fileLength }
    let end = Page.down(address + fileLength)
    return end > address ? end - address : 0
  }
}
