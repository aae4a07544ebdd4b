import POSIX
import Programs
import Runtime

@c(bin_head_main) func main(_ stack: UnsafeRawPointer) { run(stack, head) }
