import Testing
import ToolKit

@Suite("Memory runs out", .enabled(if: System.isReady)) struct ShortageTests {
  /// Hogs alone, several, and beside all that takes memory too; a holder of all memory while the disk driver dies. All of it several
  /// times, with counts after each: what PM and VFS keep for the next time (tables of many processes) they have after the first.
  private static let rounds = 3
  private static let script = """
    for round in 1 2 3; do
    hostile -d memory; echo "alone $?"
    hostile -d memory & one=$!; hostile -d memory & two=$!; hostile -d memory & three=$!
    wait $one; echo "one $?"; wait $two; echo "two $?"; wait $three; echo "three $?"
    hostile starve; echo "starve $?"
    hostile -d hold > /tmp/held$round & hog=$!; n=0
    until [ -s /tmp/held$round ] || [ $n -gt 100000 ]; do n=$((n + 1)); done
    kill -9 $hog; wait $hog; echo "held $?"; cat /tmp/held$round
    hostile forkbomb; echo "bomb $?"
    hostile -d memory & hog=$!; copies=0
    for name in a b c d; do until cp /bin/sh /home/$name && cmp /bin/sh /home/$name; do :; done; copies=$((copies + 1)); done
    wait $hog; echo "beside copies $? $copies"
    hostile -d memory & hog=$!; mapped > /tmp/out; shm >> /tmp/out; wait $hog; echo "beside maps $?"
    sync; sha256sum /home/a /home/b /home/c /home/d /bin/sh; rm /home/a /home/b /home/c /home/d /tmp/out /tmp/held$round
    mapped > /tmp/out; echo "mapped $?"; shm > /tmp/out; echo "shm $?"; rm /tmp/out
    sync; echo COUNTS$round; cat /proc/vm; vmmap rootfs | grep resident; service status; echo END$round
    done

    """

  @Test("V93 X3 SEC36 hogs die by SIGKILL and nobody else does; with no memory for users the disk driver restarts and the disk is read; files stay right, nothing leaks",
    arguments: [(ToolKit.Host.metal, 32), (.metal, 48), (.metal, 64), (.processes, 48)])
  func shortage(host: ToolKit.Host, memory: Int) throws {
    var machine = try System.machine("shortage-\(host.rawValue)-\(memory)", on: host)
    machine.memory = memory
    let result = try System.run(machine, Self.script, seconds: 300)
    let said = result.output.split(whereSeparator: \.isNewline).map(String.init)
    for line in ["alone 137", "one 137", "two 137", "three 137", "starve 0", "held 137", "bomb 0", "beside copies 137 4", "beside maps 137", "mapped 0", "shm 0"] {
      #expect(said.filter { $0 == line }.count == Self.rounds, "'\(line)': \(result.output.suffix(3000))")
    }
    #expect(said.contains("Killed") && said.filter { $0.hasPrefix("hostile hold: ") && $0.hasSuffix(" pages") }.count == Self.rounds)

    // All copies are the file, which is as before.
    let sums = Set(said.filter { $0.contains("  /bin/sh") || $0.contains("  /home/") }.map { $0.prefix(64) })
    #expect(sums.count == 1 && said.filter { $0.contains("  /home/") }.count == 4 * Self.rounds, "\(sums)")

    // That without memory the disk says the same as with it, `hostile starve` has compared.
    let trials = said.filter { $0.hasPrefix("hostile starve: with") }
    #expect(trials.count == 2 * Self.rounds, "\(trials)")

    // VM names each victim and why, and only hogs; the disk driver alone was restarted, as often as it was killed.
    let log = result.log.split(whereSeparator: \.isNewline)
    let victims = log.filter { $0.contains("VM: out of memory: ") }
    #expect(victims.count >= 6 * Self.rounds && victims.allSatisfy { $0.contains("; killing hostile(") && ($0.contains("most of all") || $0.contains("at least half")) }, "\(victims)")
    let restarts = log.filter { $0.contains(" restarted (") }
    #expect(restarts.count == 2 * Self.rounds && restarts.allSatisfy { $0.contains("RS: disk ") }, "\(restarts)")
    let before = try #require(System.between("COUNTS2", "END2", result.output)), after = try #require(System.between("COUNTS3", "END3", result.output))
    #expect(Self.others(before) == Self.others(after))

    // Frames, but for what the caches have of them, and every record are back.
    let then = Self.numbers(before), now = Self.numbers(after)
    for name in ["spaces", "regions", "objects", "memory-waiting", "memory-file-pages", "memory-files"] {
      #expect(now[name] == then[name], "\(name): \(then[name] ?? 0), then \(now[name] ?? 0)")
    }
    #expect((then["rootfs"] ?? 0) > 0 && (now["rootfs"] ?? 0) > 0)
    let gone = Self.free(then) - Self.free(now)
    #expect(abs(gone) <= Self.slack, "\(gone) frames are gone")
    #expect(now["memory-kills"] == victims.count)
  }

  /// Records grow in steps of a frame, and `cat` itself is not always the same.
  private static let slack = 8

  /// Frames that nobody has but the page cache and the file system, whose cache of blocks is of a fixed size but fills slowly.
  private static func free(_ counts: [String: Int]) -> Int {
    (counts["frames-free"] ?? 0) + (counts["cache-pages"] ?? 0) - (counts["cache-idle"] ?? 0) + (counts["rootfs"] ?? 0) / 4
  }

  private static func numbers(_ text: String) -> [String: Int] {
    var found: [String: Int] = [:]
    for line in text.split(whereSeparator: \.isNewline) {
      let words = line.split(separator: " ")
      if words.count > 2, words[0] == "resident" { found["rootfs"] = Int(words[1]) }
      if words.count == 2, let number = Int(words[1]), found[String(words[0])] == nil { found[String(words[0])] = number }
    }
    return found
  }

  /// The lines of services that nobody was to kill.
  private static func others(_ text: String) -> [String] {
    text.split(whereSeparator: \.isNewline).map(String.init).filter { ($0.contains(" running ") || $0.contains(" down ") || $0.contains(" failed ")) && !$0.hasPrefix("disk ") }
  }
}
