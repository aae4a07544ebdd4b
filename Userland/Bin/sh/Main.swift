import POSIX
import Runtime
import Shell

@c(bin_sh_main) func main(_ stack: UnsafeRawPointer) { run(stack, sh) }
