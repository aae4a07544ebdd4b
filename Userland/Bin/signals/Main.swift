import IPC
import POSIX
import Runtime

private let usage: StaticString =
  "\nSignals with handlers for a process in any state, with SA_RESTART and without; status 0 if it\nthen was as if none had come."

private let cases: [(name: StaticString, body: @Sendable (Bool) throws(Errno) -> Bool)] = [
  ("read", readFromPipe), ("wait", waitForChild),
  ("sleep", { @Sendable (restart) throws(Errno) in try sleepOrPause(restart) { () throws(Errno) in try sleep(nanoseconds: 3_600_000_000_000) } }),
  ("pause", { @Sendable (restart) throws(Errno) in try sleepOrPause(restart) { () throws(Errno) in try pause() } }),
  ("file", readFile), ("compute", compute), ("touch", touch), ("nest", nest), ("stop", stop), ("forge", forge),
]

/// Each in a process of its own, with what it inherits fresh.
private func signals(_ program: Program) -> Int {
  if !program.options("", usage: usage).operands.isEmpty { program.misused(usage, status: 2) }
  var status = 0
  for (name, body) in cases {
    for restart in [false, true] {
      standardOutput.flush()
      let end: WaitStatus
      do throws(Errno) {
        let child = try fork()
        if child == 0 {
          do throws(Errno) { terminate(try body(restart) ? 0 : 1) } catch { terminate(2) }
        }
        end = waitUntilEnd(of: child)
      } catch { program.die([UInt8]("fork"), error) }
      if end.raw != 0 { status = 1 }
      printText("signals: ")
      printText(name)
      printText(restart ? " restart: " : ": ")
      if end.raw == 0 { printText("ok\n") } else {
        printText("WRONG, status ")
        printBytes(decimal(end.shellStatus))
        printText("\n")
      }
    }
  }
  return status
}

@c(bin_signals_main) func main(_ stack: UnsafeRawPointer) { run(stack, signals) }
