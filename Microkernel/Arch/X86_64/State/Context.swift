import CX86
import IPC
import KernelCore
import PageTable

/// The registers of a thread on x86-64, at the start of its record. Entry code writes and reads them (`entry.S`);
/// `entry` says how the thread came in and so which way out will do.
public struct X86Context: ThreadContext {
  public var registers: apus_context

  /// Registers of a thread that has never run. An entry point outside user memory becomes 0, where nothing is mapped.
  public init(entry: UInt64, stack: UInt64) {
    registers = apus_context()
    registers.entry = Entry.full
    registers.rip = Self.userAddress(entry)
    registers.rsp = Self.userAddress(stack)
    registers.cs = Selector.userCode
    registers.ss = Selector.userData
    registers.flags = Flags.initial
  }

  @inlinable public var operation: UInt64 { registers.rax }
  @inlinable public var destination: Endpoint { Endpoint(raw: UInt32(truncatingIfNeeded: registers.rdi)) }
  @inlinable public var source: Endpoint { Endpoint(raw: UInt32(truncatingIfNeeded: registers.rsi)) }
  @inlinable public var deadline: UInt64 { registers.rdx }

  @inlinable public var message: Message {
    get {
      Message(header: registers.rbx, payload: (
        registers.r12, registers.r13, registers.r14, registers.r15, registers.r8, registers.r9, registers.r10))
    }
    set {
      registers.rbx = newValue.header
      (registers.r12, registers.r13, registers.r14, registers.r15, registers.r8, registers.r9, registers.r10) = newValue.payload
    }
  }

  @inlinable public mutating func setResult(status: Int64, flags: UInt64) {
    registers.rax = UInt64(bitPattern: status)
    registers.rdi = flags
  }

  @inlinable public var isFast: Bool { registers.entry == Entry.call || registers.entry == Entry.sysenter }
  /// SYSCALL and SYSENTER do not save the two registers that they lose; what is loaded must not be of an earlier entry (SEC20).
  @inlinable public mutating func leaveFully() {
    if isFast {
      registers.rcx = registers.rip
      registers.r11 = registers.flags
    }
    registers.entry = Entry.full
  }
  @inlinable public var instruction: UInt64 { registers.rip }
  @inlinable public var stack: UInt64 { registers.rsp }

  /// The address if a program can have it, else 0: what goes into `rip` must never be refused by `iretq`, which
  /// would be a fault of the kernel's (SEC1).
  static func userAddress(_ address: UInt64) -> UInt64 { address < AddressSpace.userEnd ? address : 0 }
}

/// Values of `apus_context.entry` above the vectors.
public enum Entry {
  @inlinable public static var call: UInt64 { UInt64(ENTRY_SYSCALL) }
  @inlinable public static var sysenter: UInt64 { UInt64(ENTRY_SYSENTER) }
  @inlinable public static var full: UInt64 { UInt64(ENTRY_FULL) }
}

/// Segment selectors, with the privilege level of their user.
public enum Selector {
  @inlinable public static var kernelCode: UInt64 { UInt64(X86_KERNEL_CODE) }
  @inlinable public static var kernelData: UInt64 { UInt64(X86_KERNEL_DATA) }
  @inlinable public static var userCode: UInt64 { UInt64(X86_USER_CODE) }
  @inlinable public static var userData: UInt64 { UInt64(X86_USER_DATA) }
  @inlinable public static var task: UInt64 { UInt64(X86_TSS) }
}

/// RFLAGS.
public enum Flags {
  public static var carry: UInt64 { 1 << 0 }
  public static var trap: UInt64 { 1 << 8 }
  public static var interrupt: UInt64 { 1 << 9 }
  public static var direction: UInt64 { 1 << 10 }
  public static var privilegeLevel: UInt64 { 3 << 12 }
  public static var nestedTask: UInt64 { 1 << 14 }
  public static var resume: UInt64 { 1 << 16 }
  public static var alignmentCheck: UInt64 { 1 << 18 }

  /// Of a new thread: interrupts on, and the bit that is always 1.
  public static var initial: UInt64 { interrupt | 2 }
  /// What a program may choose: the arithmetic flags, single step, direction, alignment check, identification; and RF, which lets it
  /// pass a breakpoint of its own.
  public static var user: UInt64 { 0xD5 | 1 << 11 | trap | direction | resume | alignmentCheck | 1 << 21 }
  /// What SYSCALL clears: all that changes how the kernel runs (SEC5).
  public static var maskedByCall: UInt64 { trap | interrupt | direction | privilegeLevel | nestedTask | resume | alignmentCheck }

  /// Flags for user mode from any bits.
  public static func sanitized(_ flags: UInt64) -> UInt64 { flags & user | initial }
}
