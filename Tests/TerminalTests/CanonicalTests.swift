import Terminal
import Testing

@Suite("lines are edited before they are read")
struct CanonicalTests {
  @Test("a read waits for the end of the line")
  func wholeLines() {
    var user = Typist()
    user.type("hel")
    #expect(user.read() == nil)
    user.type("lo\n")
    #expect(user.read() == "hello\n")
    #expect(user.read() == nil)
  }

  @Test("one read, one line, even if there are more")
  func oneLine() {
    var user = Typist()
    user.type("a\nb\nc")
    #expect(user.read() == "a\n")
    #expect(user.read() == "b\n")
    #expect(user.read() == nil)
  }

  @Test("a short read leaves the rest of the line")
  func shortRead() {
    var user = Typist()
    user.type("abcdef\n")
    #expect(user.read(2) == "ab")
    #expect(user.read(3) == "cde")
    #expect(user.read() == "f\n")
  }

  @Test("a read of nothing gets nothing and takes nothing")
  func emptyRead() {
    var user = Typist()
    #expect(user.read(0) == "")
    user.type("a\n")
    #expect(user.read(0) == "")
    #expect(user.read() == "a\n")
  }

  @Test("peek without consume takes nothing")
  func peek() {
    var user = Typist()
    user.type("a\n")
    var buffer = [UInt8](repeating: 0, count: 8)
    _ = buffer.withUnsafeMutableBytes { user.terminal.peek(8, into: $0) }
    #expect(user.read() == "a\n")
  }

  @Test("carriage return is the end of a line: ICRNL")
  func carriageReturn() {
    var user = Typist()
    user.type("a\r")
    #expect(user.read() == "a\n")
    #expect(user.screen() == "a\r\n")
  }

  @Test("IGNCR drops it, INLCR turns it round")
  func otherMappings() {
    var user = Typist { $0.input = Settings.Input.ignoreCR }
    user.type("a\rb\n")
    #expect(user.read() == "ab\n")
    user = Typist {
      $0.input = Settings.Input.nlToCR
      $0[.endOfLine] = 0x0D
    }
    user.type("a\n")
    #expect(user.read() == "a\r")
  }

  @Test("ISTRIP takes the eighth bit")
  func strip() {
    var user = Typist { $0.input |= Settings.Input.strip }
    user.type([0xE1, 0x0A])
    #expect(user.read() == "a\n")
  }

  @Test("erase takes the last character and wipes it off the screen")
  func erase() {
    var user = Typist()
    user.type("ab\u{7F}c\n")
    #expect(user.read() == "ac\n")
    #expect(user.screen() == "ab\u{8} \u{8}c\r\n")
  }

  @Test("erase on an empty line does nothing; a line that was ended is safe")
  func eraseNothing() {
    var user = Typist()
    user.type("\u{7F}\u{7F}a\n\u{7F}\u{7F}")
    #expect(user.screen() == "a\r\n")
    #expect(user.read() == "a\n")
  }

  @Test("erase takes a whole character of UTF-8")
  func eraseUTF8() {
    var user = Typist()
    user.type("aé漢\u{7F}\u{7F}\n")
    #expect(user.read() == "a\n")
    #expect(user.screen().hasSuffix("\u{8} \u{8}\u{8} \u{8}\r\n"))
  }

  @Test("without IUTF8 it takes a byte")
  func eraseByte() {
    var user = Typist { $0.input &= ~Settings.Input.utf8 }
    user.type([0xC3, 0xA9, 0x7F, 0x0A])
    var buffer = [UInt8](repeating: 0, count: 8)
    let chunk = buffer.withUnsafeMutableBytes { user.terminal.peek(8, into: $0) }
    #expect(chunk?.count == 2 && buffer[0] == 0xC3)
  }

  @Test("erasing a tab goes back to where it began")
  func eraseTab() {
    var user = Typist()
    user.type("abc\t")
    _ = user.screen()
    user.type("\u{7F}")
    #expect(user.screen() == String(repeating: "\u{8} \u{8}", count: 5))
  }

  @Test("a tab's width counts the prompt")
  func eraseTabAfterPrompt() {
    var user = Typist()
    user.write("$ ")
    user.type("\t")
    _ = user.screen()
    user.type("\u{7F}")
    #expect(user.screen() == String(repeating: "\u{8} \u{8}", count: 6))
  }

  @Test("a control character is shown as two, and wiped as two")
  func eraseControl() {
    var user = Typist()
    user.type("\u{1}")
    #expect(user.screen() == "^A")
    user.type("\u{7F}")
    #expect(user.screen() == "\u{8} \u{8}\u{8} \u{8}")
  }

  @Test("kill takes the line: Ctrl-U")
  func kill() {
    var user = Typist()
    user.type("abc\u{15}d\n")
    #expect(user.read() == "d\n")
    #expect(user.screen() == "abc" + String(repeating: "\u{8} \u{8}", count: 3) + "d\r\n")
  }

  @Test("without ECHOKE kill begins a new line")
  func killNewLine() {
    var user = Typist { $0.local &= ~Settings.Local.echoKillErase }
    user.type("abc\u{15}")
    #expect(user.screen() == "abc^U\r\n")
  }

  @Test("Ctrl-W takes a word and the blanks behind it")
  func word() {
    var user = Typist()
    user.type("one two  \u{17}three\n")
    #expect(user.read() == "one three\n")
  }

  @Test("Ctrl-R shows the line again")
  func reprint() {
    var user = Typist()
    user.type("abc\u{12}")
    #expect(user.screen() == "abc^R\r\nabc")
  }

  @Test("Ctrl-V takes the next character as it is")
  func literal() {
    var user = Typist()
    user.type("\u{16}\u{3}\u{16}\u{4}\n")
    #expect(user.read() == "\u{3}\u{4}\n")
    #expect(user.signals.isEmpty)
  }

  @Test("Ctrl-D on an empty line is the end of the file, once")
  func endOfFile() {
    var user = Typist()
    user.type("\u{4}")
    #expect(user.read() == "")
    #expect(user.read() == nil)
  }

  @Test("Ctrl-D behind text ends the read, not the file")
  func endOfFileBehindText() {
    var user = Typist()
    user.type("abc\u{4}")
    #expect(user.read() == "abc")
    #expect(user.read() == nil)
    user.type("\u{4}\u{4}")
    #expect(user.read() == "")
    #expect(user.read() == "")
  }

  @Test("Ctrl-D behind text of which a read has just taken all is an end of its own")
  func endOfFileAfterShortRead() {
    var user = Typist()
    user.type("ab\u{4}c\n")
    #expect(user.read(2) == "ab")
    // The mark is left alone: what remains of that line is its end.
    #expect(user.read(2) == "")
    #expect(user.read() == "c\n")
  }

  @Test("Ctrl-D is not shown")
  func endOfFileSilent() {
    var user = Typist()
    user.type("\u{4}")
    #expect(user.screen() == "")
  }

  @Test("another end of line may be set")
  func otherEnd() {
    var user = Typist { $0[.endOfLine] = UInt8(ascii: ";") }
    user.type("a;b\n")
    #expect(user.read() == "a;")
    #expect(user.read() == "b\n")
  }

  @Test("without echo nothing is shown, and editing works")
  func noEcho() {
    var user = Typist { $0.local &= ~Settings.Local.echo }
    user.type("secreX\u{7F}t\n")
    #expect(user.screen() == "")
    #expect(user.read() == "secret\n")
  }

  @Test("ECHONL shows the newline alone")
  func echoNewline() {
    var user = Typist { $0.local = Settings.Local.canonical | Settings.Local.echoNL }
    user.type("secret\n")
    #expect(user.screen() == "\r\n")
  }

  @Test("a character that is switched off is text")
  func switchedOff() {
    var user = Typist { $0[.kill] = 0 }
    user.type("a\u{15}b\n\0\n")
    #expect(user.read() == "a\u{15}b\n")
    #expect(user.read() == "\0\n")
  }

  @Test("a line that is too long keeps its beginning and its end; the bell rings")
  func tooLong() {
    var user = Typist { $0.local &= ~Settings.Local.echoControl }
    user.type(String(repeating: "x", count: 5000))
    _ = user.screen()
    user.type("y")
    #expect(user.screen() == "\u{7}")
    user.type("\n")
    let line = user.read(8192)
    #expect(line?.count == InputQueue.capacity)
    #expect(line?.hasSuffix("x\n") == true)
    #expect(user.terminal.wantsInput)
  }

  @Test("with complete lines waiting a full queue asks the sender to wait, and nothing is lost")
  func backPressure() {
    var user = Typist { $0.local &= ~Settings.Local.echo }
    var sent = 0
    var received = ""
    let text = (0..<3000).map { "line \($0)\n" }.joined()
    let bytes = Array(text.utf8)
    while sent < bytes.count || user.terminal.readable > 0 {
      while sent < bytes.count, user.terminal.wantsInput {
        user.type([bytes[sent]])
        sent += 1
      }
      received += user.read() ?? ""
    }
    #expect(received == text)
  }
}
