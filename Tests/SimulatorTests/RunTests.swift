import IPC
import Protocols
import Script
import Testing
@testable import Simulator

/// One world at a time: they share a thread's stacks and signal handlers.
@Suite(.serialized) struct SimulatorTests {
@Suite("The simulated system", .serialized) struct RunTests {
  @Test("boots, plays a script and shuts down with its status; the history says what happened")
  func script() throws {
    let outcome = Bench.run("open f0 1 create\nwrite f0 5 1\nseek f0 0\nread f0 9\nclose f0\nunlink 1\nexit 7\n")
    #expect(outcome.ending == .shutdown(7))
    #expect(Bench.history(outcome).contains("0 2 write 5\n0 3 seek 0\n0 4 read 5 "))
    #expect(Bench.history(outcome).hasSuffix("0 8 exit 7\n"))
    #expect(try Bench.complaint(outcome) == nil)
  }

  @Test("the same seed gives the same run, message by message; another seed another run with the same history")
  func determinism() {
    for seed in 1...12 as ClosedRange<UInt64> {
      var scenario = Scenario(scriptSeed: seed)
      scenario.seed = seed
      scenario.rootInMemory = seed & 1 == 0
      let (a, b) = (Bench.run(scenario), Bench.run(scenario))
      #expect(a.hash == b.hash, "seed \(seed)")
      #expect(a.terminal == b.terminal, "seed \(seed)")
      scenario.seed = seed + 1000
      let other = Bench.run(scenario)
      #expect(other.hash != a.hash, "seed \(seed)")
      #expect(other.history == a.history, "seed \(seed)")
    }
  }

  @Test("generated scripts end well and leave no thread, frame, grant, region or request behind, on both disks")
  func census() throws {
    for seed in 100..<125 as Range<UInt64> {
      var scenario = Scenario(scriptSeed: seed)
      scenario.rootInMemory = seed & 1 == 0
      let outcome = Bench.run(scenario)
      #expect(outcome.ending == .shutdown(0), "script \(seed)")
      #expect(outcome.leaks == [], "script \(seed)")
      #expect(outcome.unanswered == [], "script \(seed)")
      #expect(outcome.broken == nil, "script \(seed)")
      if seed % 8 == 0 { #expect(try Bench.complaint(outcome) == nil, "script \(seed)") }
    }
  }

  @Test("a page that fork shares is copied when one of them writes, and only for that one")
  func copyOnWrite() {
    let outcome = Bench.run("map m0 2\ntouch m0 0 5\nsum m0\nfork c0 child\nwait c0\nsum m0\nunmap m0\nexit 0\n:child\ntouch m0 0 9\nsum m0\nexit 3\n")
    let lines = Bench.history(outcome).split(separator: "\n").filter { $0.contains("sum") }.map { $0.split(separator: " ").last! }
    #expect(lines.count == 3)
    #expect(lines[0] == lines[1])
    #expect(lines[2] != lines[0])
  }

  @Test("a write to address 64 ends the process with signal 11, not the simulator")
  func fault() {
    let outcome = Bench.run("fork c0 child\nwait c0\nexit 0\n:child\nfault 64\nexit 0\n")
    #expect(Bench.history(outcome).contains("wait 1 11\n"))
  }

  @Test("a script that never ends is stopped by its limit of virtual time")
  func endless() {
    var scenario = Scenario(text: Array("pause\n".utf8))
    scenario.timeLimit = 2_000_000_000
    let outcome = Bench.run(scenario)
    guard case .stuck = outcome.ending else { Issue.record("\(outcome.ending)"); return }
  }

  @Test("--until stops before the message; messages have names")
  func until() {
    var scenario = Scenario(text: Array("sync\n".utf8))
    scenario.records = true
    scenario.stopBefore = 200
    let outcome = Bench.run(scenario)
    #expect(outcome.ending == .stopped)
    #expect(outcome.sent.count == 200)
    #expect(outcome.sent.contains { $0.name == "VM.spawn" && $0.from == Endpoint.rs.slot && $0.to == Endpoint.vm.slot })
    #expect(outcome.sent.contains { $0.name == "done to PM.fork" })
  }

  @Test("the text form of generated scripts reads back as the same script")
  func text() throws {
    for seed in 1...50 as ClosedRange<UInt64> {
      let script = Generator.script(seed: seed)
      #expect(try parseScript(Array(scriptText(script).utf8)) == script, "seed \(seed)")
    }
  }
}
}
