import Compared
import POSIX
import Runtime

@c(bin_compared_main) func main(_ stack: UnsafeRawPointer) { run(stack, compared) }
