import POSIX
import Programs
import Runtime

@c(bin_shutdown_main) func main(_ stack: UnsafeRawPointer) { run(stack, shutdown) }
