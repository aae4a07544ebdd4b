import IPC
import Runtime
import ServerKit
import RSServer
import Trap

@c(rs_main)
func rs_main(_ stack: UnsafeRawPointer) {
  serve(ReincarnationServer<KernelTrap>(), over: KernelTrap())
}
