import BootImage
import CEntry
import CStart
import CX86
import IPC
import KernelCore
import PageTable
import PhysicalMemory
import X86Hardware
import X86State

/// From the end of start.S to the first instruction of VM. Runs once, on the boot tables and then on the final ones.
/// - Parameters:
///   - loader: `BOOT_PVH` or `BOOT_MULTIBOOT2`.
///   - information: physical address of what the loader says.
@c(kernel_main)
func kernelMain(_ loader: UInt32, _ information: UInt32) -> Never {
  Log().text("Apus kernel for x86-64").line()
  let report = readReport(loader, UInt64(information))
  if report.hasWord("idle=poll") { set_entry_polls() }
  let boot = BootMemory(report)
  let limits = boot.limits

  // The kernel's own frames.
  let tables = Frames.take(UInt64(Core<X86Machine>.memoryNeeded(limits)), &boot.free.pointee)
  let states = Frames.take(UInt64(limits.threads * Int(EXTENDED_STRIDE)), &boot.free.pointee)
  let interruptTable = Frames.zeroed(&boot.free.pointee)
  // The core lies behind its CPU's page, where the fast path looks for it.
  let processorPage = Frames.zeroed(&boot.free.pointee, length: UInt64(CPU_CORE) + UInt64(MemoryLayout<Core<X86Machine>>.size))
  let core = processorPage + UInt64(CPU_CORE)
  let rangePage = Frames.zeroed(&boot.free.pointee)
  let trace = TraceRequest(report)
  let traceMemory = trace.isOff ? 0 : Frames.take(TraceConsole.size, &boot.free.pointee)
  let root = KernelSpace.build(memory: boot.memory, frames: &boot.free.pointee)
  boot.closeKernel()

  let cpu = Processor.start(root: root, idt: interruptTable, page: processorPage, extendedStates: states)
  let ranges = Frames.pointer(rangePage).bindMemory(to: PhysicalRange.self, capacity: MemoryMap.capacity)
  for index in 0..<boot.memory.pointee.count { ranges[index] = boot.memory.pointee[index] }
  useSymbols(boot.archiveBytes)

  let kernel = Frames.pointer(core).bindMemory(to: Core<X86Machine>.self, capacity: 1)
  kernel.initialize(to: Core(machine: X86Machine(cpu: cpu, ranges: ranges, rangeCount: boot.memory.pointee.count), limits: limits, memory: Frames.pointer(tables)))
  cpu.pointee.core = UnsafeMutableRawPointer(kernel)
  kernel.pointee.setBootPrivileges(slot: 1, BootTable.entry(0).privileges, priority: BootTable.entry(0).priority)
  kernel.pointee.setBootPrivileges(slot: 2, BootTable.entry(1).privileges, priority: BootTable.entry(1).priority)

  if !trace.isOff {
    let console = TraceConsole.make(Frames.pointer(traceMemory), keepsLast: trace.keepsLast)
    kernel.pointee.machine.trace = console
    Panic.use(trace: console)
    kernel.pointee.startTrace(trace.what)
  }
  let way = StubPage.choose(report)
  Processor.offer(way, cpu)
  if !trace.isOff || report.hasWord("fastpath=off") {
    Processor.takeSlowPath(idt: interruptTable, cpu)
    kernel.pointee.takeSlowPath()
  }
  kernel.pointee.machine.useFastPath(of: kernel)

  let top = Frames.zeroed(&boot.free.pointee)
  kernel.pointee.machine.prepareRoot(top)
  let plan = FirstSpace.Plan(
    root: top, stub: StubPage.make(way, &boot.free.pointee), archive: boot.archive, total: boot.total,
    memoryEnd: boot.memory.pointee.end, commandLine: UnsafeRawBufferPointer(start: report.commandLine, count: report.commandLineLength),
    seed: BootSeed.take())
  let first = FirstSpace.build(plan, free: &boot.free.pointee, window: boot.window, access: LinearFrames())
  kernel.pointee.createFirst(root: first.root, space: 0, entry: first.entry, stack: first.stack)
  kernel.pointee.schedule()
  kernel.pointee.machine.resume(kernel.pointee.current)
}

private func readReport(_ loader: UInt32, _ information: UInt64) -> LoaderReport {
  // start.S has mapped this much.
  let view = PhysicalView(base: UInt(AddressSpace.kernelLinear), start: 0x400, end: 4 << 30)
  guard LoaderReport.storageSize <= Int(BOOT_TABLE_SIZE), let storage = UnsafeMutableRawPointer(bitPattern: UInt(address_of_boot_report()))
  else { Panic.stop("no room for the loader's report") }
  switch loader {
  case UInt32(BOOT_PVH):
    if let report = LoaderReport(pvh: information, view, storage: storage) { return report }
  case UInt32(BOOT_MULTIBOOT2):
    if let report = LoaderReport(multiboot2: information, view, storage: storage) { return report }
  default: break
  }
  Panic.stop("started by an unknown boot loader, or one without a memory map")
}

private func useSymbols(_ archive: UnsafeRawBufferPointer) {
  guard let archive = BootArchive(archive), let module = archive.find(SymbolTable.module),
    let table = SymbolTable(archive.contents(module))
  else { return }
  Panic.use(symbols: table)
}
