import Protocols
import Script

/// A script as its text form, which the parser reads back.
public func scriptText(_ script: [Statement]) -> String {
  var places: Set<Int> = []
  for statement in script where statement.operation == Operation.fork.rawValue || statement.operation == Operation.exec.rawValue {
    places.insert(Int(statement.x))
  }
  var text = ""
  for (index, statement) in script.enumerated() {
    if places.contains(index) { text += ":at\(index)\n" }
    text += line(statement) + "\n"
  }
  if places.contains(script.count) { text += ":at\(script.count)\n" }
  return text
}

private func line(_ s: Statement) -> String {
  guard let operation = Operation(rawValue: s.operation) else { return "exit 125" }
  let name = "\(operation.name)"
  switch operation {
  case .exit, .sleep, .ping, .fault: return "\(name) \(s.y)"
  case .open: return "\(name) f\(s.a) \(path(s.x))" + flags(s.flags)
  case .close, .fsync: return "\(name) f\(s.a)"
  case .write: return "\(name) f\(s.a) \(s.y) \(s.x)"
  case .read, .seek, .truncate, .send, .receive: return "\(name) f\(s.a) \(s.y)"
  case .sync, .pause: return name
  case .stat, .unlink, .mkdir, .rmdir, .list: return "\(name) \(path(s.x))"
  case .rename, .link: return "\(name) \(path(s.x)) \(path(UInt32(truncatingIfNeeded: s.y)))"
  case .pipe, .dup: return "\(name) f\(s.a) f\(s.b)"
  case .fork: return "\(name) c\(s.a) at\(s.x)"
  case .exec: return "\(name) at\(s.x)"
  case .wait: return "\(name) c\(s.a)"
  case .map: return "\(name) m\(s.a) \(s.y)" + (s.flags & 1 != 0 ? " shared" : "")
  case .unmap, .sum: return "\(name) m\(s.a)"
  case .touch: return "\(name) m\(s.a) \(s.x) \(s.y)"
  case .protect: return "\(name) m\(s.a)" + (s.flags & 1 != 0 ? " write" : "")
  case .handle: return "\(name) \(s.x)"
  case .signal: return "\(name) c\(s.a) \(s.x)"
  case .await: return "\(name) \(s.x) \(s.y)"
  case .kill, .up, .down: return "\(name) \(ServiceName.text(Int(s.x)))"
  case .inject: return "\(name) \(ServiceName.text(Int(s.x))) \(harm(s.y))"
  case .recover: return "\(name) \(ServiceName.text(Int(s.x))) \(s.y)"
  }
}

private func path(_ code: UInt32) -> String {
  if code & 1 << 31 != 0 { return "\(ScriptPath.deviceName(Int(code & 0xFF)))" }
  if code == ScriptPath.root { return "." }
  return code >> 15 > 0 ? "\((code >> 15) - 1)/\(code & 0x7FFF)" : "\(code & 0x7FFF)"
}

private func flags(_ bits: UInt8) -> String {
  var text = ""
  if bits & OpenBits.readOnly != 0 { text += " read" }
  if bits & OpenBits.create != 0 { text += " create" }
  if bits & OpenBits.append != 0 { text += " append" }
  if bits & OpenBits.truncate != 0 { text += " truncate" }
  if bits & OpenBits.exclusive != 0 { text += " exclusive" }
  return text
}

private func harm(_ kind: UInt64) -> String {
  switch kind {
  case Service.Harm.nullDereference: "null"
  case Service.Harm.endlessLoop: "hang"
  case Service.Harm.exit: "exit"
  case Service.Harm.garbageReply: "garbage"
  default: "trap"
  }
}
