import IPC
import POSIX
import Protocols
import Runtime

/// How a hostile child may end.
enum Outcome {
  /// By itself with status 0: it got errors and lived.
  case survives
  case signal(Int)
  /// Either: running out of memory is an error or the end, as it comes.
  case survivesOrSignal(Int)
}

struct Attack: Sendable {
  var name: StaticString
  var outcome: @Sendable () -> Outcome
  var body: @Sendable (Attack.Parameters) -> Void
  /// Not one of "all": it does not end by itself, or takes the rights of who may kill services.
  var isByNameOnly = false

  struct Parameters {
    var count: UInt64 = 2_000_000
    var seed: UInt64 = 1
    /// SYSCALL and `int` by our own instructions, not only by the stub page: only a kernel on metal has these entries.
    var raw = false
  }
}

private let attacks: [Attack] = [
  Attack(name: "null", outcome: { .signal(Signal.segmentation) }, body: { _ in readByte(8) }),
  Attack(name: "lowest", outcome: { .survives }, body: { _ in lowestPages() }),
  Attack(name: "read-kernel", outcome: { .signal(Signal.segmentation) }, body: { _ in readByte(0xFFFF_FFFF_8010_0000) }),
  Attack(name: "read-linear", outcome: { .signal(Signal.segmentation) }, body: { _ in readByte(0xFFFF_8000_0010_0000) }),
  Attack(name: "non-canonical", outcome: { .signal(Signal.segmentation) }, body: { _ in readByte(0x0000_8000_0000_0000) }),
  Attack(name: "last-page", outcome: { .signal(Signal.segmentation) }, body: { _ in readByte(0x0000_7FFF_FFFF_F000) }),
  Attack(name: "write-text", outcome: { .signal(Signal.segmentation) }, body: { _ in writeByte(0x40_0000) }),
  Attack(name: "write-stub", outcome: { .signal(Signal.segmentation) }, body: { _ in writeByte(0x0000_6000_0000_0000) }),
  Attack(name: "exec-data", outcome: { .signal(Signal.segmentation) }, body: { _ in executeData() }),
  Attack(name: "exec-stack", outcome: { .signal(Signal.segmentation) }, body: { _ in executeStack() }),
  Attack(name: "stack-overflow", outcome: { .signal(Signal.segmentation) }, body: { _ in overflowStack() }),
  Attack(name: "stack-overflow-caught", outcome: { .survives }, body: { _ in catchOverflow() }),
  Attack(name: "port", outcome: { .signal(Signal.segmentation) }, body: { _ in privileged(.port) }),
  Attack(name: "halt", outcome: { .signal(Signal.segmentation) }, body: { _ in privileged(.halt) }),
  Attack(name: "interrupts-off", outcome: { .signal(Signal.segmentation) }, body: { _ in privileged(.interruptsOff) }),
  Attack(name: "read-cr3", outcome: { .signal(Signal.segmentation) }, body: { _ in privileged(.readCR3) }),
  Attack(name: "flags", outcome: { .survives }, body: { _ in trapWithFlags() }),
  Attack(name: "pointers", outcome: { .survives }, body: { _ in wildPointers() }),
  Attack(name: "calls", outcome: { .survives }, body: { randomCalls($0) }),
  Attack(name: "interrupts", outcome: { .survives }, body: { if $0.raw { rawInterrupts($0) } }),
  Attack(name: "stacks", outcome: { .survives }, body: { if $0.raw { rawStacks($0) } }),
  Attack(name: "memory", outcome: { .survivesOrSignal(Signal.kill) }, body: { _ in exhaustMemory() }),
  Attack(name: "hold", outcome: { .signal(Signal.kill) }, body: { _ in holdMemory() }, isByNameOnly: true),
  Attack(name: "starve", outcome: { .survives }, body: { _ in starve() }, isByNameOnly: true),
  Attack(name: "forkbomb", outcome: { .survives }, body: { _ in forkBomb() }),
]

private let usage: StaticString =
  "[-dlr] [-n CALLS] [-s SEED] [NAME...]\nAttacks the system from unprivileged processes and says how each ended; status 0 if every\nattack got what it must: an error or a signal, and nobody else noticed. With -r also by raw SYSCALL and int.\nWith -d one attack in this process itself, so its end is the status. By name only: hold, which lasts until it is killed, and starve,\nwhich kills the disk driver while it holds all memory."

/// hostile [NAME...]: a system that can be hurt from here is broken.
private func hostile(_ program: Program) -> Int {
  let options = program.options("dlrn:s:", usage: usage)
  if options["l"] {
    for attack in attacks { printLine(Bytes(attack.name)) }
    return 0
  }
  var parameters = Attack.Parameters()
  parameters.raw = options["r"]
  if let count = options.value("n").flatMap(number) { parameters.count = count }
  if let seed = options.value("s").flatMap(number) { parameters.seed = seed }
  for name in options.operands where !attacks.contains(where: { name == $0.name }) {
    program.complain(name, "no such attack; see hostile -l")
    return 2
  }
  if options["d"] {
    guard options.operands.count == 1, let attack = attacks.first(where: { options.operands[0] == $0.name }) else { program.misused(usage, status: 2) }
    attack.body(parameters)
    return 0
  }
  var status = 0
  for attack in attacks where options.operands.isEmpty && !attack.isByNameOnly || options.operands.contains(where: { $0 == attack.name }) {
    if !launch(attack, parameters) { status = 1 }
  }
  return status
}

/// Runs an attack in a child; true if it ended as it must.
private func launch(_ attack: Attack, _ parameters: Attack.Parameters) -> Bool {
  standardOutput.flush()
  let child: Int
  do throws(Errno) { child = try fork() } catch {
    printLine(Bytes("hostile ") + Bytes(attack.name) + Bytes(": cannot fork: ") + Bytes(errorText(error)))
    return false
  }
  if child == 0 {
    attack.body(parameters)
    exit(0)
  }
  let status = waitUntilEnd(of: child)
  let good = switch attack.outcome() {
  case .survives: status.exited && status.exitStatus == 0
  case .signal(let signal): !status.exited && status.signal == signal
  case .survivesOrSignal(let signal): status.exited ? status.exitStatus == 0 : status.signal == signal
  }
  var line = Bytes("hostile ") + Bytes(attack.name) + Bytes(good ? ": ok, " : ": WRONG, ")
  if status.exited {
    line += "survived with status "
    line += decimal(status.exitStatus)
  } else {
    line += "killed by signal "
    line += decimal(status.signal)
  }
  printLine(line)
  standardOutput.flush()
  return good
}

@c(bin_hostile_main) func main(_ stack: UnsafeRawPointer) { run(stack, hostile) }
