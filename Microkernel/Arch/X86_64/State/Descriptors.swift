import CX86

/// Segment descriptors, SDM vol. 3, 3.4.5 and 7.2.3.
public enum Segment {
  /// 64-bit code, readable, accessed.
  public static func code(privilege: UInt64) -> UInt64 { 0x00AF_9B00_0000_FFFF | privilege << 45 }
  /// Data, writable, accessed.
  public static func data(privilege: UInt64) -> UInt64 { 0x00CF_9300_0000_FFFF | privilege << 45 }
  /// An available 64-bit TSS: two entries.
  public static func task(base: UInt64, limit: UInt64) -> (UInt64, UInt64) {
    let low = limit & 0xFFFF | (base & 0xFF_FFFF) << 16 | 0x89 << 40
    return (low | (limit >> 16 & 0xF) << 48 | (base >> 24 & 0xFF) << 56, base >> 32)
  }

  public static var count: Int { 9 }

  /// The GDT: an order with which one STAR and one SYSENTER_CS value both agree. 0x18, which would be 32-bit user
  /// code, stays empty, so that a program cannot enter compatibility mode.
  public static func fill(_ table: UnsafeMutablePointer<UInt64>, task base: UInt64) {
    let task = task(base: base, limit: UInt64(MemoryLayout<apus_tss>.size) - 1)
    table[0] = 0
    table[1] = code(privilege: 0)
    table[2] = data(privilege: 0)
    table[3] = 0
    table[4] = data(privilege: 3)
    table[5] = code(privilege: 3)
    table[6] = data(privilege: 3)
    table[7] = task.0
    table[8] = task.1
  }

  /// MSR STAR: SYSCALL loads CS = 0x08, SS = 0x10; SYSRET CS = 0x18 + 16, SS = 0x18 + 8, both with privilege 3.
  public static var star: UInt64 { (0x18 | 3) << 48 | Selector.kernelCode << 32 }
}

/// Interrupt gates, SDM vol. 3, 7.14.1.
public enum Gate {
  /// Low and high word. `stack` is the number of an IST stack, 0 for none.
  public static func interrupt(handler: UInt64, privilege: UInt64, stack: UInt64) -> (UInt64, UInt64) {
    let type = 0x8E | privilege << 5
    return (handler & 0xFFFF | Selector.kernelCode << 16 | stack << 32 | type << 40 | (handler >> 16 & 0xFFFF) << 48, handler >> 32)
  }

  /// Which IST stack a vector has: these may come when rsp is not the kernel's (SEC3).
  public static func stack(vector: Int) -> UInt64 {
    switch vector {
    case Int(VECTOR_NMI): 1
    case Int(VECTOR_DOUBLE_FAULT): 2
    case Int(VECTOR_MACHINE_CHECK): 3
    case Int(VECTOR_DEBUG): 4
    default: 0
    }
  }

  /// Programs may execute `int3`, `into` and the trap instruction; all else is for the CPU alone.
  public static func privilege(vector: Int) -> UInt64 { vector == 3 || vector == 4 || vector == Int(VECTOR_CALL) ? 3 : 0 }

  /// Lets `int` with the trap's vector run the stub of `stub` instead of its own.
  public static func redirectCalls(_ table: UnsafeMutablePointer<UInt64>, stubs: UInt64, to stub: Int) {
    let call = Int(VECTOR_CALL)
    let gate = interrupt(handler: stubs &+ 16 &* UInt64(stub), privilege: privilege(vector: call), stack: 0)
    table[2 &* call] = gate.0
    table[2 &* call &+ 1] = gate.1
  }

  /// All 256, for stubs that are 16 bytes apart from `stubs` on.
  public static func fill(_ table: UnsafeMutablePointer<UInt64>, stubs: UInt64) {
    for vector in 0..<256 {
      let gate = interrupt(handler: stubs &+ 16 &* UInt64(vector), privilege: privilege(vector: vector), stack: stack(vector: vector))
      table[2 &* vector] = gate.0
      table[2 &* vector &+ 1] = gate.1
    }
  }
}
