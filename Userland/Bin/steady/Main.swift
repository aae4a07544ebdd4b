import IPC
import POSIX
import Programs
import Protocols
import Runtime

private let usage: StaticString = """
  [-n RESTARTS] SERVICE DEVICE
  Reads the first block of a device again and again until its driver has come back RESTARTS times since boot
  (default: once more), and says how long the longest answers took. Status 1 if an answer was wrong.
  """

/// The client that must not notice: it asks while somebody ends its driver.
struct Steady {
  static var blockSize: Int { 512 }

  let descriptor: Int
  let expected: [UInt8]
  private(set) var answers: UInt64 = 0
  private(set) var wrong: UInt64 = 0
  /// Nanoseconds of the answers that took at least twice as long as the first hundred did on average.
  private(set) var slow: [UInt64] = []
  private var usual: UInt64 = 0

  init(_ descriptor: Int) throws(Errno) {
    self.descriptor = descriptor
    expected = try read(descriptor, atMost: Self.blockSize)
  }

  /// One question; true if the answer took long.
  mutating func ask() throws(Errno) -> Bool {
    let start = now()
    _ = try seek(descriptor, 0)
    let bytes = try read(descriptor, atMost: Self.blockSize)
    let time = now() &- start
    answers += 1
    if bytes != expected { wrong += 1 }
    if answers <= 100 {
      usual += time / 100
      return false
    }
    if time < 2 * usual { return false }
    slow.append(time)
    return true
  }
}

private func place(of name: RS.Name) throws(Errno) -> UInt64 {
  var index: UInt64 = 0
  while try request(RS.Status(index: index), of: .rs).name != name { index += 1 }
  return index
}

/// The longest `count` of them, in order: as many as there were deaths, so an answer that was slow for another reason
/// makes these figures worse, never better.
private func report(_ steady: Steady, deaths: UInt64) {
  let sorted = steady.slow.sorted()
  let longest = sorted.suffix(Int(min(deaths, UInt64(sorted.count))))
  printText("steady: ")
  printBytes(decimal(steady.answers))
  printText(" answers, ")
  printBytes(decimal(steady.wrong))
  printText(" wrong, ")
  printBytes(decimal(deaths))
  printText(" deaths; answers across a death: median ")
  printBytes(decimal(longest.isEmpty ? 0 : longest[longest.startIndex + longest.count / 2]))
  printText(" ns, p99 ")
  printBytes(decimal(longest.isEmpty ? 0 : longest[longest.startIndex + longest.count * 99 / 100]))
  printText(" ns, max ")
  printBytes(decimal(longest.last ?? 0))
  printText(" ns\n")
}

private func steady(_ program: Program) -> Int {
  let options = program.options("n:", usage: usage)
  guard options.operands.count == 2, let name = packed(options.operands[0]) else { program.misused(usage, status: 2) }
  do throws(Errno) {
    let index = try place(of: name)
    let before = try request(RS.Status(index: index), of: .rs).restarts
    let goal = options.value("n").flatMap(number) ?? UInt64(before) + 1
    var steady = try Steady(try open(options.operands[1]))
    printText("steady: asks\n")
    standardOutput.flush()
    while true {
      guard try steady.ask() || steady.answers % 1024 == 0 else { continue }
      let restarts = UInt64(try request(RS.Status(index: index), of: .rs).restarts)
      guard restarts >= goal else { continue }
      report(steady, deaths: restarts - UInt64(before))
      return steady.wrong == 0 ? 0 : 1
    }
  } catch { program.die(options.operands[1], error) }
}

@c(bin_steady_main) func main(_ stack: UnsafeRawPointer) { run(stack, steady) }
