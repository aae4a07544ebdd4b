import IPC
import Protocols

/// The legacy interface of a virtio device behind ports (virtio 1.2, 4.1.4.8), and its block requests (5.2).
enum Virtio {
  static var hostFeatures: UInt32 { 0 }
  static var guestFeatures: UInt32 { 4 }
  static var queueFrame: UInt32 { 8 }
  static var queueSize: UInt32 { 12 }
  static var queueSelect: UInt32 { 14 }
  static var queueNotify: UInt32 { 16 }
  static var status: UInt32 { 18 }
  /// Reading it quiets the interrupt.
  static var interruptStatus: UInt32 { 19 }
  static var capacity: UInt32 { 20 }

  enum Status {
    static var reset: UInt64 { 0 }
    static var acknowledged: UInt64 { 1 }
    static var driver: UInt64 { 2 }
    static var ready: UInt64 { 4 }
    static var failed: UInt64 { 128 }
  }

  enum Feature {
    static var readOnly: UInt64 { 1 << 5 }
    static var flush: UInt64 { 1 << 9 }
  }

  enum RequestType {
    static var read: UInt32 { 0 }
    static var write: UInt32 { 1 }
    static var flush: UInt32 { 4 }
  }

  enum Outcome {
    static var done: UInt8 { 0 }
    static var ioError: UInt8 { 1 }
    static var unsupported: UInt8 { 2 }
    /// What the driver puts there before; a device that leaves it has lied about being done.
    static var untouched: UInt8 { 0xFF }
  }
}

/// The registers of one device, by its first port.
struct VirtioRegisters {
  let base: UInt32

  func read<T: Transport>(_ register: UInt32, _ width: UInt32, _ ipc: inout T) -> UInt64 {
    // A port that cannot be read is a device that is not there: ones, as on the bus.
    (try? ipc.kernel(Kernel.PortRead(port: base + register, width: width)).value) ?? ~0
  }

  func write<T: Transport>(_ register: UInt32, _ width: UInt32, _ value: UInt64, _ ipc: inout T) {
    _ = ipc.kernel(Message(Kernel.PortWrite(port: base + register, width: width, value: value)))
  }
}

/// Memory that a device reads and writes on its own. On metal every access is volatile.
public protocol DMAMemory {
  /// `length` bytes of ours at `address`, which the device knows as `physical`.
  init(address: UInt64, physical: UInt64, length: Int)
  var address: UInt64 { get }
  var physical: UInt64 { get }
  func read8(_ offset: Int) -> UInt8
  func read16(_ offset: Int) -> UInt16
  func read32(_ offset: Int) -> UInt32
  func write8(_ offset: Int, _ value: UInt8)
  func write16(_ offset: Int, _ value: UInt16)
  func write32(_ offset: Int, _ value: UInt32)
  func write64(_ offset: Int, _ value: UInt64)
}
