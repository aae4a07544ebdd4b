import BootImage

/// Asks a system for its memory: runs it, a command in it, and then the commands that print a dump.
public struct MapRun {
  let image: Image
  let say: (String) -> Void

  public init(_ image: Image, say: @escaping (String) -> Void) {
    self.image = image
    self.say = say
  }

  /// Whose memory is asked for.
  public enum Subject: Equatable, Sendable {
    case process(Int)
    /// The shell that runs the commands.
    case shell
    case service(String)

    /// A process id, `shell`, or the name of a service; nil for anything else.
    public init?(_ word: String) {
      if word == "shell" {
        self = .shell
      } else if let id = Int(word) {
        guard id > 0 else { return nil }
        self = .process(id)
      } else if Self.services.contains(word) {
        self = .service(word)
      } else {
        return nil
      }
    }

    /// Those that the boot starts, but VM: its own space is the kernel's work and has no listing.
    static var services: [String] {
      (0..<BootTable.count).map(BootTable.entry).filter { $0.kind != .process && $0.autostart && $0.endpoint != .vm }.map { "\($0.name)" }
    }

    /// init, the shell, and the services.
    public static var usual: [Subject] { [.process(1), .shell] + services.map { .service($0) } }

    /// Shell lines that print this part of a dump.
    var lines: String {
      switch self {
      case .process(let id): "echo '== process \(id)'; cat /proc/\(id)/status /proc/\(id)/maps\n"
      case .shell: "echo == process $$; cat /proc/$$/status /proc/$$/maps\n"
      case .service(let name): "echo '== service \(name)'; vmmap \(name)\n"
      }
    }
  }

  public struct Result {
    public var ending: Ending
    /// What the command printed.
    public var output: String
    /// Nil: the system did not come so far.
    public var dump: String?
  }

  private static let first = "== apus vmmap", last = "== apus vmmap ends"

  /// `command`, then the dump between two lines of its own.
  static func script(_ command: String?, _ subjects: [Subject]) -> String {
    (command.map { $0 + "\n" } ?? "") + "echo '\(first)'; echo '== vm'; cat /proc/vm\n" + subjects.map(\.lines).joined() + "echo '\(last)'\n"
  }

  /// What the command printed, and the dump behind it. The last beginning counts: the command may have printed anything.
  static func divide(_ output: String) -> (output: String, dump: String?) {
    let lines = output.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).map(String.init)
    guard let end = lines.lastIndex(of: last), let start = lines[..<end].lastIndex(of: first) else { return (output, nil) }
    return (lines[..<start].map { $0 + "\n" }.joined(), lines[(start + 1)..<end].map { $0 + "\n" }.joined())
  }

  public func run(_ command: String?, of subjects: [Subject], on host: Host, seconds: Int) throws -> Result {
    let project = image.project
    let disk = project.output + "/vmmap.\(host.rawValue).img"
    try Files.makeDirectory(project.logs)
    try image.makeDisk(disk)
    defer { Files.remove(disk) }
    var machine = Machine(media: try HostMedia.media(host, project, say: say), disk: .file(disk), log: project.logs + "/vmmap.\(host.rawValue).log")
    machine.words = [Batch.word]
    let result = try Batch.run(machine, script: Self.script(command, subjects), seconds: seconds)
    if let complaint = result.ending.complaint { say("\(complaint); the kernel's log is \(machine.log)") }
    let (output, dump) = Self.divide(result.output)
    return Result(ending: result.ending, output: output, dump: dump)
  }
}
