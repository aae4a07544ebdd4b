import POSIX
import Programs
import Runtime

@c(bin_free_main) func main(_ stack: UnsafeRawPointer) { run(stack, free) }
