import IPC
import Protocols

// Calls on descriptors that never wait: dup, dup2, fcntl, lseek but from the end.
extension VirtualFileSystem {
  func duplicate(_ index: Int, _ call: VFS.Duplicate) throws(Errno) -> VFS.Descriptor {
    let file = try file(index, call.descriptor)
    if call.target == -1 {
      let number = try freeDescriptor(index)
      tables.files[file].users += 1
      install(index, number, file, closeOnExec: false)
      return VFS.Descriptor(descriptor: Int64(number))
    }
    guard call.target >= 0, call.target < Int64(Bound.descriptors) else { throw .badFileDescriptor }
    if call.target == call.descriptor { return VFS.Descriptor(descriptor: call.target) }
    tables.files[file].users += 1
    _ = try? close(index, Int(call.target))
    install(index, Int(call.target), file, closeOnExec: false)
    return VFS.Descriptor(descriptor: call.target)
  }

  /// fcntl(2), numbered as on Linux.
  func fileControl(_ index: Int, _ call: VFS.FileControl) throws(Errno) -> VFS.Control.Reply {
    let file = try file(index, call.descriptor)
    let settable = VFS.OpenFlags.append | VFS.OpenFlags.nonBlocking
    switch call.command {
    case 0, 1030:  // F_DUPFD, F_DUPFD_CLOEXEC
      guard call.argument < UInt64(Bound.descriptors) else { throw .invalidArgument }
      let number = try freeDescriptor(index, from: Int(call.argument))
      tables.files[file].users += 1
      install(index, number, file, closeOnExec: call.command == 1030)
      return VFS.Control.Reply(result: Int64(number))
    case 1: return VFS.Control.Reply(result: tables.processes[index].descriptors[Int(call.descriptor)].closeOnExec ? 1 : 0)
    case 2: tables.processes[index].descriptors[Int(call.descriptor)].closeOnExec = call.argument & 1 != 0
    case 3: return VFS.Control.Reply(result: Int64(tables.files[file].flags))
    case 4:
      let flags = UInt32(truncatingIfNeeded: call.argument) & settable
      tables.files[file].flags = tables.files[file].flags & ~settable | flags
    default: throw .invalidArgument
    }
    return VFS.Control.Reply(result: 0)
  }

  /// Nil if the file's size is needed, which only a job can ask for.
  func seek(_ index: Int, _ call: VFS.Seek) throws(Errno) -> VFS.Seek.Reply? {
    let file = try file(index, call.descriptor)
    let record = tables.files[file]
    guard record.pipe < 0 else { throw .illegalSeek }
    if tables.vnodes[record.vnode].isCharacter {
      // null and zero have a position that stays 0; terminals have none; other drivers may heed it.
      let driver = Device.driver(tables.vnodes[record.vnode].node.special)
      if driver == .tty { throw .illegalSeek }
      if driver == .none { return VFS.Seek.Reply(offset: 0) }
    }
    switch call.whence {
    case 0: return try setPosition(file, base: 0, call.offset)
    case 1: return try setPosition(file, base: record.position, call.offset)
    case 2: return nil
    default: throw .invalidArgument
    }
  }

  func setPosition(_ file: Int, base: UInt64, _ offset: Int64) throws(Errno) -> VFS.Seek.Reply {
    // Positions never exceed Int64.max.
    let (sum, overflows) = Int64(base).addingReportingOverflow(offset)
    if overflows { throw offset < 0 ? .invalidArgument : .overflow }
    guard sum >= 0 else { throw .invalidArgument }
    tables.files[file].position = UInt64(sum)
    return VFS.Seek.Reply(offset: sum)
  }

  func seekFromEnd(_ worker: Int, _ call: VFS.Seek) throws(Errno) -> VFS.Seek.Reply {
    let file = try holdFile(worker, call.descriptor)
    defer { releaseFile(file) }
    let size = try attributes(worker, tables.files[file].vnode).size
    return try setPosition(file, base: min(size, Bound.fileSize), call.offset)
  }
}
