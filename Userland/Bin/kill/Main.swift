import POSIX
import Programs
import Runtime

@c(bin_kill_main) func main(_ stack: UnsafeRawPointer) { run(stack, killProgram) }
