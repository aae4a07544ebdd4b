import Terminal
import Testing

@Suite("raw input, signals and flow control")
struct RawTests {
  @Test("every byte can be read at once")
  func raw() {
    var user = Typist.raw()
    user.type([0x61])
    #expect(user.read() == "a")
    user.type([0x03, 0x04, 0x0D, 0x7F])
    #expect(user.read() == "\u{3}\u{4}\r\u{7F}")
    #expect(user.signals.isEmpty)
    #expect(user.screen() == "")
  }

  @Test("a read waits for as many as VMIN says, or as it can take")
  func minimum() {
    var user = Typist.raw(minimum: 3)
    user.type("ab")
    #expect(user.read() == nil)
    #expect(user.read(2) == "ab")
    user.type("cde")
    #expect(user.read() == "cde")
  }

  @Test("VMIN 0 never waits")
  func poll() {
    var user = Typist.raw(minimum: 0)
    #expect(user.read() == "")
    user.type("a")
    #expect(user.read() == "a")
  }

  @Test("a line half typed can be read when lines end")
  func toRaw() {
    var user = Typist()
    user.type("abc")
    #expect(user.read() == nil)
    var settings = user.terminal.settings
    settings.local &= ~Settings.Local.canonical
    user.terminal.apply(settings)
    #expect(user.read() == "abc")
  }

  @Test("what was typed raw is read before the first line")
  func toCanonical() {
    var user = Typist.raw()
    user.type("abc")
    user.terminal.apply(LineDiscipline().settings)
    user.type("d\n")
    #expect(user.read() == "abcd\n")
  }

  @Test("TCSETSF drops what was typed")
  func flush() {
    var user = Typist()
    user.type("abc\ndef")
    user.terminal.apply(user.terminal.settings, flushInput: true)
    #expect(user.read() == nil)
    user.type("x\n")
    #expect(user.read() == "x\n")
  }

  @Test("keys make signals", arguments: [(UInt8(3), UInt32(2), "^C"), (0x1C, 3, "^\\"), (0x1A, 20, "^Z")])
  func signals(key: UInt8, signal: UInt32, echo: String) {
    var user = Typist()
    user.type([key])
    #expect(user.signals == [signal])
    #expect(user.screen() == echo)
    #expect(user.read() == nil)
  }

  @Test("a signal drops what was typed and what was not shown yet")
  func signalFlushes() {
    var user = Typist()
    user.type("line\nhalf")
    user.write("long output")
    user.type("\u{3}")
    #expect(user.read() == nil)
    #expect(user.screen() == "^C")
    user.type("new\n")
    #expect(user.read() == "new\n")
  }

  @Test("NOFLSH keeps it")
  func noFlush() {
    var user = Typist { $0.local |= Settings.Local.noFlush }
    user.type("line\n\u{3}")
    #expect(user.signals == [2])
    #expect(user.read() == "line\n")
  }

  @Test("without ISIG they are text")
  func noSignals() {
    var user = Typist { $0.local &= ~Settings.Local.signals }
    user.type("\u{3}\n")
    #expect(user.signals.isEmpty)
    #expect(user.read() == "\u{3}\n")
  }

  @Test("a signal in raw mode with ISIG")
  func rawSignal() {
    var user = Typist.raw()
    var settings = user.terminal.settings
    settings.local |= Settings.Local.signals
    user.terminal.apply(settings)
    user.type("a\u{3}")
    #expect(user.signals == [2])
    #expect(user.read() == nil)
  }

  @Test("Ctrl-S holds the output, Ctrl-Q lets it go; neither is text")
  func flowControl() {
    var user = Typist()
    user.type("\u{13}")
    user.write("abc")
    #expect(user.screen() == "")
    #expect(!user.terminal.hasOutput)
    user.type("\u{11}")
    #expect(user.screen() == "abc")
    user.type("\n")
    #expect(user.read() == "\n")
  }

  @Test("IXANY: any character lets it go")
  func anyStarts() {
    var user = Typist { $0.input |= Settings.Input.anyStarts }
    user.type("\u{13}")
    user.write("abc")
    user.type("x")
    #expect(user.screen() == "abcx")
  }

  @Test("Ctrl-C lets held output go")
  func interruptStarts() {
    var user = Typist()
    user.type("\u{13}\u{3}")
    #expect(user.screen() == "^C")
  }

  @Test("without IXON they are text; switching it off lets output go")
  func noFlowControl() {
    var user = Typist()
    user.type("\u{13}")
    user.write("abc")
    var settings = user.terminal.settings
    settings.input &= ~Settings.Input.flowControl
    user.terminal.apply(settings)
    #expect(user.screen() == "abc")
    user.type("\u{13}\n")
    #expect(user.read() == "\u{13}\n")
  }

  @Test("ONLCR turns newline into two, OPOST off leaves all alone")
  func output() {
    var user = Typist()
    user.write("a\nb")
    #expect(user.screen() == "a\r\nb")
    user = Typist { $0.output = 0 }
    user.write("a\n\tb")
    #expect(user.screen() == "a\n\tb")
  }

  @Test("OCRNL and XTABS")
  func otherOutput() {
    var user = Typist { $0.output = Settings.Output.process | Settings.Output.crToNL | Settings.Output.expandTabs }
    user.write("ab\tc\r")
    #expect(user.screen() == "ab      c\n")
  }

  @Test("a write takes what there is room for and no more")
  func partialWrite() {
    var user = Typist()
    let text = String(repeating: "x", count: 10_000)
    let taken = user.write(text)
    #expect(taken > 4000 && taken < OutputQueue.capacity)
    #expect(user.write("more") == 0)
    #expect(!user.terminal.hasRoom)
    #expect(user.screen() == String(repeating: "x", count: taken))
    #expect(user.terminal.hasRoom)
  }

  @Test("echo without room is dropped, the text is not")
  func echoOverflow() {
    var user = Typist()
    user.write(String(repeating: "x", count: 10_000))
    user.type("abc\n")
    user.type("def\n")
    #expect(user.read() == "abc\n")
    #expect(user.read() == "def\n")
  }

  @Test("settings survive their trip as 60 bytes")
  func settings() {
    var settings = Settings()
    settings.input = 0x1234_5678
    settings.output = 0x9ABC_DEF0
    settings.control = 1
    settings.local = 0xFFFF_FFFF
    settings.line = 7
    for index in 0..<19 { settings.characters[index] = UInt8(200 + index) }
    var bytes = [UInt8](repeating: 0xEE, count: 60)
    bytes.withUnsafeMutableBytes { settings.store(into: $0) }
    let back = bytes.withUnsafeBytes { Settings($0) }
    #expect(back?.input == 0x1234_5678 && back?.output == 0x9ABC_DEF0 && back?.control == 1 && back?.local == 0xFFFF_FFFF && back?.line == 7)
    #expect((0..<19).allSatisfy { back?.characters[$0] == UInt8(200 + $0) })
    #expect(bytes[36...].allSatisfy { $0 == 0 })
    #expect([UInt8](repeating: 0, count: 35).withUnsafeBytes { Settings($0) } == nil)
  }

  @Test("random bytes under random settings never trap and never grow", arguments: 0..<20)
  func noise(seed: Int) {
    var random = SeededGenerator(seed: UInt64(seed))
    var user = Typist()
    for _ in 0..<20_000 {
      switch UInt8.random(in: 0..<16, using: &random) {
      case 0:
        var settings = Settings()
        settings.input = .random(in: 0 ... .max, using: &random)
        settings.output = .random(in: 0 ... .max, using: &random)
        settings.local = .random(in: 0 ... .max, using: &random)
        for index in 0..<19 { settings.characters[index] = .random(in: 0 ... .max, using: &random) }
        user.terminal.apply(settings, flushInput: Bool.random(using: &random))
      case 1, 2: _ = user.read(Int.random(in: 0...5000, using: &random))
      case 3: _ = user.screen()
      case 4: user.write(String(repeating: "\t\n", count: Int.random(in: 0...3000, using: &random)))
      default: user.type([.random(in: 0 ... .max, using: &random)])
      }
      #expect(user.terminal.readable <= InputQueue.capacity)
    }
  }
}

/// xorshift64*: the same numbers for the same seed.
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64
  init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }
  mutating func next() -> UInt64 {
    state ^= state >> 12
    state ^= state << 25
    state ^= state >> 27
    return state &* 0x2545_F491_4F6C_DD1D
  }
}
