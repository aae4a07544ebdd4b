/// 64 bytes, carried in eight registers: one word of source and type, seven words of payload.
///
/// In a request `type` is the call's number; in a reply it is 0 or a negated errno. `source` is written by
/// the kernel on delivery and ignored on the way in, so it cannot be forged.
public struct Message: Wire {
  public typealias Payload = (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)

  /// Bits 32...63 source, bits 0...31 type.
  public var header: UInt64
  public var payload: Payload

  @inlinable public init(header: UInt64 = 0, payload: Payload = (0, 0, 0, 0, 0, 0, 0)) {
    self.header = header
    self.payload = payload
  }

  @inlinable public init(type: Int32) {
    self.init(header: UInt64(UInt32(bitPattern: type)))
  }

  /// A message of this type with `body` as its payload; at most 56 bytes.
  @inlinable public init<Body: Wire>(type: Int32, body: Body) {
    self.init(type: type)
    precondition(MemoryLayout<Body>.size <= MemoryLayout<Payload>.size, "body exceeds a message")
    // The payload is plain memory of 56 bytes and the body fits.
    withUnsafeMutableBytes(of: &payload) { $0.storeBytes(of: body, as: Body.self) }
  }

  /// The request that `call` stands for.
  @inlinable public init<C: Call>(_ call: C) { self.init(type: C.number, body: call) }

  /// The answer that reports a failure.
  @inlinable public init(error: Errno) { self.init(type: -error.rawValue) }

  /// The answer that reports success.
  @inlinable public init<Body: Wire>(reply body: Body) { self.init(type: 0, body: body) }

  @inlinable public var source: Endpoint {
    get { Endpoint(raw: UInt32(truncatingIfNeeded: header >> 32)) }
    set { header = header & 0xFFFF_FFFF | UInt64(newValue.raw) << 32 }
  }

  @inlinable public var type: Int32 {
    get { Int32(truncatingIfNeeded: header) }
    set { header = header & ~0xFFFF_FFFF | UInt64(UInt32(bitPattern: newValue)) }
  }

  /// The payload read as `Body`: whatever the sender put there, unchecked in meaning.
  @inlinable public func body<Body: Wire>(_: Body.Type = Body.self) -> Body {
    precondition(MemoryLayout<Body>.size <= MemoryLayout<Payload>.size, "body exceeds a message")
    // Not `var copy = payload` and `withUnsafeBytes(of: &copy)`: Swift 6.3.1 at -O takes the store to such a copy for
    // dead when a struct is loaded from it, and the body becomes garbage.
    return withUnsafeBytes(of: payload) { $0.loadUnaligned(as: Body.self) }
  }

  /// The last payload word. A request sent by `sendAsync` carries its token here, and the reply brings it
  /// back: payloads of such calls hold at most 48 bytes.
  @inlinable public var token: UInt64 {
    get { payload.6 }
    set { payload.6 = newValue }
  }

  /// What a reply says: its body, or the error in its type. A type that is neither is `.badMessage`.
  @inlinable public func reply<Body: Wire>(_: Body.Type = Body.self) throws(Errno) -> Body {
    if type == 0 { return body() }
    throw type < 0 && type > -4096 ? Errno(rawValue: -type) : .badMessage
  }
}
