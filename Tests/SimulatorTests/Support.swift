import Script
import Simulator
import Testing
import ToolKit

/// What tests run on: the standard disk of simulations, made once.
enum Bench {
  static let image: [UInt8] = {
    do { return try SimulatedImage.make(play: BootModules.play) } catch { fatalError("no disk image: \(error)") }
  }()

  static func run(_ scenario: Scenario) -> Outcome { World(scenario, disk: image).run() }

  static func run(_ text: String, seed: UInt64 = 1, ram: Bool = false, faults: [Fault] = []) -> Outcome {
    var scenario = Scenario(text: Array(text.utf8))
    scenario.seed = seed
    scenario.rootInMemory = ram
    scenario.faults = faults
    return run(scenario)
  }

  static func history(_ outcome: Outcome) -> String { String(decoding: outcome.history, as: UTF8.self) }

  /// The verdict of e2fsck on the disk of a run.
  static func complaint(_ outcome: Outcome) throws -> String? { try SimulatedImage.complaint(outcome.disk) }

  static func scenario(_ name: String) throws -> String {
    String(decoding: try Files.read(Project.find().root + "/Tests/Scenarios/\(name).script"), as: UTF8.self)
  }
}
