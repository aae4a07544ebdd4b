import Script
import Simulator
import Testing
import ToolKit

/// The same calls have the same results on all hosts. One after the other: a process holds one simulated world at a time.
@Suite("Agreement of hosts", .enabled(if: System.isReady), .serialized) struct AgreementTests {
  @Test("generated scripts do the same in QEMU and in processes as in the simulator, in one boot", arguments: [(ToolKit.Host.metal, 60 as UInt64), (.processes, 200)])
  func scripts(host: ToolKit.Host, count: UInt64) throws {
    let agreement = Agreement(scripts: 1000..<1000 + count)
    let image = try SimulatedImage.make(play: BootModules.play)
    var expected: [UInt64: String] = [:]
    for script in agreement.scripts {
      expected[script] = String(decoding: World(Scenario(scriptSeed: script), disk: image).run().history, as: UTF8.self)
    }
    let result = try System.run(System.machine("agreement-\(host.rawValue)", on: host), agreement.shellScript)
    for difference in agreement.compare(expected, Agreement.histories(terminal: result.output)) {
      Issue.record("script \(difference.script): the simulator says '\(difference.expected)', \(host.rawValue) says '\(difference.found)'")
    }
  }
}
