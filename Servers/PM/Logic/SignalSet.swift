/// Signals 1 ... 64 as bits 0 ... 63, as sigset_t on Linux.
public struct SignalSet: BitwiseCopyable {
  public var bits: UInt64
  public init(bits: UInt64 = 0) { self.bits = bits }

  static func bit(_ signal: UInt32) -> UInt64 { signal >= 1 && signal <= 64 ? 1 << UInt64(signal - 1) : 0 }

  func contains(_ signal: UInt32) -> Bool { bits & Self.bit(signal) != 0 }
  mutating func insert(_ signal: UInt32) { bits |= Self.bit(signal) }
  mutating func remove(_ signal: UInt32) { bits &= ~Self.bit(signal) }

  /// The lowest signal in it, 0 if it is empty.
  var first: UInt32 { bits == 0 ? 0 : UInt32(bits.trailingZeroBitCount) + 1 }
}

/// Signals by number, and what they do to a process that did not say otherwise (POSIX, signal.h).
enum Signals {
  static var limit: UInt32 { 64 }
  static var kill: UInt32 { 9 }
  static var segmentation: UInt32 { 11 }
  static var alarm: UInt32 { 14 }
  static var child: UInt32 { 17 }
  static var `continue`: UInt32 { 18 }
  static var stop: UInt32 { 19 }

  enum Default { case terminate, ignore, stop, `continue` }

  static func byDefault(_ signal: UInt32) -> Default {
    switch signal {
    case 17, 23, 28: .ignore  // CHLD, URG, WINCH
    case 18: .continue
    case 19...22: .stop  // STOP, TSTP, TTIN, TTOU
    default: .terminate
    }
  }

  /// KILL and STOP cannot be caught, ignored or blocked.
  static func isUncatchable(_ signal: UInt32) -> Bool { signal == kill || signal == stop }
  static var blockable: UInt64 { ~(SignalSet.bit(kill) | SignalSet.bit(stop)) }
  static var stops: UInt64 { SignalSet.bit(19) | SignalSet.bit(20) | SignalSet.bit(21) | SignalSet.bit(22) }

  /// SA_* of Linux.
  enum Flag {
    static var noChildStop: UInt32 { 1 }
    static var noChildWait: UInt32 { 2 }
    static var onStack: UInt32 { 0x0800_0000 }
    static var restart: UInt32 { 0x1000_0000 }
    static var noDefer: UInt32 { 0x4000_0000 }
    static var resetHandler: UInt32 { 0x8000_0000 }
  }
}
