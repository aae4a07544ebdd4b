import Executable
import IPC
import PageTable
import Protocols
import ServerKit

// exec: PM asks, a job finds and reads the file, VM builds the new space. Until VM's commit nothing has changed.
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
  func loadProgram(_ worker: Int, _ call: VFS.ExecLoad) throws(Errno) {
    guard call.pathLength > 0 else { throw .noSuchFile }
    guard call.pathLength <= UInt32(Bound.path) else { throw .nameTooLong }
    let length = Int(call.pathLength)
    let copy = Kernel.CopyGrant(
      granter: .pm, id: call.grant, offset: 0, address: UInt64(UInt(bitPattern: path(worker))), length: UInt64(length),
      direction: Kernel.Direction.read)
    do throws(Errno) { try ipc.kernel(copy) } catch { throw .badAddress }
    try checkPath(worker, length)
    let vnode = try walk(worker, length, follow: true, wantsParent: false).node
    defer { releaseVnode(vnode) }
    guard tables.vnodes[vnode].isRegular, tables.vnodes[vnode].node.mode & 0o111 != 0 else { throw .accessDenied }

    acquire(Lock.program(limits.files), worker)
    defer { release(lock: Lock.program(limits.files)) }
    let server = server(vnode)
    let grant = try ipc.kernel(Kernel.GrantCreate(
      address: UInt64(UInt(bitPattern: programBuffer)), length: Bound.chunk, grantee: server, access: Kernel.Access.write)).id
    defer { revoke(grant) }
    try build(worker, vnode, grant, call)
    if let index = process(call.process) { closeOnExec(index) }
  }

  private func build(_ worker: Int, _ vnode: Int, _ grant: UInt64, _ call: VFS.ExecLoad) throws(Errno) {
    // The segments are taken from the header before the buffer is used for their contents.
    let count = try fill(worker, vnode, grant, from: 0, count: UInt64(ELF.headerLimit))
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

    _ = try askVM(VM.ExecBegin(process: call.process))
    do throws(Errno) {
      for segment in segments { try load(worker, vnode, grant, segment, into: call.process) }
      _ = try askVM(VM.ExecCommit(process: call.process, entry: file.entry, arguments: call.arguments, argumentsLength: call.argumentsLength))
    } catch {
      do throws(Errno) { _ = try ipc.call(.vm, VM.ExecAbort(process: call.process)) } catch {}
      throw error
    }
  }

  private func load(_ worker: Int, _ vnode: Int, _ grant: UInt64, _ segment: ELF.Segment, into process: Endpoint) throws(Errno) {
    var protection = VM.Protection.read
    if segment.writable { protection |= VM.Protection.write }
    if segment.executable { protection |= VM.Protection.execute }
    _ = try askVM(VM.ExecMap(process: process, address: segment.address, length: segment.memoryLength, protection: protection))
    var done: UInt64 = 0
    while done < segment.fileLength {
      let want = min(Bound.chunk, segment.fileLength - done)
      guard try fill(worker, vnode, grant, from: segment.fileOffset + done, count: want) == want else { throw .notExecutable }
      _ = try askVM(VM.ExecWrite(
        process: process, address: segment.address + done, source: UInt64(UInt(bitPattern: programBuffer)), length: want))
      done += want
    }
  }

  /// Reads from the file into the program buffer; fewer bytes than `count` only at its end.
  private func fill(_ worker: Int, _ vnode: Int, _ grant: UInt64, from position: UInt64, count: UInt64) throws(Errno) -> UInt64 {
    try ask(worker, server(vnode), FS.Read(
      inode: tables.vnodes[vnode].inode, position: position, grant: grant, offset: 0, length: count), limit: count).count
  }

  /// VM never waits for anybody, so neither does this.
  private func askVM<C: Call>(_ call: C) throws(Errno) -> C.Reply {
    do throws(Errno) { return try ipc.call(.vm, call) } catch { throw Self.sane(error) }
  }
}
