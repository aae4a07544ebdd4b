import POSIX
import Programs
import Runtime

@c(bin_service_main) func main(_ stack: UnsafeRawPointer) { run(stack, service) }
