import IPC
import Protocols

/// PCI configuration space by its two ports (PCI Local Bus 3.0, 3.2.2.3.2).
struct PCIFunction {
  var device, function: UInt32

  private func select<T: Transport>(_ register: UInt32, _ ipc: inout T) throws(Errno) {
    try ipc.kernel(Kernel.PortWrite(port: 0xCF8, width: 4, value: UInt64(1 << 31 | device << 11 | function << 8 | register)))
  }

  func read<T: Transport>(_ register: UInt32, _ ipc: inout T) throws(Errno) -> UInt32 {
    try select(register, &ipc)
    return UInt32(truncatingIfNeeded: try ipc.kernel(Kernel.PortRead(port: 0xCFC, width: 4)).value)
  }

  func write<T: Transport>(_ register: UInt32, _ value: UInt32, _ ipc: inout T) throws(Errno) {
    try select(register, &ipc)
    try ipc.kernel(Kernel.PortWrite(port: 0xCFC, width: 4, value: UInt64(value)))
  }

  static var identity: UInt32 { 0x00 }
  static var command: UInt32 { 0x04 }
  static var headerType: UInt32 { 0x0C }
  static var firstBase: UInt32 { 0x10 }
  static var interrupt: UInt32 { 0x3C }
}

/// What the driver needs of a virtio block device that it found.
struct FoundDisk {
  var base: UInt32
  var line: UInt32

  /// Vendor 0x1AF4, device 0x1001: virtio block with the legacy interface (transitional).
  static var identity: UInt32 { 0x1001_1AF4 }
  /// Where firmware puts I/O ranges, as the boot table allows it.
  static var ports: Range<UInt32> { 0xC000..<0x1_0000 - 64 }

  /// Switches on ports and bus mastering of the function and reads what stands in its header; nil if it is
  /// another device or cannot be reached.
  init?<T: Transport>(_ function: PCIFunction, _ ipc: inout T) throws(Errno) {
    guard try function.read(PCIFunction.identity, &ipc) == Self.identity else { return nil }
    let bar = try function.read(PCIFunction.firstBase, &ipc)
    base = bar & ~3
    line = try function.read(PCIFunction.interrupt, &ipc) & 0xFF
    guard bar & 1 == 1, Self.ports.contains(base), line < 16 else { return nil }
    let command = try function.read(PCIFunction.command, &ipc)
    // Bit 0 ports, bit 2 bus master, bit 10 off: INTx on. The upper half is status, where ones clear.
    try function.write(PCIFunction.command, (command | 0b101) & ~(1 << 10) & 0xFFFF, &ipc)
  }

  /// All on bus 0, in the order of their slots; at most `limit`.
  static func scan<T: Transport>(limit: Int, _ ipc: inout T) throws(Errno) -> [FoundDisk] {
    var found: [FoundDisk] = []
    for device: UInt32 in 0..<32 {
      let first = PCIFunction(device: device, function: 0)
      guard try first.read(PCIFunction.identity, &ipc) & 0xFFFF != 0xFFFF else { continue }
      let isMultiple = try first.read(PCIFunction.headerType, &ipc) & 0x80_0000 != 0
      for function: UInt32 in 0..<(isMultiple ? 8 : 1) where found.count < limit {
        if let disk = try FoundDisk(PCIFunction(device: device, function: function), &ipc) { found.append(disk) }
      }
    }
    return found
  }
}
