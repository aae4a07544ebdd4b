import POSIX
import Programs
import Runtime

@c(bin_wc_main) func main(_ stack: UnsafeRawPointer) { run(stack, wc) }
