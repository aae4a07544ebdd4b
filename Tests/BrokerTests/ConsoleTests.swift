@testable import Broker
import DeviceModels
import Foundation
import Testing

@Suite("Broker: the console") struct ConsoleTests {
  private func makePipe() -> (read: Int32, write: Int32) {
    var ends: [Int32] = [0, 0]
    pipe(&ends)
    return (ends[0], ends[1])
  }

  @Test("what comes in is the guest's in order, and no more is taken than it has room for") func input() {
    let (near, far) = makePipe()
    let console = Console(input: near, output: -1)
    var uart = UARTModel()
    uart.write(4, 2)
    uart.write(2, 1)
    let sent = (0..<20_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    // A thread of its own: the pipe holds less than that while the guest reads nothing.
    let writer = Thread { sent.withUnsafeBytes { _ = write(far, $0.baseAddress, $0.count) }; close(far) }
    writer.start()
    var got: [UInt8] = []
    while got.count < sent.count {
      console.read(&uart)
      #expect(uart.input.count <= 8192)
      while uart.read(5) & 1 != 0 { got.append(uart.read(0)) }
    }
    #expect(got == sent)
    close(near)
  }

  @Test("what the guest sends goes out in order; a reader that has gone is nobody, not an error") func output() {
    signal(SIGPIPE, SIG_IGN)
    let (near, far) = makePipe()
    let console = Console(input: -1, output: far)
    var uart = UARTModel()
    for byte in "hello".utf8 { uart.write(0, byte) }
    console.write(&uart)
    #expect(uart.output.isEmpty)
    var bytes = [UInt8](repeating: 0, count: 16)
    #expect(read(near, &bytes, 16) == 5 && bytes.prefix(5).elementsEqual("hello".utf8))
    close(near)
    uart.write(0, 65)
    console.write(&uart)
    #expect(uart.output.isEmpty)
    close(far)
  }
}
