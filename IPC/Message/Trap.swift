/// The operations a program asks of the kernel, the number in RAX. Registers on x86-64, both ways:
///
///     rax            operation            -> 0 or a negated errno
///     rdi            destination          -> Delivery.Flags
///     rsi            receive from
///     rdx            deadline: nanoseconds since boot, 0 for none
///     rbx            header               -> header (source, type)
///     r12 r13 r14 r15 r8 r9 r10  payload  -> payload
///
/// rbp and rsp are kept, rcx, r11, rsi and rdx are lost. Programs reach the instruction through the stub page
/// only (`AddressSpace.stub`), which the kernel fills with the entry this machine has.
public enum TrapOperation: UInt64, CaseIterable {
  /// A kernel call: header type is the number, `Protocols.Kernel` lists them.
  case kernelCall = 0
  /// Waits until `destination` takes the message.
  case send = 1
  /// Waits for a message `from` an endpoint, or `.any`.
  case receive = 2
  /// Sends a request and waits for its reply.
  case sendRec = 3
  /// Answers `destination` (never waits: an answer to nobody is dropped), then receives.
  case replyReceive = 4
  /// Sets our bit at `destination`; bits merge.
  case notify = 5
  /// Queues a copy in the kernel; `.wouldBlock` when our quota is used up.
  case sendAsync = 6
  /// Answers `destination` if it waits for us, else `.deadEndpoint` or `.notReady`.
  case reply = 7
}

/// How a server or a program reaches the kernel: traps on metal, a fake in a test.
public protocol Transport {
  mutating func send(_ message: Message, to destination: Endpoint) throws(Errno)
  /// - Parameter deadline: nanoseconds since boot, 0 for none; then `.timedOut`.
  mutating func receive(from source: Endpoint, deadline: UInt64) throws(Errno) -> Delivery
  /// Fails only if the message could not be delivered or the peer died; the reply's own error is in its type.
  mutating func sendRec(_ message: Message, to destination: Endpoint) throws(Errno) -> Message
  mutating func replyReceive(_ reply: Message, to caller: Endpoint) throws(Errno) -> Delivery
  mutating func reply(_ message: Message, to caller: Endpoint) throws(Errno)
  mutating func notify(_ destination: Endpoint) throws(Errno)
  mutating func sendAsync(_ message: Message, to destination: Endpoint) throws(Errno)
  /// A kernel call; the reply's own error is in its type.
  mutating func kernel(_ message: Message) -> Message
}

extension Transport {
  /// A typed request to a server: sends it, waits, and reads the reply.
  @inlinable public mutating func call<C: Call>(_ destination: Endpoint, _ call: C) throws(Errno) -> C.Reply {
    try sendRec(Message(call), to: destination).reply()
  }

  /// A typed kernel call.
  @discardableResult
  @inlinable public mutating func kernel<C: Call>(_ call: C) throws(Errno) -> C.Reply {
    try kernel(Message(call)).reply()
  }
}
