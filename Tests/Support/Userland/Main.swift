import Compared
import Glibc
import LinuxServers
import POSIX
import Programs
import Shell

// All programs of /bin in one Linux program, by the name it is called: links to it make a /bin for tests.

@main
enum Userland {
  static func main() {
    Host.answer = LinuxServers.answer
    var arguments = CommandLine.arguments.map { Bytes($0.utf8) }
    var name = baseName(arguments.removeFirst())
    if name == "userland", !arguments.isEmpty { name = arguments.removeFirst() }
    var environment: [Bytes] = []
    var entry = environ
    while let string = entry.pointee {
      environment.append(Bytes(cString: UnsafeRawPointer(string).assumingMemoryBound(to: UInt8.self)))
      entry += 1
    }
    guard let program = program(name) else {
      printError(Bytes("userland: no such program\n"))
      exit(127)
    }
    POSIX.exit(program(Program(name: name, arguments: arguments, environment: environment)))
  }

  static func program(_ name: Bytes) -> ((Program) -> Int)? {
    switch name {
    case "cat": cat
    case "cmp": cmp
    case "compared": comparedAsUser
    case "cp": cp
    case "dd": dd
    case "echo": echo
    case "env": env
    case "false": falseProgram
    case "free": free
    case "grep": grep
    case "head": head
    case "kill": killProgram
    case "ln": ln
    case "ls": ls
    case "mkdir": mkdir
    case "mv": mv
    case "ps": ps
    case "pwd": pwd
    case "rm": rm
    case "rmdir": rmdir
    case "service": service
    case "sh": sh
    case "sha256sum": sha256sum
    case "sleep": sleepProgram
    case "stat": statProgram
    case "touch": touch
    case "true": trueProgram
    case "uname": uname
    case "vmmap": vmmap
    case "wc": wc
    default: nil
    }
  }

  /// For root Linux makes exceptions: low addresses, locked memory. The limit is the one that Apus gives.
  static func comparedAsUser(_ program: Program) -> Int {
    let nobody: UInt32 = 65534
    if geteuid() == 0, setgid(nobody) != 0 || setuid(nobody) != 0 {
      printError(Bytes("compared: cannot become another user\n"))
      return 2
    }
    var limit = rlimit(rlim_cur: 8 << 20, rlim_max: 8 << 20)
    setrlimit(__rlimit_resource_t(8) /* RLIMIT_MEMLOCK */, &limit)
    return compared(program)
  }
}
