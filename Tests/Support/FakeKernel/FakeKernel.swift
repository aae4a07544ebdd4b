import IPC
import Protocols

/// As much of a kernel as servers in one test process need: grants with checked copies between real addresses,
/// ports, alarms, and a record of everything that was sent. What a peer answers is the test's business.
public final class FakeKernel {
  public struct Grant {
    public var granter, grantee: Endpoint
    public var address, length: UInt64
    public var access: UInt32
  }
  public struct Sent {
    public var from, to: Endpoint
    public var message: Message
  }

  public init() {}

  /// Nanoseconds since boot.
  public var now: UInt64 = 1_000_000_000
  public var grants: [UInt64: Grant] = [:]
  public var grantsMade = 0
  public var alarm: UInt64 = 0
  public var replies: [Sent] = []
  public var queued: [Sent] = []
  public var notified: [Endpoint] = []
  public var logged = ""
  /// Bytes that went through `CopyGrant`, and how many calls.
  public var bytesCopied: UInt64 = 0
  public var copies = 0
  public var attachedLines: [UInt64] = []
  public var enabledLines: [UInt64] = []
  /// Lines that another thread owns.
  public var takenLines: Set<UInt64> = []

  /// Who answers `sendRec`. Default: nobody is there.
  public var onSendRec: (Message, Endpoint) throws(Errno) -> Message = { _, _ throws(Errno) in throw .deadEndpoint }
  public var onPortRead: (UInt32, UInt32) -> UInt64? = { _, _ in nil }
  public var onPortWrite: (UInt32, UInt32, UInt64) -> Bool = { _, _, _ in false }
  /// Called before a copy; an error fails it.
  public var onCopy: (Kernel.CopyGrant) throws(Errno) -> Void = { _ throws(Errno) in }

  /// Gives `grantee` access to memory that stays where it is.
  public func grant(_ memory: UnsafeMutableRawBufferPointer, from granter: Endpoint, to grantee: Endpoint, _ access: UInt32 = 3) -> UInt64 {
    grantsMade += 1
    let id = UInt64(grantsMade) << 20 | UInt64(grantsMade & 0xFFFFF)
    grants[id] = Grant(
      granter: granter, grantee: grantee, address: UInt64(UInt(bitPattern: memory.baseAddress)), length: UInt64(memory.count), access: access)
    return id
  }

  func copy(_ call: Kernel.CopyGrant, by caller: Endpoint) throws(Errno) {
    try onCopy(call)
    guard call.length <= Kernel.copyLimit else { throw .invalidArgument }
    guard let grant = grants[call.id], grant.granter == call.granter, grant.grantee == caller else { throw .notPermitted }
    let needed = call.direction == Kernel.Direction.read ? Kernel.Access.read : Kernel.Access.write
    guard grant.access & needed != 0 else { throw .notPermitted }
    guard call.offset <= grant.length, call.length <= grant.length - call.offset else { throw .invalidArgument }
    copies += 1
    bytesCopied += call.length
    let other = UnsafeMutableRawPointer(bitPattern: UInt(grant.address + call.offset))
    let ours = UnsafeMutableRawPointer(bitPattern: UInt(call.address))
    guard call.length > 0, let other, let ours else { return }
    if call.direction == Kernel.Direction.read {
      ours.copyMemory(from: other, byteCount: Int(call.length))
    } else {
      other.copyMemory(from: ours, byteCount: Int(call.length))
    }
  }

  func call(_ message: Message, by caller: Endpoint) throws(Errno) -> Message {
    switch Kernel.Number(rawValue: message.type) {
    case .clock: return Message(reply: Kernel.Clock.Reply(now: now, threadTime: 0))
    case .alarm:
      alarm = message.body(Kernel.Alarm.self).deadline
      return Message(reply: Done())
    case .log:
      let log = message.body(Kernel.Log.self)
      guard log.count <= 48 else { throw .invalidArgument }
      withUnsafeBytes(of: log.text) { logged += String(decoding: $0.prefix(Int(log.count)), as: UTF8.self) }
      return Message(reply: Done())
    case .grantCreate:
      let call = message.body(Kernel.GrantCreate.self)
      let memory = UnsafeMutableRawBufferPointer(start: UnsafeMutableRawPointer(bitPattern: UInt(call.address)), count: Int(call.length))
      return Message(reply: Kernel.GrantReply(id: grant(memory, from: caller, to: call.grantee, call.access)))
    case .grantRevoke:
      guard grants.removeValue(forKey: message.body(Kernel.GrantRevoke.self).id) != nil else { throw .invalidArgument }
      return Message(reply: Done())
    case .copyGrant:
      try copy(message.body(), by: caller)
      return Message(reply: Done())
    case .portRead:
      let call = message.body(Kernel.PortRead.self)
      guard let value = onPortRead(call.port, call.width) else { throw .notPermitted }
      return Message(reply: Kernel.PortRead.Reply(value: value))
    case .portWrite:
      let call = message.body(Kernel.PortWrite.self)
      guard onPortWrite(call.port, call.width, call.value) else { throw .notPermitted }
      return Message(reply: Done())
    case .interruptAttach:
      let line = message.body(Kernel.InterruptAttach.self).line
      guard !takenLines.contains(line) else { throw .busy }
      attachedLines.append(line)
      return Message(reply: Done())
    case .interruptEnable:
      enabledLines.append(message.body(Kernel.InterruptEnable.self).line)
      return Message(reply: Done())
    default: throw .noSuchCall
    }
  }
}

/// The kernel as one thread sees it. Copies reach the same kernel.
public struct FakeTransport: Transport {
  public let kernel: FakeKernel
  public let me: Endpoint

  public init(_ kernel: FakeKernel, me: Endpoint) {
    self.kernel = kernel
    self.me = me
  }

  public mutating func send(_ message: Message, to destination: Endpoint) throws(Errno) { throw .notSupported }
  public mutating func receive(from source: Endpoint, deadline: UInt64) throws(Errno) -> Delivery { throw .notSupported }
  public mutating func replyReceive(_ reply: Message, to caller: Endpoint) throws(Errno) -> Delivery { throw .notSupported }

  public mutating func sendRec(_ message: Message, to destination: Endpoint) throws(Errno) -> Message {
    var message = message
    message.source = me
    return try kernel.onSendRec(message, destination)
  }
  public mutating func reply(_ message: Message, to caller: Endpoint) throws(Errno) {
    kernel.replies.append(FakeKernel.Sent(from: me, to: caller, message: message))
  }
  public mutating func notify(_ destination: Endpoint) throws(Errno) { kernel.notified.append(destination) }
  public mutating func sendAsync(_ message: Message, to destination: Endpoint) throws(Errno) {
    kernel.queued.append(FakeKernel.Sent(from: me, to: destination, message: message))
  }
  public mutating func kernel(_ message: Message) -> Message {
    do throws(Errno) { return try kernel.call(message, by: me) } catch { return Message(error: error) }
  }
}

/// A request as the kernel would deliver it.
public func request<C: Call>(_ call: C, from source: Endpoint, flags: Delivery.Flags = .request, token: UInt64 = 0) -> Delivery {
  var message = Message(call)
  message.source = source
  if flags.contains(.asynchronous) { message.token = token }
  return Delivery(message: message, flags: flags)
}

/// Memory of a client, given back at the end of the test.
public final class ClientBuffer {
  public let memory: UnsafeMutableRawBufferPointer
  public init(_ bytes: [UInt8]) {
    memory = .allocate(byteCount: max(1, bytes.count), alignment: 16)
    memory.copyBytes(from: bytes)
  }
  public convenience init(count: Int) { self.init([UInt8](repeating: 0xAA, count: count)) }
  deinit { memory.deallocate() }
  public var bytes: [UInt8] { [UInt8](memory) }
}
