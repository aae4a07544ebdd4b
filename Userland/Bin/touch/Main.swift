import POSIX
import Programs
import Runtime

@c(bin_touch_main) func main(_ stack: UnsafeRawPointer) { run(stack, touch) }
