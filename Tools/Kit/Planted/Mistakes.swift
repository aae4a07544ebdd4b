import Foundation

/// Mistakes to be planted, `Tests/Planted/mistakes.tsv`: each must make the tests that it names fail.
public struct Mistakes: Sendable {
  public struct Mistake: Equatable, Sendable {
    public var name: String
    /// Target and suite of the tests that must find it.
    public var tests: String
    /// Relative to the tree's root, with the one place in it.
    public var file, text, replacement: String
    public var meaning: String
    /// The test target.
    public var target: String { String(tests.prefix { $0 != "." }) }
  }

  public let list: [Mistake]

  public static func path(_ project: Project) -> String { project.root + "/Tests/Planted/mistakes.tsv" }

  /// - Parameter text: a line for each, six fields with a tab between two; the first line has the columns' names.
  public init(_ text: String) throws {
    list = try text.split(separator: "\n").dropFirst().map { line in
      let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
      guard fields.count == 6, fields.allSatisfy({ !$0.isEmpty }) else { throw Failure("the list of mistakes has a line that is none: \(line)") }
      return Mistake(name: fields[0], tests: fields[1], file: fields[2], text: fields[3], replacement: fields[4], meaning: fields[5])
    }
  }

  /// What is wrong with the list: names that stand twice, texts that are not in their file or not the only one.
  public func complaints(_ read: (String) throws -> String) -> [String] {
    var complaints: [String] = []
    for (name, lines) in Dictionary(grouping: list, by: \.name) where lines.count > 1 { complaints.append("\(name) stands \(lines.count) times") }
    for mistake in list {
      guard let source = try? read(mistake.file) else {
        complaints.append("\(mistake.name): there is no \(mistake.file)")
        continue
      }
      let count = source.components(separatedBy: mistake.text).count - 1
      if count != 1 { complaints.append("\(mistake.name): \(mistake.file) has its text \(count) times") }
      if mistake.text == mistake.replacement { complaints.append("\(mistake.name) changes nothing") }
    }
    return complaints.sorted()
  }
}
