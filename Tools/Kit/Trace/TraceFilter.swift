import IPC
import Protocols

/// Which events of a trace are shown.
public struct TraceFilter: Sendable {
  /// Only events in which one of these takes part; none: all.
  public var participants: Set<String> = []
  /// Only calls and answers with this in their name.
  public var name: String?
  /// From the moment on when the shell has asked for its first line.
  public var skipsBoot = false
  /// No more than so many, the first ones.
  public var limit: Int?

  public init() {}

  public func apply(_ trace: Trace) -> Trace {
    var trace = trace
    var events = trace.events[...]
    // The simulator has no shell: its program is the first that asks anything.
    if skipsBoot, let start = events.firstIndex(where: {
      trace.host == Host.simulator.rawValue
        ? !$0.from.isService && $0.from != .initProcess && $0.to == .vfs
        : $0.to == .tty && CallShapes.name(Char.Read.number) == $0.name && !$0.isAnswer
    }) {
      events = events[start...]
    }
    trace.events = events.filter { event in
      (participants.isEmpty || participants.contains(EndpointNames.name(event.from)) || participants.contains(EndpointNames.name(event.to)))
        && name.map { event.name.lowercased().contains($0.lowercased()) } ?? true
    }
    if let limit, trace.events.count > limit { trace.events = Array(trace.events.prefix(limit)) }
    return trace
  }
}
