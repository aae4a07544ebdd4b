import CTrap
import IPC
import POSIX
import Runtime

/// Every figure with what takes it, in the order of printing.
private let figures: [(name: StaticString, run: @Sendable () -> Void)] = [
  ("calibration", calibration), ("null-call", nullCall), ("ipc-roundtrip", ipcRoundTrip), ("demand-zero", demandZero),
  ("demand-zero-around", demandZeroAround),
  ("cow-fault", copyOnWrite), ("mmap-munmap", mapUnmap), ("munmap-split", unmapSplit), ("mprotect-split", protectSplit),
  ("pipe-roundtrip", pipeRoundTrip), ("fork-exit-wait", forkExitWait), ("fork-exec-wait", forkExecWait),
  ("fork-1MiB", forkSmall), ("fork-256MiB", forkLarge), ("read-per-KiB", readPerKiB),
  ("lend-64KiB", lendOnce), ("lend-64KiB-again", lendAgain),
  ("scale", scale),
]

/// bench [NAME...]: measures what this system is made of, in ticks of the time-stamp counter.
private func bench(_ program: Program) -> Int {
  let options = program.options("l", usage: "[-l] [NAME...]\nPrints `figure NAME MEDIAN MIN MAX SAMPLES` in ticks; -l lists the names.")
  if options["l"] {
    for figure in figures { printLine(Bytes(figure.name)) }
    return 0
  }
  var status = 0
  for name in options.operands where !figures.contains(where: { name == $0.name }) {
    program.complain(name, "no such figure; see bench -l")
    status = 1
  }
  for figure in figures where options.operands.isEmpty || options.operands.contains(where: { $0 == figure.name }) {
    figure.run()
  }
  return status
}

@c(bin_bench_main) func main(_ stack: UnsafeRawPointer) { run(stack, bench) }
