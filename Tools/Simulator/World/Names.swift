import IPC
import Protocols
import Script

// Messages in words.
extension SentMessage {
  /// `  1234   5.678901 ms  vfs -> rootfs  FS.lookup`
  public var text: String {
    func pad(_ text: String, _ width: Int) -> String { String(repeating: " ", count: max(0, width - text.count)) + text }
    let micros = time / 1000
    let when = "\(micros / 1000).\(pad("\(micros % 1000)", 3).replacing(" ", with: "0"))"
    return "\(pad("\(index)", 8)) \(pad(when, 12)) ms  \(Self.thread(from)) \(arrow) \(Self.thread(to))  \(name)"
  }

  private var arrow: String {
    switch TrapOperation(rawValue: UInt64(operation)) {
    case .sendAsync: "~>"
    case .notify: "!>"
    default: "->"
    }
  }

  static func thread(_ slot: Int) -> String {
    slot == 0 ? "kernel" : slot < ServiceName.count ? "\(ServiceName.text(slot))" : slot == 64 ? "init" : "process.\(slot)"
  }

  /// The call's name, or what became of it.
  public var name: String {
    if TrapOperation(rawValue: UInt64(operation)) == .notify { return "notify" }
    if type > 0 { return Self.call(type) }
    let of = answers > 0 ? " to \(Self.call(answers))" : ""
    return type == 0 ? "done\(of)" : "error \(-type)\(of)"
  }

  /// The name of a request by its number.
  public static func call(_ type: Int32) -> String {
    if let n = PM.Number(rawValue: type) { return "PM.\(n)" }
    if let n = VFS.Number(rawValue: type) { return "VFS.\(n)" }
    if let n = VM.Number(rawValue: type) { return "VM.\(n)" }
    if let n = FS.Number(rawValue: type) { return "FS.\(n)" }
    if let n = RS.Number(rawValue: type) { return "RS.\(n)" }
    if let n = DS.Number(rawValue: type) { return "DS.\(n)" }
    if let n = Block.Number(rawValue: type) { return "Block.\(n)" }
    if let n = Char.Number(rawValue: type) { return "Char.\(n)" }
    if let n = Echo.Number(rawValue: type) { return "Echo.\(n)" }
    if type == Service.Inject.number { return "Service.inject" }
    if type == KernelEvent.PageFault.number { return "Kernel.pageFault" }
    if type == KernelEvent.Exception.number { return "Kernel.exception" }
    return "message \(type)"
  }
}

extension Outcome {
  /// A line or two.
  public var summary: String {
    var text = ""
    switch ending {
    case .shutdown(let status): text += "ended with status \(status)"
    case .panic(let reason): text += "panic: \(reason)"
    case .stuck(let reason): text += "stuck: \(reason)"
    case .stopped: text += "stopped"
    }
    text += ", \(messages) messages, \(time / 1000) us, hash \(String(hash, radix: 16))"
    let revived = restarts.indices.filter { restarts[$0] > 0 }.map { "\(ServiceName.text($0)) \(restarts[$0])" }
    if !revived.isEmpty { text += ", restarts: " + revived.joined(separator: ", ") }
    if ending != .stopped {
      if !leaks.isEmpty { text += "\nnot as before: " + leaks.joined(separator: ", ") }
      if !unanswered.isEmpty { text += "\nunanswered: " + unanswered.joined(separator: ", ") }
    }
    if contradictions > 0 { text += "\n\(contradictions) lines of history contradict each other" }
    if let broken { text += "\nthe kernel's tables are broken: \(broken)" }
    return text
  }
}
