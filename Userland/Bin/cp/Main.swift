import POSIX
import Programs
import Runtime

@c(bin_cp_main) func main(_ stack: UnsafeRawPointer) { run(stack, cp) }
