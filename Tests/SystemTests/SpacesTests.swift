import Testing
import ToolKit

@Suite("Spaces", .enabled(if: System.isReady)) struct SpacesTests {
  /// The lines of `/proc/kernel`, once for each time that it was printed.
  private static func readings(_ output: String) -> [[Substring: UInt64]] {
    var readings: [[Substring: UInt64]] = []
    for line in output.split(whereSeparator: \.isNewline) {
      let words = line.split(separator: " ")
      guard words.count == 2, let value = UInt64(words[1]) else { continue }
      if words[0] == "nanoseconds" { readings.append([:]) }
      if !readings.isEmpty { readings[readings.count - 1][words[0]] = value }
    }
    return readings
  }

  /// Each shell command is a fork and an exec: two spaces and a thread.
  @Test("V5 1,000 processes come and go: every table of the kernel and of VM holds what it held before, and no more") func comeAndGo() throws {
    let ten = Array(repeating: "/bin/true", count: 10).joined(separator: "; ")
    let warm = Array(repeating: ten, count: 5), all = Array(repeating: ten, count: 100)
    let script = (warm + ["cat /proc/kernel"] + all + ["cat /proc/kernel; echo alive", ""]).joined(separator: "\n")
    let result = try System.run(System.machine("spaces"), script)
    let readings = Self.readings(result.output)
    try #require(readings.count == 2 && result.output.contains("alive"), "\(result.output.suffix(2000))")
    let (before, after) = (readings[0], readings[1])
    for name: Substring in ["threads", "grants", "asynchronous", "spaces", "regions", "objects"] {
      #expect(before[name] != nil && before[name] == after[name], "\(name): \(before[name] ?? 0), then \(after[name] ?? 0)")
    }
    for (name, limit): (Substring, Substring) in [("threads", "thread-limit"), ("grants", "grant-limit"), ("asynchronous", "asynchronous-limit")] {
      #expect((after[name] ?? .max) < (after[Substring(limit)] ?? 0))
    }
    // VFS and PM may have grown by what they keep of programs; a page a process would be a thousand.
    let lost = Int64(before["frames-free"] ?? 0) - Int64(after["frames-free"] ?? 0)
    #expect(lost < 32, "\(lost) frames")
    #expect((after["page-faults"] ?? 0) > (before["page-faults"] ?? 0) + 1000, "they were processes")
  }
}
