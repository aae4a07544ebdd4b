import POSIX
import Programs
import Runtime

@c(bin_true_main) func main(_ stack: UnsafeRawPointer) { run(stack, trueProgram) }
