import IPC
import POSIX
import Protocols

/// Commands that the shell runs itself: because they change it, or because they are so frequent.
enum Builtin {
  case colon, dot, `break`, `continue`, eval, exec, exit, export, readOnly, `return`, set, shift, unset
  case cd, pwd, echo, test, bracket, `true`, `false`, read, wait, jobs, fg, bg, kill, type, command, times, printf

  init?(_ name: [UInt8]) {
    switch name {
    case ":": self = .colon
    case ".": self = .dot
    case "break": self = .break
    case "continue": self = .continue
    case "eval": self = .eval
    case "exec": self = .exec
    case "exit": self = .exit
    case "export": self = .export
    case "readonly": self = .readOnly
    case "return": self = .return
    case "set": self = .set
    case "shift": self = .shift
    case "unset": self = .unset
    case "cd": self = .cd
    case "pwd": self = .pwd
    case "echo": self = .echo
    case "test": self = .test
    case "[": self = .bracket
    case "true": self = .true
    case "false": self = .false
    case "read": self = .read
    case "wait": self = .wait
    case "jobs": self = .jobs
    case "fg": self = .fg
    case "bg": self = .bg
    case "kill": self = .kill
    case "type": self = .type
    case "command": self = .command
    case "times": self = .times
    case "printf": self = .printf
    default: return nil
    }
  }

  /// POSIX 2.15: assignments in front of these stay.
  var isSpecial: Bool {
    switch self {
    case .colon, .dot, .break, .continue, .eval, .exec, .exit, .export, .readOnly, .return, .set, .shift, .unset, .times: true
    default: false
    }
  }
}

extension Shell {
  func run(_ builtin: Builtin, _ words: [[UInt8]]) {
    let arguments = words.slice(from: 1)
    statusBefore = status
    status = 0
    switch builtin {
    case .colon, .true: break
    case .false: status = 1
    case .dot: source(arguments)
    case .break: leave(arguments, next: false)
    case .continue: leave(arguments, next: true)
    case .eval: evaluate(arguments)
    case .exec: break  // Execution.swift
    case .exit, .return: end(builtin, arguments)
    case .export: export(arguments, readOnly: false)
    case .readOnly: export(arguments, readOnly: true)
    case .set: set(arguments)
    case .shift: shift(arguments)
    case .unset: unset(arguments)
    case .cd: changeDirectory(arguments)
    case .pwd: printWorkingDirectory()
    case .echo: echo(arguments)
    case .printf: printf(arguments)
    case .test: test(words[0], arguments)
    case .bracket:
      guard let last = arguments.last, last == "]" else {
        complain([UInt8]("[: missing ]"))
        status = 2
        return
      }
      test(words[0], [[UInt8]](arguments[..<(arguments.count - 1)]))
    case .read: read(arguments)
    case .wait: wait(arguments)
    case .jobs:
      collect()
      for job in jobs { printBytes(line(for: job)) }
      jobs.removeAll { $0.state == .done }
    case .fg, .bg: resume(arguments, foreground: builtin == .fg)
    case .kill: kill(arguments)
    case .type: describe(arguments)
    case .command: command(arguments)
    case .times: printTimes()
    }
  }

  private func fail(_ text: [UInt8], _ status: Int = 1) {
    complain(text)
    self.status = status
  }

  private func fail(_ what: [UInt8], _ error: Errno, _ status: Int = 1) {
    complain(what, error)
    self.status = status
  }

  // MARK: Flow

  private func leave(_ arguments: [[UInt8]], next: Bool) {
    var levels = 1
    if let first = arguments.first {
      guard let number = number(first), number > 0 else { return fail([UInt8]("bad number: ") + first, 2) }
      levels = Int(clamping: number)
    }
    if loops > 0 { flow = .leave(min(levels, loops), next: next) }
  }

  private func end(_ builtin: Builtin, _ arguments: [[UInt8]]) {
    status = statusBefore
    if let first = arguments.first {
      guard let number = integer(first) else {
        fail([UInt8]("bad number: ") + first, 2)
        if !interactive { flow = .exiting }
        return
      }
      status = number & 0xFF
    }
    flow = builtin == .return ? .returning : .exiting
  }

  private func evaluate(_ arguments: [[UInt8]]) {
    var text: [UInt8] = []
    for argument in arguments {
      if !text.isEmpty { text += " " }
      text += argument
    }
    runNested(text)
  }

  /// A text within the command that runs: a mistake in it ends a shell that is not interactive.
  private func runNested(_ text: [UInt8]) {
    guard functionDepth < 200 else { return fail([UInt8]("nested too deep"), 2) }
    functionDepth += 1
    defer { functionDepth -= 1 }
    run(script: text)
    if interactive, flow == .exiting, status == 2, sourceFailed(text) { flow = .normal }
  }

  private func sourceFailed(_ text: [UInt8]) -> Bool {
    var parser = Parser(text)
    do throws(SyntaxError) {
      while try parser.next() != nil {}
      return false
    } catch { return true }
  }

  private func source(_ arguments: [[UInt8]]) {
    guard let file = arguments.first else { return fail([UInt8](".: a file is missing"), 2) }
    var path = file
    if file.firstIndex(of: "/") == nil {
      for directory in split(variable([UInt8]("PATH")) ?? [], at: ":") where !directory.isEmpty {
        let candidate = join(directory, file)
        do throws(Errno) {
          if try stat(candidate).isRegular {
            path = candidate
            break
          }
        } catch {}
      }
    }
    do throws(Errno) {
      let text = try POSIX.contents(of: path)
      runNested(text)
      if flow == .returning { flow = .normal }
    } catch {
      fail([UInt8](".: cannot open ") + file, error, 2)
      if !interactive { flow = .exiting }
    }
  }

  // MARK: Variables and options

  private func export(_ arguments: [[UInt8]], readOnly: Bool) {
    if arguments.isEmpty || arguments[0] == "-p" {
      for variable in variables where readOnly ? variable.readOnly : variable.exported {
        printText(readOnly ? "readonly " : "export ")
        printBytes(variable.name)
        if let value = variable.value {
          printText("=")
          printBytes(quoted(value))
        }
        standardOutput.newline()
      }
      return
    }
    for argument in arguments {
      let equals = argument.firstIndex(of: "=")
      let name = argument.slice(0..<(equals ?? argument.count))
      guard isName(name) else {
        fail(argument + [UInt8](": bad variable name"), 2)
        continue
      }
      if let equals {
        guard expanding({ () throws(ExpansionError) in try assign(name, argument.slice(from: equals + 1)) }) != nil else { return }
      }
      mark(name, exported: !readOnly, readOnly: readOnly)
    }
  }

  /// A value as the shell reads it back.
  private func quoted(_ value: [UInt8]) -> [UInt8] {
    var text = [UInt8]("'")
    for byte in value {
      if byte == "'" { text += "'\\''" } else { text.append(byte) }
    }
    return text + [0x27]
  }

  private func unset(_ arguments: [[UInt8]]) {
    for name in arguments {
      if name == "-v" || name == "-f" { continue }
      if isReadOnly(name) {
        fail(name + [UInt8](": is read only"), 2)
        continue
      }
      if arguments[0] == "-f" { functions.removeAll { $0.name == name } } else { unset(name) }
    }
  }

  private func set(_ arguments: [[UInt8]]) {
    if arguments.isEmpty {
      var sorted = variables
      sorted.sort { isLess($0.name, $1.name) }
      for variable in sorted {
        guard let value = variable.value else { continue }
        printBytes(variable.name)
        printText("=")
        printLine(quoted(value))
      }
      return
    }
    var index = 0
    while index < arguments.count {
      let word = arguments[index]
      if word == "--" {
        parameters = arguments.slice(from: index + 1)
        return
      }
      guard word.count > 1, word[0] == "-" || word[0] == "+" else {
        parameters = arguments.slice(from: index)
        return
      }
      guard setOptions(word) else { return fail([UInt8]("set: bad option ") + word, 2) }
      index += 1
    }
  }

  /// -e +x and so on; false if one is unknown.
  public func setOptions(_ word: [UInt8]) -> Bool {
    let on = word[0] == "-"
    for letter in word.slice(from: 1) {
      switch letter {
      case "e": exitOnError = on
      case "u": unsetIsError = on
      case "f": noGlob = on
      case "x": traceCommands = on
      default: return false
      }
    }
    return true
  }

  private func shift(_ arguments: [[UInt8]]) {
    let count = arguments.first.map { number($0) } ?? 1
    guard let count, count <= UInt64(parameters.count) else { return fail([UInt8]("shift: cannot shift that many"), 2) }
    parameters = parameters.slice(from: Int(count))
  }

  /// read [-r] name...
  private func read(_ arguments: [[UInt8]]) {
    var names = arguments
    let raw = names.first.map { $0 == "-r" } ?? false
    if raw { names.removeFirst() }
    if names.isEmpty { names = [[UInt8]("REPLY")] }
    for name in names where !isName(name) { return fail([UInt8]("read: bad variable name: ") + name, 2) }
    var text = Field()
    var ended = false
    var escaped = false
    while true {
      let chunk: [UInt8]
      do throws(Errno) { chunk = try POSIX.read(0, atMost: 1) } catch {
        if error == .interrupted { status = 128 + Signal.interrupt } else { fail([UInt8]("read"), error) }
        return
      }
      guard let byte = chunk.first else { break }
      if escaped {
        escaped = false
        if byte != "\n" { text.append([byte], quoted: true) }
      } else if !raw, byte == "\\" {
        escaped = true
      } else if byte == "\n" {
        ended = true
        break
      } else {
        text.append([byte], quoted: false)
      }
    }
    let values = fields(of: text, count: names.count, separators: variable([UInt8]("IFS")) ?? [UInt8](" \t\n"))
    for index in 0..<names.count {
      guard expanding({ () throws(ExpansionError) in try assign(names[index], index < values.count ? values[index] : []) }) != nil else { return }
    }
    status = ended ? 0 : 1
  }

  // MARK: Surroundings

  private func changeDirectory(_ arguments: [[UInt8]]) {
    var target: [UInt8]
    var says = false
    if let first = arguments.first {
      target = first
      if first == "-" {
        guard let old = variable([UInt8]("OLDPWD")) else { return fail([UInt8]("cd: OLDPWD not set"), 2) }
        target = old
        says = true
      }
    } else {
      target = variable([UInt8]("HOME")) ?? [UInt8]("/")
    }
    var before: [UInt8] = []
    do throws(Errno) { before = try currentDirectory() } catch {}
    do throws(Errno) {
      try POSIX.changeDirectory(target)
      set([UInt8]("OLDPWD"), before)
      let now = try currentDirectory()
      set([UInt8]("PWD"), now)
      if says { printLine(now) }
    } catch { fail([UInt8]("cd: can't cd to ") + target, error, 2) }
  }

  private func printWorkingDirectory() {
    do throws(Errno) { printLine(try currentDirectory()) } catch { fail([UInt8]("pwd"), error) }
  }

  private func echo(_ arguments: [[UInt8]]) {
    let newline = arguments.first.map { $0 != "-n" } ?? true
    let words = newline ? arguments : arguments.slice(from: 1)
    for index in 0..<words.count {
      if index > 0 { printText(" ") }
      printBytes(words[index])
    }
    if newline { standardOutput.newline() }
    finishOutput([UInt8]("echo"))
  }

  /// A write that failed is the builtin's failure.
  func finishOutput(_ name: [UInt8]) {
    standardOutput.flush()
    if let error = standardOutput.failed {
      standardOutput.clearFailure()
      fail(name + [UInt8](": write error"), error)
    }
  }

  private func printf(_ arguments: [[UInt8]]) {
    guard let format = arguments.first else { return fail([UInt8]("printf: format missing"), 2) }
    let (text, good) = formatted(format, arguments.slice(from: 1))
    printBytes(text)
    finishOutput([UInt8]("printf"))
    if !good { status = 1 }
  }

  private func test(_ name: [UInt8], _ arguments: [[UInt8]]) {
    var test = TestExpression(arguments)
    do throws(TestExpression.Failure) { status = try test.evaluate() ? 0 : 1 } catch { fail(name + [UInt8](": ") + error.message, 2) }
  }

  private func describe(_ arguments: [[UInt8]]) {
    for name in arguments {
      printBytes(name)
      if functions.contains(where: { $0.name == name }) {
        printText(" is a function\n")
      } else if Builtin(name) != nil {
        printText(" is a shell builtin\n")
      } else if let path = find(name) {
        printText(" is ")
        printLine(path)
      } else {
        printText(": not found\n")
        status = 127
      }
    }
  }

  private func find(_ name: [UInt8]) -> [UInt8]? {
    if name.firstIndex(of: "/") != nil { return POSIX.exists(name) ? name : nil }
    for directory in split(variable([UInt8]("PATH")) ?? [], at: ":") where !directory.isEmpty {
      let candidate = join(directory, name)
      do throws(Errno) { if try stat(candidate).isRegular { return candidate } } catch {}
    }
    return nil
  }

  /// command -v name; else the command without functions of that name.
  private func command(_ arguments: [[UInt8]]) {
    guard let first = arguments.first else { return }
    if first == "-v" {
      guard arguments.count > 1 else { return }
      let name = arguments[1]
      if Builtin(name) != nil || functions.contains(where: { $0.name == name }) { printLine(name) } else if let path = find(name) { printLine(path) } else { status = 127 }
      return
    }
    var words: [Word] = []
    for argument in arguments { words.append(Word([.text(argument, quoted: true)])) }
    let hidden = functions
    functions.removeAll { $0.name == first }
    let simple = SimpleCommand(assignments: [], words: words)
    run(List(items: [AndOr(first: Pipeline(commands: [Command(kind: .simple(simple), redirections: [])], negated: false), rest: [], background: false, text: first)]))
    functions = hidden
  }

  private func printTimes() {
    do throws(Errno) {
      let times = try POSIX.times()
      for time in [times.own, times.children] {
        printBytes(decimal(time / 60_000_000_000))
        printText("m")
        printBytes(decimal(time / 1_000_000_000 % 60))
        printText(".")
        printBytes(digits(time / 10_000_000 % 100, base: 10, width: 2))
        printText("s\n")
      }
    } catch { fail([UInt8]("times"), error) }
  }

  // MARK: Jobs

  private func wait(_ arguments: [[UInt8]]) {
    if arguments.isEmpty {
      while let place = jobs.indices.first(where: { jobs[$0].state == .running }) {
        let before = jobs[place].number
        waitFor(place)
        if index(ofJob: before) != nil { return }  // a signal came
      }
      jobs.removeAll { $0.state == .done }
      status = 0
      return
    }
    for argument in arguments {
      var place = job(named: argument)
      if place == nil, let id = number(argument) {
        place = jobs.indices.first { job in jobs[job].members.contains { $0.id == Int(clamping: id) } }
      }
      if let place { waitFor(place) } else { status = 127 }
    }
  }

  private func resume(_ arguments: [[UInt8]], foreground: Bool) {
    guard jobControl else { return fail([UInt8]("no job control"), 2) }
    collect()
    guard let place = job(named: arguments.first ?? [UInt8]("%%")) else { return fail([UInt8]("no such job"), 2) }
    resume(place, foreground: foreground)
  }

  /// kill(1) with %job.
  private func kill(_ arguments: [[UInt8]]) {
    var words = arguments
    var signal = Signal.terminate
    if let first = words.first, first.count > 1, first[0] == "-", first != "--" {
      words.removeFirst()
      var name = first.slice(from: 1)
      if first == "-l" {
        for number in 1...22 {
          if let name = Signal.name(number) { printLine([UInt8](name)) }
        }
        return
      }
      if first == "-s", !words.isEmpty { name = words.removeFirst() }
      guard let parsed = Signal.parse(name) else { return fail([UInt8]("kill: no such signal: ") + name, 2) }
      signal = parsed
    }
    if let first = words.first, first == "--" { words.removeFirst() }
    if words.isEmpty { return fail([UInt8]("usage: kill [-s signal | -signal] id | %job..."), 2) }
    for word in words {
      var id = integer(word)
      if let place = job(named: word) { id = jobControl ? -jobs[place].group : jobs[place].group }
      guard let id else {
        fail([UInt8]("kill: not a process id or job: ") + word)
        continue
      }
      do throws(Errno) { try POSIX.kill(id, signal) } catch { fail([UInt8]("kill: ") + word, error) }
    }
  }
}
