import IPC
import Protocols
import ServerKit

// read(2) and write(2) on regular files, block devices and character devices.
extension VirtualFileSystem {
  /// In a job. The open file's position is locked, so that processes that share it never read the same bytes.
  func transferFile(_ worker: Int, _ descriptor: Int64, _ address: UInt64, _ length: UInt64, isWrite: Bool) throws(Errno) -> VFS.Count {
    let file = try holdFile(worker, descriptor)
    defer { releaseFile(file) }
    acquire(file, worker)
    defer { release(lock: file) }
    let vnode = tables.files[file].vnode
    let position = tables.files[file].position
    // Whatever is asked ends at the largest position there is.
    let length = min(length, Bound.fileSize - position)
    if length == 0 { if isWrite { throw .fileTooLarge } else { return VFS.Count(count: 0) } }
    if tables.files[file].isInvalid { throw .ioError }
    if tables.vnodes[vnode].isBlock {
      let count = try transferBlocks(worker, file, position, address, length, isWrite: isWrite)
      tables.files[file].position = position + count
      return VFS.Count(count: count)
    }
    if isWrite {
      let isAppending = tables.files[file].flags & VFS.OpenFlags.append != 0
      let reply = try isMemory(vnode)
        ? put(tables.workers[worker].client, vnode, isAppending ? .max : position, address, length)
        : isCached(vnode)
        ? writePages(worker, vnode, isAppending ? .max : position, address, length)
        : writeThrough(worker, vnode, isAppending ? .max : position, address, length)
      tables.files[file].position = isAppending ? min(reply.size, Bound.fileSize) : position + reply.count
      return VFS.Count(count: reply.count)
    }
    let count = try isCached(vnode)
      ? readPages(worker, vnode, position, address, length) : readThrough(worker, vnode, position, address, length)
    tables.files[file].position = position + count
    return VFS.Count(count: count)
  }

  /// Without the cache: the file system copies to the client itself.
  func readThrough(_ worker: Int, _ vnode: Int, _ position: UInt64, _ address: UInt64, _ length: UInt64) throws(Errno) -> UInt64 {
    let server = server(vnode)
    let grant = try grant(tables.workers[worker].client, address, length, to: server, access: Kernel.Access.write)
    defer { revoke(grant) }
    var done: UInt64 = 0
    while done < length {
      let want = min(Bound.chunk, length - done)
      let call = FS.Read(inode: tables.vnodes[vnode].inode, position: position + done, grant: grant, offset: done, length: want)
      let count: UInt64
      do throws(Errno) { count = try ask(worker, server, call, limit: want).count } catch {
        if done > 0 { break }
        throw error
      }
      done += count
      if count < want { break }
    }
    return done
  }

  /// - Parameter position: `.max` appends.
  private func writeThrough(
    _ worker: Int, _ vnode: Int, _ position: UInt64, _ address: UInt64, _ length: UInt64
  ) throws(Errno) -> FS.Write.Reply {
    let server = server(vnode)
    let grant = try grant(tables.workers[worker].client, address, length, to: server, access: Kernel.Access.read)
    defer { revoke(grant) }
    var done: UInt64 = 0
    var size: UInt64 = 0
    while done < length {
      let want = min(Bound.chunk, length - done)
      let at = position == .max ? position : position + done
      let call = FS.Write(inode: tables.vnodes[vnode].inode, position: at, grant: grant, offset: done, length: want)
      let reply: FS.Write.Reply
      do throws(Errno) { reply = try ask(worker, server, call, limit: want) } catch {
        if done > 0 { break }
        throw error
      }
      done += reply.count
      size = reply.size
      if reply.count < want { break }
    }
    return FS.Write.Reply(count: done, size: size)
  }

  // MARK: Block devices

  /// Whole sectors go straight to the client's memory; a part of a sector by way of our own buffer.
  private func transferBlocks(
    _ worker: Int, _ file: Int, _ position: UInt64, _ address: UInt64, _ length: UInt64, isWrite: Bool
  ) throws(Errno) -> UInt64 {
    let size = tables.vnodes[tables.files[file].vnode].node.size
    guard position < size else { if isWrite { throw .noSpace } else { return 0 } }
    let length = min(length, size - position)
    var done: UInt64 = 0
    do throws(Errno) {
      while done < length {
        let at = position + done
        let count: UInt64
        if at % Bound.sector == 0, length - done >= Bound.sector {
          let want = min(Bound.chunk, length - done) & ~(Bound.sector - 1)
          count = try wholeSectors(worker, file, at, address &+ done, want, isWrite: isWrite)
          done += count
          if count < want { break }
        } else {
          count = try partOfSector(worker, file, at, address &+ done, min(length - done, Bound.sector - at % Bound.sector), isWrite: isWrite)
          done += count
          if count == 0 { break }
        }
      }
    } catch { if done == 0 { throw error } }
    return done
  }

  private func wholeSectors(
    _ worker: Int, _ file: Int, _ position: UInt64, _ address: UInt64, _ length: UInt64, isWrite: Bool
  ) throws(Errno) -> UInt64 {
    let special = tables.vnodes[tables.files[file].vnode].node.special
    let driver = Device.driver(special)
    let access = isWrite ? Kernel.Access.read : Kernel.Access.write
    let grant = try grant(tables.workers[worker].client, address, length, to: driver, access: access)
    defer { revoke(grant) }
    let call = Block.Transfer(position: position, grant: grant, offset: 0, length: UInt32(length), minor: Device.minor(special), write: isWrite)
    return try ask(worker, driver, call, limit: length, file: file).count
  }

  private func partOfSector(
    _ worker: Int, _ file: Int, _ position: UInt64, _ address: UInt64, _ length: UInt64, isWrite: Bool
  ) throws(Errno) -> UInt64 {
    acquire(Lock.bounce(limits.files), worker)
    defer { release(lock: Lock.bounce(limits.files)) }
    let start = position & ~(Bound.sector - 1)
    let inside = Int(position - start)
    guard try bounce(worker, file, start, isWrite: false) == Bound.sector else { return 0 }
    let client = tables.workers[worker].client
    if isWrite {
      try copy(client, address, bounceBuffer + inside, Int(length), Kernel.Direction.read)
      guard try bounce(worker, file, start, isWrite: true) == Bound.sector else { return 0 }
    } else {
      try copy(client, address, bounceBuffer + inside, Int(length), Kernel.Direction.write)
    }
    return length
  }

  /// One sector between the device and our buffer.
  private func bounce(_ worker: Int, _ file: Int, _ position: UInt64, isWrite: Bool) throws(Errno) -> UInt64 {
    let special = tables.vnodes[tables.files[file].vnode].node.special
    let driver = Device.driver(special)
    let own = Kernel.GrantCreate(
      address: UInt64(UInt(bitPattern: bounceBuffer)), length: Bound.sector, grantee: driver,
      access: isWrite ? Kernel.Access.read : Kernel.Access.write)
    let grant = try ipc.kernel(own).id
    defer { revoke(grant) }
    let call = Block.Transfer(
      position: position, grant: grant, offset: 0, length: UInt32(Bound.sector), minor: Device.minor(special), write: isWrite)
    return try ask(worker, driver, call, limit: Bound.sector, file: file).count
  }

  // MARK: Character devices

  /// Not in a job: who reads a terminal may wait for ever, and there may be more such readers than workers.
  func transferCharacters(
    _ index: Int, _ delivery: Delivery, _ file: Int, _ address: UInt64, _ length: UInt64, isWrite: Bool
  ) throws(Errno) -> Message? {
    let special = tables.vnodes[tables.files[file].vnode].node.special
    let driver = Device.driver(special)
    let minor = Device.minor(special)
    let client = tables.processes[index].endpoint
    if driver == .none {
      if !isWrite, minor == Device.null { return Message(reply: VFS.Count(count: 0)) }
      return Message(reply: VFS.Count(count: isWrite ? length : try giveZeros(client, address, length)))
    }
    if length == 0 { return Message(reply: VFS.Count(count: 0)) }
    let grant = try grant(client, address, length, to: driver, access: isWrite ? Kernel.Access.read : Kernel.Access.write)
    let flags: UInt32 = tables.files[file].flags & VFS.OpenFlags.nonBlocking != 0 ? 1 : 0
    let position = tables.files[file].position
    let message = isWrite
      ? Message(Char.Write(minor: minor, flags: flags, position: position, grant: grant, offset: 0, length: length))
      : Message(Char.Read(minor: minor, flags: flags, position: position, grant: grant, offset: 0, length: length))
    try askDriver(index, delivery, file, driver, message, grant, limit: length)
    return nil
  }

  /// Leaves a request with a character driver; `deviceAnswered` ends it.
  private func askDriver(
    _ index: Int, _ delivery: Delivery, _ file: Int, _ driver: Endpoint, _ message: Message, _ grant: UInt64, limit: UInt64
  ) throws(Errno) {
    do throws(Errno) { try submit(workerCount + index, to: driver, message, limit: limit, file: file) } catch {
      if grant != 0 { revoke(grant) }
      throw error
    }
    tables.processes[index].waiting = .device(grant: grant)
    tables.processes[index].request = delivery.message
    tables.processes[index].requester = Requester(delivery)
  }

  /// The answer to what process `index` asked of a driver.
  func deviceAnswered(_ index: Int, _ request: Outstanding, _ reply: Message) {
    guard case .device(let grant) = tables.processes[index].waiting else { return }
    let isTransfer = request.message.type == Char.Read.number || request.message.type == Char.Write.number
    if reply.type == 0, isTransfer {
      let position = tables.files[request.file].position
      tables.files[request.file].position = position + min(reply.payload.0, Bound.fileSize - position)
    }
    if grant != 0 { revoke(grant) }
    tables.processes[index].waiting = .nothing
    if reply.type == -Errno.badAddress.rawValue, wantRefusedByDevice(index) { return }
    var answer = reply.type == 0 ? Message(type: 0) : Message(error: told(Self.sane(Errno(rawValue: -reply.type)), index))
    // Count and Control.Reply are both one word.
    if reply.type == 0 { answer.payload.0 = reply.payload.0 }
    respond(tables.processes[index].requester, answer)
  }

  /// At most a megabyte: VFS does nothing else meanwhile.
  private func giveZeros(_ client: Endpoint, _ address: UInt64, _ length: UInt64) throws(Errno) -> UInt64 {
    let length = min(length, 1 << 20)
    var done: UInt64 = 0
    while done < length {
      let count = min(Bound.zeros, length - done)
      try copy(client, address &+ done, zeros, Int(count), Kernel.Direction.write)
      done += count
    }
    return length
  }

  // MARK: ioctl

  func control(_ index: Int, _ delivery: Delivery, _ call: VFS.Control) throws(Errno) -> Message? {
    let file = try file(index, call.descriptor)
    let record = tables.files[file]
    if record.isInvalid { throw .ioError }
    guard record.vnode >= 0, isDevice(record.vnode) else { throw .notTerminal }
    let special = tables.vnodes[record.vnode].node.special
    let driver = Device.driver(special)
    guard driver != .none else { throw .notTerminal }
    // A RAM disk that others use must not vanish under them (M-D3).
    if call.request == Char.Request.ramDiskSize, isUsedElsewhere(file) { throw .busy }
    var grant: UInt64 = 0
    let size = Char.Request.size(call.request)
    if size > 0 {
      let access = Char.Request.writesBack(call.request) ? Kernel.Access.write : Kernel.Access.read
      grant = try self.grant(tables.processes[index].endpoint, call.argument, size, to: driver, access: access)
    }
    let message = Message(Char.Control(minor: UInt64(Device.minor(special)), request: call.request, argument: size > 0 ? grant : call.argument))
    try askDriver(index, delivery, file, driver, message, grant, limit: .max)
    return nil
  }

  private func isUsedElsewhere(_ file: Int) -> Bool {
    let special = tables.vnodes[tables.files[file].vnode].node.special
    for mount in 0..<limits.mounts where tables.mounts[mount].isUsed && tables.mounts[mount].server != .none {
      if tables.mounts[mount].driver == Device.driver(special), tables.mounts[mount].minor == Device.minor(special) { return true }
    }
    for other in 0..<limits.files where other != file && tables.files[other].users > 0 && tables.files[other].vnode >= 0 {
      if isDevice(tables.files[other].vnode), tables.vnodes[tables.files[other].vnode].node.special == special { return true }
    }
    return false
  }
}
