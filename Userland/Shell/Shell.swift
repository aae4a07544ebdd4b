import IPC
import POSIX
import Protocols

/// The state of a shell, and the loop that reads commands and runs them. How commands run: `Execution.swift`; jobs: `Jobs.swift`;
/// commands of its own: `Builtins.swift`.
public final class Shell {
  public struct Variable {
    public var name: [UInt8]
    /// Nil: exported or read-only, but not set.
    public var value: [UInt8]?
    public var exported = false
    public var readOnly = false
  }

  /// What interrupts the run of a list.
  public enum Flow: Equatable {
    case normal
    /// Levels of loops still to leave; `next` goes on with the outermost of them.
    case leave(Int, next: Bool)
    case returning
    case exiting
  }

  public var name: [UInt8]
  public private(set) var variables: [Variable] = []
  var functions: [(name: [UInt8], body: Command)] = []
  public var parameters: [[UInt8]] = []
  public var status = 0
  public var flow = Flow.normal
  /// $!
  var lastBackground = 0
  /// $$: also in subshells the shell's own.
  let processID: Int
  /// set -e -u -f -x.
  var exitOnError = false
  public var unsetIsError = false
  public var noGlob = false
  var traceCommands = false
  /// Above 0 where a failure is a question: conditions, left sides of && and ||, after !.
  var tested = 0
  var loops = 0
  var functionDepth = 0
  /// Commands come from a terminal: prompts, jobs in groups of their own, Ctrl-C does not end us.
  public var interactive = false
  var jobControl = false
  var ownGroup = 0
  var jobs: [Job] = []
  /// Whether an expansion ran a command, whose status is then that of `x=$(false)`.
  var substitutionRan = false
  /// $? when a builtin began, for `exit` and `return` without a number.
  var statusBefore = 0

  public init(name: [UInt8], environment: [[UInt8]]) {
    self.name = name
    processID = POSIX.processID()
    for entry in environment {
      guard let equals = entry.firstIndex(of: "=") else { continue }
      let name = entry.slice(0..<equals)
      if isName(name) { variables.append(Variable(name: name, value: entry.slice(from: equals + 1), exported: true)) }
    }
    // An IFS from outside could change the meaning of scripts: POSIX 2.5.3.
    set([UInt8]("IFS"), [UInt8](" \t\n"))
    if variable([UInt8]("PATH")) == nil { set([UInt8]("PATH"), [UInt8]("/bin")) }
  }

  // MARK: Variables

  private func index(of name: [UInt8]) -> Int? {
    for index in 0..<variables.count where variables[index].name == name { return index }
    return nil
  }

  public func variable(_ name: [UInt8]) -> [UInt8]? { index(of: name).flatMap { variables[$0].value } }

  func isReadOnly(_ name: [UInt8]) -> Bool { index(of: name).map { variables[$0].readOnly } ?? false }

  public func set(_ name: [UInt8], _ value: [UInt8]) {
    if let index = index(of: name) { variables[index].value = value } else { variables.append(Variable(name: name, value: value)) }
  }

  func mark(_ name: [UInt8], exported: Bool = false, readOnly: Bool = false) {
    let place: Int
    if let index = index(of: name) {
      place = index
    } else {
      place = variables.count
      variables.append(Variable(name: name, value: nil))
    }
    variables[place].exported = variables[place].exported || exported
    variables[place].readOnly = variables[place].readOnly || readOnly
  }

  func unset(_ name: [UInt8]) {
    if let index = index(of: name) { variables.remove(at: index) }
  }

  /// Puts a variable back as it was before a command with assignments of its own.
  func restore(_ name: [UInt8], _ old: Variable?) {
    if let index = index(of: name) {
      if let old { variables[index] = old } else { variables.remove(at: index) }
    } else if let old {
      variables.append(old)
    }
  }

  func entry(_ name: [UInt8]) -> Variable? { index(of: name).map { variables[$0] } }

  /// NAME=value of all that is exported, for exec.
  var environment: [[UInt8]] {
    var entries: [[UInt8]] = []
    for variable in variables where variable.exported {
      if let value = variable.value { entries.append(variable.name + [0x3D] + value) }
    }
    return entries
  }

  // MARK: Messages

  func complain(_ text: [UInt8]) { printError(name + [UInt8](": ") + text + [0x0A]) }

  func complain(_ what: [UInt8], _ error: Errno) { complain(what + [UInt8](": ") + [UInt8](errorText(error))) }

  // MARK: Reading and running

  /// A script that is all there: parsed and run command by command, so that what stands before a mistake is run.
  public func run(script: [UInt8]) {
    var parser = Parser(script)
    while flow == .normal {
      do throws(SyntaxError) {
        guard let list = try parser.next() else { return }
        run(list)
      } catch {
        complain(error)
        status = 2
        flow = .exiting
      }
    }
  }

  func complain(_ error: SyntaxError) {
    var text = [UInt8]()
    if !interactive {
      text += decimal(error.line)
      text += ": "
    }
    text += "syntax error: "
    let isToken = error.text.first.map { $0 == "\"" } ?? false
    if isToken || error.text == "newline" || error.text == "word" || error.text == "end of file" {
      text += "unexpected "
    } else if error.incomplete {
      text += "missing "
    }
    text += error.text
    complain(text)
  }

  /// Commands from a descriptor, line by line as they come; returns at its end.
  public func run(from descriptor: Int) {
    var reader = LineReader(descriptor: descriptor, isTerminal: interactive)
    var text: [UInt8] = []
    while flow == .normal {
      if interactive {
        if text.isEmpty { reportJobs() }
        printError(text.isEmpty ? variable([UInt8]("PS1")) ?? [UInt8]("# ") : variable([UInt8]("PS2")) ?? [UInt8]("> "))
      }
      let line: [UInt8]?
      do throws(Errno) {
        line = try reader.line()
      } catch {
        if error == .interrupted {  // Ctrl-C at the prompt: drop what was typed
          interrupted = false
          text = []
          status = 128 + Signal.interrupt
          if interactive { printError([0x0A]) }
          continue
        }
        complain([UInt8]("standard input"), error)
        status = 2
        return
      }
      if let line { text += line }
      if line == nil, text.isEmpty { break }
      var parser = Parser(text)
      do throws(SyntaxError) {
        // A line may hold several commands only by ; and &, so one list is all of it.
        let list = try parser.next()
        text = []
        if let list { run(list) }
        if line == nil { break }
      } catch {
        if error.incomplete, line != nil { continue }
        text = []
        complain(error)
        status = 2
        if !interactive {
          flow = .exiting
          return
        }
      }
      if interrupted {
        interrupted = false
        if interactive, flow == .normal {
          status = 128 + Signal.interrupt
          printError([0x0A])  // behind the terminal's ^C
        }
      }
    }
  }
}

/// Set by the handler of SIGINT; whoever runs commands looks at it.
nonisolated(unsafe) var interrupted = false

/// Lines of commands. What it reads beyond a line would be missing in the commands that read the same input, so it reads byte
/// by byte, except from a terminal, which hands out lines.
struct LineReader {
  let descriptor: Int
  let isTerminal: Bool
  private var rest: [UInt8] = []

  init(descriptor: Int, isTerminal: Bool) {
    self.descriptor = descriptor
    self.isTerminal = isTerminal
  }

  /// The next line with its newline; nil at the end.
  mutating func line() throws(Errno) -> [UInt8]? {
    var text: [UInt8] = []
    while true {
      if let newline = rest.firstIndex(of: "\n") {
        text += rest.slice(0...newline)
        rest = rest.slice(from: newline + 1)
        return text
      }
      text += rest
      rest = []
      rest = try isTerminal ? typed() : read(descriptor, atMost: 1)
      if rest.isEmpty { return text.isEmpty ? nil : text }
    }
  }
}

extension LineReader {
  /// What is typed next, or `.interrupted` by Ctrl-C, even if that came just before the read began.
  private func typed() throws(Errno) -> [UInt8] {
    isReading = true
    defer { isReading = false }
    while !interrupted {
      do throws(Errno) { return try read(descriptor, atMost: 4096) } catch {
        if error != .interrupted { throw error }
      }
    }
    throw .interrupted
  }
}

/// Set while the shell reads from its terminal.
nonisolated(unsafe) private var isReading = false

/// The handler of SIGINT, and of the SIGALRM by which it comes back: a read that begins between the handler and the
/// kernel does not hear of Ctrl-C, so it is woken once more, until somebody has seen `interrupted`.
func noteInterrupt(_ signal: Int32) {
  if signal == Signal.interrupt { interrupted = true }
  if interrupted, isReading { do throws(Errno) { _ = try alarm(nanoseconds: 20_000_000) } catch {} }
}

extension [UInt8] {
  func slice(_ range: ClosedRange<Int>) -> [UInt8] { [UInt8](self[range]) }
}
