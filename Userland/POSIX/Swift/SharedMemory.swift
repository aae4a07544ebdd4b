import IPC
import Protocols

// Shared memory objects by name (sys/mman.h): files of /dev/shm, which are memory and nothing else. What one can do with
// them is what one can do with files: truncate gives them their size, mmap shows them, close does not end them.

/// The object's path. POSIX leaves to us what names without a slash in front mean, and what others inside do: the first is the
/// same object, the second no name.
private func objectPath(_ name: [UInt8]) throws(Errno) -> [UInt8] {
  var start = 0
  while start < name.count, name[start] == "/" { start += 1 }
  let rest = name.slice(from: start)
  for byte in rest where byte == "/" || byte == 0 { throw .invalidArgument }
  guard !rest.isEmpty, rest != [UInt8]("."), rest != [UInt8]("..") else { throw .invalidArgument }
  guard rest.count <= 255 else { throw .nameTooLong }
  return [UInt8]("/dev/shm/") + rest
}

/// shm_open(3): a descriptor that exec closes. `flags`: read-only or read-write, and `create`, `exclusive`, `truncate`; a new
/// object has no bytes. `.invalidArgument`: no such flags, or a name that is none.
public func openSharedMemory(_ name: [UInt8], _ flags: UInt32, mode: UInt32 = 0o600) throws(Errno) -> Int {
  let access = flags & OpenFlags.accessMask
  let known = OpenFlags.accessMask | OpenFlags.create | OpenFlags.exclusive | OpenFlags.truncate | OpenFlags.closeOnExec
  guard access == OpenFlags.readOnly || access == OpenFlags.readWrite, flags & ~known == 0 else { throw .invalidArgument }
  // Truncation is a write.
  guard flags & OpenFlags.truncate == 0 || access == OpenFlags.readWrite else { throw .accessDenied }
  let path = try objectPath(name)
  let descriptor: Int
  do throws(Errno) { descriptor = try open(path, flags | OpenFlags.closeOnExec | OpenFlags.noFollow, mode: mode & 0o777) } catch {
    // Directories and links that somebody made there are no objects.
    throw error == .isDirectory || error == .tooManyLevels ? .invalidArgument : error
  }
  if access == OpenFlags.readOnly {
    do throws(Errno) {
      guard try stat(descriptor).mode & VFS.Mode.typeMask == VFS.Mode.regular else { throw .invalidArgument }
    } catch {
      do throws(Errno) { try close(descriptor) } catch {}
      throw error
    }
  }
  return descriptor
}

/// shm_unlink(3): the name is free at once; the memory goes with the last descriptor and mapping.
public func unlinkSharedMemory(_ name: [UInt8]) throws(Errno) {
  do throws(Errno) { try unlink(try objectPath(name)) } catch {
    throw error == .isDirectory || error == .notPermitted || error == .readOnlyFileSystem ? .accessDenied : error
  }
}
