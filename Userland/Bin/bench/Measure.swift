import CTrap
import IPC
import POSIX

/// The samples of one figure, in ticks of the time-stamp counter. Under QEMU's `-icount shift=0` a tick is a guest
/// instruction, and the figure is the same on every machine.
struct Samples {
  private(set) var values: [UInt64] = []

  init(_ count: Int) { values.reserveCapacity(count) }

  /// What reading the clock twice costs; taken off every sample.
  static var overhead: UInt64 {
    var least = UInt64.max
    for _ in 0..<16 {
      let start = apus_timestamp()
      least = min(least, apus_timestamp() - start)
    }
    return least
  }

  mutating func add(_ start: UInt64, _ end: UInt64, overhead: UInt64, per: UInt64 = 1) {
    let ticks = end &- start
    values.append((ticks > overhead ? ticks - overhead : 0) / per)
  }

  /// Prints `figure NAME MEDIAN MIN MAX SAMPLES`: what `apus bench` reads.
  func report(_ name: StaticString) {
    guard !values.isEmpty else {
      printLine(Bytes("figure ") + Bytes(name) + Bytes(" none"))
      return
    }
    let sorted = values.sorted()
    var line = Bytes("figure ")
    line += name
    for value in [sorted[sorted.count / 2], sorted[0], sorted[sorted.count - 1], UInt64(sorted.count)] {
      line += " "
      line += decimal(value)
    }
    printLine(line)
    standardOutput.flush()
  }
}

/// A figure that could not be taken is said so, with the reason, and the rest goes on.
func failed(_ name: StaticString, _ error: Errno) {
  printLine(Bytes("figure ") + Bytes(name) + Bytes(" none: ") + Bytes(errorText(error)))
}
