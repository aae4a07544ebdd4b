import BootImage
import IPC
import PageTable
import Protocols
import ServerKit
import Trap
import VMServer

/// The kernel starts VM with RAM mapped at `AddressSpace.vmWindow` and `BootInformation` beside it. No heap is
/// linked: `Runtime` would ask VM for memory.
@c(vm_main)
func vm_main(_ stack: UnsafeRawPointer) {
  var ipc = KernelTrap()
  guard let boot = UnsafePointer<BootInformation>(bitPattern: UInt(AddressSpace.vmBootInformation)),
    let window = UnsafeMutableRawPointer(bitPattern: UInt(AddressSpace.vmWindow)),
    let server = MemoryServer<KernelTrap>(boot, window: window)
  else {
    ipc.log("vm: not enough memory\n")
    _ = ipc.kernel(Message(Kernel.Exit(status: 1)))
    return
  }
  serve(server, over: ipc)
}
