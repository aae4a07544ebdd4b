import BootImage
import IPC
import Protocols
import ServerKit

/// The reincarnation server without its traps: a fixed table of services, and what happens to each of them.
/// Events come in as calls, deeds go out by the port. It allocates nothing (M-L1, M-L2).
public struct Supervisor<P: Port> {
  public static var capacity: Int { 32 }
  public internal(set) var services: InlineArray<32, ServiceRecord>
  public private(set) var count = 0
  /// The first process, handed to PM; nil in a table without one.
  var firstProcess: BootEntry?
  var nextBeat: UInt64 = 0

  /// - Parameter entry: row `index` of the table.
  public init(rows: Int, entry: (Int) -> BootEntry) {
    services = InlineArray(repeating: ServiceRecord(entry(0)))
    for index in 0..<rows {
      let row = entry(index)
      if row.kind == .process {
        firstProcess = row
      } else if count < Self.capacity {
        services[count] = ServiceRecord(row)
        count += 1
      }
    }
  }

  /// Start of the system: first all services are built, then all run, in the order of the table.
  public mutating func boot(_ port: inout P) {
    for index in 0..<count {
      if services[index].entry.kind == .core {
        services[index].state = .running
      } else if services[index].entry.autostart {
        build(index, &port)
      }
    }
    for index in 0..<count where services[index].entry.kind == .service && services[index].isAlive { run(index, &port) }
    nextBeat = port.now &+ Rhythm.period
    setAlarm(&port)
  }

  /// Gives a service that has no thread one, stopped, with its privileges. False if that failed; it is logged.
  @discardableResult
  mutating func build(_ index: Int, _ port: inout P) -> Bool {
    do throws(Errno) {
      let thread = try port.spawn(services[index].entry, life: VM.Life.first)
      do throws(Errno) {
        guard thread == services[index].endpoint else { throw .badMessage }
        try port.grantPrivileges(services[index].entry, to: thread)
      } catch {
        port.release(thread)
        throw error
      }
      services[index].state = .starting
      return true
    } catch {
      services[index].state = .failed
      var line = Text("RS: ")
      line.append(name: services[index].name)
      line.append(" cannot start: error ")
      line.append(signed: Int64(error.rawValue))
      line.append("\n")
      port.log(line)
      return false
    }
  }

  mutating func run(_ index: Int, _ port: inout P) {
    services[index].started = port.now
    services[index].pulse = Pulse()
    do throws(Errno) { try port.start(services[index].endpoint) } catch { died(index, .exit, &port) }
  }

  /// `RS.Ready`: the service has initialised itself.
  public mutating func ready(_ source: Endpoint, _ port: inout P) {
    guard let index = find(source) else { return }
    guard case .starting = services[index].state else { return }
    services[index].state = .running
    if services[index].died != 0 {
      services[index].lastRecovery = port.now &- services[index].died
      services[index].died = 0
      reportRecovery(index, &port)
    }
    tellVFS(index, &port)
    if source == .pm { handOverFirstProcess(&port) }
  }

  /// The services that VFS may have asked something: they came, came back or are gone for good.
  mutating func tellVFS(_ index: Int, _ port: inout P) {
    guard services[index].endpoint != .vfs else { return }
    let message = Message(VFS.ServiceUp(service: services[index].endpoint, restarts: services[index].restarts))
    do throws(Errno) { try port.post(message, to: .vfs) } catch {}
  }

  private mutating func handOverFirstProcess(_ port: inout P) {
    guard let entry = firstProcess else { return }
    firstProcess = nil
    do throws(Errno) {
      let thread = try port.spawn(entry, life: VM.Life.first)
      try port.post(Message(PM.Adopt(process: thread, name: packName(entry.name))), to: .pm)
    } catch {
      var line = Text("RS: no first process: error ")
      line.append(signed: Int64(error.rawValue))
      line.append("\n")
      port.log(line)
      port.shutdown(RS.Shutdown.vitalDied)
    }
  }

  // MARK: Looking up

  func find(_ endpoint: Endpoint) -> Int? {
    for index in 0..<count where services[index].endpoint == endpoint { return index }
    return nil
  }

  func find(_ name: RS.Name) -> Int? {
    for index in 0..<count where services[index].name == name { return index }
    return nil
  }
}
