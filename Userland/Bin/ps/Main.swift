import POSIX
import Programs
import Runtime

@c(bin_ps_main) func main(_ stack: UnsafeRawPointer) { run(stack, ps) }
