import Glibc

/// Counts what this thread executes: user instructions where Linux lets a process count its own (perf_event_open(2)),
/// else its processor time in nanoseconds, which is only good to be looked at.
final class InstructionCounter {
  private let descriptor: Int32
  /// Whether the unit is an instruction, the same on every machine and in every run.
  var isExact: Bool { descriptor >= 0 }
  var unit: String { isExact ? "instructions" : "ns" }

  init() {
    // `syscall` is variadic, which Swift does not import; on this machine a call without vector registers is the same.
    typealias SystemCall = @convention(c) (Int, UnsafeRawPointer, Int, Int, Int, Int) -> Int
    guard let symbol = dlsym(nil, "syscall") else {
      descriptor = -1
      return
    }
    // struct perf_event_attr, first version: PERF_TYPE_HARDWARE, its size, PERF_COUNT_HW_INSTRUCTIONS; word 5 is bits,
    // of which 5 and 6 leave out the kernel and the hypervisor.
    let words: [UInt64] = [64 << 32, 1, 0, 0, 0, 1 << 5 | 1 << 6, 0, 0]
    let perfEventOpen = 298
    descriptor = words.withUnsafeBytes {
      Int32(unsafeBitCast(symbol, to: SystemCall.self)(perfEventOpen, $0.baseAddress!, 0, -1, -1, 0))
    }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  var now: UInt64 {
    var value: UInt64 = 0
    if isExact, read(descriptor, &value, 8) == 8 { return value }
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }

  /// What `body` costs.
  func count(_ body: () throws -> Void) rethrows -> UInt64 {
    let start = now
    try body()
    return now - start
  }
}
