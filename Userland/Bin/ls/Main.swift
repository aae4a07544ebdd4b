import POSIX
import Programs
import Runtime

@c(bin_ls_main) func main(_ stack: UnsafeRawPointer) { run(stack, ls) }
