import CTrap
import IPC

/// The kernel, reached by its stub page: the Transport of every program on metal and in processes.
public struct KernelTrap: Transport {
  @inlinable public init() {}

  @inlinable @inline(__always)
  static func trap(
    _ operation: TrapOperation, _ destination: Endpoint, _ source: Endpoint, _ deadline: UInt64, _ message: inout Message
  ) -> apus_result {
    // Message and apus_message are both eight plain words.
    withUnsafeMutablePointer(to: &message) {
      $0.withMemoryRebound(to: apus_message.self, capacity: 1) {
        apus_trap(operation.rawValue, UInt64(destination.raw), UInt64(source.raw), deadline, $0)
      }
    }
  }

  @inlinable @inline(__always)
  static func check(_ result: apus_result) throws(Errno) {
    if result.status != 0 { throw Errno(rawValue: -Int32(truncatingIfNeeded: result.status)) }
  }

  @inlinable public mutating func send(_ message: Message, to destination: Endpoint) throws(Errno) {
    var message = message
    try Self.check(Self.trap(.send, destination, .none, 0, &message))
  }

  @inlinable public mutating func receive(from source: Endpoint, deadline: UInt64 = 0) throws(Errno) -> Delivery {
    var message = Message()
    let result = Self.trap(.receive, .none, source, deadline, &message)
    try Self.check(result)
    return Delivery(message: message, flags: Delivery.Flags(raw: result.flags))
  }

  @inlinable public mutating func sendRec(_ message: Message, to destination: Endpoint) throws(Errno) -> Message {
    var message = message
    try Self.check(Self.trap(.sendRec, destination, .none, 0, &message))
    return message
  }

  @inlinable public mutating func replyReceive(_ reply: Message, to caller: Endpoint) throws(Errno) -> Delivery {
    var message = reply
    let result = Self.trap(.replyReceive, caller, .any, 0, &message)
    try Self.check(result)
    return Delivery(message: message, flags: Delivery.Flags(raw: result.flags))
  }

  @inlinable public mutating func reply(_ message: Message, to caller: Endpoint) throws(Errno) {
    var message = message
    try Self.check(Self.trap(.reply, caller, .none, 0, &message))
  }

  @inlinable public mutating func notify(_ destination: Endpoint) throws(Errno) {
    var message = Message()
    try Self.check(Self.trap(.notify, destination, .none, 0, &message))
  }

  @inlinable public mutating func sendAsync(_ message: Message, to destination: Endpoint) throws(Errno) {
    var message = message
    try Self.check(Self.trap(.sendAsync, destination, .none, 0, &message))
  }

  @inlinable public mutating func kernel(_ message: Message) -> Message {
    var message = message
    let result = Self.trap(.kernelCall, .kernel, .none, 0, &message)
    if result.status != 0 { message.type = Int32(truncatingIfNeeded: result.status) }
    return message
  }
}
