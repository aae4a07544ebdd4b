/// One event of a trace, 96 bytes without padding: written by the kernel core on every host, read by the tools.
public struct TraceRecord: Wire, Equatable {
  /// Nanoseconds since boot.
  public var time: UInt64
  /// `Delivery.Flags`, as the receiver got them.
  public var flags: UInt64
  /// Counts the events: a gap tells of records that are lost.
  public var sequence: UInt32
  /// `Kind`.
  public var kind: UInt32
  public var from: Endpoint
  public var to: Endpoint
  public var message: Message

  @inlinable public init(time: UInt64, kind: UInt32, from: Endpoint, to: Endpoint, flags: UInt64, message: Message) {
    self.time = time
    self.kind = kind
    self.from = from
    self.to = to
    self.flags = flags
    self.message = message
    sequence = 0
  }

  @inlinable public static func == (a: TraceRecord, b: TraceRecord) -> Bool {
    a.time == b.time && a.flags == b.flags && a.sequence == b.sequence && a.kind == b.kind && a.from == b.from && a.to == b.to
      && a.message.header == b.message.header && a.message.payload.0 == b.message.payload.0 && a.message.payload.1 == b.message.payload.1
      && a.message.payload.2 == b.message.payload.2 && a.message.payload.3 == b.message.payload.3
      && a.message.payload.4 == b.message.payload.4 && a.message.payload.5 == b.message.payload.5
      && a.message.payload.6 == b.message.payload.6
  }

  /// What happened at that moment. A message counts when its receiver gets it, not when it is sent.
  public enum Kind {
    /// By `send`.
    @inlinable public static var send: UInt32 { 1 }
    /// By `sendRec`; `Delivery.Flags.again` if an earlier life of the receiver had it too.
    @inlinable public static var request: UInt32 { 2 }
    /// The answer to a request, also the one that the kernel gives for a server that died of it.
    @inlinable public static var reply: UInt32 { 3 }
    @inlinable public static var notification: UInt32 { 4 }
    @inlinable public static var asynchronous: UInt32 { 5 }
    /// `from` needs a page: a request that the kernel makes in its name.
    @inlinable public static var fault: UInt32 { 6 }
    /// VM has answered a `fault`.
    @inlinable public static var faultReply: UInt32 { 7 }
    /// Only when they are asked for: the trap, and what it returns.
    @inlinable public static var kernelCall: UInt32 { 8 }
    @inlinable public static var kernelReply: UInt32 { 9 }
    /// `from` has gone for good while `to` waited for it: `to` gets `.deadEndpoint`.
    @inlinable public static var bereaved: UInt32 { 10 }
    /// `to` has a new life under its old name.
    @inlinable public static var restarted: UInt32 { 11 }
    /// `from` cannot go on: an exception, or its own end. Its supervisor gets the same as a message.
    @inlinable public static var stopped: UInt32 { 12 }
  }
}
