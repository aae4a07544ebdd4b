import Foundation
import Testing
import ToolKit

/// The booted system, for tests. They run only under `apus test`, which has made the image before.
enum System {
  static let isReady = ProcessInfo.processInfo.environment[TestRun.gate] != nil

  /// What a host boots from; the broker is built when a test first wants it.
  static func media(_ host: ToolKit.Host) throws -> Machine.Media {
    switch host {
    case .metal: try metal.get()
    case .processes: try processes.get()
    case .simulator: throw Failure("the simulator boots nothing")
    }
  }
  private static let metal = Result { try HostMedia.media(.metal, Project.find()) { _ in } }
  private static let processes = Result { try HostMedia.media(.processes, Project.find()) { _ in } }

  /// A machine with a disk of its own that it may write to, and a log of its own.
  static func machine(_ name: String, on host: ToolKit.Host = .metal, words: [String] = []) throws -> Machine {
    let project = try Project.find()
    try Files.makeDirectory(project.logs)
    var machine = Machine(
      media: try media(host), disk: .copyOnWrite(try freshDisk()), log: project.logs + "/test.\(name).log")
    machine.words = words + [Batch.word]
    return machine
  }

  /// The standard disk without anything that the user wrote: made once a run.
  static func freshDisk() throws -> String { try fresh.get() }
  private static let fresh = Result {
    let project = try Project.find()
    let path = project.output + "/test.img"
    try Image(project) { _ in }.makeDisk(path, size: Image.diskSize)
    return path
  }

  static func image() throws -> Image { Image(try Project.find()) { _ in } }

  /// A copy of the fresh disk that keeps what is written to it.
  static func ownDisk(_ name: String) throws -> String {
    let path = try Project.find().output + "/test.\(name).img"
    _ = try Child.run(["cp", "--sparse=always", freshDisk(), path]).succeeded("cp")
    return path
  }

  /// The lines between two lines, without carriage returns; nil if they are not there.
  static func between(_ start: String, _ end: String, _ output: String) -> String? {
    let lines = output.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).map(String.init)
    guard let first = lines.firstIndex(of: start), let last = lines[first...].firstIndex(of: end) else { return nil }
    return lines[(first + 1)..<last].joined(separator: "\n")
  }

  /// Runs shell lines in a machine; on failure the kernel's log goes into the test's issue.
  static func run(_ machine: Machine, _ script: String, status: Int = 0, seconds: Int = 240, place: SourceLocation = #_sourceLocation) throws -> Batch.Result {
    let result = try Batch.run(machine, script: script, seconds: seconds)
    if result.ending != .shutdown(status) {
      Issue.record(
        "\(result.ending), not shutdown(\(status)); the guest printed:\n\(result.output.suffix(2000))\nthe kernel's log:\n\(result.log.suffix(3000))",
        sourceLocation: place)
    }
    return result
  }
}
