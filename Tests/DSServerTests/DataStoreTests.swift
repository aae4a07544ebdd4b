import DSServer
import IPC
import Protocols
import ServerKit
import Testing

/// DS asks nobody.
struct NoKernel: Transport {
  mutating func send(_ message: Message, to destination: Endpoint) throws(Errno) { throw .notPermitted }
  mutating func receive(from source: Endpoint, deadline: UInt64) throws(Errno) -> Delivery { throw .notPermitted }
  mutating func sendRec(_ message: Message, to destination: Endpoint) throws(Errno) -> Message { throw .notPermitted }
  mutating func replyReceive(_ reply: Message, to caller: Endpoint) throws(Errno) -> Delivery { throw .notPermitted }
  mutating func reply(_ message: Message, to caller: Endpoint) throws(Errno) { throw .notPermitted }
  mutating func notify(_ destination: Endpoint) throws(Errno) { throw .notPermitted }
  mutating func sendAsync(_ message: Message, to destination: Endpoint) throws(Errno) { throw .notPermitted }
  mutating func kernel(_ message: Message) -> Message { Message(error: .notPermitted) }
}

struct Client {
  var store = DataStore<NoKernel>()
  var kernel = NoKernel()

  mutating func ask<C: Call>(_ call: C, from source: Endpoint, flags: Delivery.Flags = .request) -> Result<C.Reply, Errno>? {
    var message = Message(call)
    message.source = source
    guard let answer = store.handle(Delivery(message: message, flags: flags), &kernel) else { return nil }
    do throws(Errno) { return .success(try answer.reply()) } catch { return .failure(error) }
  }
}

extension Result where Failure == Errno {
  var error: Errno? { if case .failure(let error) = self { error } else { nil } }
  var value: Success? { if case .success(let value) = self { value } else { nil } }
}

func pack(_ text: String) -> RS.Name {
  var words: (UInt64, UInt64) = (0, 0)
  withUnsafeMutableBytes(of: &words) { for (index, byte) in text.utf8.prefix(16).enumerated() { $0[index] = byte } }
  return words
}

@Suite("names of services")
struct DataStoreTests {
  @Test("what is published is found, by everybody")
  func publish() {
    var client = Client()
    #expect(client.ask(DS.Publish(name: pack("tty")), from: .tty)?.error == nil)
    #expect(client.ask(DS.Lookup(name: pack("tty")), from: .initProcess)?.value?.thread == .tty)
    #expect(client.ask(DS.Lookup(name: pack("disk")), from: .initProcess)?.error == .noSuchFile)
  }

  @Test("an asynchronous request counts, a plain message and an answer do not")
  func flags() {
    var client = Client()
    #expect(client.ask(DS.Publish(name: pack("tty")), from: .tty, flags: .asynchronous)?.error == nil)
    #expect(client.ask(DS.Publish(name: pack("disk")), from: .disk, flags: Delivery.Flags(raw: 0)) == nil)
    #expect(client.ask(DS.Lookup(name: pack("disk")), from: .tty)?.error == .noSuchFile)
  }

  @Test("a name belongs to its slot: others cannot take it, the owner may renew it")
  func owner() {
    var client = Client()
    _ = client.ask(DS.Publish(name: pack("tty")), from: .tty)
    #expect(client.ask(DS.Publish(name: pack("tty")), from: .disk)?.error == .fileExists)
    #expect(client.ask(DS.Withdraw(name: pack("tty")), from: .disk)?.error == .notPermitted)
    let reborn = Endpoint(slot: Endpoint.tty.slot, generation: 7)
    #expect(client.ask(DS.Publish(name: pack("tty")), from: reborn)?.error == nil)
    #expect(client.ask(DS.Lookup(name: pack("tty")), from: .initProcess)?.value?.thread == reborn)
    #expect(client.ask(DS.List(index: 1), from: .initProcess)?.error == .noSuchFile)
  }

  @Test("SEC39 processes publish nothing")
  func processes() {
    var client = Client()
    #expect(client.ask(DS.Publish(name: pack("fake")), from: .initProcess)?.error == .notPermitted)
    #expect(client.ask(DS.Publish(name: pack("fake")), from: Endpoint(slot: 4000, generation: 1))?.error == .notPermitted)
  }

  @Test("withdrawn names are free, the list stays whole")
  func withdraw() {
    var client = Client()
    for (name, source) in [("a", Endpoint.tty), ("b", .disk), ("c", .memory)] { _ = client.ask(DS.Publish(name: pack(name)), from: source) }
    #expect(client.ask(DS.Withdraw(name: pack("b")), from: .disk)?.error == nil)
    #expect(client.ask(DS.Withdraw(name: pack("b")), from: .disk)?.error == .noSuchFile)
    #expect(client.ask(DS.List(index: 0), from: .initProcess)?.value?.service == .tty)
    #expect(client.ask(DS.List(index: 1), from: .initProcess)?.value?.service == .memory)
    #expect(client.ask(DS.List(index: 2), from: .initProcess)?.error == .noSuchFile)
    #expect(client.ask(DS.Publish(name: pack("b")), from: .tty)?.error == nil)
  }

  @Test("names that are no names", arguments: [(0, 0), (0, 0x61), (0x2061, 0), (0x7F, 0), (0x61_0061, 0), (~0, ~0)] as [RS.Name])
  func badNames(first: UInt64, second: UInt64) {
    var client = Client()
    #expect(client.ask(DS.Publish(name: (first, second)), from: .tty)?.error == .invalidArgument)
  }

  @Test("SEC35 a service has at most four names, the table 64")
  func quotas() {
    var client = Client()
    for index in 0..<10 {
      #expect(client.ask(DS.Publish(name: pack("name\(index)")), from: .tty)?.error == (index < 4 ? nil : .noSpace))
    }
    var count = 4
    for slot in 10..<64 {
      for index in 0..<4 {
        let error = client.ask(DS.Publish(name: pack("s\(slot)n\(index)")), from: Endpoint(slot: slot, generation: 0))?.error
        if error == nil { count += 1 } else { #expect(error == .noSpace) }
      }
    }
    #expect(count == 64)
  }

  @Test("values outlive their service, and are its own")
  func keep() {
    var client = Client()
    #expect(client.ask(DS.Recall(key: 0), from: .tty)?.error == .noSuchFile)
    #expect(client.ask(DS.Keep(key: 0, value: (1, 2, 3, 4, 5)), from: .tty)?.error == nil)
    #expect(client.ask(DS.Keep(key: 3, value: (6, 7, 8, 9, ~0)), from: .tty)?.error == nil)
    #expect(client.ask(DS.Recall(key: 0), from: .tty)?.value.map { $0.value == (1, 2, 3, 4, 5) } == true)
    #expect(client.ask(DS.Recall(key: 3), from: .tty)?.value.map { $0.value == (6, 7, 8, 9, ~0) } == true)
    #expect(client.ask(DS.Recall(key: 0), from: .disk)?.error == .noSuchFile)
    #expect(client.ask(DS.Recall(key: 0), from: .initProcess)?.error == .notPermitted)
    #expect(client.ask(DS.Keep(key: 0, value: (0, 0, 0, 0, 0)), from: .initProcess)?.error == .notPermitted)
    for key: UInt64 in [4, .max] {
      #expect(client.ask(DS.Keep(key: key, value: (0, 0, 0, 0, 0)), from: .tty)?.error == .invalidArgument)
      #expect(client.ask(DS.Recall(key: key), from: Endpoint(slot: 63, generation: 0))?.error == .invalidArgument)
    }
  }

  @Test("M-J1 unknown numbers and far indexes are an error to the caller")
  func numbers() {
    var client = Client()
    for type: Int32 in [0x7FF, 0x806, .max] {
      let answer = client.store.handle(Delivery(message: Message(type: type), flags: .request), &client.kernel)
      #expect(answer?.type == -Errno.noSuchCall.rawValue)
    }
    #expect(client.ask(DS.List(index: .max), from: .initProcess)?.error == .noSuchFile)
  }
}
