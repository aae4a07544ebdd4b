import IPC
import ProcServer
import Runtime
import ServerKit
import Trap

@c(proc_main)
func proc_main(_ stack: UnsafeRawPointer) {
  serve(ProcFileSystem<KernelTrap>(), over: KernelTrap())
}
