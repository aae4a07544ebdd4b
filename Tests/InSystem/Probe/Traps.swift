import BootImage
import CProbe
import CTrap
import IPC
import PageTable
import Protocols
import Trap

extension Probe {
  /// M-E2, SEC5: every way in keeps what it promises to keep, whatever the flags.
  mutating func checkEntries() {
    if probe_has_syscall() { exception("M-E9 SYSCALL without a stack", address_of_probe_call_without_stack(), 11, nil, orSignal: 7) }
    exception("M-E9 int 0x80 without a stack", address_of_probe_trap_without_stack(), 11, nil, orSignal: 7)
    checkRegisters(0)
    checkRegisters(0x400)  // direction
    checkRegisters(0x4_0000)  // alignment check
    checkRegisters(0x4000)  // nested task
    checkRegisters(0x20_0000)  // identification
    var message = Message()
    message.header = 0x7777
    check("SEC8 a call that does not exist", ipc.kernel(message).type == -Errno.noSuchCall.rawValue || ipc.kernel(message).type == -Errno.notPermitted.rawValue)
    _ = probe_null_calls(10)
    figure("null-call", probe_null_calls(1000) / 1000)
  }

  /// How the stub page enters the kernel: the first byte of `mov`, `syscall` or `int`.
  private var stubBegins: UInt8 { UnsafePointer<UInt8>(bitPattern: UInt(AddressSpace.stub)).unsafelyUnwrapped.pointee }
  private var isSysenter: Bool { stubBegins == 0x48 }

  private mutating func checkRegisters(_ flags: UInt64) {
    let page = probe_registers(0, flags), interrupt = probe_registers(2, flags)
    check("registers over the stub page", page == 0, page | flags << 8)
    if probe_has_syscall() {
      // Where programs come by SYSENTER, SYSCALL leaves by IRETQ and so keeps rsi and rdx.
      let call = probe_registers(1, flags) & ~(isSysenter ? 16 : 0)
      check("registers over syscall", call == 0, call | flags << 8)
    }
    check("registers over int 0x80", interrupt == 0, interrupt | flags << 8)
  }

  /// M-E5: a thread that steps over its trap stops at each instruction outside the kernel, finds the trap done, and is no longer
  /// stepped once it says so.
  mutating func checkSteps() {
    let thread = start(address_of_probe_steps())
    var steps: UInt64 = 0, late: UInt64 = 0
    var last = KernelEvent.Exception(thread: .none, signal: 0, address: 0, instruction: 0, vector: 0)
    while steps < 100, let delivery = try? ipc.receive(from: .any) {
      last = delivery.message.body()
      guard delivery.isFromKernel, last.signal == 5, last.vector == 1 else { break }
      steps += 1
      if last.instruction > address_of_probe_steps_end(), last.instruction < AddressSpace.stub { late += 1 }
      _ = try? ipc.kernel(Kernel.ThreadStart(thread: thread))
    }
    check("M-E5 single step over the trap", last.signal == 4 && steps >= 6 && steps < 30, UInt64(last.signal) << 16 | steps)
    check("M-E5 single step does not stick", late == 0, late)
    _ = try? ipc.kernel(Kernel.ThreadDestroy(thread: thread))
  }

  /// M-E7: SYSENTER where it is not offered, and with stack pointers that SYSEXIT must not get.
  mutating func checkSysenter() {
    guard isSysenter else {
      return exception("SYSENTER that is not offered is SIGSEGV", address_of_probe_sysenter_hole(), 11, nil, orSignal: 4)
    }
    exception("M-E7 SYSENTER with a stack in the hole", address_of_probe_sysenter_hole(), 11, nil, orSignal: 7)
    fault("M-E7 SYSENTER with the kernel's stack", address_of_probe_sysenter_kernel(), 0xFFFF_FFFF_8010_0000, KernelEvent.PageFault.present)
  }

  /// A thread in our own space, with a page of its own as stack (executable it is not).
  mutating func start(_ entry: UInt64, slot: UInt32 = 0, root: UInt64? = nil, priority: UInt32 = 2) -> Endpoint {
    let stack = takeFrame()
    let call = Kernel.ThreadCreate(
      root: root ?? information.pointee.vmRoot, space: 7, entry: entry, stack: AddressSpace.vmWindow + stack + 4080, slot: slot,
      supervisor: .vm, priority: priority)
    guard let thread = try? ipc.kernel(call).thread else { return .none }
    _ = try? ipc.kernel(Kernel.ThreadStart(thread: thread))
    return thread
  }

  /// Each exception of ring 3 is the supervisor's news, with the right signal, and harms nobody.
  mutating func checkExceptions() {
    exception("#UD is SIGILL", address_of_probe_invalid(), 4, 6)
    exception("#DE is SIGFPE", address_of_probe_divide(), 8, 0)
    exception("HLT is SIGSEGV", address_of_probe_halt(), 11, 13)
    exception("INT3 is SIGTRAP", address_of_probe_breakpoint(), 5, 3)
    exception("single step is SIGTRAP", address_of_probe_single_step(), 5, 1)
    exception("port write is SIGSEGV", address_of_probe_port(), 11, 13)
    exception("CR3 write is SIGSEGV", address_of_probe_cr3(), 11, 13)
    exception("MSR write is SIGSEGV", address_of_probe_msr(), 11, 13)
    exception("SWAPGS is SIGSEGV", address_of_probe_swapgs(), 11, 13)
    exception("SYSRET is SIGSEGV", address_of_probe_sysret(), 11, nil, orSignal: 4)  // #UD where there is none
    exception("a device's vector is SIGSEGV", address_of_probe_interrupt(), 11, 13)
    exception("SEC1 non-canonical jump is SIGSEGV", address_of_probe_non_canonical(), 11, 13)
    exception("non-canonical stack is SIGSEGV", address_of_probe_stack(), 11, nil)
    exception("#AC is SIGBUS", address_of_probe_alignment(), 7, 17, orSignal: 4)
    exception("x87 error is SIGFPE", address_of_probe_x87(), 8, 16)
    exception("AVX works or is SIGILL", address_of_probe_avx(), 4, 6)
    farReturn("a far return to the kernel's code", address_of_probe_kernel_code())
    farReturn("a far return to compatibility mode", address_of_probe_compatibility())
  }

  private mutating func exception(_ name: StaticString, _ entry: UInt64, _ signal: UInt32, _ vector: UInt64?, orSignal: UInt32 = 0) {
    let thread = start(entry)
    guard let delivery = try? ipc.receive(from: .any, deadline: 0) else { return check(name, false) }
    let news: KernelEvent.Exception = delivery.message.body()
    let holds = delivery.isFromKernel && delivery.message.type == KernelEvent.Exception.number && news.thread == thread
      && (news.signal == signal && (vector == nil || news.vector == vector) || news.signal == orSignal)
    check(name, holds, UInt64(UInt32(bitPattern: delivery.message.type)) << 32 | UInt64(news.signal) << 8 | news.vector)
    _ = try? ipc.kernel(Kernel.ThreadDestroy(thread: thread))
  }

  /// A far return into the kernel's code segment or into the one that a 32-bit system would have. QEMU 7.2 reads
  /// the stack for it as the kernel would, which SMAP forbids, so it may also end in a page fault.
  private mutating func farReturn(_ name: StaticString, _ entry: UInt64) {
    let thread = start(entry)
    guard let delivery = try? ipc.receive(from: .any, deadline: 0) else { return check(name, false) }
    let isFault = delivery.message.type == KernelEvent.PageFault.number && delivery.message.source == thread
    let news: KernelEvent.Exception = delivery.message.body()
    check(name, isFault || news.thread == thread && news.signal == 11 && news.vector == 13)
    _ = try? ipc.kernel(Kernel.ThreadDestroy(thread: thread))
  }

  /// Page faults are requests to VM, with the address and what was tried.
  mutating func checkPageFaults() {
    let present = KernelEvent.PageFault.present, execute = KernelEvent.PageFault.execute
    fault("reading the kernel", address_of_probe_read_kernel(), 0xFFFF_FFFF_8010_0000, present)
    fault("writing text", address_of_probe_write_text(), address_of_probe_write_text(), present | KernelEvent.PageFault.write)
    fault("executing data", address_of_probe_execute_data(), nil, present | execute)
    fault("M-K1 calling 0", address_of_probe_null(), 0, execute)
    fault("SEC2 the last addresses", address_of_probe_top(), 0x7FFF_FFFF_FFFE, execute)
    check("SEC1 an entry in the hole is refused", start(0x8000_0000_0000) == .none)
    check("SEC1 an entry in the kernel is refused", start(0xFFFF_FFFF_8010_0000) == .none)
  }

  private mutating func fault(_ name: StaticString, _ entry: UInt64, _ address: UInt64?, _ access: UInt32) {
    let thread = start(entry)
    guard let delivery = try? ipc.receive(from: .any, deadline: 0) else { return check(name, false) }
    let fault: KernelEvent.PageFault = delivery.message.body()
    let holds = delivery.isFromKernel && delivery.isRequest && delivery.message.type == KernelEvent.PageFault.number
      && delivery.message.source == thread && (address == nil || fault.address == address) && fault.access == access && fault.space == 7
    check(name, holds, fault.address ^ UInt64(fault.access))
    _ = try? ipc.kernel(Kernel.ThreadDestroy(thread: thread))
  }

  /// A second space with a thread in RS's slot: the price of a call and its answer, and whose FPU registers are whose.
  mutating func checkServer() {
    // In the place of `granter`.
    let restart = Kernel.ThreadRestart(
      thread: .rs, root: secondSpace(), space: 7, entry: address_of_probe_server(), stack: AddressSpace.vmWindow + takeFrame() + 4080, fault: 0)
    check("a service in slot 2", (try? ipc.kernel(restart)) != nil && (try? ipc.kernel(Kernel.ThreadStart(thread: .rs))) != nil)
    var message = Message(type: 5)
    message.payload = (7, 6, 5, 4, 3, 2, 1)
    let answer = try? ipc.sendRec(message, to: .rs)
    check("sendRec is answered", answer?.type == 0 && answer?.payload.6 == 1)
    var alien = false
    let count: UInt64 = 1000
    let start = apus_timestamp()
    for _ in 0..<count { if (try? ipc.sendRec(message, to: .rs))?.payload.0 != 7 { alien = true } }
    figure("ipc-roundtrip", (apus_timestamp() - start) / count)
    checkCounters(message)
    // Our patterns go in before each call and are checked after it; the server does the same with its own.
    for _ in 0..<1000 {
      if probe_registers(0, 0) != 0 || (try? ipc.sendRec(message, to: .rs))?.payload.0 != 7 { alien = true }
    }
    check("SEC6 x87, SSE and AVX registers stay with their thread", !alien)
    figure("avx", UInt64(probe_wide))
    for _ in 0..<8 {
      probe_spoil()
      exception("SEC6 a fresh thread finds nothing in any register, upper halves of AVX included", address_of_probe_fresh(), 4, 6)
    }
  }

  /// Each trap is counted once, on the path that it took; `fastpath=off` leaves one of them.
  private mutating func checkCounters(_ message: Message) {
    func statistics(_ ipc: inout KernelTrap) -> Kernel.Statistics.Reply? { try? ipc.kernel(Kernel.Statistics()) }
    guard let before = statistics(&ipc) else { return check("statistics", false) }
    for _ in 0..<100 { _ = ipc.kernel(Message(Kernel.Null())) }
    for _ in 0..<100 { _ = try? ipc.sendRec(message, to: .rs) }
    guard let after = statistics(&ipc) else { return check("statistics", false) }
    let fast = after.fastPath - before.fastPath, slow = after.slowPath - before.slowPath
    // 100 null calls, 100 requests, 100 answers; the first question is counted before it is answered, the second after.
    let isOff = hasWord("fastpath=off")
    check("both paths are counted", fast == (isOff ? 0 : 300) && slow == (isOff ? 301 : 1), slow << 32 | fast)
  }
}
