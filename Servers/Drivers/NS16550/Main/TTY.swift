import CTrap
import IPC
import NS16550
import Runtime
import ServerKit
import Trap

@c(tty_main)
func tty_main(_ stack: UnsafeRawPointer) {
  serve(TerminalDriver<KernelTrap>(ticks: { apus_timestamp() }), over: KernelTrap())
}
