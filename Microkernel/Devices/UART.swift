/// A serial port: National Semiconductor PC16550D. The other end obeys RTS: what it sends waits in `input` until a driver says
/// that it is there, and then comes into the receiver as fast as it is read. So nothing is lost before or between two drivers. What the guest sends is in `output` at once. While `output` is full the transmitter is busy.
public struct UARTModel {
  public static var ports: Int { 8 }
  static var fifoDepth: Int { 16 }
  /// Bytes in `output` that keep the transmitter busy.
  public var outputLimit = 4096

  /// Sent to the guest, not yet in its receiver.
  public private(set) var input = ByteQueue()
  /// Sent by the guest.
  public private(set) var output = ByteQueue()

  private var receiver = ByteQueue()
  private var interruptEnable: UInt8 = 0
  private var lineControl: UInt8 = 0
  private var modemControl: UInt8 = 0
  private var scratch: UInt8 = 0
  private var divisor: UInt16 = 1
  private var isFIFOOn = false
  /// "Transmitter empty" is to be reported; reading the identification register or sending ends it.
  private var emptyPending = false

  public init() {}

  private enum Register {
    static var data: Int { 0 }
    static var interruptEnable: Int { 1 }
    static var identification: Int { 2 }
    static var lineControl: Int { 3 }
    static var modemControl: Int { 4 }
    static var lineStatus: Int { 5 }
    static var modemStatus: Int { 6 }
    static var scratch: Int { 7 }
  }

  private var hasDivisor: Bool { lineControl & 0x80 != 0 }
  private var isTransmitterEmpty: Bool { output.count < outputLimit }

  /// Whether the interrupt pin is high: OUT2 connects it on a PC.
  public var isRaised: Bool { modemControl & 8 != 0 && cause != 1 }

  /// The identification register without its FIFO bits.
  private var cause: UInt8 {
    if interruptEnable & 1 != 0, !receiver.isEmpty { return 4 }
    if interruptEnable & 2 != 0, emptyPending { return 2 }
    return 1
  }

  // MARK: The other end

  public mutating func send(_ bytes: some Sequence<UInt8>) {
    input.append(contentsOf: bytes)
    refill()
  }

  /// The other end has taken `count` bytes of `output`.
  public mutating func take(_ count: Int) {
    let wasFull = !isTransmitterEmpty
    output.drop(count)
    if wasFull, isTransmitterEmpty { emptyPending = true }
  }

  private mutating func refill() {
    guard modemControl & 2 != 0 else { return }
    while receiver.count < (isFIFOOn ? Self.fifoDepth : 1), let byte = input.popFirst() { receiver.append(byte) }
  }

  // MARK: Registers

  public mutating func read(_ register: Int) -> UInt8 {
    switch register {
    case Register.data:
      if hasDivisor { return UInt8(truncatingIfNeeded: divisor) }
      let byte = receiver.popFirst() ?? 0
      refill()
      return byte
    case Register.interruptEnable: return hasDivisor ? UInt8(divisor >> 8) : interruptEnable
    case Register.identification:
      let value = cause | (isFIFOOn ? 0xC0 : 0)
      if value & 0xF == 2 { emptyPending = false }
      return value
    case Register.lineControl: return lineControl
    case Register.modemControl: return modemControl
    case Register.lineStatus: return (receiver.isEmpty ? 0 : 1) | (isTransmitterEmpty ? 0x60 : 0)
    case Register.modemStatus: return 0xB0  // carrier, ready, clear to send
    case Register.scratch: return scratch
    default: return 0xFF
    }
  }

  public mutating func write(_ register: Int, _ value: UInt8) {
    switch register {
    case Register.data:
      if hasDivisor {
        divisor = divisor & 0xFF00 | UInt16(value)
      } else {
        output.append(value)
        emptyPending = isTransmitterEmpty
      }
    case Register.interruptEnable:
      if hasDivisor {
        divisor = divisor & 0xFF | UInt16(value) << 8
      } else {
        if value & 2 != 0, interruptEnable & 2 == 0 { emptyPending = isTransmitterEmpty }
        interruptEnable = value & 0xF
      }
    case Register.identification: control(value)
    case Register.lineControl: lineControl = value
    case Register.modemControl:
      modemControl = value & 0x1F
      refill()
    case Register.scratch: scratch = value
    default: break
    }
  }

  /// The FIFO control register. Switching the FIFOs on or off empties them.
  private mutating func control(_ value: UInt8) {
    if isFIFOOn != (value & 1 != 0) || value & 2 != 0 { receiver.removeAll() }
    isFIFOOn = value & 1 != 0
    refill()
  }
}
