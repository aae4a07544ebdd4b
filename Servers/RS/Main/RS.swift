import IPC
import Runtime
import ServerKit
import RSServer
import Trap

@c(rs_main)
func rs_main(_ stack: UnsafeRawPointer) {
  // While it repairs, whoever would bring a page may be the one that is dead.
  makeStackResident(128 << 10)
  serve(ReincarnationServer<KernelTrap>(), over: KernelTrap())
}
