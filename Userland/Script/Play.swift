import IPC
import Protocols

/// Where a playing process keeps what it knows: at one fixed place, made at its start.
public enum Play {
  public static var base: UInt64 { 0x0000_3000_0000_0000 }
  public static var statementLimit: Int { 4096 }
  public static var sourceLimit: Int { 16 << 10 }
  /// What one read or write moves at most.
  public static var bufferSize: UInt64 { 64 << 10 }

  static var statements: UInt64 { base + 4096 }
  /// The text that the script was made from, for exec.
  static var source: UInt64 { statements + UInt64(statementLimit * 16) }
  static var buffer: UInt64 { source + UInt64(sourceLimit) }
  static var end: UInt64 { buffer + bufferSize }

  // Words of the first page.
  static var counter: UInt64 { base }
  static var line: UInt64 { base + 8 }
  static var statementCount: UInt64 { base + 16 }
  static var children: UInt64 { base + 24 }
  static var seed: UInt64 { base + 32 }
  static var sourceLength: UInt64 { base + 40 }
  /// The child register of the fork that is under way, plus one; 0 for none.
  static var forking: UInt64 { base + 48 }
  static var pings: UInt64 { base + 56 }
  static var nameLength: UInt64 { base + 64 }
  static var name: UInt64 { base + 72 }
  static var nameLimit: UInt64 { 48 }
  static var descriptors: UInt64 { base + 128 }
  static var processes: UInt64 { base + 256 }
  static var sent: UInt64 { base + 384 }
  static var received: UInt64 { base + 512 }
  static var regions: UInt64 { base + 640 }
  static var regionPages: UInt64 { base + 704 }
  static var signals: UInt64 { base + 768 }
  /// Restarts of each service when the script began.
  static var restarts: UInt64 { base + 1024 }
  static var firstPath: UInt64 { base + 1280 }
  static var secondPath: UInt64 { base + 1408 }
  static var text: UInt64 { base + 1536 }

  /// What a signal handler does.
  public static func count<M: ProcessMemory>(signal: Int, _ memory: inout M) {
    let place = signals + UInt64(signal & 31) * 8
    memory.store(memory.load(place, as: UInt64.self) &+ 1, at: place)
  }
}

/// What a host must know of its programs beside their memory.
public struct ProgramAddresses: BitwiseCopyable {
  /// Of code that calls `Play.count`.
  public var handler: UInt64
  public var restorer: UInt64
  public init(handler: UInt64, restorer: UInt64) {
    self.handler = handler
    self.restorer = restorer
  }
}

/// What a process was told to play.
public struct Assignment {
  /// A text, or the seed of a generated script.
  public var text: [UInt8]?
  public var seed: UInt64
  /// Where to go on, after exec.
  public var counter: UInt64 = 0
  public var line: UInt64 = 0
  public var name: [UInt8] = [0x30]
  var resumes = false

  /// From a program's arguments: `SEED` or `-c TEXT`, then what exec adds: `-r STATEMENT LINE NAME`. Nil if they are others.
  public init?(_ arguments: [[UInt8]]) {
    var index = 0
    func next() -> [UInt8]? {
      guard index < arguments.count else { return nil }
      index += 1
      return arguments[index - 1]
    }
    guard let first = next() else { return nil }
    seed = 0
    if first == [0x2D, 0x63] {
      guard let given = next() else { return nil }
      text = given
    } else {
      guard let value = parseNumber(first) else { return nil }
      seed = value
    }
    guard let more = next() else { return }
    guard more == [0x2D, 0x72], let at = next(), let counter = parseNumber(at), let number = next(), let line = parseNumber(number),
      let name = next(), !name.isEmpty, name.count <= Int(Play.nameLimit)
    else { return nil }
    self.counter = counter
    self.line = line
    self.name = name
    resumes = true
  }

  public init(text: [UInt8]) {
    self.text = text
    seed = 0
  }

  public init(seed: UInt64) { self.seed = seed }

  /// The statements; an error says the line that is wrong.
  public func statements() -> Result<[Statement], ScriptError> {
    guard let text else { return .success(Generator.script(seed: seed)) }
    do throws(ScriptError) { return .success(try parseScript(text)) } catch { return .failure(error) }
  }
}

func parseNumber(_ text: [UInt8]) -> UInt64? {
  guard !text.isEmpty, text.count < 20 else { return nil }
  var value: UInt64 = 0
  for byte in text {
    guard byte >= 0x30, byte <= 0x39 else { return nil }
    value = value &* 10 &+ UInt64(byte &- 0x30)
  }
  return value
}
