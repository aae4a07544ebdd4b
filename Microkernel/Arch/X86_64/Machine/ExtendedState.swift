import CX86
import X86State
import PhysicalMemory

/// The FPU and SSE registers of each thread slot: 512 bytes as FXSAVE lays them out. Switched eagerly (SEC6): when a
/// thread runs, the registers are its own. AVX is not offered: OSXSAVE stays off.
enum ExtendedState {
  static var size: Int { SignalFrame.extendedStateSize }
  private static var mxcsr: Int { 24 }
  private static var mxcsrMask: Int { 28 }

  static func start(_ cpu: UnsafeMutablePointer<apus_cpu>, states: UInt64) {
    cpu.pointee.fpu_states = Frames.pointer(states).assumingMemoryBound(to: UInt8.self)
    cpu.pointee.fpu = nil
    x86_fninit()
    let scratch = UnsafeMutableRawPointer(cpu.pointee.fpu_states)
    x86_fxsave(scratch)
    let mask = scratch.load(fromByteOffset: mxcsrMask, as: UInt32.self)
    cpu.pointee.fpu_mxcsr_mask = UInt64(mask == 0 ? 0xFFBF : mask)
  }

  static func area(_ cpu: UnsafeMutablePointer<apus_cpu>, _ slot: Int) -> UnsafeMutableRawPointer {
    UnsafeMutableRawPointer(cpu.pointee.fpu_states + slot &* size)
  }

  /// Makes the registers those of the slot with this area.
  @inline(__always)
  static func load(_ cpu: UnsafeMutablePointer<apus_cpu>, _ address: UInt64) {
    let area = UnsafeMutablePointer<UInt8>(bitPattern: UInt(address)).unsafelyUnwrapped
    if cpu.pointee.fpu == area { return }
    if let owner = cpu.pointee.fpu { x86_fxsave(owner) }
    x86_fxrstor(area)
    cpu.pointee.fpu = area
  }

  /// Memory becomes what counts for `slot`; the registers are nobody's if they were its, and `resume` must look again
  /// even if the same thread goes on.
  private static func drop(_ cpu: UnsafeMutablePointer<apus_cpu>, _ slot: Int, save: Bool) {
    guard let owner = cpu.pointee.fpu, UnsafeMutableRawPointer(owner) == area(cpu, slot) else { return }
    if save { x86_fxsave(owner) }
    cpu.pointee.fpu = nil
    cpu.pointee.current = nil
  }

  /// As after FNINIT: all registers zero, exceptions masked, round to nearest.
  static func reset(_ cpu: UnsafeMutablePointer<apus_cpu>, _ slot: Int) {
    drop(cpu, slot, save: false)
    let area = area(cpu, slot)
    area.initializeMemory(as: UInt64.self, repeating: 0, count: size / 8)
    area.storeBytes(of: 0x037F, as: UInt16.self)
    area.storeBytes(of: 0x1F80, toByteOffset: mxcsr, as: UInt32.self)
  }

  static func copy(_ cpu: UnsafeMutablePointer<apus_cpu>, from: Int, to: Int) {
    drop(cpu, from, save: true)
    drop(cpu, to, save: false)
    area(cpu, to).copyMemory(from: area(cpu, from), byteCount: size)
  }

  static func save(_ cpu: UnsafeMutablePointer<apus_cpu>, _ slot: Int, to frame: UnsafeMutableRawPointer) {
    drop(cpu, slot, save: true)
    (frame + SignalFrame.extendedState).copyMemory(from: area(cpu, slot), byteCount: size)
  }

  /// Any bytes: FXRSTOR refuses nothing but unknown bits of MXCSR, which are cleared here.
  static func restore(_ cpu: UnsafeMutablePointer<apus_cpu>, _ slot: Int, from frame: UnsafeRawPointer) {
    drop(cpu, slot, save: false)
    let area = area(cpu, slot)
    area.copyMemory(from: frame + SignalFrame.extendedState, byteCount: size)
    let control = area.load(fromByteOffset: mxcsr, as: UInt32.self)
    area.storeBytes(of: control & UInt32(truncatingIfNeeded: cpu.pointee.fpu_mxcsr_mask), toByteOffset: mxcsr, as: UInt32.self)
  }
}
