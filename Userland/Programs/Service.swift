import IPC
import POSIX
import Protocols

private let usage: StaticString = """
  status [name...]
         service up|down|restart|kill name
         service inject name null|loop|exit|garbage|trap
         service storm name --every ms --count n [--mixed] [--seed n]
  Talks to the reincarnation server about services. A storm kills one again and again and waits for each recovery.
  """

/// service: status, life and death of services.
public func service(_ program: Program) -> Int {
  let arguments = program.arguments
  guard let verb = arguments.first else { return status(program, []) }
  if verb == "--help" {
    printText("usage: service ")
    printText(usage)
    standardOutput.newline()
    return 0
  }
  if verb == "status" { return status(program, arguments.count > 1 ? [[UInt8]](arguments[1...]) : []) }
  guard arguments.count > 1 else { program.misused(usage, status: 2) }
  guard let name = packed(arguments[1]) else { program.die(arguments[1], .noSuchFile) }
  do throws(Errno) {
    switch verb {
    case "up": _ = try request(RS.Up(name: name), of: .rs)
    case "down": _ = try request(RS.Down(name: name), of: .rs)
    case "restart": _ = try request(RS.Restart(name: name), of: .rs)
    case "kill": _ = try request(RS.Kill(name: name), of: .rs)
    case "inject":
      guard arguments.count > 2, let harm = Harm.parse(arguments[2]) else { program.misused(usage, status: 2) }
      _ = try request(RS.Inject(name: name, harm: harm), of: .rs)
    case "storm":
      guard let plan = StormPlan([[UInt8]](arguments[2...])) else { program.misused(usage, status: 2) }
      return storm(program, arguments[1], name, plan)
    default: program.misused(usage, status: 2)
    }
    return 0
  } catch { program.die(arguments[1], error) }
}

/// The ways in which a service can be made to harm itself, besides being killed (0).
enum Harm {
  static func name(_ harm: UInt64) -> StaticString {
    switch harm {
    case 0: "kill"
    case Service.Harm.nullDereference: "null"
    case Service.Harm.endlessLoop: "loop"
    case Service.Harm.exit: "exit"
    case Service.Harm.garbageReply: "garbage"
    default: "trap"
    }
  }

  static func parse(_ text: [UInt8]) -> UInt64? {
    for harm in 1...5 as ClosedRange<UInt64> where text == name(harm) { return harm }
    return nil
  }
}

// MARK: Status

/// All services, or those named; 1 if one of these is not running.
private func status(_ program: Program, _ names: [[UInt8]]) -> Int {
  printText("NAME             STATE     RESTARTS KILLS   RECOVERY\n")
  var seen = 0, notRunning = 0
  var index: UInt64 = 0
  while true {
    do throws(Errno) {
      let service = try request(RS.Status(index: index), of: .rs)
      index += 1
      let name = text(inWords: service.name)
      guard names.isEmpty || names.contains(where: { $0 == name }) else { continue }
      seen += 1
      if service.state != RS.State.running { notRunning += 1 }
      printBytes(statusLine(name, service))
    } catch {
      if error == .noSuchFile { break }
      program.die([], error)
    }
  }
  if names.isEmpty { return 0 }
  if seen < names.count { program.complain("no such service") }
  return seen < names.count || notRunning > 0 ? 1 : 0
}

func statusLine(_ name: [UInt8], _ service: RS.Status.Reply) -> [UInt8] {
  var line = left(name, 17)
  line += left([UInt8](stateText(service.state)), 10)
  line += right(decimal(UInt64(service.restarts)), 8)
  line += right(decimal(UInt64(service.kills)), 6)
  line += service.restarts == 0 ? right([0x2D], 11) : right(decimal(service.lastRecovery / 1000), 8) + [UInt8](" us")
  line += "\n"
  return line
}

private func stateText(_ state: UInt32) -> StaticString {
  switch state {
  case RS.State.down: "down"
  case RS.State.starting: "starting"
  case RS.State.running: "running"
  case RS.State.backingOff: "backoff"
  case RS.State.failed: "failed"
  default: "unknown"
  }
}
