import POSIX
import Programs
import Runtime

@c(bin_sleep_main) func main(_ stack: UnsafeRawPointer) { run(stack, sleepProgram) }
