import IPC

extension TraceEvent {
  /// `VFS.Open(path: 4096, flags: 0)`, or `VFS.Open = EIO` for an answer.
  public var what: String {
    let list = fields.map { "\($0.name): \($0.value)" }.joined(separator: ", ")
    switch kind {
    case .notification: return fields.isEmpty ? "notify" : fields.map { $0.name == "alarm" ? "alarm" : "lines \($0.value)" }.joined(separator: ", ")
    case .stopped: return "stopped" + (list.isEmpty ? "" : " (\(list))")
    case .restarted: return "restarted"
    case .bereaved: return "is gone: \(error ?? "")"
    default: break
    }
    if let error { return "\(name) = \(error)" }
    if isAnswer { return list.isEmpty ? "\(name) = done" : "\(name) = \(list)" }
    return "\(name)(\(list))" + (again ? " again" : "")
  }

  var arrow: String {
    switch kind {
    case .reply, .faultReply, .kernelReply: "<-"
    case .asynchronous: "~>"
    case .notification: "*>"
    case .stopped, .restarted, .bereaved: "--"
    default: "->"
    }
  }

  public var json: [String: Any] {
    var object: [String: Any] = [
      "sequence": sequence, "time": time, "kind": kind.rawValue, "from": EndpointNames.name(from), "to": EndpointNames.name(to), "name": name,
    ]
    if !fields.isEmpty { object["fields"] = Dictionary(fields.map { ($0.name, $0.value) }) { $1 } }
    if let error { object["error"] = error }
    if let answers { object["answers"] = answers }
    if again { object["again"] = true }
    return object
  }
}

extension Trace {
  /// A line an event: microseconds, who, to whom, what.
  public var text: String {
    var lines = events.map { event in
      let (from, to) = (EndpointNames.name(event.from), EndpointNames.name(event.to))
      // The requester stands at the left, so that an answer is read where its request was.
      let (left, right) = event.arrow == "<-" ? (to, from) : (from, to)
      return "\(flushRight(microseconds(event.time), 14))  \(flushRight(left, 8)) \(event.arrow) \(flushLeft(right, 8)) \(event.what)"
    }
    if lost > 0 { lines.append("\(lost) records are lost") }
    return lines.joined(separator: "\n")
  }

  public var json: [String: Any] { ["host": host, "lost": lost, "events": events.map(\.json)] }
}

/// 1234567 ns as `1234.567`.
func microseconds(_ nanoseconds: Int) -> String {
  let rest = String(nanoseconds % 1000)
  return "\(nanoseconds / 1000).\(String(repeating: "0", count: 3 - rest.count))\(rest)"
}

func flushRight(_ text: String, _ width: Int) -> String { String(repeating: " ", count: max(0, width - text.count)) + text }
func flushLeft(_ text: String, _ width: Int) -> String { text + String(repeating: " ", count: max(0, width - text.count)) }
