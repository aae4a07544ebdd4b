import IPC
import Protocols

/// A block device behind a driver. Each transfer grants exactly the buffer, asks by `sendRec` and revokes. If the
/// driver dies meanwhile the kernel puts the same request to its next life: nothing of that is seen here.
///
/// A driver is not believed: an answer that makes no sense is told to RS, which gives us another life of the
/// driver, and the transfer is asked again; five times, then it is an I/O error.
public struct DriverDevice<T: Transport>: BlockDevice {
  var ipc: T
  let driver: Endpoint
  let minor: UInt32
  public private(set) var size: UInt64
  public private(set) var isReadOnly: Bool

  static var attempts: Int { 5 }
  /// No device has more than this: 2^48 bytes.
  static var largest: UInt64 { 1 << 48 }

  public init(_ ipc: T, driver: Endpoint, minor: UInt32) throws(Errno) {
    self.ipc = ipc
    self.driver = driver
    self.minor = minor
    size = 0
    isReadOnly = false
    for _ in 0..<Self.attempts {
      if let answer: Block.Open.Reply = try ask(Message(Block.Open(minor: UInt64(minor)))) {
        if answer.size <= Self.largest, answer.readOnly <= 1 {
          size = answer.size
          isReadOnly = answer.readOnly == 1
          return
        }
        complain()
      }
    }
    throw .ioError
  }

  /// The answer; nil if it made no sense, which RS has been told.
  private mutating func ask<Reply: Wire>(_ message: Message) throws(Errno) -> Reply? {
    let answer: Message
    do throws(Errno) { answer = try ipc.sendRec(message, to: driver) } catch {
      throw error == .deadEndpoint ? .ioError : error
    }
    if answer.type == 0 { return answer.body() }
    guard answer.type < 0, answer.type > -4096 else {
      complain()
      return nil
    }
    throw Errno(rawValue: -answer.type)
  }

  private mutating func complain() {
    do throws(Errno) { _ = try ipc.call(.rs, RS.Complain(about: driver)) } catch {}
  }

  private mutating func transfer(_ position: UInt64, _ address: UInt, _ count: Int, isWrite: Bool) throws(Errno) {
    guard position < size, UInt64(count) <= size - position else { throw .ioError }
    let access = isWrite ? Kernel.Access.read : Kernel.Access.write
    let grant = try ipc.kernel(Kernel.GrantCreate(address: UInt64(address), length: UInt64(count), grantee: driver, access: access)).id
    defer { _ = ipc.kernel(Message(Kernel.GrantRevoke(id: grant))) }
    let request = Message(
      Block.Transfer(position: position, grant: grant, offset: 0, length: UInt32(count), minor: minor, write: isWrite))
    for _ in 0..<Self.attempts {
      guard let answer: VFS.Count = try ask(request) else { continue }
      if answer.count == UInt64(count) { return }
      // Fewer is honest only past the end, where we never ask.
      if answer.count < UInt64(count) { throw .ioError }
      complain()
    }
    throw .ioError
  }

  public mutating func read(at position: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(Errno) {
    try transfer(position, UInt(bitPattern: buffer.baseAddress), buffer.count, isWrite: false)
  }

  public mutating func write(at position: UInt64, from buffer: UnsafeRawBufferPointer) throws(Errno) {
    try transfer(position, UInt(bitPattern: buffer.baseAddress), buffer.count, isWrite: true)
  }

  public mutating func flush() throws(Errno) {
    for _ in 0..<Self.attempts {
      if let _: Done = try ask(Message(Block.Flush(minor: UInt64(minor)))) { return }
    }
    throw .ioError
  }
}

/// The memory behind a grant that came with a message.
struct GrantMemory<T: Transport>: ClientMemory {
  var ipc: T
  let granter: Endpoint
  let id: UInt64
  let base: UInt64

  init(_ ipc: T, _ granter: Endpoint, id: UInt64, offset: UInt64) {
    self.ipc = ipc
    self.granter = granter
    self.id = id
    base = offset
  }

  mutating func copyOut(_ source: UnsafeRawPointer, count: Int, at offset: Int) throws(Errno) {
    try ipc.kernel(
      Kernel.CopyGrant(
        granter: granter, id: id, offset: base &+ UInt64(offset), address: UInt64(UInt(bitPattern: source)),
        length: UInt64(count), direction: Kernel.Direction.write))
  }

  mutating func copyIn(_ target: UnsafeMutableRawPointer, count: Int, at offset: Int) throws(Errno) {
    try ipc.kernel(
      Kernel.CopyGrant(
        granter: granter, id: id, offset: base &+ UInt64(offset), address: UInt64(UInt(bitPattern: target)),
        length: UInt64(count), direction: Kernel.Direction.read))
  }
}
