import IPC
import PMServer
import Runtime
import ServerKit
import Trap

@c(pm_main)
func pm_main(_ stack: UnsafeRawPointer) {
  serve(ProcessManager<KernelTrap>(), over: KernelTrap())
}
