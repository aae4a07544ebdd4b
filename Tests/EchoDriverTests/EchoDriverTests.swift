import FakeKernel
import IPC
import Protocols
import ServerKit
import Testing

@testable import EchoDriver

private final class Bench {
  let kernel = FakeKernel()
  var ipc: FakeTransport
  var driver = EchoDriver<FakeTransport>()

  init() { ipc = FakeTransport(kernel, me: .echo) }

  func ask<C: Call>(_ call: C, flags: Delivery.Flags = .asynchronous) throws -> C.Reply {
    try #require(driver.handle(request(call, from: .vfs, flags: flags), &ipc)).reply()
  }

  func write(_ bytes: [UInt8], position: UInt64 = 0) throws -> UInt64 {
    let buffer = ClientBuffer(bytes)
    let id = kernel.grant(buffer.memory, from: .vfs, to: .echo, Kernel.Access.read)
    defer { kernel.grants[id] = nil }
    return try ask(Char.Write(minor: 0, flags: 0, position: position, grant: id, offset: 0, length: UInt64(bytes.count))).count
  }

  func read(at position: UInt64 = 0, _ count: Int) throws -> [UInt8] {
    let buffer = ClientBuffer(count: count)
    let id = kernel.grant(buffer.memory, from: .vfs, to: .echo, Kernel.Access.write)
    defer { kernel.grants[id] = nil }
    let got = try ask(Char.Read(minor: 0, flags: 0, position: position, grant: id, offset: 0, length: UInt64(count))).count
    return Array(buffer.bytes[..<Int(got)])
  }
}

@Suite struct EchoDriverTests {
  @Test("what was written is read, from any position")
  func echo() throws {
    let bench = Bench()
    _ = try bench.ask(Char.Open(minor: 0, flags: 0))
    #expect(try bench.read(10).isEmpty)
    #expect(try bench.write(Array("hello".utf8)) == 5)
    #expect(try bench.read(10) == Array("hello".utf8))
    #expect(try bench.read(at: 3, 10) == Array("lo".utf8))
    #expect(try bench.read(at: .max, 10).isEmpty)
    #expect(try bench.write([1]) == 1)
    #expect(try bench.read(10) == [1])
    _ = try bench.ask(Char.Close(minor: 0))
  }

  @Test("it keeps 4 KiB")
  func capacity() throws {
    let bench = Bench()
    #expect(try bench.write([UInt8](repeating: 5, count: 5000)) == 4096)
    #expect(try bench.read(6000) == [UInt8](repeating: 5, count: 4096))
    #expect(throws: Errno.self) {
      try bench.ask(Char.Write(minor: 0, flags: 0, position: 0, grant: 1, offset: .max, length: .max))
    }
    #expect(try bench.read(6000).count == 4096)
  }

  @Test("a ping comes back as it went, with success as its type")
  func ping() throws {
    let bench = Bench()
    let words: Message.Payload = (1, 2, 3, 4, 5, 6, 7)
    let answer = try #require(bench.driver.handle(request(Echo.Ping(words: words), from: Endpoint(slot: 70, generation: 3)), &bench.ipc))
    #expect(answer.type == 0)
    #expect(answer.payload.0 == 1 && answer.payload.6 == 7)
  }

  @Test("unknown calls and ioctls are errors; cancelling and answers are not answered")
  func others() throws {
    let bench = Bench()
    #expect(throws: Errno.noSuchCall) { try bench.ask(FS.Sync()) }
    #expect(throws: Errno.notTerminal) { try bench.ask(Char.Control(minor: 0, request: 0x5401, argument: 0)) }
    #expect(bench.driver.handle(request(Char.Cancel(request: 3), from: .vfs, flags: .asynchronous), &bench.ipc) == nil)
    #expect(bench.driver.handle(Delivery(message: Message(error: .ioError), flags: .asynchronous), &bench.ipc) == nil)
  }
}
