import IPC
import ServerKit
import Runtime
import Trap
import VFSServer

@c(vfs_main)
func vfs_main(_ stack: UnsafeRawPointer) {
  serve(VirtualFileSystem(KernelTrap()), over: KernelTrap())
}
