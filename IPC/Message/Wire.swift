/// What may travel in a message: fixed-width integers and structs of them, without Bool, enum, pointer or
/// padding, so that any bytes from another process are a valid value and none of ours leak.
public protocol Wire: BitwiseCopyable, Sendable {}

extension UInt8: Wire {}
extension UInt16: Wire {}
extension UInt32: Wire {}
extension UInt64: Wire {}
extension Int8: Wire {}
extension Int16: Wire {}
extension Int32: Wire {}
extension Int64: Wire {}

/// The reply that says nothing but "done".
public struct Done: Wire {
  @inlinable public init() {}
}
