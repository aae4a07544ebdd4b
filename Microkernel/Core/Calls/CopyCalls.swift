import IPC
import Protocols

// Bulk data: between the caller's memory and that of somebody who has allowed it by a grant, or who waits for the
// caller's answer.
extension Core where M: ~Copyable {
  mutating func copyGrant(_ call: Kernel.CopyGrant, _ me: ThreadPointer) throws(Errno) -> Answer<Done> {
    guard call.length <= Kernel.copyLimit else { throw .invalidArgument }
    let access = try remoteAccess(call.direction)
    let remote = try resolve(call.granter, call.id, call.offset, call.length, access, for: me.pointee.endpoint)
    return try copy(me, remote, Bytes(thread: me, address: call.address), call.length, call.direction)
  }

  mutating func copyCaller(_ call: Kernel.CopyCaller, _ me: ThreadPointer) throws(Errno) -> Answer<Done> {
    guard call.length <= Kernel.copyLimit else { throw .invalidArgument }
    _ = try remoteAccess(call.direction)
    let client = try waitingClient(call.client, of: me)
    return try copy(me, Bytes(thread: client, address: call.remote), Bytes(thread: me, address: call.local), call.length, call.direction)
  }

  private mutating func remoteAccess(_ direction: UInt32) throws(Errno) -> UInt32 {
    switch direction {
    case Kernel.Direction.read: return Kernel.Access.read
    case Kernel.Direction.write: return Kernel.Access.write
    default: throw .invalidArgument
    }
  }

  private mutating func copy(
    _ me: ThreadPointer, _ remote: Bytes, _ local: Bytes, _ length: UInt64, _ direction: UInt32
  ) throws(Errno) -> Answer<Done> {
    let reading = direction == Kernel.Direction.read
    return try copy(me, from: reading ? remote : local, to: reading ? local : remote, length) ? .done : .suspend
  }
}
