import Protocols

/// What the CPU's exceptions mean to a program.
public enum X86Exception {
  /// The POSIX signal of an exception that a program raised; SIGSEGV for those that have no better one.
  public static func signal(vector: UInt64) -> UInt32 {
    switch vector {
    case 0, 16, 19: 8  // #DE, #MF, #XM: SIGFPE
    case 1, 3: 5  // #DB, #BP: SIGTRAP
    case 6: 4  // #UD: SIGILL
    case 17: 7  // #AC: SIGBUS
    default: 11  // #OF, #BR, #NM, #TS, #NP, #SS, #GP and the rest: SIGSEGV
    }
  }

  /// A page fault's error code as `KernelEvent.PageFault` has it.
  public static func access(pageFaultError error: UInt64) -> UInt32 {
    var access: UInt32 = 0
    if error & 1 != 0 { access |= KernelEvent.PageFault.present }
    if error & 2 != 0 { access |= KernelEvent.PageFault.write }
    if error & 16 != 0 { access |= KernelEvent.PageFault.execute }
    return access
  }

  public static func name(vector: UInt64) -> StaticString {
    switch vector {
    case 0: "divide error"
    case 1: "debug trap"
    case 3: "breakpoint"
    case 4: "overflow"
    case 5: "bound range exceeded"
    case 6: "invalid instruction"
    case 7: "no floating-point unit"
    case 8: "double fault"
    case 10: "invalid TSS"
    case 11: "segment not present"
    case 12: "stack fault"
    case 13: "general protection fault"
    case 14: "page fault"
    case 16: "floating-point error"
    case 17: "alignment check"
    case 18: "machine check"
    case 19: "SIMD error"
    default: "unexpected vector"
    }
  }
}
