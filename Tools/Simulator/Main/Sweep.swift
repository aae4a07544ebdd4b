import Foundation
import Simulator
import Script
import ToolKit

extension Commands {
  /// Every message of a scenario as a crash point for a service.
  mutating func sweep() throws {
    let every = try number("--every") ?? 1
    let seed = try number("--seed") ?? 1
    let ram = flag("--ram")
    let kinds = try (value("--kind") ?? "kill-before,kill-after,kill-during").split(separator: ",").map(String.init)
    guard let name = try value("--service") else { throw Failure("sweep wants --service NAME") }
    let amount = try number("--amount") ?? 0
    guard let slot = (1..<ServiceName.count).first(where: { "\(ServiceName.text($0))" == name }) else { throw Failure("no service '\(name)'") }
    let file = words.first ?? ""
    guard !words.isEmpty else { throw Failure(Self.usage) }
    var scenario = try Self.scenario(words.removeFirst())
    try end()
    scenario.seed = seed
    scenario.rootInMemory = ram
    let image = try Disk.standard()
    let reference = World(scenario, disk: image).run()
    guard case .shutdown = reference.ending else { throw Failure("without faults: \(reference.summary)") }
    print("without faults: \(reference.summary)")
    var (runs, struck, failed, dirty) = (0, 0, 0, 0)
    var seen: [String: Int] = [:]
    for at in stride(from: kinds.contains { $0.hasPrefix("kill") } ? 1 : reference.begun + 1, through: reference.messages, by: Int(every)) {
      for kind in kinds.compactMap(Fault.Kind.init(rawValue:)) {
        scenario.faults = [Fault(kind, at: at, service: slot, amount: amount)]
        let outcome = World(scenario, disk: image).run()
        runs += 1
        struck += outcome.struck > 0 ? 1 : 0
        var complaints = outcome.complaints(reference: reference)
        if runs % 20 == 0, case .shutdown = outcome.ending {
          if let complaint = try SimulatedImage.complaint(outcome.disk) { complaints.append("e2fsck: \(complaint)"); dirty += 1 }
        }
        guard let first = complaints.first else { continue }
        failed += 1
        let text = complaints.joined(separator: "; ")
        seen[String(first.prefix(60)), default: 0] += 1
        if seen[String(first.prefix(60))]! <= 3 {
          print("\(scenario.faults[0].text): \(text)\n  \(Self.command(scenario, file))")
        }
      }
    }
    print("\(name): \(runs) runs, \(struck) struck, \(failed) lost something, \(dirty) unsound disks")
  }

  mutating func shrink() throws {
    var faults: [Fault] = []
    while let text = try value("--fault") {
      guard let fault = Fault(text) else { throw Failure("'\(text)' is no fault") }
      faults.append(fault)
    }
    let (seed, ram) = (try number("--seed") ?? 1, flag("--ram"))
    guard !words.isEmpty else { throw Failure(Self.usage) }
    var scenario = try Self.scenario(words.removeFirst())
    try end()
    scenario.faults = faults
    scenario.seed = seed
    scenario.rootInMemory = ram
    var shrinker = Shrinker(image: try Disk.standard())
    guard let (small, reason) = shrinker.shrink(scenario) else {
      print("it does not fail")
      return
    }
    print("# \(reason)\n# found in \(shrinker.runs) runs; shown again by: \(Self.command(small, "FILE"))")
    print(String(decoding: small.text ?? [], as: UTF8.self), terminator: "")
  }
}
