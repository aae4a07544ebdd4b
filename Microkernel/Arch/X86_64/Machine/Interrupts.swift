import CX86

/// The two 8259 interrupt controllers of a PC, lines 0...15 on vectors 0x20...0x2F. (Intel 8259A datasheet.)
struct InterruptController: BitwiseCopyable {
  /// Bit n: line n is masked. Line 2 is the second controller's and stays open.
  private var mask: UInt16 = 0xFFFF & ~(1 << 2)

  /// Programs both and masks every device.
  init() {
    Self.program(0x20, vectors: UInt8(VECTOR_LINES), wiring: 4)
    Self.program(0xA0, vectors: UInt8(VECTOR_LINES + 8), wiring: 2)
    write()
  }

  private static func program(_ port: UInt16, vectors: UInt8, wiring: UInt8) {
    x86_out8(port, 0x11)  // ICW1: edge, cascade, ICW4 follows
    x86_out8(port + 1, vectors)
    x86_out8(port + 1, wiring)
    x86_out8(port + 1, 1)  // ICW4: 8086
  }

  private func write() {
    x86_out8(0x21, UInt8(truncatingIfNeeded: mask))
    x86_out8(0xA1, UInt8(truncatingIfNeeded: mask >> 8))
  }

  mutating func setMasked(_ line: Int, _ masked: Bool) {
    guard line >= 0, line < 16, line != 2 else { return }
    let bit = UInt16(1) << UInt16(line)
    mask = masked ? mask | bit : mask & ~bit
    if line < 8 { x86_out8(0x21, UInt8(truncatingIfNeeded: mask)) } else { x86_out8(0xA1, UInt8(truncatingIfNeeded: mask >> 8)) }
  }

  /// Whether the vector of `line` stands for a request that went away: then there is nothing to acknowledge but, for the
  /// second controller's, the first one's line 2.
  func isSpurious(_ line: Int) -> Bool {
    guard line == 7 || line == 15 else { return false }
    let port: UInt16 = line == 7 ? 0x20 : 0xA0
    x86_out8(port, 0x0B)  // read the in-service register
    if x86_in8(port) & 0x80 != 0 { return false }
    if line == 15 { x86_out8(0x20, 0x20) }
    return true
  }

  func acknowledge(_ line: Int) {
    if line >= 8 { x86_out8(0xA0, 0x20) }
    x86_out8(0x20, 0x20)
  }
}

/// The local APIC: one timer for us, and the way through for the 8259's interrupts. (SDM vol. 3, chapter 12.)
struct LocalAPIC: BitwiseCopyable {
  private enum Register {
    static var endOfInterrupt: UInt64 { 0xB0 }
    static var spurious: UInt64 { 0xF0 }
    static var timer: UInt64 { 0x320 }
    static var line0: UInt64 { 0x350 }
    static var line1: UInt64 { 0x360 }
    static var error: UInt64 { 0x370 }
    static var initialCount: UInt64 { 0x380 }
    static var currentCount: UInt64 { 0x390 }
    static var divide: UInt64 { 0x3E0 }
  }

  private func write(_ register: UInt64, _ value: UInt32) { x86_device_write(KernelSpace.apic + register, value) }

  /// Enables it, with the timer as a one-shot that is not running.
  init() {
    write(Register.spurious, 0x100 | UInt32(VECTOR_SPURIOUS))
    write(Register.line0, 0x700)  // ExtINT: the 8259
    write(Register.line1, 0x400)  // NMI
    write(Register.error, 0x1_0000)
    write(Register.divide, 0xB)  // by one
    write(Register.timer, UInt32(VECTOR_TIMER))
  }

  /// Starts the timer; 0 stops it.
  func arm(_ ticks: UInt32) { write(Register.initialCount, ticks) }
  var remaining: UInt32 { x86_device_read(KernelSpace.apic + Register.currentCount) }
  func acknowledge() { write(Register.endOfInterrupt, 0) }
}
