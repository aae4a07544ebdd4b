import DeviceModels
import IPC
import KernelCore
import PageTable
import SimulatedArch

/// The machine under the kernel core: an array of frames, virtual time, the device models. What it cannot say itself
/// it notes for the world, which looks at its notes after each entry into the core.
public struct WorldMachine: Machine {
  public typealias Context = SimulatedContext

  let ram: UnsafeMutableRawPointer
  let size: UInt64
  /// The world's tables by thread slot.
  unowned(unsafe) let world: World

  var clock: UInt64 = 1_000_000
  var timerDeadline = UInt64.max
  /// Bit n: line n is not masked.
  var openLines: UInt32 = 0

  public func memory(at physical: UInt64) -> UnsafeMutableRawPointer { ram + Int(truncatingIfNeeded: physical) }
  public func isMemory(_ physical: UInt64, length: UInt64) -> Bool { physical <= size && length <= size - physical }

  /// A service is host code, so its own memory is the host's: above all that VM hands out, but for the stub and the stack.
  public func native(slot: Int, address: UInt64) -> UInt64? {
    guard slot < Endpoint.serviceSlots, address >= AddressSpace.mmapEnd else { return nil }
    return address &- UInt64(UInt(bitPattern: ram))
  }

  public var now: UInt64 { clock }
  public mutating func setTimer(_ deadline: UInt64) { timerDeadline = deadline }

  public mutating func prepareRoot(_ root: UInt64) { memory(at: root).initializeMemory(as: UInt8.self, repeating: 0, count: 4096) }
  public mutating func flush(root: UInt64, address: UInt64, count: UInt64) { world.translations.flush(root: root, address: address, count: count) }

  public mutating func maskLine(_ line: Int) { openLines &= ~(1 << UInt32(line)) }
  public mutating func unmaskLine(_ line: Int) { openLines |= 1 << UInt32(line) }
  // Not into the kernel core's code, which counts references for several threads.
  @inline(never)
  public mutating func readPort(_ port: UInt16, width: UInt32) -> UInt32 { world.devices.read(port, width: width) }
  @inline(never)
  public mutating func writePort(_ port: UInt16, width: UInt32, value: UInt32) {
    world.devices.write(port, width: width, value: value)
    world.hasDeviceWork = true
  }

  @inline(never)
  public mutating func traced(_ record: TraceRecord) { world.trace.append(record) }

  public mutating func resetExtendedState(slot: Int) { world.begin(slot, .fresh) }
  public mutating func copyExtendedState(from: Int, to: Int) { world.begin(to, .forked) }

  public mutating func log(_ bytes: UnsafeRawBufferPointer) { world.log += bytes }
  public mutating func shutdown(status: UInt64) { world.end = .shutdown(status) }
  public mutating func panic(_ reason: StaticString) -> Never { world.panic("\(reason)") }
}

/// What programs' loads and stores remember of the page tables: 64 pages a thread. VM has to flush it like a real one.
struct Translations {
  private struct Entry {
    /// Page number plus one; 0 for none.
    var tag: UInt64 = 0
    var isWritable = false
    var root: UInt64 = 0
    var frame: UnsafeMutableRawPointer?
  }
  private static var entries: Int { 64 }
  private let table: UnsafeMutablePointer<Entry>
  private let slots: Int

  init(slots: Int) {
    self.slots = slots
    table = .allocate(capacity: slots * Self.entries)
    table.initialize(repeating: Entry(), count: slots * Self.entries)
  }

  func deallocate() { table.deallocate() }

  @inline(__always)
  func find(_ slot: Int, _ address: UInt64, write: Bool) -> UnsafeMutableRawPointer? {
    let entry = table + (slot * Self.entries + Int(address >> 12 & 63))
    guard entry.pointee.tag == address >> 12 + 1, !write || entry.pointee.isWritable, let frame = entry.pointee.frame else { return nil }
    return frame + Int(address & 4095)
  }

  func fill(_ slot: Int, _ address: UInt64, _ root: UInt64, _ frame: UnsafeMutableRawPointer, isWritable: Bool) {
    table[slot * Self.entries + Int(address >> 12 & 63)] = Entry(tag: address >> 12 + 1, isWritable: isWritable, root: root, frame: frame)
  }

  func clear(_ slot: Int) { (table + slot * Self.entries).update(repeating: Entry(), count: Self.entries) }

  func flush(root: UInt64, address: UInt64, count: UInt64) {
    let first = address >> 12
    for index in 0..<slots * Self.entries where table[index].tag != 0 && table[index].root == root {
      let page = table[index].tag - 1
      if page >= first, page - first < count { table[index] = Entry() }
    }
  }
}

/// The frames as devices reach them.
struct WorldMemory: GuestMemory {
  let ram: UnsafeMutableRawPointer
  let size: UInt64
  func bytes(_ physical: UInt64, _ length: UInt64) -> UnsafeMutableRawPointer? {
    physical <= size && length <= size - physical ? ram + Int(physical) : nil
  }
}
