import IPC
import Protocols
#if hasFeature(Embedded)
import CPOSIX
#endif

public enum Signal {
  public static var hangUp: Int { 1 }
  public static var interrupt: Int { 2 }
  public static var quit: Int { 3 }
  public static var illegal: Int { 4 }
  public static var abort: Int { 6 }
  public static var bus: Int { 7 }
  public static var kill: Int { 9 }
  public static var user1: Int { 10 }
  public static var segmentation: Int { 11 }
  public static var user2: Int { 12 }
  public static var pipe: Int { 13 }
  public static var alarm: Int { 14 }
  public static var terminate: Int { 15 }
  public static var child: Int { 17 }
  public static var `continue`: Int { 18 }
  public static var stop: Int { 19 }
  public static var terminalStop: Int { 20 }
  public static var terminalInput: Int { 21 }
  public static var terminalOutput: Int { 22 }

  public static var limit: Int { 64 }

  /// The name without SIG; nil if it has none.
  public static func name(_ signal: Int) -> StaticString? {
    switch signal {
    case 1: "HUP"
    case 2: "INT"
    case 3: "QUIT"
    case 4: "ILL"
    case 5: "TRAP"
    case 6: "ABRT"
    case 7: "BUS"
    case 8: "FPE"
    case 9: "KILL"
    case 10: "USR1"
    case 11: "SEGV"
    case 12: "USR2"
    case 13: "PIPE"
    case 14: "ALRM"
    case 15: "TERM"
    case 16: "STKFLT"
    case 17: "CHLD"
    case 18: "CONT"
    case 19: "STOP"
    case 20: "TSTP"
    case 21: "TTIN"
    case 22: "TTOU"
    default: nil
    }
  }

  /// A signal by number or name, with or without SIG, in either case.
  public static func parse(_ text: [UInt8]) -> Int? {
    if let value = number(text) { return value <= UInt64(limit) ? Int(value) : nil }
    var name = text
    for index in 0..<name.count where name[index].isLower { name[index] -= 0x20 }
    if name.starts(with: "SIG") { name = name.slice(from: 3) }
    for signal in 1...22 {
      if let candidate = Self.name(signal), name == candidate { return signal }
    }
    return nil
  }
}

/// kill(2).
public func kill(_ id: Int, _ signal: Int) throws(Errno) {
  _ = try request(PM.Kill(id: Int32(truncatingIfNeeded: id), signal: UInt32(truncatingIfNeeded: signal)), of: .pm)
}

public enum SignalFlags {
  /// On the stack of `setSignalStack`.
  public static var onStack: UInt32 { 0x0800_0000 }
  public static var restart: UInt32 { 0x1000_0000 }
  public static var noDefer: UInt32 { 0x4000_0000 }
}

private func setAction(_ signal: Int, handler: UInt64, flags: UInt32) throws(Errno) {
  #if hasFeature(Embedded)
  let restorer = UInt64(UInt(bitPattern: unsafeBitCast(apus_signal_restorer as @convention(c) () -> Void, to: UnsafeRawPointer.self)))
  #else
  let restorer: UInt64 = 0
  #endif
  let call = PM.SignalAction(signal: UInt32(truncatingIfNeeded: signal), flags: flags, handler: handler, restorer: restorer, mask: 0)
  _ = try request(call, of: .pm)
}

/// sigaction(2) with a handler.
public func handle(_ signal: Int, flags: UInt32 = 0, _ handler: @convention(c) (Int32) -> Void) throws(Errno) {
  try setAction(signal, handler: UInt64(UInt(bitPattern: unsafeBitCast(handler, to: UnsafeRawPointer.self))), flags: flags)
}

/// SIG_IGN.
public func ignore(_ signal: Int) throws(Errno) { try setAction(signal, handler: 1, flags: 0) }

/// SIG_DFL.
public func resetSignal(_ signal: Int) throws(Errno) { try setAction(signal, handler: 0, flags: 0) }

/// sigaltstack(2): handlers with `SignalFlags.onStack` run in these bytes; nil: none do.
public func setSignalStack(_ bytes: UnsafeMutableRawBufferPointer?) throws(Errno) {
  let base = UInt64(UInt(bitPattern: bytes?.baseAddress))
  let size = UInt64(bytes?.count ?? 0)
  _ = try request(PM.SignalStack(base: base, size: size, flags: bytes == nil ? 2 : 0), of: .pm)
  // VM ends a program whose stack pointer is where it does not expect one.
  _ = try request(VM.SignalStack(base: base, size: size), of: .vm)
}

public enum MaskChange {
  public static var block: UInt64 { 0 }
  public static var unblock: UInt64 { 1 }
  public static var set: UInt64 { 2 }
  public static var ask: UInt64 { 3 }
}

/// sigprocmask(2): bit n - 1 is signal n. Returns the mask before.
@discardableResult
public func changeSignalMask(_ how: UInt64, _ mask: UInt64) throws(Errno) -> UInt64 {
  try request(PM.SignalMask(how: how, mask: mask), of: .pm).mask
}

/// pause(2): throws `.interrupted` after a handler.
public func pause() throws(Errno) { _ = try request(PM.Pause(), of: .pm) }
