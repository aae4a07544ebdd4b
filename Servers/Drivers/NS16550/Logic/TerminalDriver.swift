import IPC
import Protocols
import ServerKit
import Terminal

/// The console: a terminal on a serial line, behind the character device protocol. Its state is the terminal
/// and two queues of transfers; `pump` moves bytes between them and the line until nothing moves.
public struct TerminalDriver<T: Transport>: Server {
  public typealias IPCTransport = T
  public internal(set) var terminal = LineDiscipline()
  var uart = UART()
  var readers = TransferQueue()
  var writers = TransferQueue()
  /// Bytes on their way between a grant and the terminal.
  let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1024, alignment: 16)
  /// The time-stamp counter, which counts from power-on, for the one line that ends the measure "power-on to prompt".
  let ticks: @convention(c) () -> UInt64
  var wasRead = false

  public init(ticks: @convention(c) () -> UInt64) { self.ticks = ticks }

  public mutating func start(_ ipc: inout T) {
    if !recall(&ipc), CommandLine(&ipc).has("batch") {
      // Commands come from a file: nobody wants to see them again, not even those that are here already.
      var settings = terminal.settings
      settings.local &= ~Settings.Local.echo
      terminal.apply(settings)
    }
    takeInput(&ipc)
    uart.start(&ipc)
    do throws(Errno) {
      try ipc.kernel(Kernel.InterruptAttach(line: UART.line))
      try ipc.sendAsync(Message(DS.Publish(name: Self.name)), to: .ds)
    } catch { ipc.log("tty: no interrupts\n") }
    pump(&ipc)
    do throws(Errno) { try ipc.kernel(Kernel.InterruptEnable(line: UART.line)) } catch {}
  }

  static var name: RS.Name { (0x7974_74, 0) }  // "tty"

  public mutating func notified(by source: Endpoint, events: UInt64, _ ipc: inout T) {
    guard source == .kernel, events & 1 << UART.line != 0 else { return }
    // The line is edge-triggered: it must have been low once before the next interrupt can come.
    var rounds = 0
    repeat {
      pump(&ipc)
      rounds += 1
    } while uart.isPending(&ipc) && rounds < 64
    do throws(Errno) { try ipc.kernel(Kernel.InterruptEnable(line: UART.line)) } catch {}
  }

  public mutating func handle(_ delivery: Delivery, _ ipc: inout T) -> Message? {
    let isPlain = !delivery.isRequest && !delivery.isAsynchronous
    guard !isPlain, delivery.message.type > 0 else { return nil }  // an answer to one of ours says nothing
    do throws(Errno) { return try dispatch(delivery, &ipc) } catch { return Message(error: error) }
  }

  private mutating func dispatch(_ delivery: Delivery, _ ipc: inout T) throws(Errno) -> Message? {
    let message = delivery.message
    switch Char.Number(rawValue: message.type) {
    case .open:
      guard (message.body() as Char.Open).minor == 0 else { throw .noSuchDevice }
      return Message(reply: Done())
    case .close: return Message(reply: Done())
    case .read: try read(message.body(), Requester(delivery), &ipc)
    case .write: try write(message.body(), Requester(delivery), &ipc)
    case .control: return Message(reply: try control(message.body(), message.source, &ipc))
    case .cancel: cancel((message.body() as Char.Cancel).request, delivery, &ipc)
    case nil: throw .noSuchCall
    }
    pump(&ipc)
    return nil
  }

  private mutating func read(_ call: Char.Read, _ requester: Requester, _ ipc: inout T) throws(Errno) {
    guard call.minor == 0 else { throw .noSuchDevice }
    if call.flags & 1 != 0 {
      pump(&ipc)
      if readers.count > 0 || terminal.readable == 0 { throw .wouldBlock }
    }
    let transfer = Transfer(requester: requester, grant: call.grant, offset: call.offset, length: call.length)
    guard readers.insert(transfer) else { throw .wouldBlock }
    if !wasRead {
      wasRead = true
      pump(&ipc)  // the prompt is out before the time is taken
      var line = Text("tty: first read at ")
      line.append(ticks())
      if let clock = try? ipc.kernel(Kernel.Clock()) {
        line.append(" idle ")
        line.append(clock.idle)
      }
      line.append("\n")
      ipc.log(line)
    }
  }

  private mutating func write(_ call: Char.Write, _ requester: Requester, _ ipc: inout T) throws(Errno) {
    guard call.minor == 0 else { throw .noSuchDevice }
    if call.flags & 1 != 0, writers.count > 0 || !terminal.hasRoom { throw .wouldBlock }
    let transfer = Transfer(requester: requester, grant: call.grant, offset: call.offset, length: call.length)
    guard writers.insert(transfer) else { throw .wouldBlock }
  }

  /// A short count if bytes have moved, else `.interrupted`; nothing if it was answered before.
  private mutating func cancel(_ token: UInt64, _ delivery: Delivery, _ ipc: inout T) {
    var requester = Requester(delivery)
    requester.token = token
    guard let transfer = readers.remove(requester) ?? writers.remove(requester) else { return }
    let answer = transfer.done > 0 ? Message(reply: VFS.Count(count: transfer.done)) : Message(error: .interrupted)
    ipc.answer(transfer.requester, answer)
  }

  // MARK: Moving bytes

  /// Keyboard to terminal to readers, writers to terminal to screen, until nothing moves. Ends: the hardware
  /// holds at most a FIFO of input at a time, and each writer is finite.
  mutating func pump(_ ipc: inout T) {
    var moves = true
    while moves {
      moves = takeInput(&ipc)
      while answerReader(&ipc) { moves = true }
      while feedWriter(&ipc) { moves = true }
      if giveOutput(&ipc) { moves = true }
    }
    // Input is left in the hardware while there is no room for it: the other side waits, nothing is lost.
    uart.enable(
      (terminal.wantsInput ? UART.Interrupt.received : 0) | (terminal.hasOutput ? UART.Interrupt.transmitterEmpty : 0), &ipc)
  }

  @discardableResult
  mutating func takeInput(_ ipc: inout T) -> Bool {
    var taken = 0
    while taken < 64, terminal.wantsInput, let byte = uart.receive(&ipc) {
      taken += 1
      let signal = terminal.receive(byte)
      if signal != 0, terminal.group > 0 {
        do throws(Errno) {
          try ipc.sendAsync(Message(PM.SignalGroup(group: terminal.group, signal: signal)), to: .pm)
        } catch { ipc.log("tty: a signal is lost\n") }
      }
    }
    return taken > 0
  }

  private mutating func giveOutput(_ ipc: inout T) -> Bool {
    var given = 0
    while terminal.hasOutput, uart.isTransmitterEmpty(&ipc) {
      var burst = 0
      while burst < UART.fifoDepth, let byte = terminal.nextOutput() {
        uart.write(UART.Register.data, byte, &ipc)
        burst += 1
      }
      given += burst
    }
    return given > 0
  }

  /// Answers the first reader if there is something for it. Bytes leave the terminal when they have arrived.
  private mutating func answerReader(_ ipc: inout T) -> Bool {
    guard let reader = readers.first else { return false }
    let limit = Int(min(reader.length, 1024))
    let chunk = terminal.peek(limit, into: buffer)
    guard let chunk else { return false }
    readers.removeFirst()
    do throws(Errno) {
      try copy(reader, 0, UInt64(chunk.count), Kernel.Direction.write, &ipc)
      terminal.consume(chunk)
      ipc.answer(reader.requester, Message(reply: VFS.Count(count: UInt64(chunk.count))))
    } catch { ipc.answer(reader.requester, Message(error: error)) }
    return true
  }

  /// Takes what there is room for from the first writer; answers it at its end.
  private mutating func feedWriter(_ ipc: inout T) -> Bool {
    guard let writer = writers.first else { return false }
    if writer.done >= writer.length {
      // Not before its last byte is out: what is answered must not be lost with us.
      guard terminal.isDrained else { return false }
      writers.removeFirst()
      ipc.answer(writer.requester, Message(reply: VFS.Count(count: writer.length)))
      return true
    }
    guard terminal.hasRoom else { return false }
    let count = min(writer.length - writer.done, 1024)
    do throws(Errno) {
      try copy(writer, writer.done, count, Kernel.Direction.read, &ipc)
      let taken = terminal.write(UnsafeRawBufferPointer(rebasing: buffer[..<Int(count)]))
      writers.progress(UInt64(taken))
      return taken > 0
    } catch {
      writers.removeFirst()
      ipc.answer(writer.requester, writer.done > 0 ? Message(reply: VFS.Count(count: writer.done)) : Message(error: error))
      return true
    }
  }

  /// Between our buffer and the grant of who asked.
  private mutating func copy(_ transfer: Transfer, _ at: UInt64, _ count: UInt64, _ direction: UInt32, _ ipc: inout T) throws(Errno) {
    let (offset, wraps) = transfer.offset.addingReportingOverflow(at)
    guard !wraps else { throw .badAddress }
    try copyGrant(transfer.requester.endpoint, transfer.grant, offset, count, direction, &ipc)
  }

  mutating func copyGrant(
    _ granter: Endpoint, _ grant: UInt64, _ offset: UInt64, _ count: UInt64, _ direction: UInt32, _ ipc: inout T
  ) throws(Errno) {
    guard count > 0 else { return }
    // The kernel reads or writes `buffer` only during this call.
    try ipc.kernel(Kernel.CopyGrant(
      granter: granter, id: grant, offset: offset, address: UInt64(UInt(bitPattern: buffer.baseAddress)), length: count,
      direction: direction))
  }
}
