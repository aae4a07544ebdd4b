import IPC
import Protocols

/// The registers of a 16550 as the datasheet (National Semiconductor PC16550D, table II) names them, reached by
/// port calls. It decides nothing.
public struct UART: BitwiseCopyable {
  /// COM1 and its interrupt line.
  public static var firstPort: UInt32 { 0x3F8 }
  public static var line: UInt64 { 4 }
  /// Bytes that may be written after the status said "empty".
  static var fifoDepth: Int { 16 }

  enum Register {
    static var data: UInt32 { 0 }  // RBR, THR
    static var interruptEnable: UInt32 { 1 }
    static var interruptIdentification: UInt32 { 2 }  // read
    static var fifoControl: UInt32 { 2 }  // write
    static var lineControl: UInt32 { 3 }
    static var modemControl: UInt32 { 4 }
    static var lineStatus: UInt32 { 5 }
  }

  enum Status {
    static var dataReady: UInt8 { 0x01 }
    static var transmitterEmpty: UInt8 { 0x20 }
  }

  enum Interrupt {
    static var received: UInt8 { 0x01 }
    static var transmitterEmpty: UInt8 { 0x02 }
    /// In the identification register: nothing is pending.
    static var none: UInt8 { 0x01 }
  }

  /// What the interrupt enable register holds.
  var enabled: UInt8 = 0

  public init() {}

  func read<T: Transport>(_ register: UInt32, _ ipc: inout T) -> UInt8 {
    do throws(Errno) {
      return UInt8(truncatingIfNeeded: try ipc.kernel(Kernel.PortRead(port: Self.firstPort + register, width: 1)).value)
    } catch { return 0 }
  }

  func write<T: Transport>(_ register: UInt32, _ value: UInt8, _ ipc: inout T) {
    _ = ipc.kernel(Message(Kernel.PortWrite(port: Self.firstPort + register, width: 1, value: UInt64(value))))
  }

  /// A received byte, nil if there is none.
  func receive<T: Transport>(_ ipc: inout T) -> UInt8? {
    read(Register.lineStatus, &ipc) & Status.dataReady != 0 ? read(Register.data, &ipc) : nil
  }

  func isTransmitterEmpty<T: Transport>(_ ipc: inout T) -> Bool {
    read(Register.lineStatus, &ipc) & Status.transmitterEmpty != 0
  }

  /// 8 bits, no parity, FIFOs on, interrupts still off. Call it when `receive` says nil: switching the FIFOs on
  /// clears what the receiver holds, and a byte that came before us must not be lost.
  func start<T: Transport>(_ ipc: inout T) {
    write(Register.lineControl, 0x03, &ipc)
    write(Register.fifoControl, 0x01, &ipc)  // no reset bits: a life before this one may have left bytes
    write(Register.modemControl, 0x0B, &ipc)  // DTR, RTS, and OUT2, which lets interrupts through on a PC
  }

  mutating func enable<T: Transport>(_ interrupts: UInt8, _ ipc: inout T) {
    guard interrupts != enabled else { return }
    enabled = interrupts
    write(Register.interruptEnable, interrupts, &ipc)
  }

  /// Reads the interrupt cause, which clears a pending "transmitter empty". False: nothing is pending.
  func isPending<T: Transport>(_ ipc: inout T) -> Bool {
    read(Register.interruptIdentification, &ipc) & Interrupt.none == 0
  }
}
