import POSIX
import Programs
import Runtime

@c(bin_cat_main) func main(_ stack: UnsafeRawPointer) { run(stack, cat) }
