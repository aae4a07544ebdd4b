import Foundation

/// What the system must do, by name: `Tests/Behaviours/behaviours.tsv`, held against the tests that bear the names.
public struct Behaviours: Sendable {
  public enum State: String, Sendable, CaseIterable { case required, answered, open }

  /// One line of the list; its columns are in the README beside it.
  public struct Behaviour: Equatable, Sendable {
    public var name, level: String
    public var state: State
    public var meaning, note: String
  }

  public let list: [Behaviour]

  /// How many names each family has: 1 to this.
  static let families: [(prefix: String, count: Int)] = [
    ("V", 100), ("X", 12), ("S", 12), ("R", 9), ("M-A", 7), ("M-B", 9), ("M-C", 3), ("M-D", 5), ("M-E", 10), ("M-F", 14), ("M-G", 9),
    ("M-H", 2), ("M-I", 2), ("M-J", 4), ("M-K", 4), ("M-L", 4), ("M-M", 3), ("M-N", 9), ("SEC", 49),
  ]
  static let allNames = families.flatMap { family in (1...family.count).map { "\(family.prefix)\($0)" } }

  public static func path(_ project: Project) -> String { project.root + "/Tests/Behaviours/behaviours.tsv" }

  /// - Parameter text: lines of `name level state meaning note`, a tab between two; the first line has the columns' names.
  public init(_ text: String) throws {
    list = try text.split(separator: "\n").dropFirst().map { line in
      let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
      guard fields.count == 5, let state = State(rawValue: fields[2]), !fields[1].isEmpty, fields[1].allSatisfy({ "UPQS".contains($0) }), !fields[3].isEmpty
      else { throw Failure("the list of behaviours has a line that is none: \(line)") }
      return Behaviour(name: fields[0], level: fields[1], state: state, meaning: fields[3], note: fields[4])
    }
  }

  /// The names in a test's display name.
  public static func names(in text: String) -> [String] {
    text.matches(of: #/\b(?:M-[A-Z]|SEC|[VXSR])\d+\b/#).map { String($0.0) }
  }

  /// Tests by the names that they bear.
  static func bearers(_ tests: [TestEvents.Test]) -> [String: [TestEvents.Test]] {
    var found: [String: [TestEvents.Test]] = [:]
    for test in tests { for name in Set(names(in: test.name)) { found[name, default: []].append(test) } }
    return found
  }

  /// What is wrong: names that went missing from the list or from the tests, and lines that say less than what holds.
  public func complaints(_ tests: [TestEvents.Test]) -> [String] {
    let bearers = Self.bearers(tests)
    var complaints: [String] = []
    let listed = Dictionary(grouping: list, by: \.name)
    for name in Self.allNames where listed[name] == nil { complaints.append("\(name) is missing in the list of behaviours") }
    for (name, lines) in listed.sorted(by: { $0.key < $1.key }) {
      if lines.count > 1 { complaints.append("\(name) stands in the list of behaviours \(lines.count) times") }
      if !Self.allNames.contains(name) { complaints.append("\(name) is a name of no family of behaviours") }
    }
    for line in list {
      switch line.state {
      case .required: if bearers[line.name] == nil { complaints.append("\(line.name) has lost its tests: \(line.meaning)") }
      case .answered: if line.note.isEmpty { complaints.append("\(line.name) is answered by nothing") }
      case .open:
        if line.note.isEmpty { complaints.append("\(line.name) is open, and the list does not say why") }
        if bearers[line.name] != nil { complaints.append("\(line.name) has a test now: its line in the list of behaviours becomes `required`") }
      }
    }
    for (name, tests) in bearers.sorted(by: { $0.key < $1.key }) where listed[name] == nil {
      complaints.append("\(name), which \(tests[0].id) bears, is in no list")
    }
    return complaints
  }

  /// Each name with its tests and what they did when they last ran, then sums.
  /// - Parameters:
  ///   - text: only lines with this in them, whatever the case.
  public func table(_ tests: [TestEvents.Test], _ results: TestResults, containing text: String? = nil) -> String {
    let bearers = Self.bearers(tests)
    var rows = [["name", "level", "state", "result", "meaning"]]
    var counts: [String: Int] = [:]
    for line in list {
      let own = (bearers[line.name] ?? []).sorted { $0.id < $1.id }
      let result = line.state == .required ? results.sum(of: own) : "-"
      counts[line.state == .required ? result : line.state.rawValue, default: 0] += 1
      if let text, !"\(line.name)\t\(line.level)\t\(line.state)\t\(line.meaning)\t\(line.note)".localizedCaseInsensitiveContains(text) { continue }
      rows.append([line.name, line.level, line.state.rawValue, result, line.meaning])
      if !line.note.isEmpty { rows.append(["", "", "", "", "  \(line.state == .answered ? "answer" : "open"): \(line.note)"]) }
      for test in own { rows.append(["", "", "", results[test].rawValue, "  \(test.id.prefix { $0 != "." }): \(test.name)"]) }
    }
    let order = ["passed", "failed", "not run", "answered", "open"]
    let sums = order.compactMap { key in counts[key].map { "\($0) \(key)" } }.joined(separator: ", ")
    return columns(rows, left: [0, 1, 2, 3, 4]) + "\n\(list.count) names: \(sums)"
  }
}

/// What each test did when it last ran.
public struct TestResults: Sendable {
  public enum Result: String, Sendable { case passed, failed, notRun = "not run" }
  private var results: [String: String]

  public init() { results = [:] }

  public static func path(_ project: Project) -> String { project.output + "/tests.results" }

  /// Those of earlier runs; none if there is no such file.
  public init(file: String) {
    results = ((try? Files.read(file)).flatMap { try? JSONSerialization.jsonObject(with: Data($0)) } as? [String: String]) ?? [:]
  }

  /// Adds a run's; tests that did not run in it keep what they had.
  public mutating func add(_ events: TestEvents) {
    for test in events.functions where test.started && !test.skipped { results[test.id] = test.issues.isEmpty && test.ended ? "passed" : "failed" }
  }

  public func write(to file: String) throws { try writeJSON(results, to: file) }

  public subscript(test: TestEvents.Test) -> Result { results[test.id].flatMap(Result.init) ?? .notRun }

  /// Failed if one has failed; passed if all that ran have, and one did.
  func sum(of tests: [TestEvents.Test]) -> String {
    let all = tests.map { self[$0] }
    return (all.contains(.failed) ? Result.failed : all.contains(.passed) ? .passed : .notRun).rawValue
  }
}
