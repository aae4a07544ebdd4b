/// What termios(3) sets, laid out as Linux does in its own structure: four words of flags, the line discipline,
/// 19 special characters; 60 bytes in all, the rest zero.
public struct Settings: BitwiseCopyable {
  public static let size = 60

  public var input, output, control, local: UInt32
  public var line: UInt8
  public var characters: InlineArray<19, UInt8>

  /// A sane terminal: edits lines, echoes, makes signals.
  public init() {
    input = Input.crToNL | Input.flowControl | Input.utf8
    output = Output.process | Output.nlToCRNL
    control = 0o010002 | 0o60 | 0o200  // 115200 baud, 8 bits, receiver on
    local = Local.signals | Local.canonical | Local.echo | Local.echoErase | Local.echoKill | Local.echoControl | Local.echoKillErase | Local.extended
    line = 0
    characters = InlineArray(repeating: 0)
    self[.interrupt] = 0x03
    self[.quit] = 0x1C
    self[.erase] = 0x7F
    self[.kill] = 0x15
    self[.endOfFile] = 0x04
    self[.minimum] = 1
    self[.start] = 0x11
    self[.stop] = 0x13
    self[.suspend] = 0x1A
    self[.reprint] = 0x12
    self[.wordErase] = 0x17
    self[.literalNext] = 0x16
  }

  /// Any bytes will do; nil if there are too few.
  public init?(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count >= 36 else { return nil }
    input = bytes.loadUnaligned(fromByteOffset: 0, as: UInt32.self)
    output = bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self)
    control = bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self)
    local = bytes.loadUnaligned(fromByteOffset: 12, as: UInt32.self)
    line = bytes[16]
    characters = InlineArray(repeating: 0)
    for index in 0..<19 { characters[index] = bytes[17 + index] }
  }

  /// Fills `bytes`, at least `size` of them.
  public func store(into bytes: UnsafeMutableRawBufferPointer) {
    guard bytes.count >= Self.size else { return }
    for index in 0..<Self.size { bytes[index] = 0 }
    bytes.storeBytes(of: input, toByteOffset: 0, as: UInt32.self)
    bytes.storeBytes(of: output, toByteOffset: 4, as: UInt32.self)
    bytes.storeBytes(of: control, toByteOffset: 8, as: UInt32.self)
    bytes.storeBytes(of: local, toByteOffset: 12, as: UInt32.self)
    bytes[16] = line
    for index in 0..<19 { bytes[17 + index] = characters[index] }
  }

  /// Places in `characters`, as on Linux. The character 0 switches one off.
  public enum Character: Int {
    case interrupt = 0, quit, erase, kill, endOfFile, time, minimum, switchCharacter, start, stop, suspend
    case endOfLine, reprint, discard, wordErase, literalNext, endOfLine2
  }

  public subscript(_ character: Character) -> UInt8 {
    get { characters[character.rawValue] }
    set { characters[character.rawValue] = newValue }
  }

  /// Whether `byte` is this special character.
  func isSpecial(_ byte: UInt8, _ character: Character) -> Bool { byte != 0 && self[character] == byte }

  public enum Input {
    public static var strip: UInt32 { 0o40 }  // ISTRIP
    public static var nlToCR: UInt32 { 0o100 }  // INLCR
    public static var ignoreCR: UInt32 { 0o200 }  // IGNCR
    public static var crToNL: UInt32 { 0o400 }  // ICRNL
    public static var flowControl: UInt32 { 0o2000 }  // IXON
    public static var anyStarts: UInt32 { 0o4000 }  // IXANY
    public static var utf8: UInt32 { 0o40000 }  // IUTF8
  }

  public enum Output {
    public static var process: UInt32 { 1 }  // OPOST
    public static var nlToCRNL: UInt32 { 4 }  // ONLCR
    public static var crToNL: UInt32 { 8 }  // OCRNL
    public static var expandTabs: UInt32 { 0o14000 }  // XTABS
  }

  public enum Local {
    public static var signals: UInt32 { 1 }  // ISIG
    public static var canonical: UInt32 { 2 }  // ICANON
    public static var echo: UInt32 { 0o10 }
    public static var echoErase: UInt32 { 0o20 }  // ECHOE
    public static var echoKill: UInt32 { 0o40 }  // ECHOK
    public static var echoNL: UInt32 { 0o100 }
    public static var noFlush: UInt32 { 0o200 }  // NOFLSH
    public static var echoControl: UInt32 { 0o1000 }  // ECHOCTL
    public static var echoKillErase: UInt32 { 0o4000 }  // ECHOKE
    public static var extended: UInt32 { 0o100000 }  // IEXTEN
  }

  func input(_ flag: UInt32) -> Bool { input & flag == flag }
  func output(_ flag: UInt32) -> Bool { output & flag == flag }
  func local(_ flag: UInt32) -> Bool { local & flag == flag }
}
