import POSIX
import Programs
import Runtime

@c(bin_umount_main) func main(_ stack: UnsafeRawPointer) { run(stack, umountProgram) }
