import EchoDriver
import IPC
import Runtime
import ServerKit
import Trap

@c(echo_main)
func echo_main(_ stack: UnsafeRawPointer) {
  serve(EchoDriver<KernelTrap>(), over: KernelTrap())
}
