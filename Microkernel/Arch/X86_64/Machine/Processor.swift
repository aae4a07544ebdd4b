import CEntry
import CStart
import CX86
import X86State
import PageTable
import PhysicalMemory

/// Sets up the processor that runs this: control registers, descriptor tables, entry points, FPU. Each processor has
/// its own of everything (M-E8); there is one so far.
public enum Processor {
  /// One page: the CPU struct, its TSS and its GDT.
  private enum Layout {
    static var tss: Int { Int(CPU_TSS) }
    static var gdt: Int { 512 }
  }

  /// - Parameters:
  ///   - root: the kernel's own top table; in use from here on.
  ///   - idt: a page for the IDT, shared by all processors.
  ///   - page: a zeroed page for what is this processor's own.
  public static func start(root: UInt64, idt: UInt64, page: UInt64, extendedStates: UInt64) -> UnsafeMutablePointer<apus_cpu> {
    var control = x86_read_cr4() & ~Control.fsgsbase
    control |= Control.pge | Control.osfxsr | Control.osxmmexcpt
    if x86_cpuid(1).d & 1 << 7 != 0 { control |= Control.mce }
    let features = x86_cpuid(0).a >= 7 ? x86_cpuid(7) : apus_cpuid()
    if features.b & 1 << 7 != 0 { control |= Control.smep }
    if features.b & 1 << 20 != 0 { control |= Control.smap }
    if features.c & 1 << 2 != 0 { control |= Control.umip }
    if ExtendedState.hasXSAVE { control |= Control.osxsave }
    x86_write_cr3(root)
    x86_write_cr4(control)
    x86_write_dr7(0x400)  // no breakpoints, whatever firmware did (SEC3, SEC7)

    let memory = Frames.pointer(page)
    let cpu = memory.bindMemory(to: apus_cpu.self, capacity: 1)
    let tss = (memory + Layout.tss).bindMemory(to: apus_tss.self, capacity: 1)
    let gdt = (memory + Layout.gdt).bindMemory(to: UInt64.self, capacity: Segment.count)
    tss.pointee.io_map_base = UInt16(MemoryLayout<apus_tss>.size)  // none: ports are the kernel's
    tss.pointee.ist.0 = address_of_nmi_stack() + UInt64(TRAP_STACK_SIZE)
    tss.pointee.ist.1 = address_of_fault_stack() + UInt64(TRAP_STACK_SIZE)
    tss.pointee.ist.2 = address_of_check_stack() + UInt64(TRAP_STACK_SIZE)
    tss.pointee.ist.3 = address_of_debug_stack() + UInt64(TRAP_STACK_SIZE)
    Segment.fill(gdt, task: UInt64(UInt(bitPattern: tss)))
    x86_load_gdt(gdt, UInt16(Segment.count * 8 - 1))
    let gates = Frames.pointer(idt).bindMemory(to: UInt64.self, capacity: 512)
    Gate.fill(gates, stubs: address_of_entry_vectors())
    x86_load_idt(gates, 4095)

    cpu.pointee.current = nil
    cpu.pointee.stack = address_of_kernel_stack() + UInt64(STACK_SIZE)
    cpu.pointee.root = root
    cpu.pointee.kernel_root = root
    cpu.pointee.tss = tss
    cpu.pointee.`self` = UnsafeMutableRawPointer(cpu)
    ExtendedState.start(cpu, states: extendedStates)
    x86_write_msr(Register.gsBase, UInt64(UInt(bitPattern: cpu)))
    x86_write_msr(Register.kernelGSBase, 0)
    x86_write_msr(Register.star, Segment.star)
    let entry = cpu.pointee.fpu_features != 0 ? address_of_entry_syscall_xsave() : address_of_entry_syscall()
    use(Register.lstar, fast: entry, full: address_of_entry_syscall_foreign(), cpu)
    x86_write_msr(Register.fsBase, 0)
    x86_write_msr(Register.cstar, address_of_entry_compat())
    x86_write_msr(Register.sfmask, Flags.maskedByCall)
    return cpu
  }

  /// Programs enter at `fast`, those that the fast path must not find at `full`.
  private static func use(_ register: UInt32, fast: UInt64, full: UInt64, _ cpu: UnsafeMutablePointer<apus_cpu>) {
    x86_write_msr(register, fast)
    cpu.pointee.entry_register = register
    cpu.pointee.entry_fast = fast
    cpu.pointee.entry_full = full
  }

  /// Sends all ways into the kernel by the entries that know no fast path, and so see every message. After `offer`.
  /// - Parameter idt: as `start` got it.
  public static func takeSlowPath(idt: UInt64, _ cpu: UnsafeMutablePointer<apus_cpu>) {
    cpu.pointee.entry_register = 0
    set_entry_records()
    x86_write_msr(Register.lstar, address_of_entry_syscall_slow())
    if x86_read_msr(Register.sysenterCode) != 0 { x86_write_msr(Register.sysenterAddress, address_of_entry_sysenter_slow()) }
    let gates = Frames.pointer(idt).assumingMemoryBound(to: UInt64.self)
    Gate.redirectCalls(gates, stubs: address_of_entry_vectors(), to: Int(VECTOR_CALL_SLOW))
  }

  /// How programs can enter the kernel.
  public enum Way { case syscall, sysenter, interrupt }

  /// Whether this processor has it. Every 64-bit processor has SYSCALL; CPUID says so all the same. SYSENTER works in
  /// 64-bit mode on Intel's only.
  public static func has(_ way: Way) -> Bool {
    switch way {
    case .syscall: return x86_cpuid(0x8000_0001).d & 1 << 11 != 0
    case .sysenter:
      let vendor = x86_cpuid(0)
      return vendor.b == 0x756E_6547 && vendor.d == 0x4965_6E69 && vendor.c == 0x6C65_746E && x86_cpuid(1).d & 1 << 11 != 0
    case .interrupt: return true
    }
  }

  /// Opens the way that the stub page takes. `int` and SYSCALL are always open; where programs come by SYSENTER those who come by SYSCALL
  /// leave by IRETQ. Else SYSENTER is #GP, as it is after reset.
  public static func offer(_ way: Way, _ cpu: UnsafeMutablePointer<apus_cpu>) {
    x86_write_msr(Register.sysenterCode, way == .sysenter ? Selector.kernelCode : 0)
    guard way == .sysenter else { return }
    x86_write_msr(Register.sysenterStack, cpu.pointee.stack)
    let entry = cpu.pointee.fpu_features != 0 ? address_of_entry_sysenter_xsave() : address_of_entry_sysenter()
    use(Register.sysenterAddress, fast: entry, full: address_of_entry_sysenter_foreign(), cpu)
    set_entry_by_sysenter()
    x86_write_msr(Register.lstar, address_of_entry_syscall_foreign())
  }

  private enum Control {
    static var mce: UInt64 { 1 << 6 }
    static var pge: UInt64 { 1 << 7 }
    static var osfxsr: UInt64 { 1 << 9 }
    static var osxmmexcpt: UInt64 { 1 << 10 }
    static var umip: UInt64 { 1 << 11 }
    static var fsgsbase: UInt64 { 1 << 16 }
    static var osxsave: UInt64 { 1 << 18 }
    static var smep: UInt64 { 1 << 20 }
    static var smap: UInt64 { 1 << 21 }
  }

  private enum Register {
    static var sysenterCode: UInt32 { 0x174 }
    static var sysenterStack: UInt32 { 0x175 }
    static var sysenterAddress: UInt32 { 0x176 }
    static var star: UInt32 { 0xC000_0081 }
    static var lstar: UInt32 { 0xC000_0082 }
    static var cstar: UInt32 { 0xC000_0083 }
    static var sfmask: UInt32 { 0xC000_0084 }
    static var fsBase: UInt32 { 0xC000_0100 }
    static var gsBase: UInt32 { 0xC000_0101 }
    static var kernelGSBase: UInt32 { 0xC000_0102 }
  }
}
