/// A fault in the booted system, as data: a file `Tests/Drills/NAME.drill`. Played without any input from outside: what
/// the guest does follows from the image and the seed, but for the time that the host's disk takes.
///
///     about TEXT                     what it shows
///     seed N
///     memory MIB
///     script NAME                    plays Tests/Scenarios/NAME.script: the part that runs on all three hosts
///     type COMMAND                   a line for the shell, where there is one
///     kill SERVICE [HARM]            RS ends it; with a harm it ends itself at its next message
///     expect TEXT                    in what the guest prints, after the last expected text
///     log TEXT                       anywhere in the kernel's log
///     restarts SERVICE N             in each round it comes back at least so often
///     given-up SERVICE               RS stops trying
///     balanced                       at the end as many frames and grants as before, and the same processes
///     files COUNT MIB                the disk holds so many real files of the host
///     outside SERVICE DEVICE kills N           somebody outside ends its Linux process while a client reads the device; processes only
///     storm SERVICE every MS kills N [mixed]   kills while all files are read, compared and partly copied
public struct Drill: Equatable, Sendable {
  public enum Step: Equatable, Sendable {
    case script(String)
    case type(String)
    case kill(service: String, harm: String?)
    case expect(String)
    case log(String)
    case restarts(service: String, count: Int)
    case givenUp(service: String)
  }

  public struct Storm: Equatable, Sendable {
    public var service: String
    /// Guest time between two kills, in milliseconds.
    public var every: Int
    public var kills: Int
    /// Crashes, loops, exits and nonsense among the kills.
    public var mixed: Bool
    public init(service: String, every: Int, kills: Int, mixed: Bool) {
      self.service = service
      self.every = every
      self.kills = kills
      self.mixed = mixed
    }
  }

  /// Kills that nobody inside has asked for: `kill -9` of the service's Linux process.
  public struct Outside: Equatable, Sendable {
    public var service: String
    /// What the client reads meanwhile.
    public var device: String
    public var kills: Int
  }

  public var name: String
  public var about = ""
  public var seed = 1
  public var memory = 256
  public var steps: [Step] = []
  public var balanced = false
  public var files: (count: Int, mebibytes: Int)?
  public var storm: Storm?
  public var outside: Outside?

  /// In the names of files that belong to a run on a host.
  func label(_ host: Host) -> String { host == .metal ? name : "\(name).\(host.rawValue)" }

  /// Where it can be played.
  public var hosts: [Host] {
    if outside != nil { return [.processes] }
    return scripts.isEmpty ? [.metal, .processes] : Host.allCases
  }

  public init(name: String, _ text: String) throws {
    self.name = name
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      let words = line.split(separator: " ").map(String.init)
      guard let verb = words.first, !verb.hasPrefix("#") else { continue }
      let rest = line.drop { $0 == " " }.dropFirst(verb.count).drop { $0 == " " }
      let numbers = words.dropFirst().compactMap { Int($0) }
      switch (verb, words.count, numbers.count) {
      case ("about", 2..., _): about = String(rest)
      case ("seed", 2, 1): seed = numbers[0]
      case ("memory", 2, 1): memory = numbers[0]
      case ("script", 2, _): steps.append(.script(words[1]))
      case ("type", 2..., _): steps.append(.type(String(rest)))
      case ("kill", 2...3, _): steps.append(.kill(service: words[1], harm: words.count == 3 ? words[2] : nil))
      case ("expect", 2..., _): steps.append(.expect(String(rest)))
      case ("log", 2..., _): steps.append(.log(String(rest)))
      case ("restarts", 3, 1): steps.append(.restarts(service: words[1], count: numbers[0]))
      case ("given-up", 2, _): steps.append(.givenUp(service: words[1]))
      case ("balanced", 1, _): balanced = true
      case ("files", 3, 2): files = (numbers[0], numbers[1])
      case ("storm", 6...7, 2) where words[2] == "every" && words[4] == "kills" && (words.count == 6 || words[6] == "mixed"):
        storm = Storm(service: words[1], every: numbers[0], kills: numbers[1], mixed: words.count == 7)
      case ("outside", 5, 1) where words[3] == "kills": outside = Outside(service: words[1], device: words[2], kills: numbers[0])
      default: throw Failure("\(name).drill, line \(index + 1): '\(line)' is no step of a drill")
      }
    }
    let ways = [storm != nil, outside != nil, !steps.isEmpty].count { $0 }
    guard (storm == nil) == (files == nil), ways == 1 else {
      throw Failure("\(name).drill: a drill has either steps, or a storm and the files it works on, or kills from outside")
    }
  }

  public static func == (a: Drill, b: Drill) -> Bool {
    a.name == b.name && a.about == b.about && a.seed == b.seed && a.memory == b.memory && a.steps == b.steps && a.balanced == b.balanced
      && a.files?.count == b.files?.count && a.files?.mebibytes == b.files?.mebibytes && a.storm == b.storm
      && a.outside == b.outside
  }

  /// The scripts that it plays, by name.
  public var scripts: [String] {
    steps.compactMap { step in
      if case .script(let name) = step { name } else { nil }
    }
  }

  /// The text of a script.
  static func script(_ name: String, _ project: Project) throws -> String {
    String(decoding: try Files.read(project.root + "/Tests/Scenarios/\(name).script"), as: UTF8.self)
  }

  /// All drills of the tree, by name.
  public static func all(_ project: Project) throws -> [Drill] {
    let folder = project.root + "/Tests/Drills"
    return try Files.names(in: folder).filter { $0.hasSuffix(".drill") }.map {
      try Drill(name: String($0.dropLast(6)), String(decoding: Files.read(folder + "/" + $0), as: UTF8.self))
    }
  }
}
