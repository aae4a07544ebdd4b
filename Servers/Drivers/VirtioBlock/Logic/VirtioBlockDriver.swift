import IPC
import Protocols
import ServerKit

/// The virtio block driver: up to four disks on PCI bus 0, as minors 0 ... 3. Requests are answered when the
/// device is done; several are under way at a time. It keeps no state that its next life would need.
public struct VirtioBlockDriver<T: Transport, Memory: DMAMemory>: Server {
  public typealias IPCTransport = T

  public static var diskLimit: Int { 4 }
  /// Nanoseconds between alarms while there is work. Short, so that a lost interrupt costs little, and so that a machine
  /// whose clock leaps over idle time (QEMU's icount) does not take a slow disk of its host for a silent one.
  static var tick: UInt64 { 2_000_000 }
  private var disks: [Disk<T, Memory>] = []
  /// Interrupt lines that are ours.
  private var lines: UInt64 = 0
  private var isAlarmSet = false

  public init() {}

  public mutating func start(_ ipc: inout T) {
    let found = (try? FoundDisk.scan(limit: Self.diskLimit, &ipc)) ?? []
    for place in found {
      guard let disk = Disk<T, Memory>(place, &ipc) else {
        ipc.log("disk: a device that cannot be driven\n")
        continue
      }
      guard attach(place.line, &ipc) else {
        ipc.log("disk: the interrupt line is taken\n")
        continue
      }
      var text = Text("disk: minor ")
      text.append(UInt64(disks.count))
      text.append(", ")
      text.append(disk.size >> 10)
      text.append(disk.isReadOnly ? " KiB, read-only, line " : " KiB, line ")
      text.append(UInt64(place.line))
      text.append("\n")
      ipc.log(text)
      disks.append(disk)
    }
    if disks.isEmpty { ipc.log("disk: no virtio block device\n") }
  }

  private mutating func attach(_ line: UInt32, _ ipc: inout T) -> Bool {
    if lines & 1 << UInt64(line) != 0 { return true }
    do throws(Errno) {
      try ipc.kernel(Kernel.InterruptAttach(line: UInt64(line)))
      try ipc.kernel(Kernel.InterruptEnable(line: UInt64(line)))
    } catch { return false }
    lines |= 1 << UInt64(line)
    return true
  }

  public mutating func notified(by source: Endpoint, events: UInt64, _ ipc: inout T) {
    guard source == .kernel else { return }
    let fired = events & lines
    if fired != 0 {
      for index in disks.indices where fired & 1 << UInt64(disks[index].line) != 0 { disks[index].interrupt(&ipc) }
      for line: UInt64 in 0..<16 where fired & 1 << line != 0 { _ = ipc.kernel(Message(Kernel.InterruptEnable(line: line))) }
    }
    if events & KernelEvent.alarm != 0 {
      isAlarmSet = false
      for index in disks.indices where disks[index].isBusy { disks[index].tick(&ipc) }
    }
    setAlarm(&ipc)
  }

  private mutating func setAlarm(_ ipc: inout T) {
    guard !isAlarmSet, disks.contains(where: { $0.isBusy }), let now = try? ipc.kernel(Kernel.Clock()).now else { return }
    isAlarmSet = (try? ipc.kernel(Kernel.Alarm(deadline: now &+ Self.tick))) != nil
  }

  public mutating func handle(_ delivery: Delivery, _ ipc: inout T) -> Message? {
    guard delivery.message.type > 0, delivery.isRequest || delivery.isAsynchronous else { return nil }
    defer { setAlarm(&ipc) }
    do throws(Errno) { return try dispatch(delivery, &ipc) } catch { return Message(error: error) }
  }

  private mutating func dispatch(_ delivery: Delivery, _ ipc: inout T) throws(Errno) -> Message? {
    let message = delivery.message
    switch Block.Number(rawValue: message.type) {
    case .open:
      let disk = try minor(message.body(Block.Open.self).minor)
      return Message(reply: Block.Open.Reply(size: disks[disk].size, readOnly: disks[disk].isReadOnly ? 1 : 0))
    case .transfer:
      let call: Block.Transfer = message.body()
      return try disks[try minor(UInt64(call.minor))].transfer(call, delivery, &ipc)
    case .flush:
      return try disks[try minor(message.body(Block.Flush.self).minor)].flush(delivery, &ipc)
    case nil: throw .noSuchCall
    }
  }

  private func minor(_ number: UInt64) throws(Errno) -> Int {
    guard number < UInt64(disks.count) else { throw .noSuchDevice }
    return Int(number)
  }
}
