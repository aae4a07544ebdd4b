import CX86
import DeviceModels
import IPC
import KernelCore
import PageTable
import Sandbox
import X86State

/// Linux as a machine under the kernel core: frames of one memfd, the host's clock, models of a small PC's devices.
struct LinuxMachine: Machine {
  typealias Context = X86Context

  let ram: UnsafeMutableRawPointer
  let size: UInt64
  /// CLOCK_MONOTONIC at boot.
  let start: UInt64
  unowned(unsafe) let broker: Broker

  var deadline = UInt64.max
  /// Bit n: line n is not masked.
  var openLines: UInt32 = 0

  func memory(at physical: UInt64) -> UnsafeMutableRawPointer { ram + Int(truncatingIfNeeded: physical) }
  func isMemory(_ physical: UInt64, length: UInt64) -> Bool { physical <= size && length <= size - physical }

  var now: UInt64 { Sandbox.now() &- start }
  mutating func setTimer(_ deadline: UInt64) { self.deadline = deadline }

  /// The frame may have been a root before, and somebody may still have its mappings.
  mutating func prepareRoot(_ root: UInt64) {
    memory(at: root).initializeMemory(as: UInt8.self, repeating: 0, count: Int(Page.size))
    broker.translations.forget(root: root)
  }
  mutating func flush(root: UInt64, address: UInt64, count: UInt64) { broker.translations.flush(root: root, address: address, count: count) }

  mutating func maskLine(_ line: Int) { openLines &= ~(1 << UInt32(line)) }
  mutating func unmaskLine(_ line: Int) { openLines |= 1 << UInt32(line) }
  mutating func readPort(_ port: UInt16, width: UInt32) -> UInt32 { broker.devices.read(port, width: width) }
  mutating func writePort(_ port: UInt16, width: UInt32, value: UInt32) { broker.devices.write(port, width: width, value: value) }

  // MARK: FPU

  private func area(_ slot: Int) -> UnsafeMutableRawPointer { broker.sandbox.extendedState(slot: slot) }

  mutating func resetExtendedState(slot: Int) {
    ExtendedArea.reset(area(slot))
    broker.sandbox.bases[slot] = Bases()
  }
  mutating func copyExtendedState(from: Int, to: Int) {
    area(to).copyMemory(from: area(from), byteCount: ExtendedArea.size)
    broker.sandbox.bases[to] = broker.sandbox.bases[from]
  }
  /// There are no debug registers: Linux gives them to a debugger only, and a process of ours has none.
  mutating func setBases(slot: Int, fs: UInt64, gs: UInt64) throws(Errno) { broker.sandbox.bases[slot] = Bases(fs: fs, gs: gs) }
  mutating func saveExtendedState(slot: Int, signalFrame: UnsafeMutableRawPointer) {
    (signalFrame + SignalFrame.extendedState).copyMemory(from: area(slot), byteCount: ExtendedArea.size)
  }
  /// Any bytes: the sandbox refuses none before it loads them.
  mutating func restoreExtendedState(slot: Int, signalFrame: UnsafeRawPointer) {
    area(slot).copyMemory(from: signalFrame + SignalFrame.extendedState, byteCount: ExtendedArea.size)
  }

  // MARK: The end, and words

  mutating func ended(slot: Int) { broker.ended(slot) }
  mutating func log(_ bytes: UnsafeRawBufferPointer) { broker.log.write(bytes) }
  mutating func traced(_ record: TraceRecord) { broker.trace.add(record) }

  mutating func shutdown(status: UInt64) {
    broker.say("shutdown: status \(status)")
    broker.end = .shutdown
  }

  mutating func panic(_ reason: StaticString) -> Never { broker.panic("\(reason)") }
}

/// The frames as devices reach them.
struct LinuxMemory: GuestMemory {
  let ram: UnsafeMutableRawPointer
  let size: UInt64
  func bytes(_ physical: UInt64, _ length: UInt64) -> UnsafeMutableRawPointer? {
    physical <= size && length <= size - physical ? ram + Int(physical) : nil
  }
}
