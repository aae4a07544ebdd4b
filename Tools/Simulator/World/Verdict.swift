import IPC
import Script

extension Outcome {
  /// What is wrong with this run of a scenario with faults, compared with the run without; empty if nothing was lost. The disk's
  /// own soundness is `e2fsck`'s to judge.
  public func complaints(reference: Outcome) -> [String] {
    var all: [String] = []
    var ended = ending == reference.ending
    if mayFail, case .shutdown = ending { ended = true }
    if !ended { all.append("end: \(ending)") }
    if !mayFail, history != reference.history, ending == reference.ending {
      all.append("history: " + Self.difference(reference.history, history))
    }
    if contradictions > 0 { all.append("\(contradictions) lines of history contradict each other") }
    if ended {
      all += leaks.map { "leak: \($0)" }
      all += unanswered.map { "unanswered: \($0)" }
    }
    if let broken { all.append("kernel: \(broken)") }
    return all
  }

  /// The first line in which two histories differ.
  static func difference(_ old: [UInt8], _ new: [UInt8]) -> String {
    let (a, b) = (old.split(separator: 10, omittingEmptySubsequences: false), new.split(separator: 10, omittingEmptySubsequences: false))
    for index in 0..<max(a.count, b.count) {
      let (x, y) = (index < a.count ? Array(a[index]) : [], index < b.count ? Array(b[index]) : [])
      if x != y { return "'\(String(decoding: x, as: UTF8.self))' became '\(String(decoding: y, as: UTF8.self))'" }
    }
    return "the same"
  }
}

/// Services by how they come back.
public enum Restartable {
  /// Slots of those that are restarted.
  public static var drivers: [Int] { [Endpoint.tty.slot, Endpoint.memory.slot, Endpoint.disk.slot, Endpoint.echo.slot] }
  /// Those whose death still ends the machine.
  public static var vital: [Int] {
    [Endpoint.vm, .rs, .pm, .vfs, .ds, .rootfs, .proc, .extfs].map(\.slot)
  }
}
