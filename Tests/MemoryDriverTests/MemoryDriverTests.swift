import FakeKernel
import IPC
import Protocols
import ServerKit
import Testing

@testable import MemoryDriver

/// The driver over an image of `size` bytes, 0 for no module.
private final class Bench {
  let kernel = FakeKernel()
  let image: ClientBuffer
  var ipc: FakeTransport
  var driver = MemoryDriver<FakeTransport>()
  var unmapped: [VM.MUnmap] = []

  init(size: Int) {
    image = ClientBuffer((0..<size).map { UInt8(truncatingIfNeeded: $0) })
    ipc = FakeTransport(kernel, me: .memory)
    kernel.onSendRec = { [unowned self] message, to throws(Errno) in
      if message.type == VM.MapModule.number, to == .vm, size > 0 {
        return Message(reply: VM.MapModule.Reply(address: UInt64(UInt(bitPattern: image.memory.baseAddress)), length: UInt64(size)))
      }
      if message.type == VM.MUnmap.number {
        unmapped.append(message.body())
        return Message(reply: Done())
      }
      return Message(error: .noSuchFile)
    }
    driver.start(&ipc)
  }

  func ask<C: Call>(_ call: C, from source: Endpoint = .vfs, flags: Delivery.Flags = .request) throws -> C.Reply {
    try #require(driver.handle(request(call, from: source, flags: flags), &ipc)).reply()
  }

  func transfer(_ position: UInt64, _ buffer: ClientBuffer, write: Bool, minor: UInt32 = 0, length: UInt32? = nil) throws -> UInt64 {
    let id = kernel.grant(buffer.memory, from: .vfs, to: .memory, write ? Kernel.Access.read : Kernel.Access.write)
    defer { kernel.grants[id] = nil }
    return try ask(
      Block.Transfer(position: position, grant: id, offset: 0, length: length ?? UInt32(buffer.memory.count), minor: minor, write: write)
    ).count
  }
}

@Suite struct MemoryDriverTests {
  @Test("reads and writes the image where it is")
  func transfers() throws {
    let bench = Bench(size: 65536)
    #expect(try bench.ask(Block.Open(minor: 0)).size == 65536)
    let buffer = ClientBuffer(count: 1024)
    #expect(try bench.transfer(4096, buffer, write: false) == 1024)
    #expect(buffer.bytes == (0..<1024).map { UInt8(truncatingIfNeeded: $0) })
    #expect(try bench.transfer(100, ClientBuffer([7, 8, 9]), write: true) == 3)
    #expect(Array(bench.image.bytes[99..<104]) == [99, 7, 8, 9, 103])
    _ = try bench.ask(Block.Flush(minor: 0))
  }

  @Test("a request delivered again after a restart finds the same bytes")
  func restart() throws {
    let bench = Bench(size: 4096)
    _ = try bench.transfer(0, ClientBuffer([1, 2, 3]), write: true)
    bench.driver = MemoryDriver()
    bench.driver.start(&bench.ipc)
    let buffer = ClientBuffer(count: 3)
    #expect(try bench.transfer(0, buffer, write: false) == 3)
    #expect(buffer.bytes == [1, 2, 3])
  }

  @Test("at the end: fewer bytes, then none")
  func end() throws {
    let bench = Bench(size: 5000)
    #expect(try bench.transfer(4096, ClientBuffer(count: 1024), write: false) == 904)
    #expect(try bench.transfer(5000, ClientBuffer(count: 1024), write: false) == 0)
    #expect(try bench.transfer(.max, ClientBuffer(count: 1024), write: true) == 0)
    #expect(try bench.transfer(0, ClientBuffer(count: 16), write: false, length: 0) == 0)
  }

  @Test("no module: a disk of size 0 that answers")
  func noModule() throws {
    let bench = Bench(size: 0)
    #expect(try bench.ask(Block.Open(minor: 0)).size == 0)
    #expect(try bench.transfer(0, ClientBuffer(count: 512), write: false) == 0)
  }

  @Test("hostile requests: an error, no byte moved")
  func hostile() throws {
    let bench = Bench(size: 8192)
    let before = bench.image.bytes
    #expect(throws: Errno.noSuchDevice) { try bench.ask(Block.Open(minor: 1)) }
    #expect(throws: Errno.noSuchDevice) { try bench.ask(Block.Flush(minor: .max)) }
    #expect(throws: Errno.noSuchDevice) { try bench.transfer(0, ClientBuffer(count: 512), write: true, minor: 3) }
    #expect(throws: Errno.invalidArgument) { try bench.transfer(0, ClientBuffer(count: 512), write: true, length: .max) }
    #expect(throws: Errno.invalidArgument) { try bench.transfer(0, ClientBuffer(count: 512), write: true, length: 1024) }
    #expect(throws: Errno.notPermitted) { try bench.ask(Block.Transfer(position: 0, grant: 12345, offset: 0, length: 512, minor: 0, write: true)) }
    var call = Block.Transfer(position: 0, grant: 1, offset: 0, length: 512, minor: 0, write: true)
    call.granter = .pm
    #expect(throws: Errno.invalidArgument) { try bench.ask(call) }
    #expect(throws: Errno.noSuchCall) { try bench.ask(FS.Sync()) }
    #expect(bench.image.bytes == before)
  }

  @Test("answers and plain messages are not answered")
  func notRequests() {
    let bench = Bench(size: 512)
    #expect(bench.driver.handle(Delivery(message: Message(error: .ioError), flags: .asynchronous), &bench.ipc) == nil)
    #expect(bench.driver.handle(Delivery(message: Message(reply: Done()), flags: .asynchronous), &bench.ipc) == nil)
    #expect(bench.driver.handle(request(Block.Open(minor: 0), from: .pm, flags: Delivery.Flags(raw: 0)), &bench.ipc) == nil)
  }

  @Test("VFS asks asynchronously and gets the same answers")
  func asynchronous() throws {
    let bench = Bench(size: 8192)
    #expect(try bench.ask(Block.Open(minor: 0), from: .vfs, flags: .asynchronous).size == 8192)
  }

  @Test("M-D1 M-D2 setting the size gives the image back, whatever the size; then reads are at the end")
  func release() throws {
    for size: UInt64 in [0, 4096, .max] {
      let bench = Bench(size: 8192)
      _ = try bench.ask(Char.Control(minor: 0, request: Char.Request.ramDiskSize, argument: size), from: .vfs, flags: .asynchronous)
      #expect(bench.unmapped.map(\.length) == [8192])
      #expect(try bench.ask(Block.Open(minor: 0)).size == 0)
      #expect(try bench.transfer(0, ClientBuffer(count: 512), write: false) == 0)
      _ = try bench.ask(Char.Control(minor: 0, request: Char.Request.ramDiskSize, argument: 0), from: .vfs)
      #expect(bench.unmapped.count == 1)
    }
  }

  @Test("M-D3 a disk that a file system uses stays")
  func busy() throws {
    let bench = Bench(size: 8192)
    _ = try bench.ask(Block.Open(minor: 0), from: .extfs)
    #expect(throws: Errno.busy) { try bench.ask(Char.Control(minor: 0, request: Char.Request.ramDiskSize, argument: 0), from: .vfs) }
    #expect(throws: Errno.notTerminal) { try bench.ask(Char.Control(minor: 0, request: 0x5401, argument: 0), from: .vfs) }
    #expect(try bench.ask(Block.Open(minor: 0)).size == 8192)
  }
}
