import POSIX
import Programs
import Runtime

@c(bin_sync_main) func main(_ stack: UnsafeRawPointer) { run(stack, syncProgram) }
