import DeviceModels

/// A driver of one request at a time, written from the standard, that can also do it wrong.
final class Rig {
  enum Crime: CaseIterable, Sendable {
    case outsideRAM, wrapsAround, circle, strangeNext, wrongDirection, noHeader, noStatus, emptyPart, hugeRun, strangeHead
  }

  let memory = TestMemory(pages: 64)
  var devices: PCDevices<TestMemory, SlowStore>
  private var offered: UInt16 = 0

  init(_ store: SlowStore) {
    devices = PCDevices(disks: [store], memory: memory)
    configure(0x04, 5)
    reset()
  }

  func read(_ register: UInt16, _ width: UInt32) -> UInt32 { devices.read(0xC000 + register, width: width) }
  func write(_ register: UInt16, _ width: UInt32, _ value: UInt32) { devices.write(0xC000 + register, width: width, value: value) }

  func configuration(_ register: UInt32, slot: UInt32 = 3) -> UInt32 {
    devices.write(0xCF8, width: 4, value: 1 << 31 | slot << 11 | register)
    return devices.read(0xCFC, width: 4)
  }
  func configure(_ register: UInt32, _ value: UInt32) {
    devices.write(0xCF8, width: 4, value: 1 << 31 | 3 << 11 | register)
    devices.write(0xCFC, width: 4, value: value)
  }

  func reset() {
    write(18, 1, 0)
    memory.start.initializeMemory(as: UInt8.self, repeating: 0, count: 0x8000)
    offered = 0
    write(18, 1, 3)
    write(14, 2, 0)
    write(8, 4, 1)
    write(18, 1, 7)
  }

  private func describe(_ index: Int, _ physical: UInt64, _ length: UInt32, _ flags: UInt16, _ next: UInt16) {
    let place = memory.start + 4096 + index * 16
    place.storeBytes(of: physical, as: UInt64.self)
    place.storeBytes(of: length, toByteOffset: 8, as: UInt32.self)
    place.storeBytes(of: flags, toByteOffset: 12, as: UInt16.self)
    place.storeBytes(of: next, toByteOffset: 14, as: UInt16.self)
  }

  /// The status byte afterwards; 0xFF if the device has not touched it.
  func request(type: UInt32, sector: UInt64, length: UInt32, crime: Crime? = nil) -> UInt8 {
    let header = memory.start + 0x10000
    header.storeBytes(of: type, as: UInt32.self)
    header.storeBytes(of: sector, toByteOffset: 8, as: UInt64.self)
    header.storeBytes(of: 0xFF, toByteOffset: 16, as: UInt8.self)
    let reads: UInt16 = type == 0 ? 2 : 0
    describe(0, 0x10000, crime == .noHeader ? 8 : 16, 1, 1)
    describe(1, 0x11000, length, 1 | reads, 2)
    describe(2, 0x10010, 1, 2, 0)
    switch crime {
    case .outsideRAM: describe(1, memory.size - 100, length, 1 | reads, 2)
    case .wrapsAround: describe(1, ~0 - 100, length, 1 | reads, 2)
    case .circle: describe(1, 0x11000, length, 1 | reads, 0)
    case .strangeNext: describe(1, 0x11000, length, 1 | reads, 300)
    case .wrongDirection: describe(1, 0x11000, length, 1 | reads ^ 2, 2)
    case .noStatus: describe(2, 0x10010, 1, 0, 0)
    case .emptyPart: describe(1, 0x11000, 0, 1 | reads, 2)
    default: break
    }
    let ring = memory.start + 4096 + 256 * 16
    ring.storeBytes(of: crime == .strangeHead ? 256 : 0, toByteOffset: 4 + Int(offered) % 256 * 2, as: UInt16.self)
    offered &+= crime == .hugeRun ? 300 : 1
    ring.storeBytes(of: offered, toByteOffset: 2, as: UInt16.self)
    write(16, 2, 0)
    return (header + 16).load(as: UInt8.self)
  }
}
