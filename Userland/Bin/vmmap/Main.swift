import POSIX
import Programs
import Runtime

@c(bin_vmmap_main) func main(_ stack: UnsafeRawPointer) { run(stack, vmmap) }
