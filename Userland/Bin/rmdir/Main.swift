import POSIX
import Programs
import Runtime

@c(bin_rmdir_main) func main(_ stack: UnsafeRawPointer) { run(stack, rmdir) }
