import POSIX
import Programs
import Runtime

@c(bin_mv_main) func main(_ stack: UnsafeRawPointer) { run(stack, mv) }
