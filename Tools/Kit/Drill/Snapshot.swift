/// What the guest says about itself between two markers: what the kernel counts, and who lives.
public struct Snapshot: Equatable, Sendable {
  public var counters: [String: Int] = [:]
  /// Pages that each service alone has: whoever looks for a lost frame looks here first.
  public var pages: [String: Int] = [:]
  /// How often each command is among the processes.
  public var processes: [String: Int] = [:]

  /// Shell commands that print one.
  public static func commands(_ name: String) -> [String] {
    ["echo '== \(name)'", "cat /proc/kernel", "echo '== services'", "cat /proc/services", "echo '== processes'", "ps", "echo '== end'"]
  }

  /// Out of the guest's output; nil if it is not there in full.
  public init?(_ name: String, in output: String) {
    let lines = output.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).map { $0.trimmingPrefix { $0 == " " } }
    guard let start = lines.firstIndex(of: "== \(name)"), let services = lines[start...].firstIndex(of: "== services"),
      let middle = lines[services...].firstIndex(of: "== processes"), let end = lines[middle...].firstIndex(of: "== end")
    else { return nil }
    for line in lines[(services + 1)..<middle].dropFirst() {
      let words = line.split(separator: " ")
      guard words.count >= 2, let value = Int(words[words.count - 1]) else { continue }
      pages[String(words[0])] = value
    }
    for line in lines[(start + 1)..<services] {
      let words = line.split { $0 == " " || $0 == "\t" || $0 == ":" || $0 == "=" }
      guard words.count >= 2, let value = Int(words[words.count - 1]) else { continue }
      counters[words.dropLast().joined(separator: " ")] = value
    }
    for line in lines[(middle + 1)..<end].dropFirst() {
      guard let command = line.split(separator: " ").last else { continue }
      processes[String(command), default: 0] += 1
    }
  }

  /// Guest time since power-on.
  public var nanoseconds: Int? { counters["nanoseconds"] }

  /// Those that must be the same after as before: what is free or in use of frames and grants, and VM's records.
  static func isBalanced(_ counter: String) -> Bool {
    let name = counter.lowercased()
    return (name.contains("grant") && !name.contains("limit")) || (name.contains("frame") && name.contains("free"))
      || name == "regions" || name == "spaces" || name == "objects"
  }

  /// A counter's value. Free frames include those that hold VM's records: a half-empty slab stays when the records
  /// beside it have gone, and the records themselves are counted as regions and spaces.
  private func value(_ name: String) -> Int? {
    guard let value = counters[name] else { return nil }
    return name == "frames-free" ? value + (counters["frames-metadata"] ?? 0) : value
  }

  /// What there is less of (frames) or more of (grants) than `before`, by counter; 0 where nothing leaked.
  public func leaks(since before: Snapshot) -> [String: Int] {
    var found: [String: Int] = [:]
    for name in before.counters.keys where Self.isBalanced(name) {
      guard let old = before.value(name), let new = value(name) else { continue }
      found[name] = name.lowercased().contains("free") ? old - new : new - old
    }
    return found
  }

  /// Who has more or fewer pages than in `before`: "disk +1".
  public func movedPages(since before: Snapshot) -> [String] {
    pages.sorted { $0.key < $1.key }.compactMap { name, now in
      let change = now - before.pages[name, default: 0]
      return change == 0 ? nil : "\(name) \(change > 0 ? "+" : "")\(change)"
    }
  }

  /// How many processes of `before` are gone.
  public func processesLost(since before: Snapshot) -> Int {
    before.processes.reduce(0) { $0 + max(0, $1.value - processes[$1.key, default: 0]) }
  }
}
