import IPC
import POSIX
import Runtime

private let usage: StaticString =
  "\nMaps files in every way and compares what is seen with what the files hold; works on files of its own\nin /tmp. Status 0 if all was right."

private let cases: [(name: StaticString, body: @Sendable () throws(Errno) -> Bool)] = [
  ("contents", contentsAreSeen), ("private", privateStaysPrivate), ("fork", forkKeepsPrivate), ("shared", sharedIsTheFile),
  ("sync", syncReachesFile), ("end", endIsSignal), ("truncate", truncationIsSeen), ("buffers", buffersAreFetched),
  ("itself", fileIntoItself), ("modes", modesAreKept), ("unlinked", unlinkedStays), ("errors", errorsAreTold), ("program", programsArePaged),
]

/// Each in a process of its own.
private func mapped(_ program: Program) -> Int {
  if program.arguments.count == 2, program.arguments[0] == "touch" { return touchPages(program.arguments[1]) }
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
    printText("mapped: ")
    printText(name)
    if end.raw == 0 { printText(": ok\n") } else {
      printText(": WRONG, status ")
      printBytes(decimal(end.shellStatus))
      printText("\n")
    }
  }
  return status
}

@c(bin_mapped_main) func main(_ stack: UnsafeRawPointer) { run(stack, mapped) }
