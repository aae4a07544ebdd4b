import CX86
import KernelCore
import PageTable

/// What `Kernel.Signal` puts on a user stack, in bytes from the frame's address:
///
///     0 zero   8 restorer (the handler's return address)   16 the frame's address, for the restorer   24 signal
///     32 mask   40 magic   48 apus_context   224 XSAVE area   1056 the red zone that the interrupted code may be using
///
/// The handler starts with rsp = frame + 8, as if called, and pushes over what is below. All of it comes back through `leaveSignal`, which
/// believes nothing (M-E6, SEC44).
public enum SignalFrame {
  public static var magic: UInt64 { 0x5041_5553_5349_474E }
  public static var context: Int { 48 }
  public static var extendedState: Int { 224 }
  public static var size: Int { extendedState + ExtendedArea.size + 128 }
}

extension X86Context {
  public static var signalFrameSize: Int { SignalFrame.size }

  public mutating func enterSignal(
    _ frame: UnsafeMutableRawPointer, at address: UInt64, signal: UInt32, handler: UInt64, restorer: UInt64, mask: UInt64
  ) {
    frame.storeBytes(of: 0, as: UInt64.self)
    frame.storeBytes(of: restorer, toByteOffset: 8, as: UInt64.self)
    frame.storeBytes(of: address, toByteOffset: 16, as: UInt64.self)
    frame.storeBytes(of: UInt64(signal), toByteOffset: 24, as: UInt64.self)
    frame.storeBytes(of: mask, toByteOffset: 32, as: UInt64.self)
    frame.storeBytes(of: SignalFrame.magic, toByteOffset: 40, as: UInt64.self)
    frame.storeBytes(of: registers, toByteOffset: SignalFrame.context, as: apus_context.self)
    self = X86Context(entry: handler, stack: address &+ 8)
    registers.rdi = UInt64(signal)
  }

  public mutating func leaveSignal(_ frame: UnsafeRawPointer) -> UInt64? {
    let mask = frame.loadUnaligned(fromByteOffset: 32, as: UInt64.self)
    var saved = frame.loadUnaligned(fromByteOffset: SignalFrame.context, as: apus_context.self)
    guard frame.loadUnaligned(fromByteOffset: 40, as: UInt64.self) == SignalFrame.magic,
      saved.rip < AddressSpace.userEnd, saved.rsp < AddressSpace.userEnd
    else { return nil }
    saved.entry = Entry.full
    saved.error = 0
    saved.cs = Selector.userCode
    saved.ss = Selector.userData
    saved.flags = Flags.sanitized(saved.flags)
    registers = saved
    return mask
  }
}
