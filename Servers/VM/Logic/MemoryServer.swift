import BootImage
import IPC
import Protocols
import ServerKit

/// VM as a server: reads what the kernel tells, starts RS, then answers messages. It never waits for anybody.
public struct MemoryServer<K: Transport>: Server {
  public typealias IPCTransport = K
  public var memory: VirtualMemory

  /// Nil if the memory is too small for VM's own tables.
  public init?(_ boot: UnsafePointer<BootInformation>, window: UnsafeMutableRawPointer) {
    guard let memory = VirtualMemory(boot, window: window) else { return nil }
    self.memory = memory
  }

  public mutating func start(_ ipc: inout K) {
    do throws(Errno) { try memory.startReincarnationServer(&ipc) } catch {
      ipc.log("vm: cannot start rs from the boot archive\n")
      _ = ipc.kernel(Message(Kernel.Exit(status: 1)))
    }
  }

  public mutating func handle(_ delivery: Delivery, _ ipc: inout K) -> Message? { memory.handle(delivery, &ipc) }

  public mutating func notified(by source: Endpoint, events: UInt64, _ ipc: inout K) {}
}

extension VirtualMemory {
  /// Row 1 of the boot table; RS starts the other services.
  mutating func startReincarnationServer<K: Transport>(_ ipc: inout K) throws(Errno) {
    let entry = BootTable.entry(1)
    let call = VM.Spawn(
      name: packName(entry.module), slot: UInt32(entry.endpoint.slot), restart: VM.Life.first, supervisor: entry.endpoint, priority: entry.priority)
    let thread = try spawn(call, &ipc)
    settle()
    try ipc.kernel(Kernel.ThreadStart(thread: thread))
  }
}
