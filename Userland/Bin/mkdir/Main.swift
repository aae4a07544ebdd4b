import POSIX
import Programs
import Runtime

@c(bin_mkdir_main) func main(_ stack: UnsafeRawPointer) { run(stack, mkdir) }
