import BootImage
import IPC
import Protocols
import ServerKit

extension Supervisor {
  /// A message that is no notification. Nil: no answer. All of it may be lies but source and flags.
  public mutating func handle(_ delivery: Delivery, _ port: inout P) -> Message? {
    let message = delivery.message
    let source = message.source
    if message.type == KernelEvent.Exception.number {
      // From the kernel, or from VM about a bad memory access; from nobody else (M-N5).
      if delivery.isFromKernel || (delivery.isAsynchronous && source == .vm) { exception(message.body(), &port) }
      return delivery.isRequest ? Message(error: .notPermitted) : nil
    }
    if message.type == RS.Ready.number, !delivery.isRequest {
      ready(source, &port)
      return nil
    }
    if delivery.isAsynchronous, message.type <= 0 {
      adopted(message, &port)
      return nil
    }
    guard delivery.isRequest else { return nil }
    do throws(Errno) { return try command(message, from: source, &port) } catch { return Message(error: error) }
  }

  /// PM's answer about the first process.
  private mutating func adopted(_ message: Message, _ port: inout P) {
    guard message.source == .pm, message.type < 0 else { return }
    port.log(Text("RS: PM refuses the first process\n"))
    port.shutdown(RS.Shutdown.vitalDied)
  }

  private mutating func command(_ message: Message, from source: Endpoint, _ port: inout P) throws(Errno) -> Message {
    switch RS.Number(rawValue: message.type) {
    case .status:
      let index = (message.body() as RS.Status).index
      guard index < UInt64(count) else { throw .noSuchFile }
      return Message(reply: services[Int(index)].status)
    case .up: try up(try target((message.body() as RS.Up).name, source), &port)
    case .down: try down(try target((message.body() as RS.Down).name, source), &port)
    case .restart: try end(try target((message.body() as RS.Restart).name, source), .restart, &port)
    case .kill: try end(try target((message.body() as RS.Kill).name, source), .kill, &port)
    case .inject:
      let call: RS.Inject = message.body()
      try inject(try target(call.name, source), call.harm, &port)
    case .complain: try complain((message.body() as RS.Complain).about, by: source, &port)
    case .shutdown:
      guard !source.isService || source == .pm else { throw .notPermitted }
      port.shutdown((message.body() as RS.Shutdown).status)
    case .ready, nil: throw .noSuchCall
    }
    return Message(reply: Done())
  }

  /// The service of that name, for a command. Processes may command: there is one user. A service may not: a
  /// driver that has gone wrong must not take others along (SEC39).
  private func target(_ name: RS.Name, _ source: Endpoint) throws(Errno) -> Int {
    guard !source.isService else { throw .notPermitted }
    guard let index = find(name) else { throw .noSuchFile }
    return index
  }

  private mutating func up(_ index: Int, _ port: inout P) throws(Errno) {
    switch services[index].state {
    case .starting, .running: throw .alreadyInProgress
    case .backingOff:  // impatience: now, not later
      revive(index, &port)
    case .down, .failed:
      services[index].strikes = 0
      services[index].died = 0
      services[index].injected = 0
      guard build(index, &port) else { throw .noMemory }
      run(index, &port)
    }
  }

  private mutating func down(_ index: Int, _ port: inout P) throws(Errno) {
    guard services[index].entry.policy == .restart else { throw .notPermitted }
    switch services[index].state {
    case .down: return
    case .failed: services[index].state = .down
    case .starting, .running, .backingOff:
      services[index].state = .down
      services[index].died = 0
      port.release(services[index].endpoint)
      tellVFS(index, &port)
    }
  }

  private mutating func end(_ index: Int, _ cause: Cause, _ port: inout P) throws(Errno) {
    guard services[index].entry.policy == .restart else { throw .notPermitted }
    switch services[index].state {
    case .starting, .running: died(index, cause, &port)
    case .backingOff: revive(index, &port)
    case .down, .failed: throw .noSuchProcess
    }
  }

  private mutating func inject(_ index: Int, _ harm: UInt64, _ port: inout P) throws(Errno) {
    guard services[index].entry.kind == .service else { throw .notPermitted }
    guard harm >= Service.Harm.nullDereference, harm <= Service.Harm.trap else { throw .invalidArgument }
    guard services[index].isAlive else { throw .noSuchProcess }
    try port.post(Message(Service.Inject(harm: harm)), to: services[index].endpoint)
    if harm != Service.Harm.garbageReply { services[index].injected &+= 1 }
  }

  /// A service got a senseless answer from one that it may ask at all. Restarting the accused loses nothing: the
  /// accuser's request comes to it again.
  private mutating func complain(_ about: Endpoint, by source: Endpoint, _ port: inout P) throws(Errno) {
    guard let accuser = find(source), let accused = find(about), accuser != accused,
      services[accuser].entry.privileges.sendTo & 1 << UInt64(about.slot) != 0,
      services[accused].entry.policy == .restart
    else { throw .notPermitted }
    // Dead already: help is on the way.
    if services[accused].isAlive { died(accused, .garbage, &port) }
  }
}
