import Foundation
import Script
import Simulator
import ToolKit

/// What the executable can be asked. `apus` and the campaign start it: it is always a release build.
struct Commands {
  var words: [String]
  init(_ words: [String]) { self.words = words }

  mutating func run() throws {
    guard let command = words.first else { throw Failure(Self.usage) }
    words.removeFirst()
    switch command {
    case "run": try runOnce()
    case "seeds": try seeds()
    case "bench": try bench()
    case "scripts": try scripts()
    case "batch": try batch()
    case "sweep": try sweep()
    case "shrink": try shrink()
    case "pools": try pools()
    default: throw Failure(Self.usage)
    }
  }

  static let usage = """
    simulator run SCENARIO [--seed N] [--fault F]... [--until N] [--from N] [--trace] [--ram] [--json] [--disk FILE] [--records FILE [--kernel-calls]]
    simulator seeds --count N [--first N]      each seed twice: the same hash, history and end
    simulator scripts --count N [--first N]    histories of generated scripts, for comparison with other hosts
    simulator sweep SCENARIO --service NAME [--kind K,...] [--every N] [--seed N] [--ram] [--amount A]
    simulator shrink SCENARIO [--seed N] [--ram] --fault F...
    simulator pools --count N                  one script of hogs with so many sizes of memory
    simulator bench                            messages a second
    simulator batch                            plans as lines of JSON on standard input, outcomes as lines on standard output
    SCENARIO is a file, or the number of a generated script
    """

  // MARK: Options

  mutating func flag(_ name: String) -> Bool {
    guard let index = words.firstIndex(of: name) else { return false }
    words.remove(at: index)
    return true
  }

  mutating func value(_ name: String) throws -> String? {
    guard let index = words.firstIndex(of: name) else { return nil }
    guard index + 1 < words.count else { throw Failure("\(name) wants a value") }
    let value = words[index + 1]
    words.removeSubrange(index...index + 1)
    return value
  }

  mutating func number(_ name: String) throws -> UInt64? {
    guard let text = try value(name) else { return nil }
    guard let number = UInt64(text) else { throw Failure("\(name) wants a number, not '\(text)'") }
    return number
  }

  mutating func end() throws {
    if let word = words.first { throw Failure("'\(word)' is not understood\n\(Self.usage)") }
  }

  /// The scenario that is named, by number or file.
  static func scenario(_ name: String) throws -> Scenario {
    if let seed = UInt64(name) { return Scenario(scriptSeed: seed) }
    let text = try Files.read(name)
    do { _ = try parseScript(text) } catch { throw Failure("\(name):\(error.line): \(error.reason)") }
    return Scenario(text: text)
  }

  // MARK: Commands

  private mutating func runOnce() throws {
    var faults: [Fault] = []
    while let text = try value("--fault") {
      guard let fault = Fault(text) else { throw Failure("'\(text)' is no fault; an example: kill-after@1200:disk") }
      faults.append(fault)
    }
    let (seed, until, from) = (try number("--seed"), try number("--until"), try number("--from"))
    let (ram, trace, json, disk) = (flag("--ram"), flag("--trace"), flag("--json"), try value("--disk"))
    let (records, calls) = (try value("--records"), flag("--kernel-calls"))
    guard !words.isEmpty else { throw Failure(Self.usage) }
    let name = words.removeFirst()
    var scenario = try Self.scenario(name)
    try end()
    scenario.faults = faults
    scenario.seed = seed ?? 1
    scenario.rootInMemory = ram
    scenario.records = trace || json || until != nil
    scenario.tracing = records == nil ? .off : calls ? .everything : .messages
    if let until { scenario.stopBefore = until }
    if let from { scenario.recordRange = from..<UInt64.max }
    let outcome = World(scenario, disk: try Disk.standard()).run()
    if let disk { try Files.write(outcome.disk, to: disk) }
    if let records { try Files.write(outcome.trace.withUnsafeBytes { Array($0) }, to: records) }
    if json {
      print(String(decoding: try OutcomeRecord(outcome, points: trace).json(), as: UTF8.self))
      return
    }
    if scenario.records { for message in outcome.sent { print(message.text) } }
    print(String(decoding: outcome.history, as: UTF8.self), terminator: "")
    print(outcome.summary)
    if outcome.ending != .stopped { try judge(outcome, of: scenario, name) }
  }

  /// What a run has lost, with the command that looks for a smaller one; the status is 1 then.
  private func judge(_ outcome: Outcome, of scenario: Scenario, _ name: String) throws {
    var clean = scenario
    clean.faults = []
    clean.records = false
    let image = try Disk.standard()
    var complaints = outcome.complaints(reference: scenario.faults.isEmpty ? outcome : World(clean, disk: image).run())
    if case .shutdown = outcome.ending, let complaint = try SimulatedImage.complaint(outcome.disk) { complaints.append("e2fsck: \(complaint)") }
    if complaints.isEmpty { return }
    for complaint in complaints { print("lost: \(complaint)") }
    if !scenario.faults.isEmpty { print("a smaller one: \(Self.command(scenario, name)) --shrink") }
    Foundation.exit(1)
  }

  /// The command that shows a run again.
  static func command(_ scenario: Scenario, _ name: String) -> String {
    "apus simulate \(name) --seed \(scenario.seed)\(scenario.rootInMemory ? " --ram" : "")" + scenario.faults.map { " --fault \($0.text)" }.joined()
  }

  private mutating func seeds() throws {
    let count = try number("--count") ?? 100
    let first = try number("--first") ?? 1
    try end()
    let image = try Disk.standard()
    var (different, unfinished, messages) = (0, 0, 0 as UInt64)
    let start = Date()
    for seed in first..<first + count {
      var scenario = Scenario(scriptSeed: seed)
      scenario.seed = seed
      scenario.rootInMemory = seed & 1 == 0
      let a = World(scenario, disk: image).run()
      let b = World(scenario, disk: image).run()
      messages += a.messages + b.messages
      if a.hash != b.hash || a.history != b.history || a.ending != b.ending {
        different += 1
        print("seed \(seed): two runs differ: \(Self.command(scenario, "\(seed)"))")
      }
      if a.ending != .shutdown(0) || !a.leaks.isEmpty || !a.unanswered.isEmpty || a.broken != nil || a.contradictions > 0 {
        unfinished += 1
        print("seed \(seed): \(a.summary)")
      }
    }
    let time = Date().timeIntervalSince(start)
    print("\(count) seeds run twice: \(different) differ, \(unfinished) ended badly; \(messages) messages in \(String(format: "%.2f", time)) s")
    if different + unfinished > 0 { Foundation.exit(1) }
  }

  private mutating func scripts() throws {
    let count = try number("--count") ?? 200
    let first = try number("--first") ?? 1
    try end()
    let image = try Disk.standard()
    for seed in first..<first + count {
      let outcome = World(Scenario(scriptSeed: seed), disk: image).run()
      print("script \(seed) \(outcome.ending)")
      print(String(decoding: outcome.history, as: UTF8.self), terminator: "")
    }
  }

  private mutating func pools() throws {
    let count = Int(try number("--count") ?? 200)
    try end()
    let pools = Pools(disk: try Disk.standard())
    var (bad, kills) = (0, 0)
    for frames in pools.sizes(count) {
      let outcome = pools.run(frames: frames)
      var complaints = pools.complaints(outcome)
      if let complaint = try SimulatedImage.complaint(outcome.disk) { complaints.append("e2fsck: \(complaint)") }
      kills += Pools.kills(outcome)
      if complaints.isEmpty { continue }
      bad += 1
      for complaint in complaints { print("\(frames) frames: \(complaint)") }
    }
    print("\(count) sizes of memory from \(pools.least) frames on: \(bad) ended badly; \(kills) processes were killed for memory")
    if bad > 0 { Foundation.exit(1) }
  }

  private mutating func bench() throws {
    try end()
    let image = try Disk.standard()
    for (name, text) in [
      ("ping-pong with the echo driver", "up echo\nping 2000000"),
      ("full servers, small calls, disk driver", Self.calls), ("full servers, small calls, RAM disk", Self.calls),
      ("full servers, data, disk driver", Self.load), ("full servers, data, RAM disk", Self.load),
    ] {
      var scenario = Scenario(text: Array(text.utf8))
      scenario.rootInMemory = name.hasSuffix("RAM disk")
      scenario.messageLimit = 100_000_000
      scenario.timeLimit = .max / 2
      let world = World(scenario, disk: image)
      let start = Date()
      let outcome = world.run()
      let time = Date().timeIntervalSince(start)
      let rate = { (count: UInt64) in String(format: "%.0f", Double(count) / time) }
      print("\(name): \(rate(outcome.messages)) messages/s, \(rate(outcome.traps)) traps/s (\(outcome.messages) messages, \(outcome.traps) traps, \(String(format: "%.2f", time)) s, \(outcome.ending))")
    }
  }

  /// Calls that move few bytes: what they cost is messages.
  private static let calls = (0..<60).map { _ in "fork c0 body\nwait c0\n" }.joined() + "exit 0\n:body\nopen f0 1 create\npipe f1 f2\n"
    + (0..<150).map { round in "write f0 100 \(round)\nstat 1\nsend f2 100\nreceive f1 100\nlink 1 2\nunlink 2\n" }.joined()
    + "close f0\nunlink 1\nexit 0\n"

  /// Large calls to files, processes, memory.
  private static let load = (0..<40).map { round in
    """
    open f0 \(round) create
    write f0 60000 \(round)
    seek f0 0
    read f0 60000
    fsync f0
    close f0
    stat \(round)
    unlink \(round)
    map m0 16
    touch m0 3 5
    fork c0 child
    sum m0
    wait c0
    unmap m0
    """
  }.joined(separator: "\n") + "\nexit 0\n:child\ntouch m0 4 4\nsum m0\nexit 1\n"
}
