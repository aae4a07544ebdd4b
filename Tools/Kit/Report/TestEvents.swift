import Foundation

/// What a run of Swift Testing reported in its event stream: one JSON object a line.
public struct TestEvents: Sendable {
  public struct Test: Sendable, Equatable {
    /// `Module.Suite/function()`, what `swift test --filter` takes.
    public var id: String
    public var name: String
    public var isSuite: Bool
    public var started = false, ended = false, skipped = false
    public var issues: [String] = []

    var passed: Bool { ended && issues.isEmpty }
    /// A test that began and never ended took the process with it.
    var failed: Bool { !issues.isEmpty || (started && !ended) }
  }

  /// In the order of the stream; suites too.
  public private(set) var tests: [Test] = []
  private var index: [String: Int] = [:]

  public init(_ stream: String) {
    for line in stream.split(separator: "\n") {
      guard let object = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any],
        let payload = object["payload"] as? [String: Any]
      else { continue }
      if object["kind"] as? String == "test" { add(payload) } else { apply(payload) }
    }
  }

  private mutating func add(_ payload: [String: Any]) {
    guard let id = payload["id"] as? String, index[id] == nil else { return }
    index[id] = tests.count
    // An id of a function ends with its place in the source, which a filter does not know.
    let short = id.split(separator: "/").filter { !$0.contains(".swift:") }.joined(separator: "/")
    tests.append(Test(
      id: short, name: (payload["displayName"] ?? payload["name"]) as? String ?? short, isSuite: payload["kind"] as? String == "suite"))
  }

  private mutating func apply(_ payload: [String: Any]) {
    guard let id = payload["testID"] as? String, let at = index[id] else { return }
    switch payload["kind"] as? String {
    case "testStarted": tests[at].started = true
    case "testEnded": tests[at].ended = true
    case "testSkipped": tests[at].skipped = true
    case "issueRecorded":
      let issue = payload["issue"] as? [String: Any]
      if issue?["isKnown"] as? Bool == true || issue?["severity"] as? String == "warning" { return }
      let texts = (payload["messages"] as? [[String: Any]] ?? []).compactMap { $0["text"] as? String }
      let place = (issue?["sourceLocation"] as? [String: Any]).map { " (\($0["fileID"] ?? "?"):\($0["line"] ?? 0))" } ?? ""
      let text = texts.first ?? "failed"
      tests[at].issues.append((text.count > 4000 ? "\(text.prefix(4000)) ..." : text) + place)
    default: break
    }
  }

  public var functions: [Test] { tests.filter { !$0.isSuite } }
  public var passed: Int { functions.count { $0.passed && !$0.skipped } }
  /// A suite's own trouble counts as one more.
  public var failures: [Test] { tests.filter { $0.failed && !($0.isSuite && $0.issues.isEmpty) } }

  /// The ids of the tests in whose id, name or suite's name `text` occurs, whatever its case.
  public func matching(_ text: String) -> [String] {
    let wanted = text.lowercased()
    let hit = { (test: Test) in test.id.lowercased().contains(wanted) || test.name.lowercased().contains(wanted) }
    let suites = tests.filter { $0.isSuite && hit($0) }.map { $0.id + "/" }
    return functions.filter { test in hit(test) || suites.contains { test.id.hasPrefix($0) } }.map(\.id)
  }
}

/// Lines covered, by library, out of `llvm-cov export`.
public struct Coverage {
  public struct Share: Equatable, Sendable {
    public var lines, covered: Int
    public var percent: Double { lines == 0 ? 100 : Double(covered) * 100 / Double(lines) }
  }

  /// Folder of a library relative to the root, and its share.
  public private(set) var folders: [(name: String, share: Share)] = []
  public private(set) var total = Share(lines: 0, covered: 0)

  /// Nil if `json` is none. `libraries` are folders relative to `root`; files outside all of them do not count.
  public init?(_ json: [UInt8], root: String, libraries: [String]) {
    guard let object = try? JSONSerialization.jsonObject(with: Data(json)) as? [String: Any],
      let data = (object["data"] as? [[String: Any]])?.first, let files = data["files"] as? [[String: Any]]
    else { return nil }
    var found: [String: Share] = [:]
    for file in files {
      guard let path = file["filename"] as? String, path.hasPrefix(root + "/"),
        let lines = (file["summary"] as? [String: Any])?["lines"] as? [String: Any],
        let count = lines["count"] as? Int, let covered = lines["covered"] as? Int
      else { continue }
      let name = path.dropFirst(root.count + 1)
      guard let library = libraries.first(where: { name.hasPrefix($0 + "/") }) else { continue }
      found[library, default: Share(lines: 0, covered: 0)].lines += count
      found[library, default: Share(lines: 0, covered: 0)].covered += covered
      total.lines += count
      total.covered += covered
    }
    folders = libraries.compactMap { name in found[name].map { (name, $0) } }
  }

  public var table: String {
    let width = folders.map(\.name.count).max() ?? 0
    return (folders + [("all", total)]).map { name, share in
      name.padding(toLength: max(width, 3), withPad: " ", startingAt: 0) + String(format: "  %5.1f %%  of %5d lines", share.percent, share.lines)
    }.joined(separator: "\n")
  }
}
