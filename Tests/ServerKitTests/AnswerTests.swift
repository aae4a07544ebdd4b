import IPC
import Protocols
import ServerKit
import Testing

/// Records what a server sends; the peer may be dead.
private struct Recorder: Transport {
  var replies: [(Message, Endpoint)] = []
  var queued: [(Message, Endpoint)] = []
  var logged: [UInt8] = []
  var peerIsDead = false

  mutating func send(_ message: Message, to destination: Endpoint) throws(Errno) { throw .notSupported }
  mutating func receive(from source: Endpoint, deadline: UInt64) throws(Errno) -> Delivery { throw .notSupported }
  mutating func sendRec(_ message: Message, to destination: Endpoint) throws(Errno) -> Message { throw .notSupported }
  mutating func replyReceive(_ reply: Message, to caller: Endpoint) throws(Errno) -> Delivery { throw .notSupported }
  mutating func reply(_ message: Message, to caller: Endpoint) throws(Errno) {
    if peerIsDead { throw .deadEndpoint }
    replies.append((message, caller))
  }
  mutating func notify(_ destination: Endpoint) throws(Errno) { throw .notSupported }
  mutating func sendAsync(_ message: Message, to destination: Endpoint) throws(Errno) {
    if peerIsDead { throw .deadEndpoint }
    queued.append((message, destination))
  }
  mutating func kernel(_ message: Message) -> Message {
    let log = message.body(Kernel.Log.self)
    withUnsafeBytes(of: log.text) { logged += $0.prefix(Int(log.count)) }
    return Message(reply: Done())
  }
}

@Suite("Answers") struct AnswerTests {
  private func delivery(_ flags: Delivery.Flags, token: UInt64) -> Delivery {
    var message = Message(FS.Forget(inode: 1, count: 1))
    message.source = .vfs
    message.token = token
    return Delivery(message: message, flags: flags)
  }

  @Test("a request that waits is answered by a reply")
  func waiting() {
    var ipc = Recorder()
    ipc.answer(Requester(delivery(.request, token: 9)), Message(reply: Done()))
    #expect(ipc.replies.count == 1 && ipc.queued.isEmpty)
    #expect(ipc.replies[0].1 == .vfs)
  }

  @Test("M-F14 an asynchronous request is answered asynchronously, with its token")
  func asynchronous() {
    var ipc = Recorder()
    ipc.answer(Requester(delivery(.asynchronous, token: 9)), Message(reply: VFS.Count(count: 5)))
    #expect(ipc.replies.isEmpty && ipc.queued.count == 1)
    #expect(ipc.queued[0].0.token == 9)
    #expect(ipc.queued[0].0.body(VFS.Count.self).count == 5)
  }

  @Test("SEC25 a caller that is gone does not disturb the server", arguments: [Delivery.Flags.request, .asynchronous])
  func gone(flags: Delivery.Flags) {
    var ipc = Recorder(peerIsDead: true)
    ipc.answer(Requester(delivery(flags, token: 1)), Message(reply: Done()))
    #expect(ipc.replies.isEmpty && ipc.queued.isEmpty)
  }

  @Test("log text of any length arrives whole")
  func log() {
    var ipc = Recorder()
    let text: StaticString = "forty-eight bytes go into one message, so this text is longer than two of them put together, surely."
    ipc.log(text)
    #expect(String(decoding: ipc.logged, as: UTF8.self) == text.description)
  }
}
