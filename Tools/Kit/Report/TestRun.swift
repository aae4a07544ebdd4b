import Foundation

/// Runs the tests of the package by `swift test` and sums them up.
public struct TestRun {
  let project: Project
  let say: (String) -> Void

  public init(_ project: Project, say: @escaping (String) -> Void) {
    self.project = project
    self.say = say
  }

  /// The target with the tests that boot QEMU. They run only when `gate` is in the environment, that is, when the
  /// image they need has been made.
  public static let systemTarget = "SystemTests"
  public static let gate = "APUS_SYSTEM_TESTS"

  public struct Summary: Sendable {
    public var passed = 0
    public var failures: [TestEvents.Test] = []
    /// Trouble that belongs to no test.
    public var trouble: [String] = []
    public var failed: Int { failures.count + trouble.count }
    public init() {}
    public static func + (a: Summary, b: Summary) -> Summary {
      var sum = a
      sum.passed += b.passed
      sum.failures += b.failures
      sum.trouble += b.trouble
      return sum
    }
    public var line: String { "\(passed) passed, \(failed) failed" }
  }

  private var options: [String] { ["--scratch-path", project.tests, "--enable-code-coverage"] }

  public func build() throws {
    let child = try Child(["swift", "build", "--build-tests"] + options, seconds: 1800, pipes: .outputIsProgress, folder: project.root)
    guard child.wait() == 0 else { throw Failure("the tests do not build") }
  }

  /// All tests there are, none run.
  public func list() throws -> TestEvents {
    let stream = project.output + "/tests.list"
    Files.remove(stream)
    let listing = try Child.run(
      ["swift", "test", "list", "--skip-build", "--disable-xctest", "--event-stream-output-path", stream] + options, seconds: 300, folder: project.root)
    _ = try listing.succeeded("swift test list")
    return TestEvents(String(decoding: try Files.read(stream), as: UTF8.self))
  }

  /// - Parameters:
  ///   - name: of the run, for its files.
  ///   - ids: the tests to run; nil: all but those in QEMU.
  ///   - lively: prints each test as it ends, not only those that fail.
  public func run(_ name: String, ids: [String]?, seconds: Int, lively: Bool, environment: [String: String] = [:]) throws -> Summary {
    try Files.makeDirectory(project.logs)
    let stream = project.output + "/tests.\(name).events"
    let log = project.logs + "/tests.\(name).log"
    Files.remove(stream)
    let filters = ids == nil ? ["--skip", "^" + Self.systemTarget + "\\."] : ids!.flatMap { ["--filter", "^" + NSRegularExpression.escapedPattern(for: $0)] }
    let child = try Child(
      ["swift", "test", "--skip-build", "--disable-xctest", "--event-stream-output-path", stream] + options + filters,
      seconds: seconds, pipes: [.output, .errorsToo], environment: environment, folder: project.root)
    var all: [UInt8] = []
    var line: [UInt8] = []
    while let bytes = Child.readable(child.output, milliseconds: -1) {
      all += bytes
      for byte in bytes {
        if byte != 10 {
          line.append(byte)
          continue
        }
        let text = String(decoding: line, as: UTF8.self)
        if text.contains(#/^✘ Test ".* failed after/#) || (lively && text.hasPrefix("✔ Test \"")) { say(text) }
        line = []
      }
    }
    close(child.output)
    let status = child.wait()
    try Files.write(all, to: log)
    let events = TestEvents((try? Files.read(stream)).map { String(decoding: $0, as: UTF8.self) } ?? "")
    var results = TestResults(file: TestResults.path(project))
    results.add(events)
    try results.write(to: TestResults.path(project))
    var summary = Summary()
    summary.passed = events.passed
    summary.failures = events.failures
    if status != 0 && summary.failures.isEmpty {
      summary.trouble.append("the \(name) tests ended with status \(status); see \(log)")
    } else if status == 0 && summary.passed == 0 {
      summary.trouble.append("none of the \(name) tests ran; see \(log)")
    }
    return summary
  }

  /// Of the last run with the unit tests.
  public func coverage() throws -> Coverage? {
    let path = try Child.run(["swift", "test", "--show-codecov-path"] + options, seconds: 60, errorsToo: false, folder: project.root).output
    let file = path.trimmingCharacters(in: .whitespacesAndNewlines)
    guard Files.exists(file) else { return nil }
    return Coverage(try Files.read(file), root: project.root, libraries: Self.libraries(project.root))
  }

  /// The folders that hold logic: what is tested on the host.
  static func libraries(_ root: String) -> [String] {
    var found = ["IPC", "Boot/Image", "Microkernel/Core", "Servers/Kit"]
    let servers = Files.names(in: root + "/Servers").map { "Servers/" + $0 }
    let nested = ["Servers/FS", "Servers/Drivers"].flatMap { folder in Files.names(in: root + "/" + folder).map { folder + "/" + $0 } }
    found += (servers + nested).map { $0 + "/Logic" }.filter { Files.isDirectory(root + "/" + $0) }
    found += Files.names(in: root + "/Userland").map { "Userland/" + $0 }
      .filter { Files.isDirectory(root + "/" + $0) && !$0.hasSuffix("/Bin") }
    return found + ["Tools/Kit"]
  }
}
