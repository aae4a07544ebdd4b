import Foundation
import Testing

@testable import VMServer

@Suite struct ModelTests {
  /// Seed and length of each of four parts can be given: `VM_SEED`, `VM_STEPS`. 1,300,000 steps are 5,200,000 operations.
  static let environment = ProcessInfo.processInfo.environment
  static let seed = environment["VM_SEED"].flatMap { UInt64($0) } ?? 20_261_121
  static let steps = environment["VM_STEPS"].flatMap { Int($0) } ?? 150_000

  @Test(
    "V34 V48 V68 V75 V76 V80 V94 random calls for memory, loans and files, touches, fork, exec, exit, with allocations that fail, agree with flat memory",
    arguments: 0..<4)
  func agreesWithModel(_ part: UInt64) throws {
    let seed = Self.seed &+ part
    let started = Date()
    // The last part has too little memory for what is asked.
    var run = try ModelRun(seed: seed, frames: part == 3 ? 180 : 3000, border: part == 1 ? 1 << 30 : part == 2 ? 512 << 30 : 256 << 20)
    for step in 1...Self.steps {
      run.step()
      if step % 250 == 0 {
        run.problems += run.system.audit()
        run.auditFiles()
      }
      if step % 2000 == 0 { run.lookEverywhere() }
      if !run.problems.isEmpty {
        Issue.record("model: seed \(seed), operation \(step): \(run.problems.prefix(3))")
        return
      }
    }
    run.finish()
    if !run.problems.isEmpty { Issue.record("model: seed \(seed), at the end: \(run.problems.prefix(3))") }
    let seconds = Date().timeIntervalSince(started)
    print("model: seed \(seed), \(Self.steps) operations, \(run.refused) refused for lack of memory, \(run.system.vm.frames.evictions) pages of files given up, \(Int(seconds)) s")
    for (name, count) in run.tally.sorted(by: { $0.key < $1.key }) {
      // An operation that never succeeds shows nothing.
      if name != "exit", Self.steps >= 10_000 { #expect(count.done > 0, "\(name)") }
      if part == 0 { print("model: \(name): \(count.tried), done \(count.done)") }
    }
  }
}
