import IPC
import Protocols

/// A file system or driver: gets VFS's asynchronous messages. It can be slow (`isHeld`), die, or lie.
class FakeService {
  unowned var world: World!
  var endpoint = Endpoint.none
  /// The thread is there: messages to it can be queued.
  var exists = true
  var isAlive = true
  /// It takes no messages; they wait.
  var isHeld = false
  /// Taken messages are lost when it dies; so many are taken without an answer.
  var swallow = 0
  /// Changes answers: lies.
  var lie: ((Message, inout Message) -> Void)?
  var taken: [Message] = []

  func take(_ message: Message) {
    taken.append(message)
    if swallow > 0 {
      swallow -= 1
      return
    }
    guard var answer = handle(message) else { return }
    answer.token = message.token
    lie?(message, &answer)
    world.deliver(answer, from: endpoint)
  }

  func answer(_ request: Message, _ answer: Message) {
    var answer = answer
    answer.token = request.token
    lie?(request, &answer)
    world.deliver(answer, from: endpoint)
  }

  /// Nil: answered later.
  func handle(_ message: Message) -> Message? { Message(error: .noSuchCall) }
  func restart() {
    isAlive = true
    exists = true
  }
  func count(_ number: Int32) -> Int { taken.filter { $0.type == number }.count }
}

/// A block driver over an array.
final class FakeDisk: FakeService {
  var bytes: [UInt8]
  var opens = 0
  init(size: Int) { bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7) } }

  override func handle(_ message: Message) -> Message? {
    switch message.type {
    case Block.Open.number:
      guard (message.body() as Block.Open).minor == 0 else { return Message(error: .noSuchDevice) }
      opens += 1
      return Message(reply: Block.Open.Reply(size: UInt64(bytes.count), readOnly: 0))
    case Block.Transfer.number:
      let call: Block.Transfer = message.body()
      guard call.minor == 0, call.position % 512 == 0, call.length % 512 == 0 else { return Message(error: .invalidArgument) }
      guard call.position < bytes.count else { return Message(reply: VFS.Count(count: 0)) }
      let start = Int(call.position), count = min(Int(call.length), bytes.count - start)
      var part = Array(bytes[start..<start + count])
      if call.isWrite {
        guard world.copy(by: endpoint, call.grant, offset: call.offset, into: &part) else { return Message(error: .badAddress) }
        bytes.replaceSubrange(start..<start + count, with: part)
      } else {
        guard world.copy(by: endpoint, call.grant, offset: call.offset, from: part) else { return Message(error: .badAddress) }
      }
      return Message(reply: VFS.Count(count: UInt64(count)))
    case Block.Flush.number: return Message(reply: Done())
    case Char.Control.number: return Message(reply: VFS.Control.Reply(result: 0))
    default: return Message(error: .noSuchCall)
    }
  }
}

/// A terminal: reads wait for `type`, writes go to `output`.
final class FakeTerminal: FakeService {
  var output: [UInt8] = []
  var input: [UInt8] = []
  var waiting: [Message] = []
  var opens = 0
  var isOpened = false

  override func handle(_ message: Message) -> Message? {
    switch message.type {
    case Char.Open.number:
      opens += 1
      isOpened = true
      return Message(reply: Done())
    case Char.Close.number:
      opens -= 1
      return Message(reply: Done())
    case Char.Read.number:
      let call: Char.Read = message.body()
      if let answer = serve(call) { return answer }
      if call.flags & 1 != 0 { return Message(error: .wouldBlock) }
      if !waiting.contains(where: { $0.token == message.token }) { waiting.append(message) }
      return nil
    case Char.Write.number:
      let call: Char.Write = message.body()
      var bytes = [UInt8](repeating: 0, count: Int(call.length))
      guard world.copy(by: endpoint, call.grant, offset: call.offset, into: &bytes) else { return Message(error: .badAddress) }
      output += bytes
      return Message(reply: VFS.Count(count: call.length))
    case Char.Control.number:
      let call: Char.Control = message.body()
      if call.request == Char.Request.tiocGetWindow {
        guard world.copy(by: endpoint, call.argument, offset: 0, from: [25, 0, 80, 0, 0, 0, 0, 0]) else { return Message(error: .badAddress) }
        return Message(reply: VFS.Control.Reply(result: 0))
      }
      return Message(error: .notTerminal)
    case Char.Cancel.number:
      let call: Char.Cancel = message.body()
      if let index = waiting.firstIndex(where: { $0.token == call.request }) {
        let request = waiting.remove(at: index)
        answer(request, Message(error: .interrupted))
      }
      return nil
    default: return Message(error: .noSuchCall)
    }
  }

  private func serve(_ call: Char.Read) -> Message? {
    guard !input.isEmpty else { return nil }
    let bytes = Array(input.prefix(Int(min(call.length, 4096))))
    guard world.copy(by: endpoint, call.grant, offset: call.offset, from: bytes) else { return Message(error: .badAddress) }
    input.removeFirst(bytes.count)
    return Message(reply: VFS.Count(count: UInt64(bytes.count)))
  }

  /// Keys.
  func type(_ text: String) {
    input += Array(text.utf8)
    while !input.isEmpty, !waiting.isEmpty {
      let request = waiting.removeFirst()
      if let reply = serve(request.body()) { answer(request, reply) }
    }
  }

  override func restart() {
    super.restart()
    waiting = []
    opens = 0
    isOpened = false
  }
}

/// A character driver that heeds positions: bytes 0, 1, 2, ... 99.
final class FakeEcho: FakeService {
  override func handle(_ message: Message) -> Message? {
    switch message.type {
    case Char.Open.number, Char.Close.number: return Message(reply: Done())
    case Char.Read.number:
      let call: Char.Read = message.body()
      guard call.position < 100 else { return Message(reply: VFS.Count(count: 0)) }
      let bytes = (UInt8(call.position)..<100).prefix(Int(min(call.length, 100)))
      guard world.copy(by: endpoint, call.grant, offset: 0, from: Array(bytes)) else { return Message(error: .badAddress) }
      return Message(reply: VFS.Count(count: UInt64(bytes.count)))
    default: return Message(error: .noSuchCall)
    }
  }
}
