import IPC
import KernelCore
import PageTable

/// Registers of a simulated thread: those that a trap uses, in the roles that they have on x86-64, and four more whose
/// values must survive whatever happens.
public struct SimulatedContext: ThreadContext, Equatable {
  public var rax: UInt64 = 0
  public var rdi: UInt64 = 0
  public var rsi: UInt64 = 0
  public var rdx: UInt64 = 0
  public var words: InlineWords = InlineWords()
  public var isFast: Bool { true }
  public var instruction: UInt64
  public var stack: UInt64
  public var kept: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

  public init(entry: UInt64, stack: UInt64) {
    instruction = entry
    self.stack = stack
  }

  /// The eight words of a message.
  public struct InlineWords: BitwiseCopyable, Equatable, Sendable {
    public var message = Message()
    public init() {}
    public static func == (a: Self, b: Self) -> Bool {
      withUnsafeBytes(of: a) { left in withUnsafeBytes(of: b) { left.elementsEqual($0) } }
    }
  }

  public static func == (a: Self, b: Self) -> Bool {
    a.rax == b.rax && a.rdi == b.rdi && a.rsi == b.rsi && a.rdx == b.rdx && a.words == b.words
      && a.instruction == b.instruction && a.stack == b.stack && a.kept == b.kept
  }

  public var operation: UInt64 { rax }
  public var destination: Endpoint { Endpoint(raw: UInt32(truncatingIfNeeded: rdi)) }
  public var source: Endpoint { Endpoint(raw: UInt32(truncatingIfNeeded: rsi)) }
  public var deadline: UInt64 { rdx }
  public var message: Message {
    get { words.message }
    set { words.message = newValue }
  }

  public mutating func setResult(status: Int64, flags: UInt64) {
    rax = UInt64(bitPattern: status)
    rdi = flags
  }
  public var status: Int64 { Int64(bitPattern: rax) }
  public var flags: Delivery.Flags { Delivery.Flags(raw: rdi) }

  // MARK: Signal frames: magic, mask, signal, restorer, the registers, a word for the machine, the red zone.

  public static var extendedStateOffset: Int { 32 + MemoryLayout<SimulatedContext>.size }
  public static var signalFrameSize: Int { (extendedStateOffset + 8 + 128 + 15) & ~15 }
  public static let frameMagic: UInt64 = 0x4652_414D_4553_4947

  public mutating func enterSignal(
    _ frame: UnsafeMutableRawPointer, at address: UInt64, signal: UInt32, handler: UInt64, restorer: UInt64, mask: UInt64
  ) {
    frame.storeBytes(of: Self.frameMagic, as: UInt64.self)
    frame.storeBytes(of: mask, toByteOffset: 8, as: UInt64.self)
    frame.storeBytes(of: UInt64(signal), toByteOffset: 16, as: UInt64.self)
    frame.storeBytes(of: restorer, toByteOffset: 24, as: UInt64.self)
    frame.storeBytes(of: self, toByteOffset: 32, as: SimulatedContext.self)
    rdi = UInt64(signal)
    instruction = handler
    stack = address
  }

  public mutating func leaveSignal(_ frame: UnsafeRawPointer) -> UInt64? {
    guard frame.loadUnaligned(as: UInt64.self) == Self.frameMagic else { return nil }
    let saved = frame.loadUnaligned(fromByteOffset: 32, as: SimulatedContext.self)
    guard saved.instruction < AddressSpace.userEnd, saved.stack <= AddressSpace.userEnd else { return nil }
    self = saved
    return frame.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
  }
}
