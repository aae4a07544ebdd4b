import IPC
import Protocols
#if hasFeature(Embedded)
import Trap
#endif

// How this library reaches the servers. On the machine: the kernel's stub page. On Linux, where the same programs are
// built for tests: whatever `Host.answer` is set to.

#if hasFeature(Embedded)
public typealias ProgramTransport = KernelTrap
#else
/// Who plays the servers on Linux.
public enum Host {
  /// Answers a request as the server would. Addresses in it are addresses of this process.
  nonisolated(unsafe) public static var answer: (Message, Endpoint) -> Message = { _, _ in Message(error: .noSuchCall) }
}

public struct ProgramTransport: Transport {
  public init() {}
  public mutating func send(_ message: Message, to destination: Endpoint) throws(Errno) { throw .notPermitted }
  public mutating func receive(from source: Endpoint, deadline: UInt64) throws(Errno) -> Delivery { throw .notPermitted }
  public mutating func sendRec(_ message: Message, to destination: Endpoint) throws(Errno) -> Message { Host.answer(message, destination) }
  public mutating func replyReceive(_ reply: Message, to caller: Endpoint) throws(Errno) -> Delivery { throw .notPermitted }
  public mutating func reply(_ message: Message, to caller: Endpoint) throws(Errno) { throw .notPermitted }
  public mutating func notify(_ destination: Endpoint) throws(Errno) { throw .notPermitted }
  public mutating func sendAsync(_ message: Message, to destination: Endpoint) throws(Errno) { throw .notPermitted }
  public mutating func kernel(_ message: Message) -> Message { Host.answer(message, .kernel) }
}
#endif

/// A call and its answer as messages; failures of the transport look like the server's.
@inline(__always)
func exchange<C: Call>(_ call: C, with server: Endpoint) -> Message {
  var ipc = ProgramTransport()
  do throws(Errno) { return try ipc.sendRec(Message(call), to: server) } catch { return Message(error: error) }
}

/// A call to a server. Programs use it for what POSIX has no name for: `request(RS.Status(index: 0), of: .rs)`.
@inline(__always)
public func request<C: Call>(_ call: C, of server: Endpoint) throws(Errno) -> C.Reply {
  var ipc = ProgramTransport()
  return try ipc.call(server, call)
}

/// A call that can last, asked again after a handler with SA_RESTART.
@inline(__always)
func lastingRequest<C: Call>(_ call: C, of server: Endpoint) throws(Errno) -> C.Reply {
  while true {
    do throws(Errno) { return try request(call, of: server) } catch {
      if error != .restarted { throw error }
    }
  }
}

/// A kernel call: the kernel answers programs few of them.
@inline(__always)
public func kernelRequest<C: Call>(_ call: C) throws(Errno) -> C.Reply {
  var ipc = ProgramTransport()
  return try ipc.kernel(call)
}

/// A call to VFS that carries a path.
@inline(__always)
func request<C: Call>(path: [UInt8], _ make: (_ address: UInt64, _ length: UInt64) -> C) throws(Errno) -> C.Reply {
  try checkPath(path)
  let reply = path.withUnsafeBytes { exchange(make(address(of: $0), UInt64($0.count)), with: .vfs) }
  return try reply.reply()
}

/// Memory for a server to write into. From the heap: Swift 6.3.1 at -O takes stores to a local variable for dead, and its old
/// value for the present one, if only the kernel knows its address.
@inline(__always)
public func withBuffer<Result>(_ count: Int, _ body: (UnsafeMutableRawBufferPointer) -> Result) -> Result {
  let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 16)
  defer { buffer.deallocate() }
  return body(buffer)
}

/// What a server wrote at the start of a buffer, as an answer with a count says.
func taken(_ reply: Message, from buffer: UnsafeMutableRawBufferPointer) -> Result<[UInt8], Errno> {
  do throws(Errno) {
    let count = min(Int(clamping: try reply.reply(VFS.Count.self).count), buffer.count)
    return .success([UInt8](UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[..<count])))
  } catch { return .failure(error) }
}

/// POSIX: the empty path names nothing.
func checkPath(_ path: [UInt8]) throws(Errno) {
  if path.isEmpty { throw .noSuchFile }
  if path.count > 4095 { throw .nameTooLong }
}

@inline(__always)
func address(of bytes: UnsafeRawBufferPointer) -> UInt64 { UInt64(UInt(bitPattern: bytes.baseAddress)) }
