import IPC
import POSIX
import Protocols
import Runtime

/// What a check's process must end with.
enum Ending {
  case success
  case signal(Int)
}

struct Check: Sendable {
  var name: StaticString
  var ending: @Sendable () -> Ending = { .success }
  /// Throws what no call should have said; returns whether all was as it must be.
  var body: @Sendable () throws(Errno) -> Bool
}

private let checks: [Check] = [
  Check(name: "advice", body: advice),
  Check(name: "residence", body: residence),
  Check(name: "lock", body: lock),
  Check(name: "remap", body: remap),
  Check(name: "synchronize", body: synchronize),
  Check(name: "immutable", body: immutable),
  Check(name: "names", body: names),
  Check(name: "limits", body: limits),
  Check(name: "stack-limit", ending: { .signal(Signal.segmentation) }, body: stackLimit),
  Check(name: "own-stack", body: ownStack),
  Check(name: "stub", body: stub),
  Check(name: "stub-write", ending: { .signal(Signal.segmentation) }, body: writeStub),
  Check(name: "lending", body: lending),
  Check(name: "wrong-stack", ending: { .signal(Signal.segmentation) }, body: wrongStack),
  Check(name: "wrong-trap", ending: { .signal(Signal.segmentation) }, body: wrongTrap),
  Check(name: "former-stack", ending: { .signal(Signal.segmentation) }, body: formerStack),
]

/// regions [name...]: every call on regions once, each in a process of its own; status 0 if all did what POSIX and Linux say.
private func regions(_ program: Program) -> Int {
  let options = program.options("", usage: "[NAME...]\nTries what a program can do with its memory, and says how each check ended.")
  var status = 0
  for check in checks where options.operands.isEmpty || options.operands.contains(where: { $0 == check.name }) {
    if !launch(check) { status = 1 }
  }
  return status
}

private func launch(_ check: Check) -> Bool {
  standardOutput.flush()
  do throws(Errno) {
    let child = try fork()
    if child == 0 {
      do throws(Errno) { exit(try check.body() ? 0 : 1) } catch {
        printLine(Bytes("regions ") + Bytes(check.name) + Bytes(": ") + Bytes(errorText(error)))
        exit(2)
      }
    }
    let status = waitUntilEnd(of: child)
    let good = switch check.ending() {
    case .success: status.exited && status.exitStatus == 0
    case .signal(let signal): !status.exited && status.signal == signal
    }
    printLine(Bytes("regions ") + Bytes(check.name) + Bytes(good ? ": ok" : ": WRONG"))
    standardOutput.flush()
    return good
  } catch {
    printLine(Bytes("regions ") + Bytes(check.name) + Bytes(": cannot start: ") + Bytes(errorText(error)))
    return false
  }
}

@c(bin_regions_main) func main(_ stack: UnsafeRawPointer) { run(stack, regions) }
