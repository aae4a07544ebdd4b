/// A request of one kind, its number and the shape of its reply. Numbers are unique over all services, so
/// that a trace can name every message: see `Protocols`.
public protocol Call: Wire {
  associatedtype Reply: Wire = Done
  static var number: Int32 { get }
}

/// What a server says to a request: its reply now, or "later".
public enum Answer<Reply: Wire> {
  case reply(Reply)
  /// The server keeps the `Requester` and answers when it can.
  case suspend

  @inlinable public var message: Message? {
    switch self {
    case .reply(let body): Message(reply: body)
    case .suspend: nil
    }
  }
}

extension Answer where Reply == Done {
  @inlinable public static var done: Self { .reply(Done()) }
}
