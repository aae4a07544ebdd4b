import CX86
import IPC
import X86State

/// FS and GS bases and debug registers: of each slot, behind its vector registers. Nobody pays for them but who has them: a thread that does
/// enters where there is no fast path (LSTAR and SYSENTER_EIP while it runs), so the fast path switches only between threads that have none.
enum Special {
  @inline(__always)
  static func of(_ extendedState: UInt64) -> UnsafeMutablePointer<apus_special> {
    UnsafeMutablePointer(bitPattern: UInt(extendedState) &+ UInt(EXTENDED_SIZE)).unsafelyUnwrapped
  }

  private static func of(_ cpu: UnsafeMutablePointer<apus_cpu>, _ slot: Int) -> UnsafeMutablePointer<apus_special> {
    (ExtendedState.area(cpu, slot) + ExtendedArea.size).assumingMemoryBound(to: apus_special.self)
  }

  /// As in a new thread.
  static func reset(_ cpu: UnsafeMutablePointer<apus_cpu>, _ slot: Int) {
    let special = of(cpu, slot)
    special.pointee = apus_special()
    special.pointee.control = DebugControl.off
  }

  /// Fork: the bases, not the breakpoints.
  static func copy(_ cpu: UnsafeMutablePointer<apus_cpu>, from: Int, to: Int) {
    reset(cpu, to)
    set(cpu, to, fs: of(cpu, from).pointee.fs, gs: of(cpu, from).pointee.gs)
  }

  /// From the next `resume` on.
  static func set(_ cpu: UnsafeMutablePointer<apus_cpu>, _ slot: Int, fs: UInt64, gs: UInt64) {
    let special = of(cpu, slot)
    special.pointee.fs = fs
    special.pointee.gs = gs
    note(cpu, special)
  }

  /// From the next `resume` on. Returns DR6 as it was, and clears it.
  static func watch(
    _ cpu: UnsafeMutablePointer<apus_cpu>, _ slot: Int, _ addresses: (UInt64, UInt64, UInt64, UInt64), _ control: UInt64
  ) throws(Errno) -> UInt64 {
    let special = of(cpu, slot)
    do throws(DebugControl.Refusal) {
      special.pointee.control = try DebugControl.sanitized(control, addresses)
    } catch {
      switch error {
      case .badAddress: throw .badAddress
      case .invalidArgument: throw .invalidArgument
      }
    }
    let on = special.pointee.control
    special.pointee.address = (
      on & 0x01 != 0 ? addresses.0 : 0, on & 0x04 != 0 ? addresses.1 : 0, on & 0x10 != 0 ? addresses.2 : 0, on & 0x40 != 0 ? addresses.3 : 0)
    let status = UInt64(special.pointee.status)
    special.pointee.status = 0
    note(cpu, special)
    return status
  }

  /// `resume` must look again, even if the same thread goes on.
  private static func note(_ cpu: UnsafeMutablePointer<apus_cpu>, _ special: UnsafeMutablePointer<apus_special>) {
    special.pointee.is_used = special.pointee.fs | special.pointee.gs != 0 || special.pointee.control != DebugControl.off ? 1 : 0
    cpu.pointee.current = nil
  }

  /// The processor's registers become those of the thread with this state: never by comparing, for a program can change its bases by loading
  /// selectors.
  @inline(__always)
  static func load(_ cpu: UnsafeMutablePointer<apus_cpu>, _ extendedState: UInt64) {
    let special = of(extendedState)
    if special.pointee.is_used != 0 || cpu.pointee.special != nil { exchange(cpu, special) }
  }

  @inline(never)
  private static func exchange(_ cpu: UnsafeMutablePointer<apus_cpu>, _ special: UnsafeMutablePointer<apus_special>) {
    let isUsed = special.pointee.is_used != 0
    cpu.pointee.special = isUsed ? special : nil
    x86_write_msr(0xC000_0100, special.pointee.fs)
    x86_write_msr(0xC000_0102, special.pointee.gs)  // KERNEL_GS_BASE: SWAPGS on the way out makes it the user's
    withUnsafePointer(to: &special.pointee.address.0) { x86_write_watched($0) }
    x86_write_dr7(UInt64(special.pointee.control))
    let register = cpu.pointee.entry_register
    if register != 0 { x86_write_msr(register, isUsed ? cpu.pointee.entry_full : cpu.pointee.entry_fast) }
  }

  /// After a debug trap of the thread with these registers: what DR6 has noticed, which becomes part of the thread's, and is cleared.
  static func takeTrap(_ cpu: UnsafeMutablePointer<apus_cpu>, _ context: UnsafeMutablePointer<apus_context>) -> UInt64 {
    let status = x86_read_dr6() & DebugControl.noticed
    x86_write_dr6(DebugControl.calm)
    guard let special = cpu.pointee.special else { return status & ~0xF }
    special.pointee.status |= UInt32(truncatingIfNeeded: status)
    if DebugControl.isBeforeInstruction(status: status, control: special.pointee.control) { context.pointee.flags |= Flags.resume }
    return status
  }
}
