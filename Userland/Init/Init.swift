import IPC
import POSIX
import Protocols
import Runtime
import ServerKit
import Trap

// The first process. It has no start-up stack to speak of: VM built it for RS, and PM adopted it.

@c(init_main)
func init_main(_ stack: UnsafeRawPointer) {
  var ipc = KernelTrap()
  do throws(Errno) {
    let console = try open([UInt8]("/dev/console"), OpenFlags.readWrite)
    for descriptor in 0...2 where descriptor != console { try duplicate(console, to: descriptor) }
  } catch {
    shutDown(66)  // EX_NOINPUT: nobody to talk to
  }
  let words = CommandLine(&ipc)
  let script = words.value("run=")
  let isBatch = script != nil || words.has("batch")
  welcome()
  while true {
    let status = runShell(script ?? (isBatch ? [UInt8]("-s") : []))
    // A shell that was shot is missed; one that said goodbye is not.
    if status.signal != 0 && !isBatch { continue }
    endOthers()
    shutDown(status.shellStatus)
  }
}

/// One line: the system's name and what it has.
func welcome() {
  var ipc = KernelTrap()
  var line = Text("Apus")
  do throws(Errno) {
    let memory = try ipc.call(.vm, VM.Information())
    line.append(": ")
    line.append(memory.free >> 8)
    line.append(" of ")
    line.append(memory.total >> 8)
    line.append(" MiB free")
  } catch {}
  line.append("\n")
  line.withBytes { print($0) }
}

func print(_ bytes: UnsafeRawBufferPointer) {
  do throws(Errno) { try writeAll(1, bytes) } catch {}
}

/// Runs /bin/sh as the foreground group of the console, and reaps whatever ends meanwhile.
/// - Parameter argument: the shell's only one; none if empty.
func runShell(_ argument: [UInt8]) -> WaitStatus {
  let shell: Int
  do throws(Errno) { shell = try fork() } catch {
    return WaitStatus(raw: 71 << 8)  // EX_OSERR
  }
  if shell == 0 {
    becomeForeground(processID(), of: 0)
    let arguments = argument.isEmpty ? [[UInt8]("sh")] : [[UInt8]("sh"), argument]
    let error = execute([UInt8]("/bin/sh"), arguments, [[UInt8]("PATH=/bin"), [UInt8]("HOME=/"), [UInt8]("TERM=vt100")])
    var line = Text("init: /bin/sh: ")
    line.append(errorText(error))
    line.append("\n")
    line.withBytes { print($0) }
    terminate(127)
  }
  // Both do it, so that it is done whoever comes first.
  becomeForeground(shell, of: shell)
  while true {
    do throws(Errno) {
      let (id, status) = try wait()
      if id == shell { return status }
    } catch {
      if error == .noChildProcess { return WaitStatus(raw: 71 << 8) }
    }
  }
}

func becomeForeground(_ group: Int, of id: Int) {
  do throws(Errno) {
    try setProcessGroup(id, group)
    try setForegroundGroup(0, group)
  } catch {}  // the child has run exec already, or the terminal knows no groups
}

/// What still runs gets a moment to end by itself.
func endOthers() {
  do throws(Errno) {
    try kill(-1, Signal.terminate)
    try kill(-1, Signal.continue)
    try sleep(nanoseconds: 50_000_000)
    try kill(-1, Signal.kill)
  } catch {}  // nobody was left
}

func shutDown(_ status: Int) -> Never {
  var ipc = KernelTrap()
  // What could not be written is still there to be written: a disk may fail once.
  for _ in 0..<3 {
    do throws(Errno) {
      try sync()
      break
    } catch {}
  }
  do throws(Errno) { _ = try ipc.call(.rs, RS.Shutdown(status: UInt64(status & 0xFF))) } catch {}
  while true { do throws(Errno) { try pause() } catch {} }
}
