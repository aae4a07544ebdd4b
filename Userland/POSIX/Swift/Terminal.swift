import IPC
import Protocols

/// struct termios of Linux, as `tcgets` moves it: 60 bytes.
public struct TerminalSettings: BitwiseCopyable {
  public var input, output, control, local: UInt32
  public var line: UInt8
  public var characters: InlineArray<19, UInt8>
  /// c_ispeed and c_ospeed, and what pads the kernel's 36 bytes to the C library's 60.
  public var rest: InlineArray<6, UInt32>

  public init() {
    input = 0
    output = 0
    control = 0
    local = 0
    line = 0
    characters = InlineArray(repeating: 0)
    rest = InlineArray(repeating: 0)
  }

  public static var echo: UInt32 { 0o10 }
  public static var canonical: UInt32 { 0o2 }
  public static var signals: UInt32 { 0o1 }
}

@inline(__always)
func control<Argument: BitwiseCopyable>(_ descriptor: Int, _ request: UInt64, _ argument: inout Argument) throws(Errno) {
  let before = argument
  let (reply, after) = withBuffer(MemoryLayout<Argument>.size) { buffer in
    buffer.storeBytes(of: before, as: Argument.self)
    let call = VFS.Control(descriptor: Int64(descriptor), request: request, argument: address(of: UnsafeRawBufferPointer(buffer)))
    return (exchange(call, with: .vfs), buffer.loadUnaligned(as: Argument.self))
  }
  _ = try reply.reply(VFS.Control.Reply.self)
  argument = after
}

/// ioctl(2) with a number as its argument.
@discardableResult
public func deviceControl(_ descriptor: Int, _ request: UInt64, _ argument: UInt64) throws(Errno) -> Int {
  Int(try lastingRequest(VFS.Control(descriptor: Int64(descriptor), request: request, argument: argument), of: .vfs).result)
}

/// tcgetattr(3).
public func terminalSettings(_ descriptor: Int) throws(Errno) -> TerminalSettings {
  var settings = TerminalSettings()
  try control(descriptor, Char.Request.tcGets, &settings)
  return settings
}

/// tcsetattr(3), at once.
public func setTerminalSettings(_ descriptor: Int, _ settings: TerminalSettings) throws(Errno) {
  var settings = settings
  try control(descriptor, Char.Request.tcSets, &settings)
}

/// isatty(3).
public func isTerminal(_ descriptor: Int) -> Bool {
  do throws(Errno) { _ = try terminalSettings(descriptor); return true } catch { return false }
}

/// tcgetpgrp(3).
public func foregroundGroup(_ descriptor: Int) throws(Errno) -> Int {
  var group: Int32 = 0
  try control(descriptor, Char.Request.tiocGetGroup, &group)
  return Int(group)
}

/// tcsetpgrp(3).
public func setForegroundGroup(_ descriptor: Int, _ group: Int) throws(Errno) {
  var group = Int32(truncatingIfNeeded: group)
  try control(descriptor, Char.Request.tiocSetGroup, &group)
}

/// Columns of the window, 80 if it does not say.
public func terminalColumns(_ descriptor: Int) -> Int {
  var size: (UInt16, UInt16, UInt16, UInt16) = (0, 0, 0, 0)
  do throws(Errno) { try control(descriptor, Char.Request.tiocGetWindow, &size) } catch { return 80 }
  return size.1 == 0 ? 80 : Int(size.1)
}
