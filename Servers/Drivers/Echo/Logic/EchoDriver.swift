import IPC
import Protocols
import ServerKit

/// The example of Servers/README.md: a character device that gives back what was last written to it, at most
/// 4 KiB. It also answers `Echo.Ping`, which is all that the benchmark of message passing asks.
public struct EchoDriver<T: Transport>: Server {
  public typealias IPCTransport = T

  public static var capacity: Int { 4096 }
  private let store: UnsafeMutableRawPointer
  private var count = 0
  private var borrowed = BorrowedMemory()

  public init() { store = .allocate(byteCount: Self.capacity, alignment: 16) }

  public mutating func start(_ ipc: inout T) {}

  public mutating func notified(by source: Endpoint, events: UInt64, _ ipc: inout T) {}

  @inline(__always)
  public mutating func handle(_ delivery: Delivery, _ ipc: inout T) -> Message? {
    // The same words, and a type that says success.
    if delivery.message.type == Echo.Ping.number { return Message(header: 0, payload: delivery.message.payload) }
    return handleDevice(delivery, &ipc)
  }

  /// Away from the path of `Ping`, which the compiler puts into the loop.
  @inline(never)
  private mutating func handleDevice(_ delivery: Delivery, _ ipc: inout T) -> Message? {
    // Answers and plain messages want no answer.
    guard delivery.message.type > 0, delivery.isRequest || delivery.isAsynchronous else { return nil }
    do throws(Errno) { return try dispatch(delivery.message, &ipc) } catch { return Message(error: error) }
  }

  private mutating func dispatch(_ message: Message, _ ipc: inout T) throws(Errno) -> Message? {
    switch Echo.Number(rawValue: message.type) {
    case .sum: return Message(reply: Echo.Sum.Reply(sum: try sum(message.body(), message.source, &ipc)))
    case .giveBack:
      try borrowed.giveBack(&ipc)
      return Message(reply: Done())
    case .ping, nil: break
    }
    switch Char.Number(rawValue: message.type) {
    case .open, .close: return Message(reply: Done())
    case .read: return Message(reply: VFS.Count(count: try read(message.body(), message.source, &ipc)))
    case .write: return Message(reply: VFS.Count(count: try write(message.body(), message.source, &ipc)))
    case .cancel: return nil  // nothing ever waits here
    case .control: throw .notTerminal
    case nil: throw .noSuchCall
    }
  }

  /// The client's words are read where they are: no copy, no grant.
  private mutating func sum(_ call: Echo.Sum, _ client: Endpoint, _ ipc: inout T) throws(Errno) -> UInt64 {
    let memory = try borrowed.show(call.loan, of: client, call.length, &ipc)
    var sum: UInt64 = 0
    for word in memory.dropLast() { sum &+= word }
    memory[memory.count - 1] = sum
    return sum
  }

  private func read(_ call: Char.Read, _ client: Endpoint, _ ipc: inout T) throws(Errno) -> UInt64 {
    guard call.position < UInt64(count) else { return 0 }
    let length = min(call.length, UInt64(count) - call.position)
    if length == 0 { return 0 }
    try ipc.kernel(
      Kernel.CopyGrant(
        granter: client, id: call.grant, offset: call.offset, address: UInt64(UInt(bitPattern: store)) + call.position,
        length: length, direction: Kernel.Direction.write))
    return length
  }

  /// Replaces what was there.
  private mutating func write(_ call: Char.Write, _ client: Endpoint, _ ipc: inout T) throws(Errno) -> UInt64 {
    let length = min(call.length, UInt64(Self.capacity))
    if length > 0 {
      try ipc.kernel(
        Kernel.CopyGrant(
          granter: client, id: call.grant, offset: call.offset, address: UInt64(UInt(bitPattern: store)), length: length,
          direction: Kernel.Direction.read))
    }
    count = Int(length)
    return length
  }
}
