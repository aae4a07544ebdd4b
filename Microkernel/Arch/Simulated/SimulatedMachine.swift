import IPC
import KernelCore
import PageTable

/// A machine of arrays: RAM, a clock that stands still until it is moved, devices that remember what was done to
/// them. Copies share the RAM, which is never given back: a test's machine lives as long as the test.
public struct SimulatedMachine: Machine {
  public typealias Context = SimulatedContext

  public let ram: UnsafeMutableRawPointer
  /// Bytes of RAM; physical addresses from 0 on.
  public let size: UInt64
  /// The next frame that `takeFrame` gives. Frame 0 is never given.
  public var nextFrame: UInt64 = Page.size

  public var clock: UInt64 = 1000
  public var timerDeadline = UInt64.max
  public var timerSettings = 0
  /// Unmasked interrupt lines.
  public var openLines: UInt32 = 0
  public var text: [UInt8] = []
  /// What `Core.startTrace` has asked for.
  public var trace: [TraceRecord] = []
  public var shutdownStatus: UInt64?
  public var ports: [UInt16: UInt32] = [:]
  public var flushes: [Flush] = []
  public var preparedRoots: [UInt64] = []
  public var resetSlots: [Int] = []
  public var copiedSlots: [SlotCopy] = []
  /// One word of FPU state a slot.
  public var extendedState: [Int: UInt64] = [:]

  /// FS and GS bases, and what is watched, of the slots that have any.
  public var bases: [Int: [UInt64]] = [:]
  public var watches: [Int: UInt64] = [:]

  public struct Flush: Equatable, Sendable { public var root, address, count: UInt64 }
  public struct SlotCopy: Equatable, Sendable {
    public var from, to: Int
    public init(from: Int, to: Int) {
      self.from = from
      self.to = to
    }
  }

  public init(frames: Int = 1024) {
    size = UInt64(frames) * Page.size
    ram = UnsafeMutableRawPointer.allocate(byteCount: Int(size), alignment: Int(Page.size))
    ram.initializeMemory(as: UInt8.self, repeating: 0, count: Int(size))
  }

  public func memory(at physical: UInt64) -> UnsafeMutableRawPointer {
    precondition(physical < size, "the kernel reaches outside RAM")
    return ram + Int(physical)
  }
  public func isMemory(_ physical: UInt64, length: UInt64) -> Bool { physical <= size && length <= size - physical }

  public var now: UInt64 { clock }
  public mutating func setTimer(_ deadline: UInt64) {
    timerDeadline = deadline
    timerSettings += 1
  }

  public mutating func prepareRoot(_ root: UInt64) {
    memory(at: root).initializeMemory(as: UInt8.self, repeating: 0, count: Int(Page.size))
    preparedRoots.append(root)
  }
  public mutating func flush(root: UInt64, address: UInt64, count: UInt64) {
    flushes.append(Flush(root: root, address: address, count: count))
  }

  public mutating func maskLine(_ line: Int) { openLines &= ~(1 << UInt32(line)) }
  public mutating func unmaskLine(_ line: Int) { openLines |= 1 << UInt32(line) }
  public mutating func readPort(_ port: UInt16, width: UInt32) -> UInt32 { ports[port] ?? 0xFFFF_FFFF >> (32 - 8 * width) }
  public mutating func writePort(_ port: UInt16, width: UInt32, value: UInt32) { ports[port] = value }

  public mutating func resetExtendedState(slot: Int) {
    resetSlots.append(slot)
    bases[slot] = nil
    watches[slot] = nil
  }
  public mutating func copyExtendedState(from: Int, to: Int) {
    copiedSlots.append(SlotCopy(from: from, to: to))
    bases[to] = bases[from]
    watches[to] = nil
  }
  public mutating func setBases(slot: Int, fs: UInt64, gs: UInt64) throws(Errno) { bases[slot] = [fs, gs] }
  public mutating func setWatch(slot: Int, addresses: (UInt64, UInt64, UInt64, UInt64), control: UInt64) throws(Errno) -> UInt64 {
    watches[slot] = control
    return 0
  }
  public mutating func saveExtendedState(slot: Int, signalFrame: UnsafeMutableRawPointer) {
    signalFrame.storeBytes(of: extendedState[slot] ?? 0, toByteOffset: SimulatedContext.extendedStateOffset, as: UInt64.self)
  }
  public mutating func restoreExtendedState(slot: Int, signalFrame: UnsafeRawPointer) {
    extendedState[slot] = signalFrame.loadUnaligned(fromByteOffset: SimulatedContext.extendedStateOffset, as: UInt64.self)
  }

  public mutating func traced(_ record: TraceRecord) { trace.append(record) }
  /// Slots whose thread has ended.
  public var endedSlots: [Int] = []
  public mutating func ended(slot: Int) { endedSlots.append(slot) }

  public mutating func log(_ bytes: UnsafeRawBufferPointer) { text += bytes }
  public mutating func shutdown(status: UInt64) { shutdownStatus = status }
  public mutating func panic(_ reason: StaticString) -> Never { fatalError("kernel panic: \(reason)") }
}
