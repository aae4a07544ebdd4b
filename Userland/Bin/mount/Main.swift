import POSIX
import Programs
import Runtime

@c(bin_mount_main) func main(_ stack: UnsafeRawPointer) { run(stack, mountProgram) }
