import DeviceModels
import FakeKernel
import IPC
import Protocols
import ServerKit
import VirtioBlock

/// RAM of a test, known to devices from physical address 0 on.
struct TestMemory: GuestMemory {
  let start: UnsafeMutableRawPointer
  let size: UInt64
  init(pages: Int) {
    size = UInt64(pages) << 12
    start = .allocate(byteCount: Int(size), alignment: 4096)
    start.initializeMemory(as: UInt8.self, repeating: 0, count: Int(size))
  }
  func bytes(_ physical: UInt64, _ length: UInt64) -> UnsafeMutableRawPointer? {
    physical <= size && length <= size - physical ? start + Int(physical) : nil
  }
}

/// The driver's DMA memory, plain.
struct PlainMemory: DMAMemory {
  let address, physical: UInt64
  init(address: UInt64, physical: UInt64, length: Int) {
    self.address = address
    self.physical = physical
  }
  private var base: UnsafeMutableRawPointer { UnsafeMutableRawPointer(bitPattern: UInt(address))! }
  func read8(_ offset: Int) -> UInt8 { base.loadUnaligned(fromByteOffset: offset, as: UInt8.self) }
  func read16(_ offset: Int) -> UInt16 { base.loadUnaligned(fromByteOffset: offset, as: UInt16.self) }
  func read32(_ offset: Int) -> UInt32 { base.loadUnaligned(fromByteOffset: offset, as: UInt32.self) }
  func write8(_ offset: Int, _ value: UInt8) { base.storeBytes(of: value, toByteOffset: offset, as: UInt8.self) }
  func write16(_ offset: Int, _ value: UInt16) { base.storeBytes(of: value, toByteOffset: offset, as: UInt16.self) }
  func write32(_ offset: Int, _ value: UInt32) { base.storeBytes(of: value, toByteOffset: offset, as: UInt32.self) }
  func write64(_ offset: Int, _ value: UInt64) { base.storeBytes(of: value, toByteOffset: offset, as: UInt64.self) }
}

/// A disk that is done when the test says so.
final class SlowStore: BlockStore {
  let memory: MemoryStore
  var isSlow = false
  var waiting: [BlockRequest] = []
  init(sectors: Int, isReadOnly: Bool = false) {
    memory = MemoryStore((0..<sectors * 512).map { UInt8(truncatingIfNeeded: $0 >> 9 ^ $0) }, isReadOnly: isReadOnly)
  }
  var size: UInt64 { memory.size }
  var isReadOnly: Bool { memory.isReadOnly }
  func begin(_ request: BlockRequest) -> BlockOutcome? {
    if !isSlow { return memory.begin(request) }
    waiting.append(request)
    return nil
  }
}

/// The models with the ports, lines and DMA memory that the real block driver uses.
final class Board {
  let memory = TestMemory(pages: 1024)
  let kernel = FakeKernel()
  var devices: PCDevices<TestMemory, SlowStore>
  var driver = VirtioBlockDriver<FakeTransport, PlainMemory>()
  var ipc: FakeTransport
  var nextFrame: UInt64 = 1

  init(disks: [SlowStore], start: Bool = true) {
    devices = PCDevices(disks: disks, memory: memory)
    ipc = FakeTransport(kernel, me: .disk)
    kernel.onPortRead = { [unowned self] port, width in UInt64(devices.read(UInt16(port), width: width)) }
    kernel.onPortWrite = { [unowned self] port, width, value in
      devices.write(UInt16(port), width: width, value: UInt32(truncatingIfNeeded: value))
      return true
    }
    kernel.onSendRec = { [unowned self] message, _ throws(Errno) in
      guard message.type == VM.MapContiguous.number else { throw .noSuchCall }
      let physical = nextFrame << 12
      nextFrame += ((message.body() as VM.MapContiguous).length + 4095) >> 12
      return Message(reply: VM.MapContiguous.Reply(address: UInt64(UInt(bitPattern: memory.start)) + physical, physical: physical))
    }
    if start { driver.start(&ipc) }
  }

  func transfer(_ position: UInt64, _ buffer: ClientBuffer, write: Bool) -> Message? {
    let id = kernel.grant(buffer.memory, from: .rootfs, to: .disk)
    let call = Block.Transfer(position: position, grant: id, offset: 0, length: UInt32(buffer.memory.count), minor: 0, write: write)
    return driver.handle(request(call, from: .rootfs), &ipc)
  }

  /// Interrupts until no line is high; how many there were.
  @discardableResult
  func settle() -> Int {
    var count = 0
    while devices.lines != 0, count < 1000 {
      driver.notified(by: .kernel, events: UInt64(devices.lines), &ipc)
      count += 1
    }
    return count
  }

  func complete(_ request: BlockRequest) {
    let outcome = devices.disks[0].store.memory.begin(request)
    devices.disks[0].complete(request.token, outcome ?? .failed)
  }
}
