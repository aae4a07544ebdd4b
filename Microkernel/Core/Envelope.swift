import IPC

/// An asynchronous message on its way: from the pool and charged to its sender, or the one
/// that each thread has for the news of its end.
struct Envelope<Context: ThreadContext>: BitwiseCopyable {
  typealias Pointer = UnsafeMutablePointer<Envelope<Context>>

  var message = Message()
  var flags = Delivery.Flags.asynchronous
  /// Who pays; nil for a thread's own event.
  var sender: Thread<Context>.Pointer?
  /// In whose inbox it is; nil if in none.
  var receiver: Thread<Context>.Pointer?
  var next: Pointer?
  var previous: Pointer?
}

/// Envelopes in order.
struct EnvelopeQueue<Context: ThreadContext>: BitwiseCopyable {
  typealias Pointer = Envelope<Context>.Pointer

  var first: Pointer?
  var last: Pointer?

  mutating func append(_ envelope: Pointer) {
    envelope.pointee.next = nil
    envelope.pointee.previous = last
    if let last { last.pointee.next = envelope } else { first = envelope }
    last = envelope
  }

  mutating func remove(_ envelope: Pointer) {
    if let next = envelope.pointee.next { next.pointee.previous = envelope.pointee.previous } else { last = envelope.pointee.previous }
    if let previous = envelope.pointee.previous { previous.pointee.next = envelope.pointee.next } else { first = envelope.pointee.next }
    envelope.pointee.next = nil
    envelope.pointee.previous = nil
  }
}
