import IPC
import POSIX
import Runtime

private let usage: StaticString =
  "\nShared memory objects by name and files without a disk: makes, resizes, maps, shares and removes them in\n/dev/shm and in a tmpfs of its own on /tmp. Status 0 if all was right."

private let cases: [(name: StaticString, body: @Sendable () throws(Errno) -> Bool)] = [
  ("create", creation), ("names", names), ("processes", twoProcesses), ("private", privateCopies), ("fork", forkShares), ("unlinked", unlinkedStays),
  ("end", endIsSignal), ("persist", persists), ("contents", contents), ("listed", isListed), ("tree", tree), ("full", fullStore),
  ("counted", counted), ("modes", modes), ("residence", residence), ("buffers", buffers), ("exec", execution),
]

/// Each in a process of its own.
private func shm(_ program: Program) -> Int {
  if !program.options("", usage: usage).operands.isEmpty { program.misused(usage, status: 2) }
  var status = 0
  for (name, body) in cases {
    standardOutput.flush()
    let end: WaitStatus
    do throws(Errno) {
      let child = try fork()
      if child == 0 {
        do throws(Errno) { terminate(try body() ? 0 : 1) } catch { terminate(100 + Int(error.rawValue)) }
      }
      end = waitUntilEnd(of: child)
    } catch { program.die([UInt8]("fork"), error) }
    if end.raw != 0 { status = 1 }
    printText("shm: ")
    printText(name)
    if end.raw == 0 { printText(": ok\n") } else {
      printText(": WRONG, status ")
      printBytes(decimal(end.shellStatus))
      printText("\n")
    }
  }
  return status
}

@c(bin_shm_main) func main(_ stack: UnsafeRawPointer) { run(stack, shm) }
