/// Threads in order, linked through their own records: putting in and taking out cannot fail.
struct ThreadQueue<Context: ThreadContext>: BitwiseCopyable {
  typealias Pointer = Thread<Context>.Pointer

  var first: Pointer?
  var last: Pointer?

  var isEmpty: Bool { first == nil }

  mutating func append(_ thread: Pointer) {
    thread.pointee.next = nil
    thread.pointee.previous = last
    if let last { last.pointee.next = thread } else { first = thread }
    last = thread
  }

  mutating func prepend(_ thread: Pointer) {
    thread.pointee.previous = nil
    thread.pointee.next = first
    if let first { first.pointee.previous = thread } else { last = thread }
    first = thread
  }

  /// In front of `other`, which is in the queue; nil: at the end.
  mutating func insert(_ thread: Pointer, before other: Pointer?) {
    guard let other else { return append(thread) }
    guard let previous = other.pointee.previous else { return prepend(thread) }
    thread.pointee.previous = previous
    thread.pointee.next = other
    previous.pointee.next = thread
    other.pointee.previous = thread
  }

  mutating func removeFirst() -> Pointer? {
    guard let thread = first else { return nil }
    first = thread.pointee.next
    if let first { first.pointee.previous = nil } else { last = nil }
    thread.pointee.next = nil
    return thread
  }

  mutating func remove(_ thread: Pointer) {
    if let next = thread.pointee.next { next.pointee.previous = thread.pointee.previous } else { last = thread.pointee.previous }
    if let previous = thread.pointee.previous { previous.pointee.next = thread.pointee.next } else { first = thread.pointee.next }
    thread.pointee.next = nil
    thread.pointee.previous = nil
  }
}
