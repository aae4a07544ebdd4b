import Foundation

/// Plants mistakes in a copy of the tree, one at a time, and runs the tests that must find them.
public struct PlantedRun {
  public enum Verdict: Equatable, Sendable {
    /// At which operation the tests said so; nil if they do not count, or if they trapped.
    case found(operation: Int?)
    case missed
    /// The tests that did not even build, or the tests without a mistake that failed.
    case useless(String)
  }

  let project: Project
  let say: (String) -> Void
  /// Environment of the tests, like their length.
  let environment: [String: String]

  public init(_ project: Project, environment: [String: String], say: @escaping (String) -> Void) {
    self.project = project
    self.environment = environment
    self.say = say
  }

  private var folder: String { project.build + "/planted" }
  private var tree: String { folder + "/tree" }
  /// Shared by all mistakes and by later runs: only what changed is built.
  private var scratch: String { folder + "/build" }

  /// The tree as it is now, without what was built. Times stay, so that nothing is built anew for that.
  public func copy() throws {
    Files.remove(tree)
    try Files.makeDirectory(tree)
    for item in try FileManager.default.contentsOfDirectory(atPath: project.root) where !item.hasPrefix(".") {
      let status = try Child(["cp", "-a", project.root + "/" + item, tree + "/"], seconds: 120).wait()
      guard status == 0 else { throw Failure("cannot copy \(item)") }
    }
  }

  /// Without any mistake the tests must pass.
  public func control(_ tests: String) throws -> Verdict {
    switch try test(tests) {
    case .missed: return .missed
    case .found(let operation): return .useless("without a mistake they fail too\(operation.map { ", at operation \($0)" } ?? "")")
    case .useless(let why): return .useless(why)
    }
  }

  public func plant(_ mistake: Mistakes.Mistake) throws -> Verdict {
    let path = tree + "/" + mistake.file
    let source = try Files.read(path)
    let planted = String(decoding: source, as: UTF8.self).replacingOccurrences(of: mistake.text, with: mistake.replacement)
    try Files.write(Array(planted.utf8), to: path)
    defer { try? Files.write(source, to: path) }
    return try test(mistake.tests)
  }

  private func test(_ tests: String) throws -> Verdict {
    let target = String(tests.prefix { $0 != "." })
    var environment = environment
    environment["APUS_ONLY"] = target
    let options = ["--scratch-path", scratch, "--package-path", tree]
    let build = try Child.run(["swift", "build", "--build-tests"] + options, seconds: 1800, environment: environment, folder: tree)
    guard build.status == 0 else { return .useless("it does not build: \(build.output.split(separator: "\n").first { $0.contains("error:") } ?? "")") }
    let command = ["swift", "test", "--skip-build", "--disable-xctest", "--filter", "^" + NSRegularExpression.escapedPattern(for: tests)]
    let run = try Child.run(command + options, seconds: 900, environment: environment, folder: tree)
    if run.status == 0 { return run.output.contains("Test run with 0 tests") ? .useless("there are no tests \(tests)") : .missed }
    return .found(operation: run.output.matches(of: #/operation (\d+):/#).compactMap { Int($0.1) }.min())
  }
}
