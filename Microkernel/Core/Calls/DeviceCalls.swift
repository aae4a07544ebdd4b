import IPC
import Protocols

// Ports and interrupt lines, for drivers: each only those that RS gave it (SEC28).
extension Core where M: ~Copyable {
  mutating func portRead(_ call: Kernel.PortRead, _ me: ThreadPointer) throws(Errno) -> Kernel.PortRead.Reply {
    let port = try port(call.port, call.width, me)
    return Kernel.PortRead.Reply(value: UInt64(machine.readPort(port, width: call.width)))
  }

  mutating func portWrite(_ call: Kernel.PortWrite, _ me: ThreadPointer) throws(Errno) -> Done {
    let port = try port(call.port, call.width, me)
    machine.writePort(port, width: call.width, value: UInt32(truncatingIfNeeded: call.value))
    return Done()
  }

  private mutating func port(_ port: UInt32, _ width: UInt32, _ me: ThreadPointer) throws(Errno) -> UInt16 {
    guard width == 1 || width == 2 || width == 4, port <= 0x1_0000 - width else { throw .invalidArgument }
    let ports = me.pointee.ports
    guard ports.0.contains(port, width) || ports.1.contains(port, width) || ports.2.contains(port, width) || ports.3.contains(port, width)
    else { throw .notPermitted }
    return UInt16(truncatingIfNeeded: port)
  }

  mutating func interruptAttach(_ call: Kernel.InterruptAttach, _ me: ThreadPointer) throws(Errno) -> Done {
    guard call.line < UInt64(Self.lines) else { throw .invalidArgument }
    guard me.pointee.privileges.lines & (1 << UInt32(call.line)) != 0 else { throw .notPermitted }
    let owner = lineOwners[Int(call.line)]
    guard owner == nil || owner == me else { throw .busy }
    lineOwners[Int(call.line)] = me
    return Done()
  }

  mutating func interruptEnable(_ call: Kernel.InterruptEnable, _ me: ThreadPointer) throws(Errno) -> Done {
    guard call.line < UInt64(Self.lines) else { throw .invalidArgument }
    guard lineOwners[Int(call.line)] == me else { throw .notPermitted }
    machine.unmaskLine(Int(call.line))
    return Done()
  }
}

extension PortRange {
  func contains(_ port: UInt32, _ width: UInt32) -> Bool {
    count >= width && port >= first && port - first <= count - width
  }
}
