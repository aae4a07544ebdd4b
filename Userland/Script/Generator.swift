import IPC

/// A script from a seed. It says nothing whose result depends on time: processes share only what they hand over by
/// pipes, waits and signals that are answered. In the end everything that it made is gone.
public struct Generator {
  var random: ScriptRandom
  var script: [Statement] = []
  /// Bodies of children that are still to be written: where the fork stands, what the child does.
  var children: [(fork: Int, body: Child)] = []
  var nextFile = 0
  var nextPattern: UInt32 = 1
  var depth = 0

  /// What a child does.
  enum Child {
    case sends(end: Int, bytes: UInt64, chunks: Int, closing: Int, status: UInt64)
    case copies(region: Int, pages: Int, status: UInt64)
    case faults(region: Int, kind: Int)
    case obeys(signal: UInt32, times: UInt64, end: Int, closing: Int)
    case waits
    case works(status: UInt64)
    case becomes(status: UInt64)
    case shares(region: Int, pages: Int)
  }

  public static func script(seed: UInt64) -> [Statement] {
    var generator = Generator(random: ScriptRandom(seed: seed))
    let scenes = 3 + generator.random.below(8)
    for _ in 0..<scenes { generator.scene() }
    generator.add(.exit, y: 0)
    generator.writeChildren()
    return generator.script
  }

  mutating func add(_ operation: Operation, a: Int = 0, b: Int = 0, flags: UInt8 = 0, x: UInt32 = 0, y: UInt64 = 0) {
    script.append(Statement(operation, a: a, b: b, flags: flags, x: x, y: y))
  }

  /// The fork's statement is completed when the child's place is known.
  mutating func fork(_ register: Int, _ body: Child) {
    children.append((script.count, body))
    add(.fork, a: register)
  }

  /// Each body may add more of them; `depth` bounds how often.
  private mutating func writeChildren() {
    var index = 0
    while index < children.count, script.count < Play.statementLimit - 256 {
      let (fork, body) = children[index]
      script[fork].x = UInt32(script.count)
      index += 1
      depth = index > 4 ? 2 : 1
      write(body)
    }
    // No room for more: they end at once.
    while index < children.count {
      script[children[index].fork].x = UInt32(script.count)
      index += 1
    }
    add(.exit, y: 99)
  }

  mutating func newFile() -> UInt32 {
    nextFile += 1
    return ScriptPath.file(nextFile)
  }

  mutating func newPattern() -> UInt32 {
    nextPattern += 1
    return nextPattern
  }
}

/// splitmix64.
public struct ScriptRandom {
  public var state: UInt64
  public init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 0x1234_5678_9ABC_DEF1 }
  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }
  /// 0 ..< limit.
  public mutating func below(_ limit: Int) -> Int { Int(next() >> 33) % limit }
}
