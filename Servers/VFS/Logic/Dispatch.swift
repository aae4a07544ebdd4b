import IPC
import Protocols
import ServerKit

// From a request's number to the code that does it. What never waits is done at once; the rest is queued for a worker.
extension VirtualFileSystem {
  /// A process's request: its answer, or nil if that comes later.
  func request(_ delivery: Delivery) -> Message? {
    if delivery.message.type == VFS.MountInformation.number { return mountInformation(delivery.message.body()) }
    guard let index = process(delivery.message.source) else { return Message(error: .notPermitted) }
    // A process waits for its answer, so it cannot ask twice; one that seems to is not what it seems.
    guard case .nothing = tables.processes[index].waiting else { return Message(error: .alreadyInProgress) }
    do throws(Errno) { return try direct(index, delivery) } catch {
      if error == .badAddress, wantRefused(index, delivery) { return nil }
      return Message(error: error)
    }
  }

  private func direct(_ index: Int, _ delivery: Delivery) throws(Errno) -> Message? {
    let message = delivery.message
    switch VFS.Number(rawValue: message.type) {
    case .close:
      let call: VFS.Close = message.body()
      _ = try file(index, call.descriptor)
      try close(index, Int(call.descriptor))
      return Message(reply: Done())
    case .duplicate: return Message(reply: try duplicate(index, message.body()))
    case .fileControl: return Message(reply: try fileControl(index, message.body()))
    case .pipe: return Message(reply: try makePipe(index, message.body()))
    case .read:
      let call: VFS.Read = message.body()
      let file = try file(index, call.descriptor)
      guard tables.files[file].isReadable else { throw .badFileDescriptor }
      return try transfer(index, delivery, file, call.address, min(call.length, Bound.transfer), isWrite: false)
    case .write:
      let call: VFS.Write = message.body()
      let file = try file(index, call.descriptor)
      guard tables.files[file].isWritable else { throw .badFileDescriptor }
      return try transfer(index, delivery, file, call.address, min(call.length, Bound.transfer), isWrite: true)
    case .control: return try control(index, delivery, message.body())
    case .mapFile: return Message(reply: try mapFile(index, message.body()))
    case .seek:
      if let reply = try seek(index, message.body()) { return Message(reply: reply) }
    case .fileStat:
      let file = try file(index, (message.body() as VFS.FileStat).descriptor)
      if tables.files[file].pipe >= 0 { return Message(reply: pipeAttributes(tables.files[file].pipe)) }
    case .readDirectory, .fileTruncate, .fileSync, .open, .stat, .unlink, .removeDirectory, .makeDirectory, .rename, .link,
      .symbolicLink, .readLink, .truncate, .changeMode, .changeDirectory, .currentDirectory, .sync, .mount, .unmount, .access,
      .fileSystemStatistics, .syncMemory:
      break
    case .pageRequest, .fileUnmapped, .bringPage, .writeBack, .execLoad, .processForked, .processExited, .cancel, .serviceUp, .mountInformation: throw .notPermitted
    case nil: throw .noSuchCall
    }
    enqueue(index, delivery)
    return nil
  }

  /// Read and write, by what the file is: pipes and character devices wait in tables, the rest in a job.
  private func transfer(_ index: Int, _ delivery: Delivery, _ file: Int, _ address: UInt64, _ length: UInt64, isWrite: Bool) throws(Errno) -> Message? {
    let record = tables.files[file]
    if record.isInvalid { throw .ioError }
    if record.pipe >= 0 {
      return try isWrite ? writePipe(index, delivery, file, address, length) : readPipe(index, delivery, file, address, length)
    }
    if tables.vnodes[record.vnode].isDirectory { throw .isDirectory }
    if isDevice(record.vnode), tables.vnodes[record.vnode].isCharacter {
      return try transferCharacters(index, delivery, file, address, length, isWrite: isWrite)
    }
    if length == 0 { return Message(reply: VFS.Count(count: 0)) }
    if let answer = try isWrite ? writeAtOnce(index, file, address, length) : readAtOnce(index, file, address, length) { return answer }
    enqueue(index, delivery)
    return nil
  }

  /// In a worker: the whole of a request that may wait.
  func perform(_ worker: Int) throws(Errno) -> Message {
    let message = tables.workers[worker].message
    switch VFS.Number(rawValue: message.type) {
    case .open: return Message(reply: try open(worker, message.body()))
    case .read:
      let call: VFS.Read = message.body()
      return Message(reply: try transferFile(worker, call.descriptor, call.address, min(call.length, Bound.transfer), isWrite: false))
    case .write:
      let call: VFS.Write = message.body()
      return Message(reply: try transferFile(worker, call.descriptor, call.address, min(call.length, Bound.transfer), isWrite: true))
    case .seek: return Message(reply: try seekFromEnd(worker, message.body()))
    case .stat: return Message(reply: try stat(worker, message.body()))
    case .fileStat: return Message(reply: try fileStat(worker, message.body()))
    case .readDirectory: return Message(reply: try readDirectory(worker, message.body()))
    case .unlink: try unlink(worker, message.body())
    case .removeDirectory: try removeDirectory(worker, message.body())
    case .makeDirectory: try makeDirectory(worker, message.body())
    case .rename: try rename(worker, message.body())
    case .link: try link(worker, message.body())
    case .symbolicLink: try symbolicLink(worker, message.body())
    case .readLink: return Message(reply: try readLink(worker, message.body()))
    case .truncate: try truncate(worker, message.body())
    case .fileTruncate: try fileTruncate(worker, message.body())
    case .changeMode: try changeMode(worker, message.body())
    case .changeDirectory: try changeDirectory(worker, message.body())
    case .currentDirectory: return Message(reply: try currentDirectory(worker, message.body()))
    case .sync: try sync(worker)
    case .fileSync: try fileSync(worker, message.body())
    case .mount: try mount(worker, message.body())
    case .unmount: try unmount(worker, message.body())
    case .access: try access(worker, message.body())
    case .fileSystemStatistics: return Message(reply: try statistics(worker, message.body()))
    case .execLoad: return Message(reply: try loadProgram(worker, message.body()))
    case .syncMemory: try syncMemory(worker, message.body())
    case .close, .duplicate, .pipe, .control, .fileControl, .processForked, .processExited, .cancel, .serviceUp,
      .mountInformation, .mapFile, .pageRequest, .fileUnmapped, .bringPage, .writeBack, nil:
      throw .noSuchCall
    }
    return Message(reply: Done())
  }

  /// In a job: the open file behind the client's descriptor, held until the job has released it.
  func holdFile(_ worker: Int, _ descriptor: Int64) throws(Errno) -> Int {
    guard let index = process(tables.workers[worker].client) else { throw .noSuchProcess }
    let file = try file(index, descriptor)
    tables.files[file].users += 1
    return file
  }
}
