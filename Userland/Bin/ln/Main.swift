import POSIX
import Programs
import Runtime

@c(bin_ln_main) func main(_ stack: UnsafeRawPointer) { run(stack, ln) }
