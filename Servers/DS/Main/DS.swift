import DSServer
import IPC
import Runtime
import ServerKit
import Trap

@c(ds_main)
func ds_main(_ stack: UnsafeRawPointer) {
  serve(DataStore<KernelTrap>(), over: KernelTrap())
}
