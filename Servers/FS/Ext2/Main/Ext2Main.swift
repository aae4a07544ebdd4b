import Ext2Server
import IPC
import Runtime
import ServerKit
import Trap

/// Where `_start` goes.
@c(ext2_main)
func ext2_main(_ stack: UnsafeRawPointer) {
  serve(FileServer<KernelTrap>(), over: KernelTrap())
}
