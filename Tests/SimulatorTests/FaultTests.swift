import IPC
import Protocols
import Script
import Testing
@testable import Simulator

extension SimulatorTests {
@Suite("Faults in the simulated system", .serialized) struct FaultTests {
  /// Runs with one fault each, at every `step`-th message. What is lost is recorded as an issue with the command that shows it.
  private func sweep(_ name: String, _ kinds: [Fault.Kind], _ service: Endpoint, step: Int, ram: Bool = false, amount: UInt64 = 0) throws {
    let text = try Bench.scenario(name)
    let reference = Bench.run(text, ram: ram)
    #expect(reference.ending == .shutdown(0))
    var struck = 0
    for (round, at) in stride(from: reference.begun + 1, through: reference.messages, by: step).enumerated() {
      let fault = Fault(kinds[round % kinds.count], at: at, service: service.slot, amount: amount)
      let outcome = Bench.run(text, ram: ram, faults: [fault])
      struck += outcome.struck
      #expect(outcome.complaints(reference: reference) == [], "apus simulate \(name) --seed 1\(ram ? " --ram" : "") --fault \(fault.text)")
    }
    #expect(struck > 0)
  }

  static let deaths: [Fault.Kind] = [.killBefore, .killAfter, .killDuring]

  @Test("the block driver dies before, after or during a message: nothing is lost")
  func disk() throws { try sweep("files", Self.deaths, .disk, step: 31) }

  @Test("the terminal driver dies: no line of output is lost")
  func terminal() throws { try sweep("files", Self.deaths, .tty, step: 31) }

  @Test("the RAM disk's driver dies: nothing is lost")
  func memory() throws { try sweep("files", Self.deaths, .memory, step: 31, ram: true) }

  @Test("drivers that trap, touch address 0 or loop for ever come back", arguments: [Service.Harm.nullDereference, Service.Harm.endlessLoop, Service.Harm.trap])
  func harm(_ kind: UInt64) throws { try sweep("files", [.harm], .disk, step: 101, amount: kind) }

  @Test("a delay anywhere changes no result")
  func delay() throws { try sweep("family", [.delay], .none, step: 41, amount: 3_000_000) }

  @Test("VM without frames: calls may fail, but nothing leaks and everybody goes on")
  func exhaustion() throws { try sweep("family", [.exhaust], .none, step: 41) }

  @Test("V93 X3 memory runs out, with sizes from the least that boots: the shell's like and all services live on, no byte is wrong, nothing leaks")
  func pools() throws {
    let pools = Pools(disk: Bench.image)
    #expect(pools.complaints(pools.reference) == [] && Pools.kills(pools.reference) == 0)
    var kills = 0
    for frames in pools.sizes(12) {
      let outcome = pools.run(frames: frames)
      #expect(pools.complaints(outcome) == [], "\(frames) frames")
      kills += Pools.kills(outcome)
    }
    #expect(kills > 12)
  }

  @Test("a block write that fails once: calls may say so, but the disk is sound and nothing leaks")
  func writeErrors() throws {
    let text = try Bench.scenario("files")
    let reference = Bench.run(text)
    #expect(reference.writes > 10)
    for write in stride(from: 1, through: reference.writes, by: 4) {
      let outcome = Bench.run(text, faults: [Fault(.writeError, at: write)])
      #expect(outcome.struck == 1)
      #expect(outcome.complaints(reference: reference) == [], "write \(write)")
      #expect(try Bench.complaint(outcome) == nil, "write \(write)")
    }
  }

  @Test("every scenario ends well: drivers killed, hung, trapped, null and answering nonsense", arguments: [
    "files", "disk-dies", "tty-dies", "two-deaths", "family", "ping", "storm",
  ])
  func scenarios(_ name: String) throws {
    for seed in 1...3 as ClosedRange<UInt64> {
      let outcome = Bench.run(try Bench.scenario(name), seed: seed)
      #expect(outcome.ending == .shutdown(0), "seed \(seed)")
      #expect(outcome.leaks == [], "seed \(seed)")
      #expect(outcome.unanswered == [], "seed \(seed)")
      #expect(try Bench.complaint(outcome) == nil, "seed \(seed)")
    }
  }

  @Test("what cannot be survived yet is said by name", arguments: [Endpoint.vfs, .pm, .ds, .rootfs, .proc])
  func vital(_ service: Endpoint) {
    let outcome = Bench.run("sync\nexit 0\n", faults: [Fault(.killAfter, at: 230, service: service.slot)])
    #expect(outcome.ending == .shutdown(RS.Shutdown.vitalDied))
    #expect(String(decoding: outcome.log, as: UTF8.self).contains("RS: \(ServiceName.text(service.slot)) died"))
  }

  @Test("with recovery switched off a dead driver is a loss that the comparison reports")
  func withoutRecovery() throws {
    let text = Array(try Bench.scenario("files").utf8)
    let reference = Bench.run(Scenario(text: text))
    var scenario = Scenario(text: text)
    scenario.recovers = false
    scenario.faults = [Fault(.killAfter, at: reference.begun + 150, service: Endpoint.disk.slot)]
    #expect(Bench.run(scenario).complaints(reference: reference) != [])
  }

  @Test("a Swift trap or a bad load in a driver's own code ends that driver, not the simulator", arguments: [true, false])
  func hostCrash(_ isTrap: Bool) throws {
    for _ in 0..<20 {
      var scenario = Scenario(text: Array(try Bench.scenario("tty-dies").utf8))
      scenario.hostCrash = (Endpoint.tty.slot, isTrap)
      let outcome = Bench.run(scenario)
      #expect(outcome.ending == .shutdown(0))
      #expect(outcome.restarts[Endpoint.tty.slot] >= 2)
      #expect(String(decoding: outcome.log, as: UTF8.self).contains("RS: tty restarted (\(isTrap ? "trap" : "null"))"))
    }
  }

  @Test("faults as words and back", arguments: ["kill-before@12:disk", "kill-during@7:tty", "delay@5:1000", "exhaust@9", "write-error@3", "harm@4:memory:2", "refuse@1"])
  func words(_ text: String) { #expect(Fault(text)?.text == text) }

  @Test("what is no fault is refused", arguments: ["", "kill@1", "kill-after@x:disk", "kill-after@1", "kill-after@1:nobody", "delay@1", "exhaust@1:2"])
  func nonsense(_ text: String) { #expect(Fault(text) == nil) }

  @Test("a failing scenario is shrunk to what it takes")
  func shrink() throws {
    // "Fails": the driver was restarted although a file of 4097 bytes was written. Only one fault and three statements matter.
    var scenario = Scenario(text: Array(try Bench.scenario("files").utf8))
    scenario.faults = [Fault(.delay, at: 300, amount: 10_000), Fault(.killAfter, at: 400, service: Endpoint.disk.slot), Fault(.delay, at: 500, amount: 5_000)]
    var shrinker = Shrinker(budget: 600, image: Bench.image) { outcome, _ in
      outcome.restarts[Endpoint.disk.slot] > 0 && Bench.history(outcome).contains("write 4097") ? "both" : nil
    }
    let shrunk = shrinker.shrink(scenario)
    let (small, reason) = try #require(shrunk)
    #expect(reason == "both")
    #expect(small.faults.map(\.kind) == [.killAfter])
    let lines = String(decoding: small.text ?? [], as: UTF8.self).split(separator: "\n")
    #expect(lines.count < 8)
    #expect(lines.contains { $0.hasPrefix("write f1 4097") })
  }
}
}
