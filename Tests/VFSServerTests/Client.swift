import IPC
import Protocols
import ServerKit
@testable import VFSServer

/// A process: its calls go to VFS as messages; the world runs until they are answered.
final class Client {
  static let base: UInt64 = 0x1_0000
  static let size = 512 << 10
  unowned let world: World
  let endpoint: Endpoint
  private static let pathAt: UInt64 = base, secondAt: UInt64 = base + 8192
  /// Where reads and writes go.
  static let data: UInt64 = base + 16384

  nonisolated(unsafe) static var nextSlot = 100

  /// - Parameter parent: nil for a process like init.
  init(_ world: World, parent: Client? = nil, slot: Int, generation: UInt32 = 0) {
    self.world = world
    endpoint = Endpoint(slot: slot, generation: generation)
    world.spaces[endpoint.raw] = [UInt8](repeating: 0, count: Self.size)
    world.deliver(Message(VFS.ProcessForked(parent: parent?.endpoint ?? .none, child: endpoint)), from: .pm)
  }

  /// Killed: first the thread is gone, then PM tells VFS.
  func exit() {
    world.spaces[endpoint.raw] = nil
    world.deliver(Message(VFS.ProcessExited(process: endpoint)), from: .pm)
  }

  func cancel(restart: Bool = false) { world.deliver(Message(VFS.Cancel(process: endpoint, restart: restart)), from: .pm) }

  // MARK: Calls

  /// Sends a request and does not wait.
  func start(_ message: Message) {
    var message = message
    message.source = endpoint
    world.hand(Delivery(message: message, flags: .request))
  }
  func start<C: Call>(_ call: C) { start(Message(call)) }

  /// The answer to what was started, nil if there is none yet.
  func answer() -> Message? {
    guard let first = world.answers[endpoint.raw]?.first else { return nil }
    world.answers[endpoint.raw]!.removeFirst()
    return first
  }

  struct Blocked: Error {}

  func call<C: Call>(_ call: C) throws -> C.Reply {
    start(call)
    world.run()
    guard let answer = answer() else { throw Blocked() }
    return try answer.reply()
  }

  func put(_ text: String, at address: UInt64 = Client.pathAt) -> (UInt64, UInt64) {
    _ = world.write(endpoint, address, Array(text.utf8))
    return (address, UInt64(text.utf8.count))
  }

  func openCall(_ path: String, _ flags: UInt32 = 0, mode: UInt32 = 0o644) -> VFS.Open {
    let (address, length) = put(path)
    return VFS.Open(path: address, length: length, flags: flags, mode: mode)
  }
  @discardableResult
  func open(_ path: String, _ flags: UInt32 = 0, mode: UInt32 = 0o644) throws -> Int64 {
    try call(openCall(path, flags, mode: mode)).descriptor
  }
  func close(_ descriptor: Int64) throws { _ = try call(VFS.Close(descriptor: descriptor)) }
  func readCall(_ descriptor: Int64, _ count: Int) -> VFS.Read { VFS.Read(descriptor: descriptor, address: Self.data, length: UInt64(count)) }
  func read(_ descriptor: Int64, _ count: Int = 1000) throws -> [UInt8] {
    let count = try call(readCall(descriptor, count)).count
    return world.read(endpoint, Self.data, Int(count))!
  }
  func text(_ descriptor: Int64, _ count: Int = 1000) throws -> String { String(decoding: try read(descriptor, count), as: UTF8.self) }
  func writeCall(_ descriptor: Int64, _ bytes: [UInt8]) -> VFS.Write {
    _ = world.write(endpoint, Self.data, bytes)
    return VFS.Write(descriptor: descriptor, address: Self.data, length: UInt64(bytes.count))
  }
  @discardableResult
  func write(_ descriptor: Int64, _ bytes: [UInt8]) throws -> Int { try Int(call(writeCall(descriptor, bytes)).count) }
  @discardableResult
  func write(_ descriptor: Int64, _ text: String) throws -> Int { try write(descriptor, Array(text.utf8)) }
  @discardableResult
  func seek(_ descriptor: Int64, _ offset: Int64, _ whence: UInt64 = 0) throws -> Int64 {
    try call(VFS.Seek(descriptor: descriptor, offset: offset, whence: whence)).offset
  }
  func stat(_ path: String, follow: Bool = true) throws -> VFS.Attributes {
    let (address, length) = put(path)
    return try call(VFS.Stat(path: address, length: length, follow: follow ? 1 : 0))
  }
  func fileStat(_ descriptor: Int64) throws -> VFS.Attributes { try call(VFS.FileStat(descriptor: descriptor)) }
  func unlink(_ path: String) throws {
    let (address, length) = put(path)
    _ = try call(VFS.Unlink(path: address, length: length))
  }
  func removeDirectory(_ path: String) throws {
    let (address, length) = put(path)
    _ = try call(VFS.RemoveDirectory(path: address, length: length))
  }
  func makeDirectory(_ path: String, mode: UInt64 = 0o755) throws {
    let (address, length) = put(path)
    _ = try call(VFS.MakeDirectory(path: address, length: length, mode: mode))
  }
  func rename(_ from: String, _ to: String) throws {
    let (a, al) = put(from), (b, bl) = put(to, at: Self.secondAt)
    _ = try call(VFS.Rename(from: a, fromLength: al, to: b, toLength: bl))
  }
  func link(_ from: String, _ to: String) throws {
    let (a, al) = put(from), (b, bl) = put(to, at: Self.secondAt)
    _ = try call(VFS.Link(from: a, fromLength: al, to: b, toLength: bl))
  }
  func symlink(_ target: String, _ path: String) throws {
    let (a, al) = put(target), (b, bl) = put(path, at: Self.secondAt)
    _ = try call(VFS.SymbolicLink(target: a, targetLength: al, path: b, length: bl))
  }
  func readLink(_ path: String, capacity: Int = 4096) throws -> String {
    let (address, length) = put(path)
    let count = try call(VFS.ReadLink(path: address, length: length, address: Self.data, capacity: UInt64(capacity))).count
    return String(decoding: world.read(endpoint, Self.data, Int(count))!, as: UTF8.self)
  }
  func truncate(_ path: String, _ size: UInt64) throws {
    let (address, length) = put(path)
    _ = try call(VFS.Truncate(path: address, length: length, size: size))
  }
  func changeMode(_ path: String, _ mode: UInt64) throws {
    let (address, length) = put(path)
    _ = try call(VFS.ChangeMode(path: address, length: length, mode: mode))
  }
  func access(_ path: String, _ mode: UInt64) throws {
    let (address, length) = put(path)
    _ = try call(VFS.Access(path: address, length: length, mode: mode))
  }
  func changeDirectory(_ path: String) throws {
    let (address, length) = put(path)
    _ = try call(VFS.ChangeDirectory(path: address, length: length))
  }
  func currentDirectory(capacity: Int = 4096) throws -> String {
    let count = try call(VFS.CurrentDirectory(address: Self.data, capacity: UInt64(capacity))).count
    return String(decoding: world.read(endpoint, Self.data, Int(count))!, as: UTF8.self)
  }
  func duplicate(_ descriptor: Int64, to target: Int64 = -1) throws -> Int64 {
    try call(VFS.Duplicate(descriptor: descriptor, target: target)).descriptor
  }
  func pipe(_ flags: UInt32 = 0) throws -> (read: Int64, write: Int64) {
    let reply = try call(VFS.Pipe(flags: UInt64(flags)))
    return (reply.readEnd, reply.writeEnd)
  }
  func fileControl(_ descriptor: Int64, _ command: UInt64, _ argument: UInt64 = 0) throws -> Int64 {
    try call(VFS.FileControl(descriptor: descriptor, command: command, argument: argument)).result
  }
  func mount(_ source: String, _ target: String, flags: UInt64 = 0) throws {
    let (a, al) = put(source), (b, bl) = put(target, at: Self.secondAt)
    _ = try call(VFS.Mount(source: a, sourceLength: al, target: b, targetLength: bl, flags: flags))
  }
  func unmount(_ path: String) throws {
    let (address, length) = put(path)
    _ = try call(VFS.Unmount(path: address, length: length))
  }
  /// Names in a directory.
  func list(_ path: String, room: Int = 4096) throws -> [String] {
    let descriptor = try open(path)
    var names: [String] = []
    while names.count < 1000 {
      let count = try call(VFS.ReadDirectory(descriptor: descriptor, address: Self.data, length: UInt64(room))).count
      if count == 0 { break }
      let bytes = world.read(endpoint, Self.data, Int(count))!
      var at = 0
      while at + 19 < bytes.count {
        let length = Int(bytes[at + 16]) | Int(bytes[at + 17]) << 8
        guard length > 19, at + length <= bytes.count else { return names }  // a file system that lies
        names.append(String(decoding: bytes[(at + 19)..<(at + length)].prefix { $0 != 0 }, as: UTF8.self))
        at += length
      }
    }
    try close(descriptor)
    return names
  }

  /// exec by way of PM: VFS's answer to PM.
  func exec(_ path: String) -> Message? {
    let (address, length) = put(path)
    world.vm.pathClient = endpoint
    var message = Message(VFS.ExecLoad(process: endpoint, grant: address, pathLength: UInt32(length), arguments: 0x5000, argumentsLength: 64))
    message.token = 77
    world.deliver(message, from: .pm)
    world.run()
    return world.toPM.last { $0.token == 77 && $0.type <= 0 }
  }
}

/// The error that a call ends with, for `#expect`.
func failure<R>(_ body: () throws -> R) -> Errno? {
  do { _ = try body() } catch let error as Errno { return error } catch { return Errno(rawValue: -1) }
  return nil
}
let blocked = Errno(rawValue: -1)
