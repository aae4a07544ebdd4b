import POSIX
import Programs
import Runtime

@c(bin_sha256sum_main) func main(_ stack: UnsafeRawPointer) { run(stack, sha256sum) }
