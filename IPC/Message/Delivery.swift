/// A received message and what the kernel says of it. The flags come from the kernel alone (M-N5).
public struct Delivery: Wire {
  public var message: Message
  public var flags: Flags

  @inlinable public init(message: Message, flags: Flags) {
    self.message = message
    self.flags = flags
  }

  public struct Flags: Wire, Equatable {
    public var raw: UInt64
    @inlinable public init(raw: UInt64) { self.raw = raw }

    /// The sender waits for our reply (`sendRec`). Without it and the two below: a plain `send`.
    @inlinable public static var request: Flags { Flags(raw: 1) }
    /// A notification: `source` tells who, `KernelEvent` in the payload tells what if it is the kernel.
    @inlinable public static var notification: Flags { Flags(raw: 2) }
    /// From the sender's asynchronous queue; an answer goes back by `sendAsync` with the same token.
    @inlinable public static var asynchronous: Flags { Flags(raw: 4) }
    /// Composed by the kernel: page faults, exceptions. Nobody else can set it.
    @inlinable public static var fromKernel: Flags { Flags(raw: 8) }
    /// Delivered before to an instance of this server that died without answering.
    @inlinable public static var again: Flags { Flags(raw: 16) }

    @inlinable public static func | (a: Flags, b: Flags) -> Flags { Flags(raw: a.raw | b.raw) }
    @inlinable public func contains(_ other: Flags) -> Bool { raw & other.raw == other.raw }
    @inlinable public static func == (a: Flags, b: Flags) -> Bool { a.raw == b.raw }
  }

  @inlinable public var isRequest: Bool { flags.contains(.request) }
  @inlinable public var isNotification: Bool { flags.contains(.notification) }
  @inlinable public var isAsynchronous: Bool { flags.contains(.asynchronous) }
  @inlinable public var isFromKernel: Bool { flags.contains(.fromKernel) }
  @inlinable public var isAgain: Bool { flags.contains(.again) }
}
