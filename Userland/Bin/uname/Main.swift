import POSIX
import Programs
import Runtime

@c(bin_uname_main) func main(_ stack: UnsafeRawPointer) { run(stack, uname) }
