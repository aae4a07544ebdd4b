import BootImage
import IPC
import Protocols
import ServerKit

/// Everything that the supervisor does to the world. On metal it is VM and the kernel (`SystemPort`), in tests a
/// world of numbers.
public protocol Port {
  /// Nanoseconds since boot.
  var now: UInt64 { mutating get }
  /// VM.Spawn: builds a space and a stopped thread from a module of the boot archive.
  /// - life: `VM.Life`.
  mutating func spawn(_ entry: BootEntry, life: UInt32) throws(Errno) -> Endpoint
  /// What the boot table allows: privileges, ports, device memory. Once for each thread; a restart keeps them.
  mutating func grantPrivileges(_ entry: BootEntry, to thread: Endpoint) throws(Errno)
  mutating func start(_ thread: Endpoint) throws(Errno)
  mutating func stop(_ thread: Endpoint)
  /// VM.Release: the service is gone, who waits for it gets `.deadEndpoint`.
  mutating func release(_ thread: Endpoint)
  mutating func look(at slot: Int) throws(Errno) -> Kernel.ThreadInfo.Reply
  /// A heartbeat: a notification, answered by a notification.
  mutating func ping(_ thread: Endpoint)
  mutating func post(_ message: Message, to destination: Endpoint) throws(Errno)
  /// The one alarm; a new deadline replaces the old.
  mutating func setAlarm(_ deadline: UInt64)
  mutating func log(_ text: Text)
  mutating func shutdown(_ status: UInt64)
}

/// The port that is made of messages to VM and the kernel.
public struct SystemPort<T: Transport>: Port {
  public var ipc: T
  public init(_ ipc: T) { self.ipc = ipc }

  public var now: UInt64 {
    mutating get {
      do throws(Errno) { return try ipc.kernel(Kernel.Clock()).now } catch { return 0 }
    }
  }

  public mutating func spawn(_ entry: BootEntry, life: UInt32) throws(Errno) -> Endpoint {
    let supervisor: Endpoint = entry.kind == .process ? .pm : .rs
    return try ipc.call(.vm, VM.Spawn(
      name: packName(entry.module), slot: UInt32(entry.endpoint.slot), restart: life,
      supervisor: supervisor, priority: entry.priority)).thread
  }

  public mutating func grantPrivileges(_ entry: BootEntry, to thread: Endpoint) throws(Errno) {
    try ipc.kernel(Kernel.SetPrivileges(thread: thread, priority: entry.priority, privileges: entry.privileges))
    try allow(entry.ports.0, thread)
    try allow(entry.ports.1, thread)
    try allow(entry.ports.2, thread)
    try allow(entry.ports.3, thread)
    guard entry.memory.length > 0 else { return }
    _ = try ipc.call(.vm, VM.AllowPhysical(service: thread, base: entry.memory.base, length: entry.memory.length))
  }

  private mutating func allow(_ range: PortRange, _ thread: Endpoint) throws(Errno) {
    guard range.count > 0 else { return }
    try ipc.kernel(Kernel.AllowPorts(thread: thread, first: range.first, count: UInt64(range.count)))
  }

  public mutating func start(_ thread: Endpoint) throws(Errno) { try ipc.kernel(Kernel.ThreadStart(thread: thread)) }

  public mutating func stop(_ thread: Endpoint) { _ = ipc.kernel(Message(Kernel.ThreadStop(thread: thread))) }

  public mutating func release(_ thread: Endpoint) {
    do throws(Errno) { _ = try ipc.call(.vm, VM.Release(service: thread)) } catch { log(Text("RS: VM refuses a release\n")) }
  }

  public mutating func look(at slot: Int) throws(Errno) -> Kernel.ThreadInfo.Reply {
    try ipc.kernel(Kernel.ThreadInfo(slot: UInt64(slot)))
  }

  public mutating func ping(_ thread: Endpoint) {
    // A thread that is gone does not answer, and that is what counts.
    do throws(Errno) { try ipc.notify(thread) } catch {}
  }

  public mutating func post(_ message: Message, to destination: Endpoint) throws(Errno) {
    try ipc.sendAsync(message, to: destination)
  }

  public mutating func setAlarm(_ deadline: UInt64) { _ = ipc.kernel(Message(Kernel.Alarm(deadline: deadline))) }

  public mutating func log(_ text: Text) { ipc.log(text) }

  public mutating func shutdown(_ status: UInt64) { _ = ipc.kernel(Message(Kernel.Shutdown(status: status))) }
}
