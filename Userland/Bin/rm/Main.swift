import POSIX
import Programs
import Runtime

@c(bin_rm_main) func main(_ stack: UnsafeRawPointer) { run(stack, rm) }
