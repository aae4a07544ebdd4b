import POSIX
import Programs
import Runtime

@c(bin_env_main) func main(_ stack: UnsafeRawPointer) { run(stack, env) }
