import POSIX
import Programs
import Runtime

@c(bin_cmp_main) func main(_ stack: UnsafeRawPointer) { run(stack, cmp) }
