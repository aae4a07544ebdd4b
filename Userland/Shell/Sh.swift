import IPC
import POSIX
import Protocols

/// sh(1): `sh [-eufx] [-c text [name [argument...]] | -s [argument...] | file [argument...]]`.
public func sh(_ program: Program) -> Int {
  let shell = Shell(name: program.name, environment: program.environment)
  var arguments = program.arguments
  var text = false, fromInput = false
  while let word = arguments.first, word.count > 1, word[0] == "-" || word[0] == "+" {
    arguments.removeFirst()
    switch word {
    case "--": break
    case "--help":
      printText("usage: sh [-eufx] [-c text [name [argument...]] | -s [argument...] | file [argument...]]\n")
      return 0
    case "-i":
      shell.interactive = true
      continue
    default:
      var rest: [UInt8] = [word[0]]
      for letter in word.slice(from: 1) {
        switch letter {
        case "c": text = true
        case "s": fromInput = true
        case "l": break
        default: rest.append(letter)
        }
      }
      if !shell.setOptions(rest) { program.die("bad option", status: 2) }
      continue
    }
    break
  }
  if text {
    guard let script = arguments.first else { program.die("-c needs a text", status: 2) }
    if arguments.count > 1 { shell.name = arguments[1] }
    shell.parameters = arguments.count > 2 ? arguments.slice(from: 2) : []
    shell.run(script: script)
  } else if let file = arguments.first, !fromInput {
    shell.parameters = arguments.slice(from: 1)
    let script: [UInt8]
    do throws(Errno) { script = try POSIX.contents(of: file) } catch {
      program.complain([UInt8]("cannot open ") + file, error)
      return error == .noSuchFile ? 127 : 126
    }
    shell.name = file
    shell.run(script: script)
  } else {
    shell.parameters = arguments
    if !fromInput, isTerminal(0) { shell.interactive = true }
    if shell.interactive {
      shell.takeTerminal()
      shell.readProfile()
    }
    shell.run(from: 0)
  }
  return shell.status
}

extension Shell {
  /// /etc/profile is for people: their shell reads it, if it is there.
  func readProfile() {
    do throws(Errno) { run(script: try POSIX.contents(of: [UInt8]("/etc/profile"))) } catch {}
    if flow == .exiting { flow = .normal }
  }

  /// An interactive shell: signals of the terminal's keys are for its jobs.
  func takeTerminal() {
    do throws(Errno) {
      try handle(Signal.interrupt) { noteInterrupt($0) }
      try handle(Signal.alarm) { noteInterrupt($0) }
      for signal in [Signal.quit, Signal.terminalStop, Signal.terminalInput, Signal.terminalOutput, Signal.terminate] { try ignore(signal) }
      try setProcessGroup(0, 0)
    } catch {}  // a session leader is in a group of its own already
    do throws(Errno) {
      ownGroup = Int(try identity().group)
      try setForegroundGroup(0, ownGroup)
      jobControl = true
    } catch { jobControl = false }
  }
}
