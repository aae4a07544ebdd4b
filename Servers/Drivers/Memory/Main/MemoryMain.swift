import IPC
import MemoryDriver
import Runtime
import ServerKit
import Trap

@c(memory_main)
func memory_main(_ stack: UnsafeRawPointer) {
  serve(MemoryDriver<KernelTrap>(), over: KernelTrap())
}
