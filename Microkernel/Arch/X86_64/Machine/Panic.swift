import BootImage
import CStart
import CX86
import X86State
import PageTable

/// The end of the kernel: why, the registers, and the way there, on the debug console and COM1. Uses nothing that
/// may be broken: no GS, no core. QEMU ends with 35.
public enum Panic {
  /// The module "symbols" of the boot archive, if there is one; see `SymbolTable`.
  nonisolated(unsafe) private static var symbols = SymbolTable()
  nonisolated(unsafe) private static var isStopping = false

  nonisolated(unsafe) private static var records: UnsafeMutablePointer<TraceConsole>?

  public static func use(symbols table: SymbolTable) { symbols = table }
  /// The records that have not left the kernel yet go out when it ends.
  public static func use(trace: UnsafeMutablePointer<TraceConsole>) { records = trace }

  /// A broken invariant, noticed by the kernel's own code.
  public static func stop(_ reason: StaticString) -> Never {
    let log = begin()
    log.text("kernel panic: ").text(reason).line()
    trace(log, from: x86_frame_pointer())
    end()
  }

  /// An exception in ring 0, or one that nothing survives.
  public static func stop(_ frame: UnsafePointer<apus_context>) -> Never {
    let log = begin()
    let registers = frame.pointee
    log.text("kernel panic: ").text(X86Exception.name(vector: registers.entry)).text(" (vector ").decimal(registers.entry)
    log.text(", error ").hex(registers.error).text(")")
    if registers.entry == UInt64(VECTOR_PAGE_FAULT) { log.text(" at ").hex(x86_read_cr2(), digits: 16) }
    log.line()
    show(log, registers)
    log.text("  #0 ")
    symbol(log, registers.rip)
    trace(log, from: registers.rbp, number: 1)
    end()
  }

  private static func begin() -> Log {
    // A panic in a panic says no more.
    if isStopping { end() }
    isStopping = true
    return Log(serial: true)
  }

  private static func end() -> Never {
    records?.pointee.write()
    x86_out8(0xF4, 0x11)
    x86_halt_forever()
    while true {}
  }

  private static func show(_ log: Log, _ registers: apus_context) {
    func row(_ a: StaticString, _ first: UInt64, _ b: StaticString, _ second: UInt64, _ c: StaticString, _ third: UInt64) {
      log.text("  ").text(a).text(" ").hex(first, digits: 16).text("  ").text(b).text(" ").hex(second, digits: 16)
      log.text("  ").text(c).text(" ").hex(third, digits: 16).line()
    }
    row("rip", registers.rip, "rsp", registers.rsp, "rbp", registers.rbp)
    row("rax", registers.rax, "rbx", registers.rbx, "rcx", registers.rcx)
    row("rdx", registers.rdx, "rsi", registers.rsi, "rdi", registers.rdi)
    row("r8 ", registers.r8, "r9 ", registers.r9, "r10", registers.r10)
    row("r11", registers.r11, "r12", registers.r12, "r13", registers.r13)
    row("r14", registers.r14, "r15", registers.r15, "flg", registers.flags)
    row("cs ", registers.cs, "ss ", registers.ss, "cr3", x86_read_cr3())
  }

  /// Follows the chain of frame pointers as long as it stays on the kernel's stacks and goes up.
  private static func trace(_ log: Log, from start: UInt64, number first: UInt64 = 0) {
    var frame = start
    var number = first
    while number < 32, frame & 7 == 0, frame >= address_of_kernel_stack(), frame < address_of_kernel_image_end() - 16 {
      guard let words = UnsafePointer<UInt64>(bitPattern: UInt(frame)), words[1] >= address_of_kernel_image_start() else { return }
      log.text("  #").decimal(number).text(" ")
      symbol(log, words[1] &- 1)  // in the call, not behind it
      guard words[0] > frame else { return }
      frame = words[0]
      number += 1
    }
  }

  private static func symbol(_ log: Log, _ address: UInt64) {
    log.hex(address, digits: 16)
    if let (name, offset) = symbols.find(address) {
      log.text(" ")
      log.write(name)
      log.text("+").hex(offset)
    }
    log.line()
  }
}
