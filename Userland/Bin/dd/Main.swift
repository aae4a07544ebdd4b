import POSIX
import Programs
import Runtime

@c(bin_dd_main) func main(_ stack: UnsafeRawPointer) { run(stack, dd) }
