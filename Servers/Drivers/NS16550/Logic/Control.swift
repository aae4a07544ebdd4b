import IPC
import Protocols
import ServerKit
import Terminal

extension TerminalDriver {
  /// ioctl: the terminal's own requests. Unknown ones are `.notTerminal`, as POSIX wants it.
  mutating func control(_ call: Char.Control, _ source: Endpoint, _ ipc: inout T) throws(Errno) -> Char.Control.Reply {
    guard call.minor == 0 else { throw .noSuchDevice }
    let size = Char.Request.size(call.request)
    if size > 0, !Char.Request.writesBack(call.request) {
      try copyGrant(source, call.argument, 0, size, Kernel.Direction.read, &ipc)
    }
    switch call.request {
    case Char.Request.tcGets: terminal.settings.store(into: buffer)
    case Char.Request.tcSets, Char.Request.tcSetsWait, Char.Request.tcSetsFlush:
      guard let settings = Settings(UnsafeRawBufferPointer(buffer)) else { throw .invalidArgument }
      if call.request != Char.Request.tcSets { pump(&ipc) }  // as much of the output as goes, by the old rules
      terminal.apply(settings, flushInput: call.request == Char.Request.tcSetsFlush)
      pump(&ipc)  // what was typed may be readable now
    case Char.Request.tiocGetGroup: buffer.storeBytes(of: terminal.group, as: Int32.self)
    case Char.Request.tiocSetGroup:
      let group = buffer.loadUnaligned(as: Int32.self)
      guard group > 0 else { throw .invalidArgument }
      terminal.group = group
    case Char.Request.tiocGetWindow:
      buffer.storeBytes(of: terminal.window.0, toByteOffset: 0, as: UInt16.self)
      buffer.storeBytes(of: terminal.window.1, toByteOffset: 2, as: UInt16.self)
      buffer.storeBytes(of: terminal.window.2, toByteOffset: 4, as: UInt16.self)
      buffer.storeBytes(of: terminal.window.3, toByteOffset: 6, as: UInt16.self)
    case Char.Request.tiocSetWindow:
      terminal.window = (
        buffer.loadUnaligned(fromByteOffset: 0, as: UInt16.self), buffer.loadUnaligned(fromByteOffset: 2, as: UInt16.self),
        buffer.loadUnaligned(fromByteOffset: 4, as: UInt16.self), buffer.loadUnaligned(fromByteOffset: 6, as: UInt16.self)
      )
    case Char.Request.tiocSetControlling: break  // there is one session and one terminal
    default: throw .notTerminal
    }
    if Char.Request.writesBack(call.request) {
      try copyGrant(source, call.argument, 0, size, Kernel.Direction.write, &ipc)
    } else {
      remember(&ipc)
    }
    return Char.Control.Reply(result: 0)
  }
}
