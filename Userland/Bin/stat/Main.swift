import POSIX
import Programs
import Runtime

@c(bin_stat_main) func main(_ stack: UnsafeRawPointer) { run(stack, statProgram) }
