import IPC
import Protocols

public typealias Protection = VM.Protection
public typealias MapFlags = VM.Flags

/// mmap(2), anonymous and private unless `flags` say otherwise.
public func mapMemory(
  _ length: Int, _ protection: UInt32 = Protection.read | Protection.write, flags: UInt32 = MapFlags.private | MapFlags.anonymous, at hint: UInt64 = 0
) throws(Errno) -> UnsafeMutableRawPointer {
  let reply = try request(VM.MMap(address: hint, length: UInt64(length), protection: protection, flags: flags), of: .vm)
  guard let pointer = UnsafeMutableRawPointer(bitPattern: UInt(reply.address)) else { throw .noMemory }
  return pointer
}

/// munmap(2).
public func unmapMemory(_ pointer: UnsafeMutableRawPointer, _ length: Int) throws(Errno) {
  _ = try request(VM.MUnmap(address: UInt64(UInt(bitPattern: pointer)), length: UInt64(length)), of: .vm)
}

/// mprotect(2).
public func protectMemory(_ pointer: UnsafeMutableRawPointer, _ length: Int, _ protection: UInt32) throws(Errno) {
  _ = try request(VM.MProtect(address: UInt64(UInt(bitPattern: pointer)), length: UInt64(length), protection: protection), of: .vm)
}

private func address(_ pointer: UnsafeMutableRawPointer) -> UInt64 { UInt64(UInt(bitPattern: pointer)) }

public typealias Advice = VM.Advice

/// madvise(2).
public func adviseMemory(_ pointer: UnsafeMutableRawPointer, _ length: Int, _ advice: UInt32) throws(Errno) {
  _ = try request(VM.MAdvise(address: address(pointer), length: UInt64(length), advice: advice), of: .vm)
}

/// mincore(2): for each page of the range whether it is in memory.
public func residentPages(_ pointer: UnsafeMutableRawPointer, _ length: Int) throws(Errno) -> [Bool] {
  var found: [Bool] = []
  let pages = (UInt64(length) &+ 4095) >> 12
  while UInt64(found.count) < pages {
    let count = min(pages - UInt64(found.count), VM.MInCore.limit)
    let bits = try request(VM.MInCore(address: address(pointer) &+ UInt64(found.count) << 12, pages: count), of: .vm).bits
    let words = [bits.0, bits.1, bits.2, bits.3, bits.4, bits.5]
    for page in 0..<Int(count) { found.append(words[page >> 6] >> UInt64(page & 63) & 1 != 0) }
  }
  return found
}

/// mlock(2).
public func lockMemory(_ pointer: UnsafeMutableRawPointer, _ length: Int) throws(Errno) {
  _ = try request(VM.MLock(address: address(pointer), length: UInt64(length)), of: .vm)
}

/// munlock(2).
public func unlockMemory(_ pointer: UnsafeMutableRawPointer, _ length: Int) throws(Errno) {
  _ = try request(VM.MUnlock(address: address(pointer), length: UInt64(length)), of: .vm)
}

public typealias LockAll = VM.LockAll

/// mlockall(2).
public func lockAllMemory(_ flags: UInt32) throws(Errno) {
  if flags == 0 { throw .invalidArgument }
  _ = try request(VM.MLockAll(flags: flags), of: .vm)
}

/// munlockall(2).
public func unlockAllMemory() throws(Errno) { _ = try request(VM.MLockAll(flags: 0), of: .vm) }

public typealias Synchronize = VM.Synchronize

/// msync(2).
public func synchronizeMemory(_ pointer: UnsafeMutableRawPointer, _ length: Int, _ flags: UInt32 = Synchronize.now) throws(Errno) {
  _ = try request(VM.MSync(address: address(pointer), length: UInt64(length), flags: flags), of: .vm)
  _ = try request(VFS.SyncMemory(address: address(pointer), length: UInt64(length)), of: .vfs)
}

public typealias Remap = VM.Remap

/// mremap(2). Returns where the memory is then.
public func remapMemory(
  _ pointer: UnsafeMutableRawPointer, _ oldLength: Int, _ newLength: Int, _ flags: UInt32 = 0, to target: UInt64 = 0
) throws(Errno) -> UnsafeMutableRawPointer {
  let call = VM.MRemap(
    address: address(pointer), oldLength: UInt64(oldLength), newLength: UInt64(newLength), flags: flags, newAddress: target)
  guard let moved = UnsafeMutableRawPointer(bitPattern: UInt(try request(call, of: .vm).address)) else { throw .noMemory }
  return moved
}

/// mimmutable(2) of OpenBSD, mseal(2) of Linux: nothing about these pages changes until the program ends or runs exec.
public func makeImmutable(_ pointer: UnsafeMutableRawPointer, _ length: Int) throws(Errno) {
  _ = try request(VM.MImmutable(address: address(pointer), length: UInt64(length)), of: .vm)
}

/// prctl(2) PR_SET_VMA_ANON_NAME: up to 15 bytes, seen in /proc/<id>/maps and by vmmap.
public func nameMemory(_ pointer: UnsafeMutableRawPointer, _ length: Int, _ name: [UInt8]) throws(Errno) {
  guard name.count < 16 else { throw .invalidArgument }
  guard let words = name.isEmpty ? (0, 0) : packed(name) else { throw .invalidArgument }
  _ = try request(VM.NameRegion(address: address(pointer), length: UInt64(length), name: words), of: .vm)
}

public typealias Resource = VM.Resource

/// getrlimit(2), in bytes.
public func resourceLimit(_ resource: UInt32) throws(Errno) -> (soft: UInt64, hard: UInt64) {
  let reply = try request(VM.GetLimit(resource: resource), of: .vm)
  return (reply.soft, reply.hard)
}

/// setrlimit(2), in bytes.
public func setResourceLimit(_ resource: UInt32, soft: UInt64, hard: UInt64) throws(Errno) {
  _ = try request(VM.SetLimit(resource: resource, soft: soft, hard: hard), of: .vm)
}

/// mmap(2) of a file: `MapFlags.shared` or `.private`, from `offset`, a multiple of the page size. With `MapFlags.locked` its pages
/// are there, but for those that cannot be read; that is no error.
public func mapFile(
  _ descriptor: Int, _ length: Int, _ protection: UInt32 = Protection.read, flags: UInt32 = MapFlags.private, offset: UInt64 = 0,
  at hint: UInt64 = 0
) throws(Errno) -> UnsafeMutableRawPointer {
  let reply = try request(
    VFS.MapFile(descriptor: Int64(descriptor), address: hint, length: UInt64(length), offset: offset, protection: protection, flags: flags), of: .vfs)
  guard let pointer = UnsafeMutableRawPointer(bitPattern: UInt(reply.address)) else { throw .noMemory }
  // VM waits for no disk while VFS waits for it.
  if flags & MapFlags.locked != 0 { do throws(Errno) { try lockMemory(pointer, length) } catch {} }
  return pointer
}
