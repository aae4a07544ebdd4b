/// What the tools read in the kernel's log. The formats are the system's own: see the README of this folder.
public enum KernelLog {
  /// `shutdown: status N`: the exit status that the machine was ended with.
  public static func shutdownStatus(_ log: String) -> Int? {
    var found: Int?
    for line in log.split(whereSeparator: \.isNewline) {
      guard let range = line.firstRange(of: "shutdown: status ") else { continue }
      found = Int(line[range.upperBound...].prefix(while: \.isNumber))
    }
    return found
  }

  /// `tty: first read at TICKS idle NS`: the time-stamp counter when the shell asked for its first line, and how long nobody had run. On a
  /// counted machine a tick is a nanosecond, and what is left is the number of instructions since power-on.
  public static func bootInstructions(_ log: String) -> Int? {
    guard let match = log.firstMatch(of: #/tty: first read at (\d+) idle (\d+)\s/#), let ticks = Int(match.1), let idle = Int(match.2) else { return nil }
    return ticks - idle
  }

  /// A service that RS starts no more: `RS: <name> given up (<cause>) after <n> deaths in a row`.
  public static func givenUp(_ log: String) -> [(service: String, cause: String)] {
    log.split(whereSeparator: \.isNewline).compactMap { line in
      line.firstMatch(of: #/RS: (\S+) given up \(([^)]*)\)/#).map { (String($0.1), String($0.2)) }
    }
  }

  /// From the line with `panic` on, empty if there is none.
  public static func panic(_ log: String) -> [String] {
    let lines = log.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).map(String.init)
    guard let start = lines.firstIndex(where: { $0.lowercased().contains("panic") }) else { return [] }
    return Array(lines[start...].prefix(60))
  }

  /// A service's death and return: `RS: <name> restarted (<cause>) recovery <ns> ns count <n> at <ns>`.
  public struct Restart: Equatable, Sendable {
    public var service, cause: String
    public var recovery: Int
    public var count: Int
    /// When it was back, in nanoseconds since boot; 0 if the log does not say.
    public var time: Int
    public init(service: String, cause: String, recovery: Int, count: Int, time: Int = 0) {
      self.service = service
      self.cause = cause
      self.recovery = recovery
      self.count = count
      self.time = time
    }
  }

  public static func restarts(_ log: String) -> [Restart] {
    log.split(whereSeparator: \.isNewline).compactMap { line in
      guard let match = line.firstMatch(of: #/RS: (\S+) restarted \(([^)]*)\) recovery (\d+) ns count (\d+)(?: at (\d+))?/#),
        let recovery = Int(match.3), let count = Int(match.4)
      else { return nil }
      return Restart(service: String(match.1), cause: String(match.2), recovery: recovery, count: count, time: match.5.flatMap { Int($0) } ?? 0)
    }
  }
}
