import CX86
import X86State
import PhysicalMemory

/// The x87, SSE and AVX registers of each thread slot. Switched eagerly (SEC6): when a thread runs, the registers are its own. By XSAVE where
/// the processor has it, else by FXSAVE, and then there is no AVX. AVX-512 stays off: 2,688 bytes a thread and on each signal's stack.
enum ExtendedState {
  static var size: Int { ExtendedArea.size }
  /// Bytes a slot: behind the area is `apus_special`.
  static var stride: Int { Int(EXTENDED_STRIDE) }

  /// CPUID says so before CR4 does.
  static var hasXSAVE: Bool { x86_cpuid(1).c & 1 << 26 != 0 && x86_cpuid(0).a >= 13 }

  /// After CR4: XCR0, and what each slot's area is saved with.
  static func start(_ cpu: UnsafeMutablePointer<apus_cpu>, states: UInt64) {
    cpu.pointee.fpu_states = Frames.pointer(states).assumingMemoryBound(to: UInt8.self)
    cpu.pointee.fpu = nil
    cpu.pointee.fpu_features = hasXSAVE ? chooseFeatures() : 0
    x86_fninit()
    let scratch = UnsafeMutableRawPointer(cpu.pointee.fpu_states)
    x86_fxsave(scratch)
    cpu.pointee.fpu_mxcsr_mask = UInt64(ExtendedArea.mxcsrMask(scratch))
    let log = Log()
    switch cpu.pointee.fpu_features {
    case 0: log.text("vectors: SSE, by FXSAVE").line()
    case 3: log.text("vectors: SSE, by XSAVE").line()
    default: log.text("vectors: AVX, by XSAVE").line()
    }
  }

  /// AVX if the processor has it where we expect it.
  private static func chooseFeatures() -> UInt64 {
    let halves = x86_cpuid_part(13, 2)
    let hasAVX = x86_cpuid_part(13, 0).a & 7 == 7 && halves.a == 256 && halves.b == UInt32(ExtendedArea.upperHalves)
    let features: UInt64 = hasAVX ? 7 : 3
    x86_write_xcr0(features)
    return features
  }

  static func area(_ cpu: UnsafeMutablePointer<apus_cpu>, _ slot: Int) -> UnsafeMutableRawPointer {
    UnsafeMutableRawPointer(cpu.pointee.fpu_states + slot &* stride)
  }

  @inline(__always)
  private static func store(_ cpu: UnsafeMutablePointer<apus_cpu>, _ area: UnsafeMutablePointer<UInt8>) {
    if cpu.pointee.fpu_features != 0 { x86_xsave(area) } else { x86_fxsave(area) }
  }

  /// Makes the registers those of the slot with this area.
  @inline(__always)
  static func load(_ cpu: UnsafeMutablePointer<apus_cpu>, _ address: UInt64) {
    let area = UnsafeMutablePointer<UInt8>(bitPattern: UInt(address)).unsafelyUnwrapped
    let owner = cpu.pointee.fpu
    if owner == area { return }
    cpu.pointee.fpu = area
    if cpu.pointee.fpu_features != 0 {
      if let owner { x86_xsave(owner) }
      x86_xrstor(area)
    } else {
      if let owner { x86_fxsave(owner) }
      x86_fxrstor(area)
    }
  }

  /// Memory becomes what counts for `slot`; the registers are nobody's if they were its, and `resume` must look again
  /// even if the same thread goes on.
  private static func drop(_ cpu: UnsafeMutablePointer<apus_cpu>, _ slot: Int, save: Bool) {
    guard let owner = cpu.pointee.fpu, UnsafeMutableRawPointer(owner) == area(cpu, slot) else { return }
    if save { store(cpu, owner) }
    cpu.pointee.fpu = nil
    cpu.pointee.current = nil
  }

  static func reset(_ cpu: UnsafeMutablePointer<apus_cpu>, _ slot: Int) {
    drop(cpu, slot, save: false)
    ExtendedArea.reset(area(cpu, slot))
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

  static func restore(_ cpu: UnsafeMutablePointer<apus_cpu>, _ slot: Int, from frame: UnsafeRawPointer) {
    drop(cpu, slot, save: false)
    let area = area(cpu, slot)
    area.copyMemory(from: frame + SignalFrame.extendedState, byteCount: size)
    ExtendedArea.sanitize(area, mask: UInt32(truncatingIfNeeded: cpu.pointee.fpu_mxcsr_mask), features: cpu.pointee.fpu_features)
  }
}
