import POSIX
import Programs
import Runtime

@c(bin_false_main) func main(_ stack: UnsafeRawPointer) { run(stack, falseProgram) }
