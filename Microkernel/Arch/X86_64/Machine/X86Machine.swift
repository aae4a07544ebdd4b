import BootImage
import CEntry
import CX86
import X86State
import IPC
import KernelCore
import PageTable
import PhysicalMemory

/// A PC with one x86-64 processor, as the kernel core sees it.
public struct X86Machine: Machine, ~Copyable {
  public typealias Context = X86Context

  let cpu: UnsafeMutablePointer<apus_cpu>
  /// What is in the linear map.
  let ranges: UnsafePointer<PhysicalRange>
  let rangeCount: Int
  let scale: ClockScale
  let apic: LocalAPIC
  var lines: InterruptController
  /// Where records go, if there is a trace.
  public var trace: UnsafeMutablePointer<TraceConsole>?

  public init(cpu: UnsafeMutablePointer<apus_cpu>, ranges: UnsafePointer<PhysicalRange>, rangeCount: Int) {
    self.cpu = cpu
    self.ranges = ranges
    self.rangeCount = rangeCount
    lines = InterruptController()
    apic = LocalAPIC()
    let rates = Calibration.run(apic)
    scale = ClockScale(frequency: rates.counter, timerFrequency: rates.timer)
    Log().text("clock: counter ").decimal(rates.counter / 1000).text(" kHz, timer ").decimal(rates.timer / 1000).text(" kHz").line()
  }

  // MARK: Memory

  @inline(__always)
  public func memory(at physical: UInt64) -> UnsafeMutableRawPointer { Frames.pointer(physical) }

  /// A handful of ranges, and mostly the first or the second.
  @inline(__always)
  public func isMemory(_ physical: UInt64, length: UInt64) -> Bool {
    for index in 0..<rangeCount where physical >= ranges[index].base && physical < ranges[index].end { return length <= ranges[index].end &- physical }
    return false
  }

  public mutating func prepareRoot(_ root: UInt64) {
    let own = Frames.pointer(cpu.pointee.kernel_root).assumingMemoryBound(to: UInt64.self)
    let other = Frames.pointer(root).assumingMemoryBound(to: UInt64.self)
    other.update(repeating: 0, count: 256)
    (other + 256).update(from: own + 256, count: 256)
  }

  /// One processor without address space identifiers: only the space that is loaded has cached translations. Many
  /// pages are dropped by loading it again.
  public mutating func flush(root: UInt64, address: UInt64, count: UInt64) {
    guard root == cpu.pointee.root else { return }
    if count > 32 {
      x86_write_cr3(root)
    } else {
      for page in 0..<count { x86_invalidate(address &+ page &* Page.size) }
    }
  }

  // MARK: Time

  @inline(__always)
  public var now: UInt64 { scale.nanoseconds(x86_timestamp()) }
  @inline(__always)
  public var ticks: UInt64 { x86_timestamp() }
  public func nanoseconds(ticks: UInt64) -> UInt64 { scale.nanoseconds(ticks) }

  public mutating func setTimer(_ deadline: UInt64) {
    if deadline == .max {
      apic.arm(0)
    } else {
      let now = now
      apic.arm(scale.timerTicks(deadline > now ? deadline - now : 0))
    }
  }

  // MARK: Devices

  public mutating func maskLine(_ line: Int) { lines.setMasked(line, true) }
  public mutating func unmaskLine(_ line: Int) { lines.setMasked(line, false) }

  public mutating func readPort(_ port: UInt16, width: UInt32) -> UInt32 {
    switch width {
    case 1: UInt32(x86_in8(port))
    case 2: UInt32(x86_in16(port))
    default: x86_in32(port)
    }
  }

  public mutating func writePort(_ port: UInt16, width: UInt32, value: UInt32) {
    switch width {
    case 1: x86_out8(port, UInt8(truncatingIfNeeded: value))
    case 2: x86_out16(port, UInt16(truncatingIfNeeded: value))
    default: x86_out32(port, value)
    }
  }

  // MARK: FPU

  public func extendedState(slot: Int) -> UInt64 { UInt64(UInt(bitPattern: ExtendedState.area(cpu, slot))) }
  public mutating func resetExtendedState(slot: Int) {
    ExtendedState.reset(cpu, slot)
    Special.reset(cpu, slot)
  }
  public mutating func copyExtendedState(from: Int, to: Int) {
    ExtendedState.copy(cpu, from: from, to: to)
    Special.copy(cpu, from: from, to: to)
  }
  public mutating func saveExtendedState(slot: Int, signalFrame: UnsafeMutableRawPointer) { ExtendedState.save(cpu, slot, to: signalFrame) }
  public mutating func restoreExtendedState(slot: Int, signalFrame: UnsafeRawPointer) { ExtendedState.restore(cpu, slot, from: signalFrame) }

  public mutating func setBases(slot: Int, fs: UInt64, gs: UInt64) throws(Errno) { Special.set(cpu, slot, fs: fs, gs: gs) }
  public mutating func setWatch(slot: Int, addresses: (UInt64, UInt64, UInt64, UInt64), control: UInt64) throws(Errno) -> UInt64 {
    try Special.watch(cpu, slot, addresses, control)
  }

  // MARK: Words and the end

  public mutating func log(_ bytes: UnsafeRawBufferPointer) { Log().write(bytes) }

  public mutating func traced(_ record: TraceRecord) { trace?.pointee.add(record) }

  public mutating func shutdown(status: UInt64) {
    trace?.pointee.write()
    Log().text("shutdown: status ").decimal(status).line()
    x86_out8(0xF4, 0x10)  // isa-debug-exit: QEMU ends with 33
    x86_out16(0x604, 0x2000)  // soft off in QEMU's ACPI
    x86_halt_forever()
  }

  public mutating func panic(_ reason: StaticString) -> Never { Panic.stop(reason) }
}

extension X86Machine {
  public var fastCalls: UInt64 { cpu.pointee.fast_calls }

  /// Gives the fast path in assembly the tables of the core, which must stay where it is: on the page behind that of the CPU.
  public func useFastPath(of core: UnsafeMutablePointer<Core<X86Machine>>) {
    let tables = core.pointee.fastPathTables()
    guard UnsafeRawPointer(tables.ready) == UnsafeRawPointer(cpu) + Int(CPU_CORE) else { Panic.stop("the fast path cannot find the core") }
    cpu.pointee.threads = UnsafeMutableRawPointer(tables.threads)
    cpu.pointee.slots = UInt64(tables.slots)
  }

  /// An interrupt of a device: its line, or nil if there is nothing to it.
  public func line(vector: UInt64) -> Int? {
    let line = Int(vector &- UInt64(VECTOR_LINES))
    return lines.isSpurious(line) ? nil : line
  }

  /// What the debug registers have noticed of the thread that runs.
  public func takeDebugTrap() -> UInt64 {
    guard let context = cpu.pointee.current else { return 0 }
    return Special.takeTrap(cpu, context)
  }

  public func acknowledge(line: Int) { lines.acknowledge(line) }
  public func acknowledgeTimer() { apic.acknowledge() }

  /// Leaves the kernel for `thread`, or for the next interrupt if there is none.
  @inline(__always)
  public func resume(_ thread: Thread<X86Context>.Pointer?) -> Never {
    guard let thread else {
      cpu.pointee.current = nil
      if cpu.pointee.root != cpu.pointee.kernel_root { load(cpu.pointee.kernel_root) }
      entry_idle()
    }
    let context = UnsafeMutableRawPointer(thread).assumingMemoryBound(to: apus_context.self)
    if cpu.pointee.current != context {
      cpu.pointee.current = context
      cpu.pointee.tss.pointee.rsp.0 = UInt64(UInt(bitPattern: context + 1))
      ExtendedState.load(cpu, thread.pointee.extendedState)
      x86_clear_selectors()
      Special.load(cpu, thread.pointee.extendedState)
    }
    if cpu.pointee.root != thread.pointee.root { load(thread.pointee.root) }
    entry_resume(context)
  }

  @inline(__always)
  func load(_ root: UInt64) {
    cpu.pointee.root = root
    x86_write_cr3(root)
  }
}
