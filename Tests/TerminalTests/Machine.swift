import IPC
import NS16550
import Protocols
import ServerKit

/// The kernel, VM and a serial port as the driver sees them, with a line on which the test types and reads.
final class Wire {
  /// Bytes on the line that the receiver has not taken yet, and those in the receiver.
  var line: [UInt8] = []
  var fifo: [UInt8] = []
  var isFIFOOn = false
  var sent: [UInt8] = []
  /// How many bytes the transmitter takes before it is "full" until `drain`.
  var transmitRoom = Int.max
  var interruptEnable: UInt8 = 0
  var lineEnabled = false
  var commandLine = "root=ram"
  /// Memory behind grants, by id; nil: copies fail.
  var grants: [UInt64: [UInt8]] = [:]
  var answers: [(to: Endpoint, message: Message)] = []
  var logs = ""
  /// What DS keeps.
  var kept: [UInt64: DS.Value] = [:]

  /// The line feeds the receiver as QEMU does: one byte without FIFO, sixteen with.
  func feed() {
    while !line.isEmpty, fifo.count < (isFIFOOn ? 16 : 1) { fifo.append(line.removeFirst()) }
  }
}

struct FakeKernel: Transport {
  let wire: Wire
  mutating func send(_ message: Message, to destination: Endpoint) throws(Errno) { throw .notPermitted }
  mutating func receive(from source: Endpoint, deadline: UInt64) throws(Errno) -> Delivery { throw .notPermitted }
  mutating func replyReceive(_ reply: Message, to caller: Endpoint) throws(Errno) -> Delivery { throw .notPermitted }
  mutating func notify(_ destination: Endpoint) throws(Errno) {}

  mutating func sendRec(_ message: Message, to destination: Endpoint) throws(Errno) -> Message {
    if message.type == DS.Keep.number {
      let call: DS.Keep = message.body()
      wire.kept[call.key] = call.value
      return Message(reply: Done())
    }
    if message.type == DS.Recall.number {
      guard let value = wire.kept[(message.body() as DS.Recall).key] else { return Message(error: .noSuchFile) }
      return Message(reply: DS.Recall.Reply(value: value))
    }
    guard message.type == VM.CommandLine.number else { throw .deadEndpoint }
    var words: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0)
    let offset = Int((message.body() as VM.CommandLine).offset)
    withUnsafeMutableBytes(of: &words) {
      for (index, byte) in wire.commandLine.utf8.dropFirst(offset).prefix(48).enumerated() { $0[index] = byte }
    }
    return Message(reply: VM.CommandLine.Reply(text: words))
  }

  mutating func reply(_ message: Message, to caller: Endpoint) throws(Errno) { wire.answers.append((caller, message)) }
  mutating func sendAsync(_ message: Message, to destination: Endpoint) throws(Errno) { wire.answers.append((destination, message)) }

  mutating func kernel(_ message: Message) -> Message {
    switch message.type {
    case Kernel.PortRead.number: return Message(reply: Kernel.PortRead.Reply(value: UInt64(read(message.body()))))
    case Kernel.PortWrite.number: write(message.body())
    case Kernel.CopyGrant.number: return copy(message.body())
    case Kernel.InterruptEnable.number: wire.lineEnabled = true
    case Kernel.Clock.number: return Message(reply: Kernel.Clock.Reply(now: 5000, threadTime: 0, idle: 42))
    case Kernel.Log.number:
      let call: Kernel.Log = message.body()
      wire.logs += withUnsafeBytes(of: call.text) { String(decoding: $0.prefix(Int(call.count)), as: UTF8.self) }
    default: break
    }
    return Message(reply: Done())
  }

  private func read(_ call: Kernel.PortRead) -> UInt8 {
    wire.feed()
    switch call.port - 0x3F8 {
    case 0: return wire.fifo.isEmpty ? 0 : wire.fifo.removeFirst()
    case 2:
      let receives = wire.interruptEnable & 1 != 0 && !wire.fifo.isEmpty
      return receives ? 0x04 : 0x01
    case 5: return (wire.fifo.isEmpty ? 0 : 1) | (wire.transmitRoom > 0 ? 0x20 : 0)
    default: return 0
    }
  }

  private func write(_ call: Kernel.PortWrite) {
    let value = UInt8(truncatingIfNeeded: call.value)
    switch call.port - 0x3F8 {
    case 0:
      wire.sent.append(value)
      if wire.transmitRoom != .max { wire.transmitRoom = max(0, wire.transmitRoom - 1) }
    case 1: wire.interruptEnable = value
    case 2:
      if wire.isFIFOOn != (value & 1 != 0) { wire.fifo = [] }  // switching it clears it
      wire.isFIFOOn = value & 1 != 0
    default: break
    }
  }

  private func copy(_ call: Kernel.CopyGrant) -> Message {
    guard var memory = wire.grants[call.id], call.offset + call.length <= UInt64(memory.count),
      let local = UnsafeMutableRawPointer(bitPattern: UInt(call.address))
    else { return Message(error: .badAddress) }
    for index in 0..<Int(call.length) {
      if call.direction == Kernel.Direction.write {
        memory[Int(call.offset) + index] = local.load(fromByteOffset: index, as: UInt8.self)
      } else {
        local.storeBytes(of: memory[Int(call.offset) + index], toByteOffset: index, as: UInt8.self)
      }
    }
    wire.grants[call.id] = memory
    return Message(reply: Done())
  }
}

/// The driver on its wire, with VFS asking.
struct Station {
  let wire: Wire
  var kernel: FakeKernel
  var driver: TerminalDriver<FakeKernel>
  var lastToken: UInt64 = 0

  init(_ wire: Wire = Wire(), start: Bool = true) {
    self.wire = wire
    kernel = FakeKernel(wire: wire)
    driver = TerminalDriver(ticks: { 4711 })
    if start {
      driver.start(&kernel)
      wire.answers = []
    }
  }

  /// A request as VFS sends it; returns its token.
  @discardableResult
  mutating func ask<C: Call>(_ call: C, token: UInt64? = nil, from source: Endpoint = .vfs) -> UInt64 {
    lastToken += 1
    var message = Message(call)
    message.source = source
    message.token = token ?? lastToken
    let delivery = Delivery(message: message, flags: .asynchronous)
    if let answer = driver.handle(delivery, &kernel) { kernel.answer(Requester(delivery), answer) }
    return message.token
  }

  mutating func read(grant: UInt64 = 1, length: UInt64 = 64, flags: UInt32 = 0, token: UInt64? = nil) -> UInt64 {
    if wire.grants[grant] == nil { wire.grants[grant] = [UInt8](repeating: 0, count: 4096) }
    return ask(Char.Read(minor: 0, flags: flags, position: 0, grant: grant, offset: 0, length: length), token: token)
  }

  mutating func write(_ text: String, grant: UInt64 = 2, flags: UInt32 = 0, token: UInt64? = nil) -> UInt64 {
    wire.grants[grant] = Array(text.utf8)
    return ask(
      Char.Write(minor: 0, flags: flags, position: 0, grant: grant, offset: 0, length: UInt64(text.utf8.count)), token: token)
  }

  /// Bytes arrive, and the interrupt is handled if the UART makes one.
  mutating func type(_ text: String) {
    wire.line += Array(text.utf8)
    run()
  }

  mutating func run() {
    wire.feed()
    var rounds = 0
    while rounds < 1000, wire.interruptEnable & 1 != 0 && !wire.fifo.isEmpty || wire.interruptEnable & 2 != 0 && wire.transmitRoom > 0 {
      driver.notified(by: .kernel, events: 1 << 4, &kernel)
      wire.feed()
      rounds += 1
    }
  }

  /// The answer to a token, if there is one.
  func answer(_ token: UInt64) -> Result<UInt64, Errno>? {
    guard let message = wire.answers.first(where: { $0.to == .vfs && $0.message.token == token })?.message else { return nil }
    do throws(Errno) { return .success((try message.reply() as VFS.Count).count) } catch { return .failure(error) }
  }

  func memory(_ grant: UInt64, _ count: Int) -> String { String(decoding: wire.grants[grant]!.prefix(count), as: UTF8.self) }
  var screen: String { String(decoding: wire.sent, as: UTF8.self) }
}
