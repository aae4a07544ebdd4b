import Glibc
import IPC
import Protocols

// VFS's part. Numbers of flags, modes and requests are Linux's already.

func files(_ message: Message) throws(Errno) -> Message {
  switch VFS.Number(rawValue: message.type) {
  case .open:
    let call: VFS.Open = message.body()
    return descriptor(try check(Glibc.open(try path(call.path, call.length), Int32(bitPattern: call.flags), mode_t(call.mode))))
  case .close: return done(try check(Glibc.close(Int32((message.body() as VFS.Close).descriptor))))
  case .read:
    let call: VFS.Read = message.body()
    return count(try check(Glibc.read(Int32(call.descriptor), pointer(call.address), Int(call.length))))
  case .write:
    let call: VFS.Write = message.body()
    return count(try check(Glibc.write(Int32(call.descriptor), pointer(call.address), Int(call.length))))
  case .seek:
    let call: VFS.Seek = message.body()
    return Message(reply: VFS.Seek.Reply(offset: Int64(try check(lseek(Int32(call.descriptor), Int(call.offset), Int32(call.whence))))))
  case .readDirectory:
    let call: VFS.ReadDirectory = message.body()
    let getdents64 = symbol("getdents64", (@convention(c) (Int32, UnsafeMutableRawPointer, Int) -> Int).self)
    return count(try check(getdents64(Int32(call.descriptor), pointer(call.address), Int(call.length))))
  case .fileTruncate:
    let call: VFS.FileTruncate = message.body()
    return done(try check(ftruncate(Int32(call.descriptor), Int(call.size))))
  case .duplicate:
    let call: VFS.Duplicate = message.body()
    return descriptor(try check(call.target == -1 ? dup(Int32(call.descriptor)) : dup2(Int32(call.descriptor), Int32(call.target))))
  case .pipe:
    var ends: [Int32] = [0, 0]
    let pipe2 = symbol("pipe2", (@convention(c) (UnsafeMutablePointer<Int32>, Int32) -> Int32).self)
    _ = try check(pipe2(&ends, Int32((message.body() as VFS.Pipe).flags)))
    return Message(reply: VFS.Pipe.Reply(readEnd: Int64(ends[0]), writeEnd: Int64(ends[1])))
  case .control:
    let call: VFS.Control = message.body()
    let ioctl = symbol("ioctl", (@convention(c) (Int32, UInt, UInt) -> Int32).self)
    return Message(reply: VFS.Control.Reply(result: Int64(try check(ioctl(Int32(call.descriptor), UInt(call.request), UInt(call.argument))))))
  case .fileControl:
    let call: VFS.FileControl = message.body()
    return Message(reply: VFS.Control.Reply(result: Int64(try check(fcntl(Int32(call.descriptor), Int32(call.command), Int32(call.argument))))))
  case .mapFile:
    let call: VFS.MapFile = message.body()
    return try address(9, call.address, call.length, UInt64(call.protection), UInt64(call.flags), UInt64(bitPattern: call.descriptor), call.offset)
  case .syncMemory: return Message(reply: Done())
  case .sync: return Message(reply: Done())
  case .fileSync: return done(try check(fsync(Int32((message.body() as VFS.FileSync).descriptor))))
  case .stat, .fileStat: return try attributes(message)
  default: return try names(message)
  }
}

private func attributes(_ message: Message) throws(Errno) -> Message {
  var info = stat()
  if message.type == VFS.FileStat.number {
    _ = try check(fstat(Int32((message.body() as VFS.FileStat).descriptor), &info))
  } else {
    let call: VFS.Stat = message.body()
    _ = try check(fstatat(AT_FDCWD, try path(call.path, call.length), &info, call.follow == 0 ? AT_SYMLINK_NOFOLLOW : 0))
  }
  return Message(
    reply: VFS.Attributes(
      inode: UInt64(info.st_ino), size: UInt64(info.st_size), mode: info.st_mode, links: UInt32(info.st_nlink), device: UInt32(truncatingIfNeeded: info.st_dev),
      special: UInt32(truncatingIfNeeded: info.st_rdev >> 8) << 16 | UInt32(truncatingIfNeeded: info.st_rdev & 0xFF),
      modified: UInt64(info.st_mtim.tv_sec), blocks: UInt64(info.st_blocks)))
}

/// Calls with paths.
private func names(_ message: Message) throws(Errno) -> Message {
  switch VFS.Number(rawValue: message.type) {
  case .unlink:
    let call: VFS.Unlink = message.body()
    return done(try check(unlink(try path(call.path, call.length))))
  case .removeDirectory:
    let call: VFS.RemoveDirectory = message.body()
    return done(try check(rmdir(try path(call.path, call.length))))
  case .makeDirectory:
    let call: VFS.MakeDirectory = message.body()
    return done(try check(mkdir(try path(call.path, call.length), mode_t(call.mode))))
  case .changeMode:
    let call: VFS.ChangeMode = message.body()
    return done(try check(chmod(try path(call.path, call.length), mode_t(call.mode))))
  case .rename:
    let call: VFS.Rename = message.body()
    return done(try check(rename(try path(call.from, call.fromLength), try path(call.to, call.toLength))))
  case .link:
    let call: VFS.Link = message.body()
    return done(try check(link(try path(call.from, call.fromLength), try path(call.to, call.toLength))))
  case .symbolicLink:
    let call: VFS.SymbolicLink = message.body()
    return done(try check(symlink(try path(call.target, call.targetLength), try path(call.path, call.length))))
  case .readLink:
    let call: VFS.ReadLink = message.body()
    let target = pointer(call.address).assumingMemoryBound(to: CChar.self)
    return count(try check(readlink(try path(call.path, call.length), target, Int(call.capacity))))
  case .truncate:
    let call: VFS.Truncate = message.body()
    return done(try check(truncate(try path(call.path, call.length), Int(call.size))))
  case .changeDirectory:
    let call: VFS.ChangeDirectory = message.body()
    return done(try check(chdir(try path(call.path, call.length))))
  case .currentDirectory:
    let call: VFS.CurrentDirectory = message.body()
    let buffer = pointer(call.address).assumingMemoryBound(to: CChar.self)
    guard getcwd(buffer, Int(call.capacity)) != nil else { throw Errno(rawValue: errno) }
    return count(strlen(buffer))
  case .access:
    let call: VFS.Access = message.body()
    return done(try check(access(try path(call.path, call.length), Int32(call.mode))))
  default: throw .noSuchCall
  }
}

private func descriptor(_ value: Int) -> Message { Message(reply: VFS.Descriptor(descriptor: Int64(value))) }
private func count(_ value: Int) -> Message { Message(reply: VFS.Count(count: UInt64(value))) }
private func done(_: Int) -> Message { Message(reply: Done()) }
