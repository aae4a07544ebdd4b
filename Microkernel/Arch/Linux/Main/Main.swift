import Broker
import Glibc
import Sandbox

// The program `broker`: what `apus sim` and every other command that wants the processes host starts. Its options are the
// tool's business; people use `apus sim`.

let arguments = Array(CommandLine.arguments.dropFirst())
if arguments.first == DiskProcess.word { DiskProcess.main(Array(arguments.dropFirst())) }
if arguments == ["--list-calls"] {
  listCalls()
  exit(0)
}

func stop(_ text: String) -> Never {
  var line = "apus: \(text)\n"
  line.withUTF8 { _ = write(2, $0.baseAddress, $0.count) }
  exit(1)
}

func readOptions() -> Broker.Options {
  var options = Broker.Options()
  var rest = arguments[...]
  while let name = rest.popFirst() {
    guard let value = rest.popFirst() else { stop("\(name) wants a value") }
    switch name {
    case "--stub": options.stub = value
    case "--archive": options.archive = value
    case "--memory":
      guard let size = Int(value), (16...65536).contains(size) else { stop("--memory takes 16 to 65536 MiB") }
      options.memory = size << 20
    case "--disk": options.disk = Broker.Disk(path: value, isCopyOnWrite: false)
    case "--snapshot": options.disk = Broker.Disk(path: value, isCopyOnWrite: true)
    case "--append": options.words = value.split(separator: " ").map(String.init)
    case "--log": options.log = value
    case "--trace": options.trace = value
    default: stop("broker does not know \(name)")
    }
  }
  return options
}

func listCalls() {
  print("A server, driver or program may make these system calls, and any other ends it with SIGSYS:")
  for call in Sandbox.allowedCalls {
    let way = switch call.way {
    case .free: "carried out by Linux"
    case .checked: "only as the broker has ordered it, to the last bit"
    case .message: "no call of Linux': word to the broker"
    }
    print("  \(call.number)\t\(call.name)\t\(way)")
  }
  print("The process that holds the disk image:")
  for call in DiskProcess.allowedCalls { print("  \(call.number)\t\(call.name)") }
}

func run() -> Int32 {
  do throws(SandboxFailure) {
    let broker = try Broker(readOptions())
    let end = broker.run()
    broker.close()
    return end.status
  } catch { stop("\(error)") }
}
exit(run())
