import IPC
import KernelCore
import Script

// What a run leaves.
extension World {
  func outcome() -> Outcome {
    runDevicesAtEnd()
    let history = History(terminal: terminal)
    mix(kernel.pointee.machine.clock)
    return Outcome(
      ending: end ?? .stuck("no end"), history: history.text, contradictions: history.contradictions, terminal: terminal, log: log, hash: hash,
      messages: messages, traps: traps, time: kernel.pointee.machine.clock, restarts: restarts, begun: begun, before: before, after: after,
      unanswered: unanswered(), struck: struck, mayFail: scenario.mayFail, writes: writes, disk: rootDisk(), sent: sent, trace: trace,
      broken: kernel.pointee.brokenInvariant().map { "\($0)" })
  }

  private func runDevicesAtEnd() {
    devices.uart.output.withBytes { terminal += $0 }
    devices.uart.take(devices.uart.output.count)
  }

  /// Those who wait for an answer that can no longer come: at a shutdown by init, any service; its own request is the last.
  private func unanswered() -> [String] {
    var all: [String] = []
    for slot in 1..<World.threadLimit {
      guard let wait = kernel.pointee.pendingRequest(slot: slot), slot != Endpoint.initProcess.slot else { continue }
      let who = slot < ServiceName.count ? "\(ServiceName.text(slot))" : "process in slot \(slot)"
      all.append("\(who) waits for \(ServiceName.text(wait))")
    }
    return all
  }

  private func rootDisk() -> [UInt8] {
    guard scenario.rootInMemory else { return disk.bytes }
    let archive = UnsafeRawBufferPointer(start: ram + Int(boot.pointee.archive.base), count: Int(boot.pointee.archive.length))
    return BootModules.ramDisk(in: archive)
  }
}
