/// The devices of a small PC by their ports, as QEMU's pc machine places them: PCI bus 0 with virtio block devices, and COM1.
public struct PCDevices<Memory: GuestMemory, Store: BlockStore> {
  public static var serialPort: UInt16 { 0x3F8 }
  public static var serialLine: Int { 4 }
  static var firstDiskSlot: Int { 3 }
  public static var diskLimit: Int { 4 }

  public var uart = UARTModel()
  /// PCI devices from slot 3 on, in this order.
  public var disks: [VirtioBlockModel<Memory, Store>]
  private var address = PCIAddress()
  private var bridge = PCIHeader(identity: 0x1237_8086, classCode: 0x0600_0002)

  /// At most `diskLimit` stores.
  public init(disks stores: [Store], memory: Memory) {
    precondition(stores.count <= Self.diskLimit, "too many disks")
    disks = stores.enumerated().map { index, store in
      VirtioBlockModel(store, memory: memory, firstPort: 0xC000 + UInt32(index) * 64, line: index & 1 == 0 ? 11 : 10)
    }
  }

  /// Bit n: interrupt line n is high.
  public var lines: UInt32 {
    var lines: UInt32 = uart.isRaised ? 1 << UInt32(Self.serialLine) : 0
    for disk in disks where disk.isRaised { lines |= 1 << UInt32(disk.line) }
    return lines
  }

  /// All ones where nothing answers, as on the bus. Width 1, 2 or 4.
  public mutating func read(_ port: UInt16, width: UInt32) -> UInt32 {
    let ones = ~0 as UInt32 >> (32 - 8 * width)
    switch port {
    case 0xCF8..<0xCFC: return address.read(port, width) & ones
    case 0xCFC..<0xD00:
      guard let (slot, register) = address.target else { return ones }
      return configuration(slot, register) >> (8 * (UInt32(port) & 3)) & ones
    case Self.serialPort..<Self.serialPort + UInt16(UARTModel.ports):
      return width == 1 ? UInt32(uart.read(Int(port - Self.serialPort))) : ones
    default:
      guard let (disk, register) = place(port) else { return ones }
      return disks[disk].read(register, width) & ones
    }
  }

  public mutating func write(_ port: UInt16, width: UInt32, value: UInt32) {
    switch port {
    case 0xCF8..<0xCFC: address.write(port, width, value)
    case 0xCFC..<0xD00:
      guard let (slot, register) = address.target, let disk = disk(slot) else { return }
      let shift = 8 * (UInt32(port) & 3)
      disks[disk].header.write(register, value << shift, mask: (~0 as UInt32 >> (32 - 8 * width)) << shift)
    case Self.serialPort..<Self.serialPort + UInt16(UARTModel.ports):
      if width == 1 { uart.write(Int(port - Self.serialPort), UInt8(truncatingIfNeeded: value)) }
    default:
      guard let (disk, register) = place(port) else { return }
      disks[disk].write(register, width, value)
    }
  }

  private func configuration(_ slot: Int, _ register: Int) -> UInt32 {
    if slot == 0 { return bridge.read(register) }
    guard let disk = disk(slot) else { return ~0 }
    return disks[disk].header.read(register)
  }

  private func disk(_ slot: Int) -> Int? {
    disks.indices.contains(slot - Self.firstDiskSlot) ? slot - Self.firstDiskSlot : nil
  }

  private func place(_ port: UInt16) -> (disk: Int, register: UInt32)? {
    for index in disks.indices {
      if let first = disks[index].header.firstPort, UInt32(port) >= first, UInt32(port) - first < VirtioBlockModel<Memory, Store>.portCount {
        return (index, UInt32(port) - first)
      }
    }
    return nil
  }
}
