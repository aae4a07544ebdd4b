import FakeKernel
import IPC
import Protocols
import ServerKit
import Testing

@testable import VirtioBlock

/// The driver, its kernel, and some devices on a PCI bus.
final class Bench {
  let kernel = FakeKernel()
  var devices: [DeviceModel] = []
  var ipc: FakeTransport
  var driver = VirtioBlockDriver<FakeTransport, PlainMemory>()
  /// What `MapContiguous` gave: the n-th call of a new life gets the n-th again.
  var areas: [ClientBuffer] = []
  private var areasGiven = 0
  /// Memory behind grants, which the driver may use until the end.
  private var kept: [ClientBuffer] = []
  private var configurationAddress: UInt32 = 0
  /// Other things on the bus: slot to vendor and device.
  var others: [UInt32: UInt32] = [0: 0x1237_8086]
  var bars: [UInt32: UInt32] = [:]
  var commands: [UInt32: UInt32] = [:]

  init(disks: Int = 1, sectors: Int = 512, queueSize: Int = 256, start: Bool = true) {
    ipc = FakeTransport(kernel, me: .disk)
    for index in 0..<disks {
      devices.append(
        DeviceModel(base: 0xC000 + UInt32(index) * 64, line: index % 2 == 0 ? 11 : 10, sectors: sectors, queueSize: queueSize) { [unowned self] in host($0) })
    }
    kernel.onPortRead = { [unowned self] port, width in read(port, width) }
    kernel.onPortWrite = { [unowned self] port, width, value in write(port, width, value) }
    kernel.onSendRec = { [unowned self] message, to throws(Errno) in
      guard to == .vm, message.type == VM.MapContiguous.number else { throw .deadEndpoint }
      let length = Int(message.body(VM.MapContiguous.self).length)
      if areasGiven == areas.count { areas.append(ClientBuffer([UInt8](repeating: 0, count: length))) }
      let index = areasGiven
      areasGiven += 1
      return Message(reply: VM.MapContiguous.Reply(address: UInt64(UInt(bitPattern: areas[index].memory.baseAddress)), physical: UInt64(index + 1) << 24))
    }
    if start { driver.start(&ipc) }
  }

  /// A new life of the driver: what is in the devices goes on.
  func restart() {
    areasGiven = 0
    kernel.replies = []
    kernel.queued = []
    kernel.alarm = 0
    driver = VirtioBlockDriver()
    driver.start(&ipc)
  }

  func host(_ physical: UInt64) -> UnsafeMutableRawPointer? {
    let index = Int(physical >> 24) - 1
    guard areas.indices.contains(index) else { return nil }
    return areas[index].memory.baseAddress! + Int(physical & 0xFF_FFFF)
  }

  // MARK: The bus

  private func configuration() -> UInt32 {
    let slot = configurationAddress >> 11 & 31
    let function = configurationAddress >> 8 & 7
    let register = configurationAddress & 0xFC
    if slot >= 4, slot < 4 + UInt32(devices.count), function == 0 {
      let device = devices[Int(slot) - 4]
      switch register {
      case 0x00: return 0x1001_1AF4
      case 0x04: return commands[slot] ?? 0
      case 0x10: return bars[slot] ?? (device.base | 1)
      case 0x3C: return 0x0100 | device.line
      default: return 0
      }
    }
    if let identity = others[slot], function == 0 { return register == 0 ? identity : 0 }
    return 0xFFFF_FFFF
  }

  private func read(_ port: UInt32, _ width: UInt32) -> UInt64? {
    if port == 0xCFC, width == 4 { return UInt64(configuration()) }
    for device in devices where (device.base..<device.base + 64).contains(port) { return device.read(port - device.base, width) }
    return nil
  }

  private func write(_ port: UInt32, _ width: UInt32, _ value: UInt64) -> Bool {
    if port == 0xCF8, width == 4 {
      configurationAddress = UInt32(value)
      return true
    }
    if port == 0xCFC, width == 4 {
      if configurationAddress & 0xFC == 4 { commands[configurationAddress >> 11 & 31] = UInt32(value) }
      return true
    }
    for device in devices where (device.base..<device.base + 64).contains(port) {
      device.write(port - device.base, width, value)
      return true
    }
    return false
  }

  // MARK: Time and interrupts

  /// Delivers the interrupts that devices want.
  func interrupts() {
    for _ in 0..<100 {
      let lines = devices.filter(\.interruptPending).reduce(0 as UInt64) { $0 | 1 << UInt64($1.line) }
      if lines == 0 { return }
      driver.notified(by: .kernel, events: lines, &ipc)
    }
    Issue.record("interrupts without end")
  }

  /// Works off everything that devices have.
  func settle() {
    for _ in 0..<1000 {
      guard devices.contains(where: { !$0.pending.isEmpty && !$0.isStuck }) else { return }
      for device in devices { device.work() }
      interrupts()
    }
    Issue.record("work without end")
  }

  /// Lets time pass, with the alarms that are due.
  func pass(seconds: Double) {
    let end = kernel.now + UInt64(seconds * 1e9)
    while kernel.alarm != 0, kernel.alarm <= end {
      kernel.now = kernel.alarm
      kernel.alarm = 0
      driver.notified(by: .kernel, events: KernelEvent.alarm, &ipc)
    }
    kernel.now = end
  }

  // MARK: Clients

  /// Sends a request; the answer if there is one at once.
  func send<C: Call>(_ call: C, from source: Endpoint = .rootfs, flags: Delivery.Flags = .request, token: UInt64 = 0) -> Message? {
    driver.handle(request(call, from: source, flags: flags, token: token), &ipc)
  }

  func transfer(_ position: UInt64, _ buffer: ClientBuffer, write: Bool, from source: Endpoint = .rootfs, minor: UInt32 = 0, token: UInt64 = 0) -> Message? {
    kept.append(buffer)
    let id = kernel.grant(buffer.memory, from: source, to: .disk)
    return send(
      Block.Transfer(position: position, grant: id, offset: 0, length: UInt32(buffer.memory.count), minor: minor, write: write),
      from: source, flags: source == .vfs ? .asynchronous : .request, token: token)
  }

  /// The answer that came for `source` since the last look.
  func answer<R: Wire>(_ type: R.Type = VFS.Count.self, to source: Endpoint = .rootfs) throws -> R {
    let index = try #require(kernel.replies.firstIndex { $0.to == source })
    return try kernel.replies.remove(at: index).message.reply()
  }
}
