import IPC
import Protocols

// Processes and signals.
extension Player {
  mutating func processes(_ operation: Operation, _ s: Statement) {
    do throws(Errno) {
      switch operation {
      case .fork: try fork(s)
      case .wait:
        let status = try patient(PM.WaitPID(id: Int32(truncatingIfNeeded: register(Play.processes, s.a)), options: 0), .pm).status
        setRegister(Play.processes, s.a, 0)
        // How it ended, and its status or signal.
        if status & 0x7F == 0 { tell(operation, 0, Int64(status >> 8 & 0xFF)) } else { tell(operation, 1, Int64(status & 0x7F)) }
      case .exec: try exec(s)
      case .handle:
        let call = PM.SignalAction(signal: s.x, flags: 0x1000_0000, handler: addresses.handler, restorer: addresses.restorer, mask: 0)
        _ = try patient(call, .pm)
        tell(operation, 0)
      case .signal:
        _ = try patient(PM.Kill(id: Int32(truncatingIfNeeded: register(Play.processes, s.a)), signal: s.x), .pm)
        tell(operation, 0)
      case .await:
        let place = Play.signals + UInt64(s.x & 31) * 8
        while memory.load(place, as: UInt64.self) < s.y {
          do throws(Errno) { _ = try ipc.call(.pm, PM.Sleep(nanoseconds: 2_000_000)) } catch {}  // the signal that it waits for
        }
        tell(operation, Int64(bitPattern: memory.load(place)))
      case .sleep:
        do throws(Errno) { _ = try ipc.call(.pm, PM.Sleep(nanoseconds: s.y &* 1000)) } catch {}  // a signal may end it
        tell(operation, 0)
      case .pause:
        while true { do throws(Errno) { _ = try ipc.call(.pm, PM.Pause()) } catch {} }  // one that ends it, some day
      default: break
      }
    } catch { tell(operation, error) }
  }

  /// What the child needs to know stands in the memory that it gets a copy of.
  private mutating func fork(_ s: Statement) throws(Errno) {
    memory.store(UInt64(s.x) << 8 | UInt64(s.a) + 1, at: Play.forking)
    let id: Int64
    do throws(Errno) { id = try patient(PM.Fork(), .pm).id } catch {
      memory.store(UInt64(0), at: Play.forking)
      throw error
    }
    if id == 0 { return enterChild() }
    memory.store(UInt64(0), at: Play.forking)
    memory.store(memory.load(Play.children, as: UInt64.self) + 1, at: Play.children)
    setRegister(Play.processes, s.a, UInt64(bitPattern: id))
    tell(.fork, 0)
  }

  /// Its name, its place in the script, and no children.
  mutating func enterChild() {
    let forking: UInt64 = memory.load(Play.forking)
    memory.store(UInt64(0), at: Play.forking)
    memory.store(forking >> 8, at: Play.counter)
    memory.store(UInt64(0), at: Play.line)
    var text = LineText()
    text.append(byte: 0x2E)
    text.append(memory.load(Play.children, as: UInt64.self))
    let length: UInt64 = memory.load(Play.nameLength)
    for index in 0..<text.count where length + UInt64(index) < Play.nameLimit { memory.store(text.bytes[index], at: Play.name + length + UInt64(index)) }
    memory.store(min(length + UInt64(text.count), Play.nameLimit), at: Play.nameLength)
    memory.store(UInt64(0), at: Play.children)
    for index in 0..<16 as Range<UInt8> { setRegister(Play.processes, index, 0) }
    for signal in 0..<32 as Range<UInt64> { memory.store(UInt64(0), at: Play.signals + signal * 8) }
  }

  private mutating func exec(_ s: Statement) throws(Errno) {
    tell(.exec, 0)
    // `/bin/play`, and the argument block in the buffer.
    var path = LineText()
    path.append("/bin/play")
    for index in 0..<path.count { memory.store(path.bytes[index], at: Play.firstPath + UInt64(index)) }
    let length: UInt64 = memory.load(Play.sourceLength)
    var at = Play.buffer
    memory.store(UInt32(length > 0 ? 7 : 6), at: at)
    memory.store(UInt32(0), at: at + 4)
    at += 8
    string(&at) { $0.append("play") }
    if length > 0 {
      string(&at) { $0.append("-c") }
      for index in 0..<length {
        let byte: UInt8 = memory.load(Play.source + index)
        memory.store(byte, at: at)
        at += 1
      }
      memory.store(UInt8(0), at: at)
      at += 1
    } else {
      let seed: UInt64 = memory.load(Play.seed)
      string(&at) { $0.append(seed) }
    }
    string(&at) { $0.append("-r") }
    string(&at) { $0.append(UInt64(s.x)) }
    let line: UInt64 = memory.load(Play.line)
    string(&at) { $0.append(line) }
    var name = LineText()
    for index in 0..<min(memory.load(Play.nameLength, as: UInt64.self), Play.nameLimit) { name.append(byte: memory.load(Play.name + index)) }
    string(&at) { $0 = name }
    _ = try patient(
      PM.Exec(path: Play.firstPath, pathLength: UInt64(path.count), arguments: Play.buffer, argumentsLength: at - Play.buffer), .pm)
  }

  private mutating func string(_ at: inout UInt64, _ make: (inout LineText) -> Void) {
    var text = LineText()
    make(&text)
    text.append(byte: 0)
    for index in 0..<text.count { memory.store(text.bytes[index], at: at + UInt64(index)) }
    at += UInt64(text.count)
  }
}
