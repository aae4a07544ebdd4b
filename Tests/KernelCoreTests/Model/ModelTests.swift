import Foundation
import Testing

@testable import KernelCore

/// The kernel core against a model that says the same plainly. Seed and length can be given: `CORE_SEED`, `CORE_STEPS`.
@Suite struct ModelTests {
  static let environment = ProcessInfo.processInfo.environment
  static let seed = environment["CORE_SEED"].flatMap { UInt64($0) } ?? 20_261_121
  static let steps = environment["CORE_STEPS"].flatMap { Int($0) } ?? 1_000_000
  static let parts = 8

  @Test("M-N1 M-N2 M-N3 M-N4 M-N5 M-N6 M-N7 M-N8 SEC25 SEC26 SEC27 1,000,000 random steps of eight threads agree with a plain model", arguments: 0..<parts)
  func agrees(part: Int) {
    let seed = Self.seed &+ UInt64(part)
    let run = ModelRun(seed: seed)
    if let difference = run.play(Self.steps / Self.parts) { Issue.record("CORE_SEED=\(seed) \(difference)") }
    #expect(run.reached.count > 60 || Self.steps < 1_000_000, "seed \(seed) reaches little: \(run.reached.sorted())")
  }

  @Test("what a wrong kernel could do is found", arguments: Mistake.allCases)
  func finds(mistake: Mistake) {
    let run = ModelRun(seed: Self.seed)
    let saboteur = Saboteur(mistake, in: run.twins)
    let difference = run.play(200_000, with: saboteur)
    #expect(saboteur.done > 0, "there was no opportunity")
    if let difference {
      print("\(mistake.rawValue): found, CORE_SEED=\(Self.seed), \(difference)")
    } else {
      Issue.record("CORE_SEED=\(Self.seed) \(mistake.rawValue), made \(saboteur.done) times, was not found")
    }
  }
}

/// Steps of one seed for both, until they disagree.
final class ModelRun {
  let twins = Twins()
  var chaos: Chaos
  /// Kinds of answers that were seen: operation or call, and how it ended.
  var reached: Set<String> = []

  init(seed: UInt64) {
    chaos = Chaos(seed: seed, model: twins.model)
    // Page faults have no entry for the slow path alone.
    if seed % 2 == 0 { twins.world.core.takeSlowPath() }
  }

  /// The step at which they disagree, and in what; nil if they never do.
  func play(_ steps: Int, with saboteur: Saboteur? = nil) -> String? {
    for number in 0..<steps {
      let step = chaos.next()
      let sliceEnd = twins.world.core.sliceEnd
      let me = twins.model.running
      let made = saboteur?.before(step) ?? step
      twins.carryOutInCore(made)
      saboteur?.after(step, of: me, made: made)
      twins.carryOutInModel(step, sliceEnd: sliceEnd)
      if case .trap(let registers, _) = step, let me { note(me, registers.rax, registers.message.type) }
      // After a turn out of order the core has not scheduled yet.
      var isRare = false
      if case .trap = step { isRare = number % 64 == 0 }
      if let difference = twins.difference() ?? (isRare ? twins.rareDifference() : nil) {
        return "step \(number), \(me.map(String.init) ?? "nobody") running, \(step): \(difference)"
      }
    }
    // The last step may have been a turn.
    twins.model.turnIsOver = twins.model.now >= twins.world.core.sliceEnd
    twins.world.core.schedule()
    twins.model.schedule()
    return (twins.difference() ?? twins.rareDifference()).map { "at the end: \($0)" }
  }

  private func note(_ me: Int, _ operation: UInt64, _ type: Int32) {
    let row = twins.model.rows[me]
    guard row.state == .able, operation < 8 else { return }
    let result = operation == 0 ? Int64(row.registers.message.type) : row.registers.status
    if result <= 0, result > -400 { reached.insert("\(operation == 0 ? "call \(type)" : "\(operation)") \(result)") }
  }
}
