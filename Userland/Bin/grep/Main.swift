import POSIX
import Programs
import Runtime

@c(bin_grep_main) func main(_ stack: UnsafeRawPointer) { run(stack, grep) }
