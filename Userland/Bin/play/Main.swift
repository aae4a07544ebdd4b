import CPOSIX
import IPC
import POSIX
import Runtime
import Script
import Trap

/// What the interpreter of `Userland/Script` needs of a real process: itself as memory, and a function that a
/// signal can start.
@c(bin_play_main) func main(_ stack: UnsafeRawPointer) {
  run(stack) { program in
    guard let assignment = Assignment(program.arguments) else { program.die("usage: play SEED | play -c SCRIPT", status: 2) }
    let script: [Statement]
    switch assignment.statements() {
    case .success(let statements): script = statements
    case .failure(let error): program.die(bytes(error), status: 2)
    }
    let handler: @convention(c) (Int32) -> Void = { signal in
      var memory = OwnMemory()
      Play.count(signal: Int(signal), &memory)
    }
    let restorer: @convention(c) () -> Void = apus_signal_restorer
    let addresses = ProgramAddresses(
      handler: UInt64(UInt(bitPattern: unsafeBitCast(handler, to: UnsafeRawPointer.self))),
      restorer: UInt64(UInt(bitPattern: unsafeBitCast(restorer, to: UnsafeRawPointer.self))))
    var player = Player(ipc: KernelTrap(), memory: OwnMemory(), addresses: addresses)
    guard player.begin(assignment, script) else { program.die("no room for the script", status: 2) }
    player.run()
  }
}

/// Why a script cannot be played, and where it says so.
private func bytes(_ error: ScriptError) -> StaticString { error.reason }
