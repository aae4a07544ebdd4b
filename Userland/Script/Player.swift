import IPC
import Protocols

/// Plays a script in one process. It has no state of its own but how to reach the kernel and the memory; a fork's child
/// goes on with another player over its own copy of the memory.
public struct Player<T: Transport, M: ProcessMemory> {
  public var ipc: T
  public var memory: M
  let addresses: ProgramAddresses

  public init(ipc: T, memory: M, addresses: ProgramAddresses) {
    self.ipc = ipc
    self.memory = memory
    self.addresses = addresses
  }

  /// Makes the state and begins. False: no memory, or a script that is too long.
  public mutating func begin(_ assignment: Assignment, _ script: [Statement]) -> Bool {
    guard script.count <= Play.statementLimit, (assignment.text?.count ?? 0) <= Play.sourceLimit else { return false }
    let call = VM.MMap(
      address: Play.base, length: Play.end - Play.base, protection: VM.Protection.read | VM.Protection.write,
      flags: VM.Flags.private | VM.Flags.anonymous | VM.Flags.fixed)
    do throws(Errno) { _ = try ipc.call(.vm, call) } catch { return false }
    for index in 0..<script.count { memory.store(script[index], at: Play.statements + UInt64(index * 16)) }
    memory.store(UInt64(script.count), at: Play.statementCount)
    memory.store(assignment.counter, at: Play.counter)
    memory.store(assignment.line, at: Play.line)
    memory.store(assignment.seed, at: Play.seed)
    if let text = assignment.text {
      memory.store(UInt64(text.count), at: Play.sourceLength)
      for index in 0..<text.count { memory.store(text[index], at: Play.source + UInt64(index)) }
    }
    memory.store(UInt64(assignment.name.count), at: Play.nameLength)
    for index in 0..<assignment.name.count { memory.store(assignment.name[index], at: Play.name + UInt64(index)) }
    for index in 0..<16 { memory.store(Int64(-1), at: Play.descriptors + UInt64(index * 8)) }
    noteRestarts()
    if !assignment.resumes { makeFolder() }
    return true
  }

  /// Statement after statement, to the end of the process.
  public mutating func run() -> Never {
    while true { step() }
  }

  /// The child's half of a fork: its copy of the state says whose it is. The answer of PM has arrived.
  public mutating func runAsChild() -> Never {
    enterChild()
    run()
  }

  mutating func step() {
    let counter: UInt64 = memory.load(Play.counter)
    guard counter < memory.load(Play.statementCount, as: UInt64.self) else { finish(0) }
    let statement: Statement = memory.load(Play.statements + counter * 16)
    memory.store(counter + 1, at: Play.counter)
    guard let operation = Operation(rawValue: statement.operation) else { finish(125) }
    perform(operation, statement)
  }

  private mutating func perform(_ operation: Operation, _ s: Statement) {
    switch operation {
    case .exit: finish(s.y)
    case .open, .close, .write, .read, .seek, .truncate, .fsync, .sync, .pipe, .send, .receive, .dup: files(operation, s)
    case .stat, .unlink, .rename, .link, .mkdir, .rmdir, .list: names(operation, s)
    case .fork, .wait, .exec, .handle, .signal, .await, .sleep, .pause: processes(operation, s)
    case .map, .unmap, .touch, .sum, .protect, .fault: regions(operation, s)
    case .kill, .inject, .recover, .up, .down, .ping: services(operation, s)
    }
  }

  // MARK: Registers

  mutating func register(_ file: UInt64, _ index: UInt8) -> UInt64 { memory.load(file + UInt64(index & 15) * 8) }
  mutating func setRegister(_ file: UInt64, _ index: UInt8, _ value: UInt64) { memory.store(value, at: file + UInt64(index & 15) * 8) }
  mutating func descriptor(_ index: UInt8) -> Int64 { Int64(bitPattern: register(Play.descriptors, index)) }
  mutating func setDescriptor(_ index: UInt8, _ value: Int64) { setRegister(Play.descriptors, index, UInt64(bitPattern: value)) }

  // MARK: History

  /// A line that says what became of a statement.
  mutating func tell(_ operation: Operation, _ results: Int64...) { tell(operation.name, results) }

  mutating func tell(_ operation: Operation, digest: UInt64, _ results: Int64...) { tell(operation.name, results, digest) }

  mutating func tell(_ operation: Operation, _ error: Errno) { tell(operation.name, [-Int64(error.rawValue)]) }

  private mutating func tell(_ what: StaticString, _ results: [Int64], _ digest: UInt64? = nil) {
    var line = LineText()
    let length: UInt64 = memory.load(Play.nameLength)
    for index in 0..<min(length, Play.nameLimit) { line.append(byte: memory.load(Play.name + index)) }
    line.append(byte: 0x20)
    let number: UInt64 = memory.load(Play.line)
    memory.store(number + 1, at: Play.line)
    line.append(number)
    line.append(byte: 0x20)
    line.append(what)
    for result in results {
      line.append(byte: 0x20)
      line.append(signed: result)
    }
    if let digest {
      line.append(byte: 0x20)
      line.append(hex: digest, digits: 8)
    }
    var check = Digest()
    for index in 0..<line.count { check.add(line.bytes[index]) }
    line.append(" ~")
    line.append(hex: check.short & 0xFFFF, digits: 4)
    line.append(byte: 0x0A)
    memory.store(UInt8(0x40), at: Play.text)
    for index in 0..<line.count { memory.store(line.bytes[index], at: Play.text + 1 + UInt64(index)) }
    writeLine(UInt64(line.count) + 1)
  }

  private mutating func writeLine(_ length: UInt64) {
    var done: UInt64 = 0
    while done < length {
      do throws(Errno) {
        let count = try ipc.call(.vfs, VFS.Write(descriptor: 1, address: Play.text + done, length: length - done)).count
        done += max(count, 1)
      } catch {
        // A line that is begun is written to its end, whatever signals come.
        if error != .interrupted && error != .restarted { return }
      }
    }
  }

  // MARK: The end

  mutating func finish(_ status: UInt64) -> Never {
    // The last to leave is the first of all: its folder is empty if the script was tidy.
    if memory.load(Play.nameLength, as: UInt64.self) == 1 { removeFolder() }
    tell(.exit, Int64(bitPattern: status))
    while true {
      do throws(Errno) { _ = try ipc.call(.pm, PM.Exit(status: Int64(bitPattern: status))) } catch {}
    }
  }

  /// A call to VFS, repeated if a signal came in between.
  mutating func patient<C: Call>(_ call: C, _ server: Endpoint = .vfs) throws(Errno) -> C.Reply {
    while true {
      do throws(Errno) { return try ipc.call(server, call) } catch {
        if error != .interrupted && error != .restarted { throw error }
      }
    }
  }
}
