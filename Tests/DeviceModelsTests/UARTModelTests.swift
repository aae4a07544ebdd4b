import DeviceModels
import IPC
import NS16550
import Protocols
import ServerKit
import Testing

@Suite struct UARTModelTests {
  private func readAll(_ uart: inout UARTModel) -> [UInt8] {
    var bytes: [UInt8] = []
    while uart.read(5) & 1 != 0 { bytes.append(uart.read(0)) }
    return bytes
  }

  @Test("bytes come in order, each once, and the receiver holds one without FIFO and sixteen with")
  func order() {
    var uart = UARTModel()
    uart.send(0..<100)
    #expect(uart.input.count == 100)  // no RTS: nobody is there
    uart.write(4, 2)
    #expect(uart.input.count == 99)
    uart.write(2, 1)  // switching the FIFO on empties the receiver
    #expect(uart.input.count == 83)
    #expect(readAll(&uart) == Array(1..<100))
    #expect(uart.read(2) & 0xC0 == 0xC0)
  }

  @Test("received data raises the line while it is there, if enabled and OUT2 is on")
  func receiveInterrupt() {
    var uart = UARTModel()
    uart.write(1, 1)
    uart.write(4, 2)
    uart.send([7])
    #expect(!uart.isRaised)
    uart.write(4, 0xA)
    #expect(uart.isRaised)
    #expect(uart.read(2) == 4)
    #expect(uart.read(0) == 7)
    #expect(!uart.isRaised)
    #expect(uart.read(2) == 1)
  }

  @Test("transmitter empty is reported when enabled, until it is read, and again after the next byte")
  func transmitInterrupt() {
    var uart = UARTModel()
    uart.write(4, 8)
    uart.write(1, 2)
    #expect(uart.isRaised)
    #expect(uart.read(2) == 2)
    #expect(!uart.isRaised)
    uart.write(0, 65)
    #expect(uart.isRaised)
    uart.write(1, 0)
    #expect(!uart.isRaised)
    #expect(uart.output.withBytes { Array($0) } == [65])
  }

  @Test("while nobody takes the output the transmitter is busy; taking it raises the line")
  func full() {
    var uart = UARTModel()
    uart.outputLimit = 16
    uart.write(4, 8)
    uart.write(1, 2)
    for byte in 0..<16 as Range<UInt8> { uart.write(0, byte) }
    #expect(uart.read(5) & 0x20 == 0)
    #expect(!uart.isRaised)
    uart.take(1)
    #expect(uart.read(5) & 0x20 != 0)
    #expect(uart.isRaised)
  }

  @Test("the divisor latch hides data and interrupt enable")
  func divisor() {
    var uart = UARTModel()
    uart.write(3, 0x83)
    uart.write(0, 0x34)
    uart.write(1, 0x12)
    #expect(uart.read(0) == 0x34 && uart.read(1) == 0x12)
    uart.write(3, 3)
    #expect(uart.output.isEmpty && uart.read(1) == 0)
    uart.write(7, 0x5A)
    #expect(uart.read(7) == 0x5A)
  }

  @Test("the real driver starts on it and echoes a line; a second life of the driver loses none of the input that waits")
  func driver() {
    let line = SerialLine()
    var driver = TerminalDriver<SerialLine.Port>(ticks: { 0 })
    var port = SerialLine.Port(line: line)
    driver.start(&port)
    line.devices.uart.send("hi\r".utf8)
    line.settle { driver.notified(by: .kernel, events: 1 << 4, &port) }
    #expect(line.screen == "hi\r\n")
    // More than the terminal takes in before somebody reads; the rest stays in the line.
    let text = String(repeating: "0123456789abcdef", count: 300)
    line.devices.uart.send((text + "\r").utf8)
    line.settle { driver.notified(by: .kernel, events: 1 << 4, &port) }
    let left = line.devices.uart.input.count
    #expect(left > 0)
    var second = TerminalDriver<SerialLine.Port>(ticks: { 0 })
    let shown = line.screen.utf8.count
    second.start(&port)
    line.settle { second.notified(by: .kernel, events: 1 << 4, &port) }
    #expect(line.screen.utf8.count > shown)
    // It goes on with the first byte that the first life has not read: sixteen are in the receiver.
    #expect(left > 64)
    #expect(line.screen.utf8.dropFirst(shown).elementsEqual(text.utf8.dropFirst(text.utf8.count + 1 - left - 16).prefix(line.screen.utf8.count - shown)))
  }
}

/// A serial port as the tty driver reaches it.
final class SerialLine {
  var devices = PCDevices<TestMemory, MemoryStore>(disks: [], memory: TestMemory(pages: 1))
  var screen: String { devices.uart.output.withBytes { String(decoding: $0, as: UTF8.self) } }

  func settle(_ interrupt: () -> Void) {
    var rounds = 0
    while devices.lines & 1 << 4 != 0, rounds < 1000 {
      interrupt()
      rounds += 1
    }
  }

  struct Port: Transport {
    let line: SerialLine
    mutating func send(_ message: Message, to destination: Endpoint) throws(Errno) { throw .notPermitted }
    mutating func receive(from source: Endpoint, deadline: UInt64) throws(Errno) -> Delivery { throw .notPermitted }
    mutating func replyReceive(_ reply: Message, to caller: Endpoint) throws(Errno) -> Delivery { throw .notPermitted }
    mutating func notify(_ destination: Endpoint) throws(Errno) {}
    mutating func sendRec(_ message: Message, to destination: Endpoint) throws(Errno) -> Message { throw .noSuchFile }
    mutating func reply(_ message: Message, to caller: Endpoint) throws(Errno) {}
    mutating func sendAsync(_ message: Message, to destination: Endpoint) throws(Errno) {}
    mutating func kernel(_ message: Message) -> Message {
      switch message.type {
      case Kernel.PortRead.number:
        let call: Kernel.PortRead = message.body()
        return Message(reply: Kernel.PortRead.Reply(value: UInt64(line.devices.read(UInt16(call.port), width: call.width))))
      case Kernel.PortWrite.number:
        let call: Kernel.PortWrite = message.body()
        line.devices.write(UInt16(call.port), width: call.width, value: UInt32(truncatingIfNeeded: call.value))
      default: break
      }
      return Message(reply: Done())
    }
  }
}
