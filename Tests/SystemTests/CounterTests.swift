import Testing
import ToolKit

/// What `proc` says of the kernel's work.
@Suite("Counters", .enabled(if: System.isReady)) struct CounterTests {
  typealias Values = [Substring: Int]

  /// `/proc/kernel` before and after `work`.
  static func around(_ machine: Machine, _ work: String) throws -> (before: Values, after: Values) {
    // Once for nothing: the programs are in memory then.
    let script = """
      cat /proc/kernel > /tmp/before; \(work); cat /proc/kernel > /tmp/after
      cat /proc/kernel > /tmp/before; \(work); cat /proc/kernel > /tmp/after
      echo BEFORE; cat /tmp/before; echo AFTER; cat /tmp/after; echo END

      """
    let output = try System.run(machine, script).output
    func values(_ start: String, _ end: String) throws -> Values {
      var values: Values = [:]
      for line in try #require(System.between(start, end, output)).split(separator: "\n") {
        let words = line.split(separator: " ")
        if words.count == 2, let value = Int(words[1]) { values[words[0]] = value }
      }
      return values
    }
    return (try values("BEFORE", "AFTER"), try values("AFTER", "END"))
  }

  static func growth(_ name: Substring, _ pair: (before: Values, after: Values)) throws -> Int {
    try #require(pair.after[name]) - #require(pair.before[name])
  }

  @Test("calls by the fast path and by the slow path are counted, and proc shows both; with the fast path off there is one",
    arguments: [(ToolKit.Host.metal, ""), (.metal, "ipc=int"), (.metal, "fastpath=off"), (.processes, "")])
  func paths(host: ToolKit.Host, word: String) throws {
    // Each byte is two requests to VFS; without the page cache one of them goes on to the file system, by asynchronous messages.
    let machine = try System.machine("counters-\(host.rawValue)-\(word.filter(\.isLetter))", on: host, words: ["cache=off"] + (word.isEmpty ? [] : [word]))
    let pair = try Self.around(machine, "dd if=/bin/sh of=/dev/null bs=1 count=2000 2> /dev/null")
    let (fast, slow, faults) = (try Self.growth("fast-path", pair), try Self.growth("slow-path", pair), try Self.growth("faults", pair))
    #expect(slow > 500 && faults > 0, "\(slow) \(faults)")
    if word == "fastpath=off" { #expect(fast == 0 && slow > 4000) } else { #expect(fast > 4000, "\(fast)") }
  }

  @Test("no tick: an idle machine takes no timer interrupts but those of the heartbeats, two for each", arguments: [(ToolKit.Host.metal, 100), (.processes, 2)])
  func idle(host: ToolKit.Host, seconds: Int) throws {
    var machine = try System.machine("idle-\(host.rawValue)", on: host)
    machine.counted = true  // on metal, where that makes a hundred idle seconds short
    let pair = try Self.around(machine, "sleep \(seconds)")
    let (timers, time) = (try Self.growth("timer-interrupts", pair), try Self.growth("nanoseconds", pair))
    #expect(time >= seconds * 1_000_000_000)
    // With each heartbeat the services take turns, and the end of a turn that nobody needed any more comes once too. The rest: the
    // end of the sleep, and turns of the shell, `sleep` and `cat`.
    // In processes a busy host cuts turns short, which costs some more; a tick of 10 ms would be five times that.
    let most = host == .metal ? 2 * time / 100_000_000 + 15 : 4 * time / 100_000_000 + 40
    #expect(timers >= seconds * 9 && timers <= most, "\(timers) in \(time) ns")
  }
}
