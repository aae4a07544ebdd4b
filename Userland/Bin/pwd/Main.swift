import POSIX
import Programs
import Runtime

@c(bin_pwd_main) func main(_ stack: UnsafeRawPointer) { run(stack, pwd) }
