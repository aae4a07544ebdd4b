import IPC
import NS16550
import Protocols
import ServerKit
import Testing

@Suite("the serial driver")
struct DriverTests {
  @Test("input that came before the driver did is not lost, FIFO or not")
  func early() {
    let wire = Wire()
    wire.line = Array("echo early bird\n".utf8)
    wire.feed()  // one byte sits in the receiver, the rest waits
    var station = Station(wire)
    station.run()
    let token = station.read()
    #expect(station.answer(token) == .success(16))
    #expect(station.memory(1, 16) == "echo early bird\n")
    #expect(wire.isFIFOOn && wire.lineEnabled)
  }

  @Test("a reader waits until there is a line")
  func reader() {
    var station = Station()
    let token = station.read()
    #expect(station.answer(token) == nil)
    station.type("hel")
    #expect(station.answer(token) == nil)
    station.type("lo\r")
    #expect(station.answer(token) == .success(6))
    #expect(station.memory(1, 6) == "hello\n")
    #expect(station.screen == "hello\r\n")
  }

  @Test("readers are served in order")
  func readers() {
    var station = Station()
    let first = station.read(grant: 1)
    let second = station.read(grant: 3)
    station.type("one\ntwo\n")
    #expect(station.answer(first) == .success(4) && station.answer(second) == .success(4))
    #expect(station.memory(1, 4) == "one\n" && station.memory(3, 4) == "two\n")
  }

  @Test("a read that cannot deliver takes nothing")
  func badGrant() {
    var station = Station()
    let bad = station.ask(Char.Read(minor: 0, flags: 0, position: 0, grant: 99, offset: 0, length: 64))
    station.type("kept\n")
    #expect(station.answer(bad) == .failure(.badAddress))
    let good = station.read()
    #expect(station.answer(good) == .success(5))
    #expect(station.memory(1, 5) == "kept\n")
  }

  @Test("the same request asked again is one request with a new grant: M-F12")
  func again() {
    var station = Station()
    let token = station.read(grant: 1, token: 77)
    station.wire.grants[1] = nil  // revoked
    _ = station.read(grant: 5, token: 77)
    station.type("once\ntwice\n")
    #expect(station.answer(token) == .success(5))
    #expect(station.memory(5, 5) == "once\n")
    #expect(station.wire.answers.filter { $0.message.token == 77 }.count == 1)
    #expect(station.answer(station.read()) == .success(6))
  }

  @Test("a writer is answered when its last byte is on its way")
  func writer() {
    var station = Station()
    let token = station.write("hello\n")
    #expect(station.answer(token) == .success(6))
    #expect(station.screen == "hello\r\n")
  }

  @Test("a long write goes out in pieces as the line takes them, in order, whole")
  func longWrite() {
    var station = Station()
    station.wire.transmitRoom = 0
    let text = (0..<2000).map { "line \($0)\n" }.joined()
    let token = station.write(text)
    let second = station.write("the end\n", grant: 3)
    #expect(station.answer(token) == nil && station.answer(second) == nil)
    #expect(station.wire.interruptEnable & 2 != 0)
    while station.answer(second) == nil || station.wire.interruptEnable & 2 != 0 {
      station.wire.transmitRoom = 100
      station.run()
    }
    #expect(station.answer(token) == .success(UInt64(text.utf8.count)))
    #expect(station.screen == (text + "the end\n").replacing("\n", with: "\r\n"))
  }

  @Test("a write with a bad grant fails, and the next one goes on")
  func badWrite() {
    var station = Station()
    let bad = station.ask(Char.Write(minor: 0, flags: 0, position: 0, grant: 99, offset: 0, length: 10))
    #expect(station.answer(bad) == .failure(.badAddress))
    let wraps = station.ask(Char.Write(minor: 0, flags: 0, position: 0, grant: 99, offset: .max, length: .max))
    #expect(station.answer(wraps) == .failure(.badAddress))
    #expect(station.answer(station.write("ok")) == .success(2))
  }

  @Test("writing nothing is done at once")
  func emptyWrite() {
    var station = Station()
    #expect(station.answer(station.ask(Char.Write(minor: 0, flags: 0, position: 0, grant: 99, offset: 0, length: 0))) == .success(0))
  }

  @Test("a cancelled reader is interrupted; one that was answered hears nothing more: M-F13")
  func cancelReader() {
    var station = Station()
    let token = station.read()
    station.ask(Char.Cancel(request: token))
    #expect(station.answer(token) == .failure(.interrupted))
    station.type("late\n")
    let next = station.read()
    #expect(station.answer(next) == .success(5))
    let count = station.wire.answers.count
    station.ask(Char.Cancel(request: next))
    station.ask(Char.Cancel(request: 123_456))
    #expect(station.wire.answers.count == count)
  }

  @Test("a cancelled writer hears how much went out")
  func cancelWriter() {
    var station = Station()
    station.wire.transmitRoom = 0
    let token = station.write(String(repeating: "x", count: 20_000))
    let waiting = station.write("y", grant: 3)
    station.ask(Char.Cancel(request: token))
    station.ask(Char.Cancel(request: waiting))
    guard case .success(let count)? = station.answer(token) else { return #expect(Bool(false)) }
    #expect(count > 4000 && count < 20_000)
    #expect(station.answer(waiting) == .failure(.interrupted))
    station.wire.transmitRoom = .max
    station.run()
    #expect(station.screen.count == Int(count))
  }

  @Test("only who asked can cancel")
  func foreignCancel() {
    var station = Station()
    let token = station.read()
    station.ask(Char.Cancel(request: token), from: .rootfs)
    #expect(station.answer(token) == nil)
    station.type("x\n")
    #expect(station.answer(token) == .success(2))
  }

  @Test("Ctrl-C goes to the foreground group by PM")
  func signal() {
    var station = Station()
    station.wire.grants[9] = [42, 0, 0, 0]
    station.ask(Char.Control(minor: 0, request: Char.Request.tiocSetGroup, argument: 9))
    station.type("\u{3}")
    let sent = station.wire.answers.filter { $0.to == .pm }
    #expect(sent.count == 1)
    let call = sent.first?.message.body() as PM.SignalGroup?
    #expect(call?.group == 42 && call?.signal == 2)
  }

  @Test("without a foreground group a key signals nobody")
  func noGroup() {
    var station = Station()
    station.type("\u{3}")
    #expect(!station.wire.answers.contains { $0.to == .pm })
  }

  @Test("the group, the window and the settings can be read back")
  func control() {
    var station = Station()
    station.wire.grants[9] = [42, 0, 0, 0]
    let set = station.ask(Char.Control(minor: 0, request: Char.Request.tiocSetGroup, argument: 9))
    #expect(station.answer(set) == .success(0))
    station.wire.grants[10] = [0, 0, 0, 0]
    station.ask(Char.Control(minor: 0, request: Char.Request.tiocGetGroup, argument: 10))
    #expect(station.wire.grants[10] == [42, 0, 0, 0])
    station.wire.grants[11] = [UInt8](repeating: 0, count: 8)
    station.ask(Char.Control(minor: 0, request: Char.Request.tiocGetWindow, argument: 11))
    #expect(station.wire.grants[11] == [24, 0, 80, 0, 0, 0, 0, 0])
    station.wire.grants[12] = [50, 0, 132, 0, 1, 0, 2, 0]
    station.ask(Char.Control(minor: 0, request: Char.Request.tiocSetWindow, argument: 12))
    station.ask(Char.Control(minor: 0, request: Char.Request.tiocGetWindow, argument: 11))
    #expect(station.wire.grants[11] == station.wire.grants[12])
    station.wire.grants[13] = [UInt8](repeating: 0xEE, count: 60)
    station.ask(Char.Control(minor: 0, request: Char.Request.tcGets, argument: 13))
    var settings = station.wire.grants[13]!
    #expect(settings[0] != 0xEE && settings[59] == 0)
    settings[12] &= ~0o10  // ECHO
    station.wire.grants[13] = settings
    station.ask(Char.Control(minor: 0, request: Char.Request.tcSets, argument: 13))
    station.type("silent\n")
    #expect(station.screen == "")
  }

  @Test("the next life has the settings, the window and the foreground group")
  func rebirth() {
    let wire = Wire()
    wire.commandLine = "batch"  // says how the first life starts, not the second
    var station = Station(wire)
    wire.grants[13] = [UInt8](repeating: 0, count: 60)
    station.ask(Char.Control(minor: 0, request: Char.Request.tcGets, argument: 13))
    wire.grants[13]![12] |= 0o10  // ECHO
    wire.grants[13]![17 + 18] = 0x42  // the last special character
    station.ask(Char.Control(minor: 0, request: Char.Request.tcSets, argument: 13))
    wire.grants[9] = [42, 0, 0, 0]
    station.ask(Char.Control(minor: 0, request: Char.Request.tiocSetGroup, argument: 9))
    wire.grants[12] = [50, 0, 132, 0, 1, 0, 2, 0]
    station.ask(Char.Control(minor: 0, request: Char.Request.tiocSetWindow, argument: 12))
    station = Station(wire)
    wire.grants[14] = [UInt8](repeating: 0, count: 60)
    station.ask(Char.Control(minor: 0, request: Char.Request.tcGets, argument: 14))
    #expect(wire.grants[14] == wire.grants[13])
    wire.grants[15] = [UInt8](repeating: 0, count: 8)
    station.ask(Char.Control(minor: 0, request: Char.Request.tiocGetWindow, argument: 15))
    #expect(wire.grants[15] == wire.grants[12])
    station.type("\u{3}")
    #expect(wire.answers.contains { $0.to == .pm && ($0.message.body() as PM.SignalGroup).group == 42 })
  }

  @Test("ioctls that fail say why")
  func badControl() {
    var station = Station()
    #expect(station.answer(station.ask(Char.Control(minor: 0, request: 0xDEAD, argument: 0))) == .failure(.notTerminal))
    #expect(station.answer(station.ask(Char.Control(minor: 0, request: Char.Request.tcGets, argument: 99))) == .failure(.badAddress))
    #expect(station.answer(station.ask(Char.Control(minor: 0, request: Char.Request.tcSets, argument: 99))) == .failure(.badAddress))
    #expect(station.answer(station.ask(Char.Control(minor: 1, request: Char.Request.tcGets, argument: 99))) == .failure(.noSuchDevice))
    station.wire.grants[9] = [0xFF, 0xFF, 0xFF, 0xFF]
    let token = station.ask(Char.Control(minor: 0, request: Char.Request.tiocSetGroup, argument: 9))
    #expect(station.answer(token) == .failure(.invalidArgument))
  }

  @Test("there is one minor")
  func minors() {
    var station = Station()
    #expect(station.answer(station.ask(Char.Open(minor: 0, flags: 0))) == .success(0))
    #expect(station.answer(station.ask(Char.Open(minor: 1, flags: 0))) == .failure(.noSuchDevice))
    #expect(station.answer(station.ask(Char.Read(minor: 3, flags: 0, position: 0, grant: 1, offset: 0, length: 1))) == .failure(.noSuchDevice))
    #expect(station.answer(station.ask(Char.Write(minor: 3, flags: 0, position: 0, grant: 1, offset: 0, length: 1))) == .failure(.noSuchDevice))
    #expect(station.answer(station.ask(Char.Close(minor: 0))) == .success(0))
  }

  @Test("who does not want to wait does not")
  func nonBlocking() {
    var station = Station()
    #expect(station.answer(station.read(flags: 1)) == .failure(.wouldBlock))
    station.type("a\n")
    #expect(station.answer(station.read(flags: 1)) == .success(2))
    station.wire.transmitRoom = 0
    _ = station.write(String(repeating: "x", count: 9000))
    #expect(station.answer(station.write("y", grant: 3, flags: 1)) == .failure(.wouldBlock))
  }

  @Test("SEC35 as many may wait as there is room for, the next is told")
  func full() {
    var station = Station()
    let tokens = (0..<40).map { _ in station.read() }
    #expect(tokens.prefix(32).allSatisfy { station.answer($0) == nil })
    #expect(tokens.suffix(8).allSatisfy { station.answer($0) == .failure(.wouldBlock) })
  }

  @Test("more input than there is room for waits on the line, all of it arrives")
  func flood() {
    var station = Station()
    let text = (0..<2000).map { "command number \($0)\n" }.joined()
    station.type(text)
    #expect(!station.wire.line.isEmpty)
    #expect(station.wire.interruptEnable & 1 == 0)
    var received = ""
    var rounds = 0
    while received.utf8.count < text.utf8.count, rounds < 10_000 {
      rounds += 1
      let token = station.read()
      station.run()
      guard case .success(let count)? = station.answer(token) else { break }
      received += station.memory(1, Int(count))
    }
    #expect(received == text)
  }

  @Test("with `batch` on the command line nothing is echoed, not even what was there already")
  func batch() {
    let wire = Wire()
    wire.commandLine = "root=ram batch quiet=a-long-word-so-that-the-line-needs-more-than-one-message"
    wire.line = Array("ls\n".utf8)
    var station = Station(wire)
    station.run()
    #expect(station.screen == "")
    #expect(station.answer(station.read()) == .success(3))
  }

  @Test("the first read is logged once, with the time and how much of it nobody ran")
  func firstRead() {
    var station = Station()
    _ = station.read()
    _ = station.read()
    #expect(station.wire.logs == "tty: first read at 4711 idle 42\n")
  }

  @Test("notifications from others, plain messages and answers are not heard")
  func noise() {
    var station = Station()
    station.driver.notified(by: .disk, events: 1 << 4, &station.kernel)
    station.driver.notified(by: .kernel, events: 1 << 5, &station.kernel)
    var message = Message(Char.Read(minor: 0, flags: 0, position: 0, grant: 1, offset: 0, length: 1))
    #expect(station.driver.handle(Delivery(message: message, flags: Delivery.Flags(raw: 0)), &station.kernel) == nil)
    message = Message(error: .noSpace)
    #expect(station.driver.handle(Delivery(message: message, flags: .asynchronous), &station.kernel) == nil)
    #expect(station.wire.answers.isEmpty)
  }

  @Test("M-J1 unknown numbers are an error to the caller", arguments: [Int32(0x5FF), 0x606, 0x700, .max])
  func numbers(type: Int32) {
    var station = Station()
    var message = Message(type: type)
    message.source = .vfs
    let answer = station.driver.handle(Delivery(message: message, flags: .request), &station.kernel)
    #expect(answer?.type == -Errno.noSuchCall.rawValue)
  }

  @Test("random requests never trap", arguments: 0..<10)
  func random(seed: Int) {
    var random = SeededGenerator(seed: UInt64(seed))
    var station = Station()
    for _ in 0..<5_000 {
      var message = Message(type: .random(in: 0x5FE...0x607, using: &random))
      let big = Bool.random(using: &random)
      message.payload.0 = UInt64.random(in: 0...1, using: &random) << UInt64.random(in: 0...33, using: &random)
      message.payload.1 = [0x5401, 0x5402, 0x5404, 0x540F, 0x5410, 0x5413, 0x5414, 0, .max].randomElement(using: &random)!
      message.payload.2 = .random(in: 0...5, using: &random)
      message.payload.3 = big ? .random(in: 0 ... .max, using: &random) : 0
      message.payload.4 = .random(in: 0...(big ? .max : 100), using: &random)
      message.token = .random(in: 0...100, using: &random)
      message.source = Bool.random(using: &random) ? .vfs : .rootfs
      station.wire.grants[.random(in: 0...4, using: &random)] = [UInt8](repeating: 7, count: .random(in: 0...200, using: &random))
      let flags: Delivery.Flags = Bool.random(using: &random) ? .asynchronous : .request
      _ = station.driver.handle(Delivery(message: message, flags: flags), &station.kernel)
      if UInt8.random(in: 0..<10, using: &random) == 0 { station.type("x\n") }
    }
  }
}
