import POSIX
import Programs
import Runtime

@c(bin_echo_main) func main(_ stack: UnsafeRawPointer) { run(stack, echo) }
