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
