/// The configuration header of one PCI function (PCI Local Bus 3.0, 6.1): what firmware has set up and what software
/// may change.
public struct PCIHeader {
  private var registers: [UInt32]
  private var writable: [UInt32]
  /// Ports that the first base address register stands for; a power of two, 0 for none.
  let portCount: UInt32

  /// - Parameters:
  ///   - identity: device in the upper half, vendor in the lower.
  ///   - classCode: class, subclass and interface in the upper 24 bits, revision below.
  ///   - ports: where firmware has put its I/O range.
  ///   - line: interrupt line; 0 for a function without interrupts.
  public init(identity: UInt32, classCode: UInt32, subsystem: UInt32 = 0, ports: UInt32 = 0, portCount: UInt32 = 0, line: UInt32 = 0) {
    self.portCount = portCount
    registers = [UInt32](repeating: 0, count: 64)
    writable = [UInt32](repeating: 0, count: 64)
    registers[0] = identity
    registers[2] = classCode
    registers[11] = subsystem
    writable[1] = 0x0407  // ports, memory, bus master, INTx off
    if portCount > 0 {
      registers[1] = 1
      registers[4] = ports | 1
      writable[4] = 0xFFFF & ~(portCount - 1)
    }
    if line > 0 {
      registers[15] = 0x0100 | line
      writable[15] = 0xFF
    }
  }

  public func read(_ register: Int) -> UInt32 { registers[register & 63] }

  /// `mask`: the bytes that are written.
  public mutating func write(_ register: Int, _ value: UInt32, mask: UInt32) {
    let bits = writable[register & 63] & mask
    registers[register & 63] = registers[register & 63] & ~bits | value & bits
  }

  /// The first port, nil while ports are switched off.
  public var firstPort: UInt32? { portCount > 0 && registers[1] & 1 != 0 ? registers[4] & ~3 : nil }
  /// Whether it may reach memory on its own.
  public var isMaster: Bool { registers[1] & 4 != 0 }
  public var raisesLine: Bool { registers[1] & 0x400 == 0 }
}

/// Bus 0 behind configuration mechanism 1 (PCI Local Bus 3.0, 3.2.2.3.2): an address port and a data port. Headers
/// belong to their devices; the bus only knows which one is meant.
struct PCIAddress {
  private var value: UInt32 = 0

  mutating func write(_ port: UInt16, _ width: UInt32, _ new: UInt32) {
    // Only whole words reach the address register.
    if port == 0xCF8, width == 4 { value = new & 0x80FF_FFFC }
  }
  func read(_ port: UInt16, _ width: UInt32) -> UInt32 { port == 0xCF8 && width == 4 ? value : ~0 }

  /// Device number and register, if a function 0 of bus 0 is meant.
  var target: (device: Int, register: Int)? {
    guard value >> 31 == 1, value >> 16 & 0xFF == 0, value >> 8 & 7 == 0 else { return nil }
    return (Int(value >> 11 & 31), Int(value >> 2 & 63))
  }
}
