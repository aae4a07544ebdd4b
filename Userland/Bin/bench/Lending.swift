import CTrap
import IPC
import POSIX
import Protocols

private let length = 64 << 10

/// A buffer of 64 KiB that echo adds up where it is: each sum 8,191 additions, which every way of handing it over has to pay.
private func lend(_ name: StaticString, again: Bool) {
  do throws(Errno) {
    try startEcho()
    let memory = try mapMemory(length)
    for page in 0..<length >> 12 { memory.storeBytes(of: UInt8(1), toByteOffset: page << 12, as: UInt8.self) }
    let address = UInt64(UInt(bitPattern: memory))
    var loan = try request(VM.Lend(to: .echo, address: address, length: UInt64(length), access: 3), of: .vm).loan
    _ = try request(Echo.Sum(loan: loan, length: UInt64(length)), of: .echo)
    var samples = Samples(101)
    let overhead = Samples.overhead
    for _ in 0..<101 {
      let start = apus_timestamp()
      if again {
        _ = try request(Echo.Sum(loan: loan, length: UInt64(length)), of: .echo)
      } else {
        loan = try request(VM.Lend(to: .echo, address: address, length: UInt64(length), access: 3), of: .vm).loan
        _ = try request(Echo.Sum(loan: loan, length: UInt64(length)), of: .echo)
        _ = try request(Echo.GiveBack(), of: .echo)
        _ = try request(VM.EndLoan(loan: loan), of: .vm)
      }
      samples.add(start, apus_timestamp(), overhead: overhead)
    }
    samples.report(name)
    _ = try request(Echo.GiveBack(), of: .echo)
    try unmapMemory(memory, length)
  } catch { failed(name, error) }
}

/// Lent, borrowed, added up, given back, each time.
func lendOnce() { lend("lend-64KiB", again: false) }

/// Lent and borrowed once: what a further request costs.
func lendAgain() { lend("lend-64KiB-again", again: true) }
