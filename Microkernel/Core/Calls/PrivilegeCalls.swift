import IPC
import Protocols

// What a service may do: RS says it, from the boot table.
extension Core where M: ~Copyable {
  mutating func setPrivileges(_ call: Kernel.SetPrivileges) throws(Errno) -> Done {
    guard let thread = lookup(call.thread) else { throw .deadEndpoint }
    guard call.thread.isService else { throw .notPermitted }
    guard call.priority < UInt32(Self.priorities) else { throw .invalidArgument }
    let queued = thread.pointee.canRun && thread != current
    if queued { dequeue(thread) }
    thread.pointee.setPriority(UInt8(call.priority))
    thread.pointee.privileges = call.privileges
    if queued { enqueue(thread) }
    // A line that it may not have any more.
    for line in 0..<Self.lines where lineOwners[line] == thread && call.privileges.lines & (1 << UInt32(line)) == 0 {
      machine.maskLine(line)
      lineOwners[line] = nil
    }
    return Done()
  }

  /// The same range twice is one range: RS says it again when it restarts a service.
  mutating func allowPorts(_ call: Kernel.AllowPorts) throws(Errno) -> Done {
    guard let thread = lookup(call.thread) else { throw .deadEndpoint }
    guard call.thread.isService else { throw .notPermitted }
    guard call.count > 0, call.first < 0x1_0000, call.count <= 0x1_0000 - UInt64(call.first) else { throw .invalidArgument }
    let range = PortRange(first: call.first, count: UInt32(call.count))
    if take(&thread.pointee.ports.0, range) || take(&thread.pointee.ports.1, range) || take(&thread.pointee.ports.2, range)
      || take(&thread.pointee.ports.3, range)
    {
      return Done()
    }
    throw .noSpace
  }

  private mutating func take(_ place: inout PortRange, _ range: PortRange) -> Bool {
    guard place.count == 0 || place.first == range.first && place.count == range.count else { return false }
    place = range
    return true
  }
}
