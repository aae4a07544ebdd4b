import BootImage
import IPC
import Protocols
import ServerKit

/// RS as a server: the supervisor over the boot table, fed by messages.
public struct ReincarnationServer<T: Transport>: Server {
  public typealias IPCTransport = T
  var supervisor = Supervisor<SystemPort<T>>(rows: BootTable.count) { BootTable.entry($0) }

  public init() {}

  public mutating func start(_ ipc: inout T) {
    var port = SystemPort(ipc)
    supervisor.boot(&port)
    ipc = port.ipc
  }

  public mutating func handle(_ delivery: Delivery, _ ipc: inout T) -> Message? {
    var port = SystemPort(ipc)
    let answer = supervisor.handle(delivery, &port)
    ipc = port.ipc
    return answer
  }

  public mutating func notified(by source: Endpoint, events: UInt64, _ ipc: inout T) {
    if source == .kernel {
      guard events & KernelEvent.alarm != 0 else { return }
      var port = SystemPort(ipc)
      supervisor.alarm(&port)
      ipc = port.ipc
    } else {
      supervisor.heartbeat(from: source)
    }
  }
}
