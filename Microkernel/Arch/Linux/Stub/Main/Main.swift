import CLinux
import CStub

// The zygote: the parent of all sandboxed processes, and what each of them does before its first instruction. It has
// no C library and no memory outside the stub's own area, so a fork of it is cheap and its children have nothing to drop.

/// Where the start went wrong: the broker turns these into sentences.
enum Step: Int64 {
  case hello = 1, parent, privileges, signals, memory, filter, listener
}

/// After a word with the broker all is prepared that children inherit: no way to more privileges, no core files,
/// signal handlers, the first filter.
@c(linux_stub_main)
func stubMain(_ stack: UnsafeRawPointer) { stub_own_stack() }

@c(stub_zygote)
func zygote() -> Never {
  _ = call(LINUX_close_range, 0, Int64(STUB_FRAMES_FD) - 1)
  _ = call(LINUX_close_range, Int64(STUB_SOCKET_FD) + 1, Int64(UInt32.max))
  let hello = Hello.receive()
  guard isChild(of: hello.broker) else { exit(.parent) }
  check(call(LINUX_prctl, Option.noNewPrivileges, 1), .privileges)
  var nothing: (UInt64, UInt64) = (0, 0)
  withUnsafePointer(to: &nothing) { check(call(LINUX_prlimit64, 0, Option.coreFiles, address($0)), .privileges) }
  handleSignals()
  // The start-up stack and the vDSO, which would tell the time.
  check(call(LINUX_munmap, Int64(USER_START), Int64(STUB_START) - Int64(USER_START)), .memory)
  check(call(LINUX_munmap, Int64(STUB_END), Int64(USER_END) - Int64(STUB_END)), .memory)

  let listener = hello.load(first: true)
  check(listener, .filter)
  report(0, passing: listener)
  _ = call(LINUX_close, listener)

  while true {
    var request = sandbox_request()
    let size = Int64(MemoryLayout<sandbox_request>.size)
    let count = withUnsafeMutablePointer(to: &request) { call(LINUX_recvfrom, Int64(STUB_SOCKET_FD), address($0), size) }
    if count == -4 { continue }  // EINTR
    guard count == size else { exit(.hello) }
    // The broker's child, not ours: it reaps, and it is told of the death.
    let child = call(LINUX_clone, Option.cloneParent)
    if child == 0 { body(request, hello) }
    report(child)
  }
}

/// A new process, from its first instruction to the broker's first order.
private func body(_ request: sandbox_request, _ hello: Hello) -> Never {
  guard isChild(of: hello.broker) else { exit(.parent) }
  if request.name.0 != 0 {
    var name = request.name
    withUnsafePointer(to: &name) { _ = call(LINUX_prctl, Option.name, address($0)) }
  }
  let place = request.slot * Int64(SLOT_SIZE)
  check(call(LINUX_mmap, Int64(STUB_CONTEXT), 4096, 3, 0x11, Int64(STUB_CONTEXTS_FD), place), .memory)
  check(call(LINUX_mmap, Int64(STUB_ORDERS), 4096, 1, 0x11, Int64(STUB_CONTEXTS_FD), place + 4096), .memory)
  _ = call(LINUX_close, Int64(STUB_CONTEXTS_FD))
  _ = call(LINUX_close, Int64(STUB_SOCKET_FD))
  check(hello.load(first: false), .filter)
  stub_ready()
}

/// Asks to die with the broker, and looks whether that was in time.
private func isChild(of broker: Int32) -> Bool {
  call(LINUX_prctl, Option.parentDeathSignal, Option.kill) == 0 && call(LINUX_getppid) == Int64(broker)
}

private func handleSignals() {
  var stack = linux_stack(start: address_of_stub_signal_stack(), flags: 0, size: UInt64(SIGNAL_STACK_SIZE))
  withUnsafePointer(to: &stack) { check(call(LINUX_sigaltstack, address($0)), .signals) }
  // SA_ONSTACK, SA_RESTORER, SA_SIGINFO, SA_RESTART; a handler is never interrupted by another.
  var action = linux_sigaction(handler: address_of_stub_signal(), flags: 0x1C00_0004, restorer: address_of_stub_restorer(), mask: ~0)
  withUnsafePointer(to: &action) {
    let handled: UInt64 = 1 << 4 | 1 << 5 | 1 << 7 | 1 << 8 | 1 << 10 | 1 << 11  // SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGUSR1, SIGSEGV
    for signal: Int64 in 1..<32 where handled >> UInt64(signal) & 1 != 0 {
      check(call(LINUX_rt_sigaction, signal, address($0), 0, 8), .signals)
    }
  }
}
