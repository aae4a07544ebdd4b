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

  mutating func remove(_ thread: Pointer) {
    if let next = thread.pointee.next { next.pointee.previous = thread.pointee.previous } else { last = thread.pointee.previous }
    if let previous = thread.pointee.previous { previous.pointee.next = thread.pointee.next } else { first = thread.pointee.next }
    thread.pointee.next = nil
    thread.pointee.previous = nil
  }
}
