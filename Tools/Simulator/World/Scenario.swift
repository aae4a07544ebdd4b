import IPC
import KernelCore
import Script

/// What a run does: a script, a seed for everything that is left open, faults.
public struct Scenario: Sendable {
  /// Text of a script; nil: generated from `scriptSeed`.
  public var text: [UInt8]?
  public var scriptSeed: UInt64 = 0
  /// Decides who is interrupted where, and how long devices take.
  public var seed: UInt64 = 1
  public var faults: [Fault] = []
  /// Words of the kernel's command line.
  public var commandLine = ""
  /// The root disk is the memory driver's, else the block driver's first.
  public var rootInMemory = false
  /// False: nobody is restarted (the campaign's counter-check).
  public var recovers = true
  /// Planted, for the campaign to find.
  public var mistake: Mistake?
  /// A service whose first life runs into a real crash of host code: a Swift trap, or a load from address 8.
  public var hostCrash: (service: Int, isTrap: Bool)?
  /// Messages after which a run counts as one that never ends.
  public var messageLimit: UInt64 = 20_000_000
  /// Virtual nanoseconds of the same.
  public var timeLimit: UInt64 = 600_000_000_000
  /// Frames of RAM.
  public var frames = 6144
  /// Keep a record of each message: crash points, and what `apus simulate` prints.
  public var records = false
  /// Records of the kernel core, as other hosts make them.
  public var tracing = Tracing.off
  /// Where recording begins and ends.
  public var recordRange: Range<UInt64> = 0..<UInt64.max
  /// The run stops before this message.
  public var stopBefore = UInt64.max

  public init(text: [UInt8]) { self.text = text }
  public init(scriptSeed: UInt64) { self.scriptSeed = scriptSeed }
}

/// A message as it was sent.
public struct SentMessage: Sendable {
  public var index: UInt64
  public var time: UInt64
  /// Trap operation.
  public var operation: UInt8
  public var from: Int
  public var to: Int
  public var type: Int32
  /// Type of the request that an answer belongs to, 0 if it is none.
  public var answers: Int32
  public var payload: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)
}

/// How a run ended.
public enum Ending: Equatable, Sendable {
  case shutdown(UInt64)
  case panic(String)
  /// Nobody can ever run again, or the limit of time or messages was reached.
  case stuck(String)
  /// At `stopBefore`.
  case stopped
}

/// What the system holds when nothing runs but init.
public struct Census: Equatable, Sendable {
  public var threads, grants, asynchronous: UInt32
  public var freeFrames, userFrames, tableFrames, metadataFrames: UInt64
  public var spaces, regions: UInt32
}

/// All that a run leaves behind.
public struct Outcome: Sendable {
  public var ending: Ending
  /// What the script's processes wrote, sorted.
  public var history: [UInt8]
  public var contradictions: Int
  public var terminal: [UInt8]
  public var log: [UInt8]
  /// Of every message, fault and time.
  public var hash: UInt64
  public var messages: UInt64
  public var traps: UInt64
  /// Virtual nanoseconds.
  public var time: UInt64
  /// By slot.
  public var restarts: [UInt32]
  /// The last message before the script: what comes before is the system's start, which nobody promises to survive.
  public var begun: UInt64
  /// Before the script and after it; nil if the run did not come so far.
  public var before: Census?
  public var after: Census?
  /// Threads that still waited for an answer at the end, as text.
  public var unanswered: [String]
  /// Faults that struck.
  public var struck: Int
  /// Its faults are such that calls may fail: no frames, no room, a broken disk. Then the history may say so.
  public var mayFail: Bool
  /// Block writes of all disks.
  public var writes: UInt64
  /// The root disk.
  public var disk: [UInt8]
  public var sent: [SentMessage]
  public var trace: [TraceRecord]
  /// The kernel core's invariants at the end; nil if all hold.
  public var broken: String?

  /// What is not as it was before the script; empty if nothing.
  public var leaks: [String] {
    guard let before, let after else { return ["no census"] }
    var all: [String] = []
    func compare<T: Equatable>(_ name: String, _ a: T, _ b: T) { if a != b { all.append("\(name) \(a) -> \(b)") } }
    compare("threads", before.threads, after.threads)
    compare("grants", before.grants, after.grants)
    compare("asynchronous messages", before.asynchronous, after.asynchronous)
    compare("user frames", before.userFrames, after.userFrames)
    // A driver's page tables come back as its next life touches its memory, and VM's records share pages: records are counted as
    // such (spaces, regions), tables by the restarts.
    compare("other frames", before.freeFrames + before.tableFrames + before.metadataFrames, after.freeFrames + after.tableFrames + after.metadataFrames)
    if after.metadataFrames > before.metadataFrames + 4 { all.append("metadata frames \(before.metadataFrames) -> \(after.metadataFrames)") }
    if restarts.allSatisfy({ $0 == 0 }) { compare("page tables", before.tableFrames, after.tableFrames) }
    if after.tableFrames > before.tableFrames + 8 { all.append("page tables \(before.tableFrames) -> \(after.tableFrames)") }
    compare("spaces", before.spaces, after.spaces)
    compare("regions", before.regions, after.regions)
    return all
  }
}
