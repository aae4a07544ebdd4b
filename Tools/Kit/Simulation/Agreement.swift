import Script

/// Generated scripts, each played on two hosts: the same calls must have the same results.
public struct Agreement: Sendable {
  public var scripts: Range<UInt64>
  public init(scripts: Range<UInt64>) { self.scripts = scripts }

  /// One script of which the histories differ.
  public struct Difference: Sendable {
    public var script: UInt64
    /// The first line that differs, on both hosts; empty where there is none.
    public var expected, found: String
  }

  /// By script: what the simulator says.
  public func simulated(_ simulator: SimulatorProgram) throws -> [UInt64: String] {
    let text = try simulator.output(["scripts", "--first", "\(scripts.lowerBound)", "--count", "\(scripts.count)"], seconds: 600)
    return Self.parts(text).mapValues { $0 }
  }

  /// The lines for a shell that plays all of them.
  public var shellScript: String { scripts.map { "echo script \($0); play \($0)\n" }.joined() }

  /// By script: what a host's terminal showed while its shell ran `shellScript`.
  public static func histories(terminal: String) -> [UInt64: String] {
    parts(terminal).mapValues { String(decoding: History(terminal: Array($0.utf8)).text, as: UTF8.self) }
  }

  public func compare(_ expected: [UInt64: String], _ found: [UInt64: String]) -> [Difference] {
    var all: [Difference] = []
    for script in scripts where expected[script] != found[script] || expected[script]?.isEmpty != false {
      let (a, b) = (Self.lines(expected[script]), Self.lines(found[script]))
      let index = (0..<max(a.count, b.count)).first { $0 >= a.count || $0 >= b.count || a[$0] != b[$0] } ?? 0
      all.append(Difference(script: script, expected: index < a.count ? a[index] : "", found: index < b.count ? b[index] : ""))
    }
    return all
  }

  private static func lines(_ text: String?) -> [String] { (text ?? "").split(separator: "\n").map(String.init) }

  /// What stands between the lines `script N ...`.
  private static func parts(_ text: String) -> [UInt64: String] {
    var parts: [UInt64: String] = [:]
    var current: UInt64?
    for line in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) {
      let words = line.split(separator: " ")
      if words.count >= 2, words[0] == "script", let number = UInt64(words[1].filter { $0 != "\r" }) {
        current = number
        parts[number] = ""
      } else if let current, !line.isEmpty {
        parts[current]! += line + "\n"
      }
    }
    return parts
  }
}
