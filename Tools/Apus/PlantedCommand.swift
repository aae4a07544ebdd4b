import ArgumentParser
import ToolKit

struct PlantedCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "planted",
    abstract: "Plants mistakes, one at a time, in a copy of the tree and shows whether the tests find them.",
    discussion: """
      The list is Tests/Planted/mistakes.tsv. Prints a line for each mistake with the number of the operation at which it was
      found, or that the tests trapped or just failed, and at the end a line of counts. The status is 0 only if all were found.

      EXAMPLES
        apus planted
        apus planted --filter flush
        apus planted --list
      """)

  @Flag(help: "Runs nothing: prints the list.") var list = false
  @Option(help: ArgumentHelp("Only mistakes with this text in their name or file.", valueName: "text")) var filter: String?
  @Option(help: ArgumentHelp("Operations in each of the four parts of a property test.", valueName: "count")) var steps = 75_000

  func run() throws {
    let project = try Project.find()
    func source(_ path: String) throws -> String { String(decoding: try Files.read(path), as: UTF8.self) }
    let mistakes = try Mistakes(source(Mistakes.path(project)))
    let wanted = mistakes.list.filter { mistake in filter.map { mistake.name.contains($0) || mistake.file.contains($0) } ?? true }
    let complaints = mistakes.complaints { try source(project.root + "/" + $0) }
    guard complaints.isEmpty else { throw Failure(complaints.joined(separator: "\n")) }
    guard !wanted.isEmpty else { throw Failure("no mistake is called like that") }
    let width = mistakes.list.map(\.name.count).max() ?? 0
    func name(_ mistake: Mistakes.Mistake) -> String { mistake.name.padding(toLength: width, withPad: " ", startingAt: 0) }
    if list {
      for mistake in wanted { print("\(name(mistake))  \(mistake.meaning)") }
      return
    }
    let planted = PlantedRun(project, environment: ["VM_STEPS": "\(steps)"], say: say)
    try planted.copy()
    for tests in Set(wanted.map(\.tests)).sorted() {
      say("builds and runs \(tests) without a mistake")
      if case .useless(let why) = try planted.control(tests) { throw Failure("\(tests): \(why)") }
    }
    var found = 0
    for mistake in wanted {
      switch try planted.plant(mistake) {
      case .found(let operation):
        found += 1
        print("\(name(mistake))  \(operation.map { "operation \($0)" } ?? "a trap")  \(mistake.meaning)")
      case .missed: print("\(name(mistake))  NOT FOUND  \(mistake.meaning)")
      case .useless(let why): print("\(name(mistake))  USELESS: \(why)")
      }
    }
    print("\(found) of \(wanted.count) mistakes found")
    if found < wanted.count { throw ExitCode(1) }
  }
}
