import FakeKernel
import Foundation
import IPC
import MemoryDriver
import Protocols
import ServerKit
import Testing

@testable import Ext2Server

/// The whole server over a fake kernel, with the RAM disk driver behind it that holds a real image.
final class ServerBench {
  let kernel = FakeKernel()
  let image: Image
  let contents: ClientBuffer
  var driver = MemoryDriver<FakeTransport>()
  var driverTransport: FakeTransport
  var server = FileServer<FakeTransport>(cacheBytes: 256 << 10)
  var ipc: FakeTransport
  /// What the driver says instead; nil: what it would say.
  var spoil: (Message) -> Message? = { _ in nil }
  var driverIsDead = false
  var complaints: [Endpoint] = []
  var transfers = 0

  init(_ shape: String = "-b 1024", blocks: String = "2M") throws {
    image = try Image(blocks: blocks, shape)
    contents = ClientBuffer(image.bytes)
    ipc = FakeTransport(kernel, me: .rootfs)
    driverTransport = FakeTransport(kernel, me: .memory)
    kernel.onSendRec = { [unowned self] message, to throws(Errno) in try route(message, to) }
    driver.start(&driverTransport)
  }

  deinit { image.remove() }

  private func route(_ message: Message, _ to: Endpoint) throws(Errno) -> Message {
    switch to {
    case .vm:
      return Message(
        reply: VM.MapModule.Reply(address: UInt64(UInt(bitPattern: contents.memory.baseAddress)), length: UInt64(contents.memory.count)))
    case .rs:
      complaints.append(message.body(RS.Complain.self).about)
      return Message(reply: Done())
    case .memory:
      if driverIsDead { throw .deadEndpoint }
      if message.type == Block.Transfer.number { transfers += 1 }
      if let answer = spoil(message) { return answer }
      return driver.handle(Delivery(message: message, flags: .request), &driverTransport) ?? Message(error: .ioError)
    default: throw .deadEndpoint
    }
  }

  func ask<C: Call>(_ call: C, from source: Endpoint = .vfs, flags: Delivery.Flags = .asynchronous) throws -> C.Reply {
    try #require(server.handle(request(call, from: source, flags: flags, token: 5), &ipc)).reply()
  }

  func mount(flags: UInt64 = 0, minor: UInt32 = 0) throws -> FS.Node { try ask(FS.Mount(driver: .memory, minor: minor, flags: flags)) }

  /// Runs `body` with a grant of VFS's for these bytes.
  func granting<R>(_ bytes: [UInt8], _ body: (UInt64) throws -> R) rethrows -> (R, [UInt8]) {
    let buffer = ClientBuffer(bytes)
    let id = kernel.grant(buffer.memory, from: .vfs, to: .rootfs)
    defer { kernel.grants[id] = nil }
    let result = try body(id)
    return (result, buffer.bytes)
  }

  func lookup(_ name: String, in directory: UInt64 = 2) throws -> FS.Node {
    try granting(Array(name.utf8)) { try ask(FS.Lookup(directory: directory, grant: $0, offset: 0, length: UInt64(name.utf8.count))) }.0
  }

  func create(_ name: String, in directory: UInt64 = 2) throws -> FS.Node {
    try granting(Array(name.utf8)) { try ask(FS.Create(directory: directory, grant: $0, offset: 0, length: UInt32(name.utf8.count), mode: 0o644)) }.0
  }

  func write(_ inode: UInt64, at position: UInt64 = 0, _ bytes: [UInt8]) throws -> FS.Write.Reply {
    try granting(bytes) { try ask(FS.Write(inode: inode, position: position, grant: $0, offset: 0, length: UInt64(bytes.count))) }.0
  }

  func read(_ inode: UInt64, at position: UInt64 = 0, _ count: Int) throws -> [UInt8] {
    let (reply, bytes) = try granting([UInt8](repeating: 0xAA, count: count)) {
      try ask(FS.Read(inode: inode, position: position, grant: $0, offset: 0, length: UInt64(count)))
    }
    return Array(bytes[..<Int(reply.count)])
  }

  var complaint: String? {
    image.bytes = contents.bytes
    return image.complaint
  }
}
