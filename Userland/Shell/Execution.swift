import IPC
import POSIX
import Protocols

// How the shell runs what the parser made: POSIX 2.9.

extension Shell {
  private var goesOn: Bool { flow == .normal && !interrupted }

  /// - Parameter last: nothing comes after this in our process, so that the last command may take our place.
  @inline(never)
  public func run(_ list: List, last: Bool = false) {
    for index in 0..<list.items.count {
      guard goesOn else { return }
      run(list.items[index], last: last && index == list.items.count - 1)
    }
  }

  @inline(never)
  private func run(_ item: AndOr, last: Bool) {
    if item.background { return runInBackground(item) }
    var position = -1
    while true {
      let pipeline = position < 0 ? item.first : item.rest[position].pipeline
      let isLast = position == item.rest.count - 1
      tested += isLast ? 0 : 1
      run(pipeline, text: item.text, last: last && isLast)
      tested -= isLast ? 0 : 1
      guard goesOn else { return }
      // Skips what the status so far makes unwanted.
      repeat { position += 1 } while position < item.rest.count && item.rest[position].isAnd != (status == 0)
      if position >= item.rest.count { return }
    }
  }

  @inline(never)
  private func run(_ pipeline: Pipeline, text: [UInt8], last: Bool) {
    tested += pipeline.negated ? 1 : 0
    if pipeline.commands.count == 1 {
      run(pipeline.commands[0], text: text, last: last && !pipeline.negated)
    } else {
      runPiped(pipeline, text: text)
    }
    tested -= pipeline.negated ? 1 : 0
    if pipeline.negated { status = status == 0 ? 1 : 0 }
    if exitOnError, status != 0, tested == 0, !pipeline.negated, flow == .normal, pipeline.commands.count > 1 || pipeline.commands[0].failureCounts {
      flow = .exiting
    }
  }

  // MARK: Processes

  /// Forks; the child runs `body` and ends with the status. Returns the child's id, 0 if there is none.
  /// - Parameter group: 0 for a new process group, nil for ours.
  private func spawn(group: Int?, foreground: Bool, _ body: () -> Void) -> Int {
    do throws(Errno) {
      let child = try fork()
      if child == 0 {
        becomeChild(group: group, foreground: foreground)
        body()
        exit(status)
      }
      // Both sides do this: whoever comes first.
      if jobControl, let group { do throws(Errno) { try setProcessGroup(child, group == 0 ? child : group) } catch {} }
      return child
    } catch {
      complain([UInt8]("fork"), error)
      status = 126
      return 0
    }
  }

  private func becomeChild(group: Int?, foreground: Bool) {
    if jobControl, let group {
      do throws(Errno) {
        try setProcessGroup(0, group)
        if foreground, group == 0 { try setForegroundGroup(0, try Int(identity().group)) }
      } catch {}
    }
    if interactive {
      for signal in [Signal.interrupt, Signal.alarm, Signal.quit, Signal.terminalStop, Signal.terminalInput, Signal.terminalOutput, Signal.terminate] {
        do throws(Errno) { try resetSignal(signal) } catch {}
      }
      // Ctrl-C since the fork met the shell's handler, but was meant for what this child is to be.
      if foreground, interrupted { do throws(Errno) { try kill(Int(identity().id), Signal.interrupt) } catch {} }
    }
    interactive = false
    jobControl = false
    jobs = []
    tested = 0
    loops = 0
    interrupted = false
  }

  private func runInBackground(_ item: AndOr) {
    var item = item
    item.background = false
    let child = spawn(group: 0, foreground: false) {
      if !jobControl {  // no group of its own: it must not take the terminal's input or its Ctrl-C
        do throws(Errno) {
          try ignore(Signal.interrupt)
          try ignore(Signal.quit)
          let null = try open([UInt8]("/dev/null"))
          try duplicate(null, to: 0)
          try close(null)
        } catch {}
      }
      run(List(items: [item]), last: true)
    }
    guard child != 0 else { return }
    lastBackground = child
    let job = addJob([child], text: item.text)
    if interactive { printError([UInt8]("[") + decimal(job) + [UInt8]("] ") + decimal(child) + [0x0A]) }
    status = 0
  }

  private func runPiped(_ pipeline: Pipeline, text: [UInt8]) {
    var children: [Int] = []
    var input = -1
    for index in 0..<pipeline.commands.count {
      var ends = (readEnd: -1, writeEnd: -1)
      if index + 1 < pipeline.commands.count {
        do throws(Errno) { ends = try pipe() } catch {
          complain([UInt8]("pipe"), error)
          status = 126
          break
        }
      }
      let child = spawn(group: children.first ?? 0, foreground: true) {
        if input >= 0 { move(input, to: 0) }
        if ends.writeEnd >= 0 {
          move(ends.writeEnd, to: 1)
          closeQuietly(ends.readEnd)
        }
        run(pipeline.commands[index], text: text, last: true)
      }
      if input >= 0 { closeQuietly(input) }
      if ends.writeEnd >= 0 { closeQuietly(ends.writeEnd) }
      input = ends.readEnd
      if child == 0 { break }
      children.append(child)
    }
    if input >= 0 { closeQuietly(input) }
    if !children.isEmpty { waitInForeground(addJob(children, text: text)) }
  }

  private func runForked(text: [UInt8], _ body: () -> Void) {
    let child = spawn(group: 0, foreground: true, body)
    if child != 0 { waitInForeground(addJob([child], text: text)) }
  }

  func move(_ from: Int, to target: Int) {
    guard from != target else { return }
    do throws(Errno) {
      try duplicate(from, to: target)
      try close(from)
    } catch { complain([UInt8]("dup2"), error) }
  }

  func closeQuietly(_ descriptor: Int) { do throws(Errno) { try close(descriptor) } catch {} }

  /// The output of $(list), read until everybody has closed it.
  public func output(of list: List) throws(ExpansionError) -> [UInt8] {
    substitutionRan = true
    let ends: (readEnd: Int, writeEnd: Int)
    do throws(Errno) { ends = try pipe() } catch { throw ExpansionError([UInt8]("pipe: ") + [UInt8](errorText(error))) }
    let child = spawn(group: nil, foreground: false) {
      closeQuietly(ends.readEnd)
      move(ends.writeEnd, to: 1)
      run(list, last: true)
    }
    closeQuietly(ends.writeEnd)
    defer { closeQuietly(ends.readEnd) }
    guard child != 0 else { throw ExpansionError([UInt8]("no process for a substitution")) }
    var text: [UInt8] = []
    do throws(Errno) { text = try contents(of: ends.readEnd, limit: 64 << 20) } catch {
      if error != .interrupted { throw ExpansionError([UInt8]("substitution: ") + [UInt8](errorText(error))) }
    }
    status = waitUntilEnd(of: child).shellStatus
    return text
  }

  // MARK: Commands

  private func run(_ command: Command, text: [UInt8], last: Bool) {
    switch command.kind {
    case .simple(let simple): run(simple, command.redirections, text: text, last: last)
    case .subshell(let list):
      if last {
        if redirectForGood(command.redirections) { run(list, last: true) }
      } else {
        runForked(text: text) {
          if redirectForGood(command.redirections) { run(list, last: true) }
        }
      }
    case .function(let name, let body):
      functions.removeAll { $0.name == name }
      functions.append((name, body))
      status = 0
    case .group(let list):
      withRedirections(command.redirections) { run(list, last: last && command.redirections.isEmpty) }
    case .conditional(let branches, let otherwise):
      withRedirections(command.redirections) { runConditional(branches, otherwise) }
    case .loop(let branch, let until):
      withRedirections(command.redirections) { runLoop(branch, until: until) }
    case .forEach(let name, let words, let body):
      withRedirections(command.redirections) { runForEach(name, words, body) }
    case .choose(let subject, let arms):
      withRedirections(command.redirections) { runCase(subject, arms) }
    }
  }

  private func condition(_ list: List) -> Bool {
    tested += 1
    run(list)
    tested -= 1
    return status == 0
  }

  private func runConditional(_ branches: [Branch], _ otherwise: List?) {
    for branch in branches {
      let holds = condition(branch.condition)
      guard goesOn else { return }
      if holds { return run(branch.body) }
    }
    status = 0
    if let otherwise { run(otherwise) }
  }

  /// Whether the loop is left after a round.
  private func leaveLoop() -> Bool {
    if interrupted { return true }
    guard case .leave(let levels, let next) = flow else { return flow != .normal }
    if levels > 1 {
      flow = .leave(levels - 1, next: next)
      return true
    }
    flow = .normal
    return !next
  }

  private func runLoop(_ branch: Branch, until: Bool) {
    loops += 1
    defer { loops -= 1 }
    var result = 0
    while true {
      let holds = condition(branch.condition)
      if flow != .normal || interrupted {
        if leaveLoop() { break }
        continue
      }
      if holds == until { break }
      run(branch.body)
      result = status
      if leaveLoop() { break }
    }
    status = result
  }

  private func runForEach(_ name: [UInt8], _ words: [Word]?, _ body: List) {
    guard let values = expanding({ () throws(ExpansionError) in try words.map(expandAll) ?? parameters }) else { return }
    loops += 1
    defer { loops -= 1 }
    status = 0
    for value in values {
      guard let _ = expanding({ () throws(ExpansionError) in try assign(name, value) }) else { return }
      run(body)
      if leaveLoop() { break }
    }
  }

  private func expandAll(_ words: [Word]) throws(ExpansionError) -> [[UInt8]] { try Expander(self).fields(words) }

  private func runCase(_ subject: Word, _ arms: [CaseArm]) {
    guard let text = expanding({ () throws(ExpansionError) in try Expander(self).text(subject) }) else { return }
    status = 0
    for arm in arms {
      for word in arm.patterns {
        guard let pattern = expanding({ () throws(ExpansionError) in try Expander(self).pattern(word) }) else { return }
        if pattern.matches(text) { return run(arm.body) }
      }
    }
  }

  /// Runs an expansion; a failure is said, ends the command and, as POSIX 2.8.1 has it, a shell that is not interactive.
  func expanding<Value>(_ body: () throws(ExpansionError) -> Value) -> Value? {
    do throws(ExpansionError) { return try body() } catch {
      complain(error.message)
      status = 2
      if interactive { interrupted = true } else { flow = .exiting }
      return nil
    }
  }

  // MARK: Simple commands

  private func run(_ simple: SimpleCommand, _ redirections: [Redirection], text: [UInt8], last: Bool) {
    substitutionRan = false
    guard let words = expanding({ () throws(ExpansionError) in try expandAll(simple.words) }) else { return }
    guard let first = words.first else {
      let before = status
      if !substitutionRan { status = 0 }
      withRedirections(redirections) {
        let inside = substitutionRan ? status : 0
        if assignAll(simple.assignments), !substitutionRan { status = inside }
      }
      _ = before
      return
    }
    if traceCommands { trace(words) }
    if let function = function(first) {
      withRedirections(redirections) { withAssignments(simple.assignments) { call(function, words.slice(from: 1)) } }
    } else if let builtin = Builtin(first) {
      if builtin == .exec { return runExec(words.slice(from: 1), simple.assignments, redirections) }
      let run = { self.run(builtin, words) }
      withRedirections(redirections) {
        if builtin.isSpecial {
          if assignAll(simple.assignments) { run() }
        } else {
          withAssignments(simple.assignments, run)
        }
      }
    } else if last {
      if redirectForGood(redirections) { execute(words, simple.assignments) }
    } else {
      runForked(text: text) {
        if redirectForGood(redirections) { execute(words, simple.assignments) }
      }
    }
  }

  private func trace(_ words: [[UInt8]]) {
    var text = [UInt8]("+")
    for word in words { text += [0x20] + word }
    printError(text + [0x0A])
  }

  private func function(_ name: [UInt8]) -> Command? {
    for function in functions where function.name == name { return function.body }
    return nil
  }

  private func call(_ body: Command, _ arguments: [[UInt8]]) {
    guard functionDepth < 200 else {
      complain([UInt8]("functions nested too deep"))
      status = 2
      flow = interactive ? .normal : .exiting
      return
    }
    let (oldParameters, oldLoops) = (parameters, loops)
    parameters = arguments
    loops = 0
    functionDepth += 1
    status = 0
    run(body, text: [], last: false)
    functionDepth -= 1
    (parameters, loops) = (oldParameters, oldLoops)
    if flow == .returning { flow = .normal }
  }

  private func assignAll(_ assignments: [Assignment]) -> Bool {
    for assignment in assignments {
      guard let _ = expanding({ () throws(ExpansionError) in try assign(assignment.name, try Expander(self).text(assignment.value)) }) else { return false }
    }
    return true
  }

  /// Assignments in front of a command hold, exported, while it runs.
  private func withAssignments(_ assignments: [Assignment], _ body: () -> Void) {
    if assignments.isEmpty { return body() }
    let old = assignments.map { ($0.name, entry($0.name)) }
    if assignAll(assignments) {
      for assignment in assignments { mark(assignment.name, exported: true) }
      body()
    }
    for (name, entry) in old { restore(name, entry) }
  }

  /// Becomes the program; does not return but by ending with a status.
  private func execute(_ words: [[UInt8]], _ assignments: [Assignment]) {
    guard assignAll(assignments) else { return }
    for assignment in assignments { mark(assignment.name, exported: true) }
    let error = executeFound(words[0], words, environment)
    switch error {
    case .noSuchFile, .notDirectory:
      complain(words[0] + [UInt8](": ") + [UInt8](words[0].firstIndex(of: "/") == nil ? "not found" : errorText(error)))
      status = 127
    case .notExecutable: runAsScript(words)
    default:
      complain(words[0], error)
      status = 126
    }
    flow = .exiting
  }

  /// A file that is executable and no program is a script for this shell: POSIX 2.9.1.6.
  private func runAsScript(_ words: [[UInt8]]) {
    do throws(Errno) {
      let script = try POSIX.contents(of: words[0])
      for byte in script.prefix(64) where byte == 0 { throw .notExecutable }
      parameters = words.slice(from: 1)
      functions = []
      run(script: script)
    } catch {
      complain(words[0], error)
      status = 126
    }
  }

  private func runExec(_ words: [[UInt8]], _ assignments: [Assignment], _ redirections: [Redirection]) {
    guard redirectForGood(redirections) else {
      if !interactive { flow = .exiting }
      return
    }
    status = 0
    if words.isEmpty {
      _ = assignAll(assignments)
      return
    }
    execute(words, assignments)
    if interactive { flow = .normal }
  }
}

extension Command {
  /// set -e: in compound commands the commands inside have had their say.
  fileprivate var failureCounts: Bool {
    switch kind {
    case .simple, .subshell: true
    default: false
    }
  }
}

extension [[UInt8]] {
  func slice(from start: Int) -> [[UInt8]] { [[UInt8]](self[start...]) }
}

// MARK: What expansion asks

extension Shell: ExpansionContext {
  public func value(of name: [UInt8]) -> [UInt8]? { variable(name) }

  public func assign(_ name: [UInt8], _ value: [UInt8]) throws(ExpansionError) {
    if isReadOnly(name) { throw ExpansionError(name + [UInt8](": is read only")) }
    set(name, value)
  }

  public func special(_ name: UInt8) -> [UInt8]? {
    switch name {
    case "?": decimal(status)
    case "$": decimal(processID)
    case "!": lastBackground == 0 ? nil : decimal(lastBackground)
    case "0": self.name
    case "-": optionLetters
    default: nil
    }
  }

  private var optionLetters: [UInt8] {
    var text: [UInt8] = []
    if exitOnError { text += "e" }
    if noGlob { text += "f" }
    if interactive { text += "i" }
    if unsetIsError { text += "u" }
    if traceCommands { text += "x" }
    return text
  }

  public func names(in directory: [UInt8]) -> [[UInt8]] {
    var names: [[UInt8]] = []
    do throws(Errno) {
      for item in try POSIX.directory(directory.isEmpty ? [UInt8](".") : directory) where item.name != "." && item.name != ".." { names.append(item.name) }
    } catch {}
    return names
  }

  public func exists(_ path: [UInt8]) -> Bool { POSIX.exists(path) }
}
