import Script
import Simulator
import Testing
import ToolKit

/// The same calls have the same results on metal and in the simulator.
@Suite("Agreement of hosts", .enabled(if: System.isReady)) struct AgreementTests {
  @Test("60 generated scripts do the same in QEMU as in the simulator, in one boot")
  func scripts() throws {
    let agreement = Agreement(scripts: 1000..<1060)
    let image = try SimulatedImage.make(play: BootModules.play)
    var expected: [UInt64: String] = [:]
    for script in agreement.scripts {
      expected[script] = String(decoding: World(Scenario(scriptSeed: script), disk: image).run().history, as: UTF8.self)
    }
    let result = try System.run(System.machine("agreement"), agreement.shellScript)
    for difference in agreement.compare(expected, Agreement.histories(terminal: result.output)) {
      Issue.record("script \(difference.script): the simulator says '\(difference.expected)', metal says '\(difference.found)'")
    }
  }
}
