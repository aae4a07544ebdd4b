/// One run of the simulator, as `simulator batch` reads it.
public struct CampaignRun: Codable, Equatable, Sendable {
  public var id: Int?
  public var text: String?
  /// Number of a generated script, instead of a text.
  public var script: UInt64?
  public var seed: UInt64
  public var faults: [String] = []
  public var ram = false
  public var recovers = true
  /// A mistake that is planted into the system: see `Tools/Simulator/World/Mistakes.swift`.
  public var mistake: String?
  public var points = false
  public var disk: String?
  public var messageLimit: UInt64 = 400_000

  public init(seed: UInt64 = 1) { self.seed = seed }
}

/// What it says of a run, as far as the campaign asks.
public struct CampaignOutcome: Codable, Equatable, Sendable {
  public var ending: String
  public var status: UInt64?
  public var history: String
  public var contradictions: Int
  public var messages: UInt64
  public var writes: UInt64
  public var time: UInt64
  public var restarts: [String: Int]
  public var leaks: [String]
  public var unanswered: [String]
  public var struck: Int
  public var broken: String?
  public var log: String
  public var diskDigest: String
  public var points: [Point]?

  public struct Point: Codable, Equatable, Sendable {
    public var index: UInt64
    public var from, to, name: String
    public init(index: UInt64, from: String, to: String, name: String) {
      self.index = index
      self.from = from
      self.to = to
      self.name = name
    }
  }
}

/// A workload: what a run does besides being hurt.
public struct Workload: Equatable, Sendable {
  public var name: String
  /// Nil: generated from `script`.
  public var text: String?
  public var script: UInt64 = 0
  public var ram = false

  public init(name: String, text: String) {
    self.name = name
    self.text = text
  }
  public init(script: UInt64, ram: Bool) {
    name = "script \(script)"
    self.script = script
    self.ram = ram
  }

  public func run(seed: UInt64, faults: [CampaignFault] = []) -> CampaignRun {
    var run = CampaignRun(seed: seed)
    run.text = text
    run.script = text == nil ? script : nil
    run.ram = ram
    run.faults = faults.map(\.text)
    return run
  }

  /// The command that shows a run again.
  public func command(seed: UInt64, faults: [CampaignFault]) -> String {
    let source = text == nil ? "\(script)" : "Tests/Drills/Campaign/\(name).script"
    return "apus simulate \(source) --seed \(seed)\(ram ? " --ram" : "")" + faults.map { " --fault \($0.text)" }.joined()
  }

  /// Those of the tree.
  public static func all(_ project: Project) throws -> [Workload] {
    let folder = project.root + "/Tests/Drills/Campaign"
    return try Files.names(in: folder).filter { $0.hasSuffix(".script") }.map {
      Workload(name: String($0.dropLast(7)), text: String(decoding: try Files.read(folder + "/" + $0), as: UTF8.self))
    }
  }
}

/// A mishap, in the simulator's words: `kill-after@1200:disk`.
public struct CampaignFault: Codable, Hashable, Sendable {
  public enum Kind: String, Codable, CaseIterable, Sendable {
    case killBefore = "kill-before", killAfter = "kill-after", killDuring = "kill-during"
    case harm, refuse, delay, exhaust, writeError = "write-error"
    /// Whether it is done to a service that is named.
    public var hasService: Bool { self == .killBefore || self == .killAfter || self == .killDuring || self == .harm }
    /// An error that programs may see and have to bear: the histories need not be the same.
    public var mayShow: Bool { self == .refuse || self == .exhaust || self == .writeError }
  }
  public var kind: Kind
  public var at: UInt64
  public var service: String
  /// Nanoseconds of a delay, number of a harm.
  public var amount: UInt64

  public init(_ kind: Kind, at: UInt64, service: String, amount: UInt64 = 0) {
    self.kind = kind
    self.at = at
    self.service = service
    self.amount = amount
  }

  public var text: String {
    var text = "\(kind.rawValue)@\(at)"
    if kind.hasService { text += ":\(service)" }
    if kind == .delay || kind == .harm { text += ":\(amount)" }
    return text
  }
}
