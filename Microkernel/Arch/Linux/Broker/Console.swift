import DeviceModels
import Glibc
import Sandbox

/// The other end of COM1: our standard input and output. A terminal becomes raw, and Ctrl-A is the broker's key as it is QEMU's.
/// Neither end ever waits: what cannot be written stays in the transmitter, what the guest does not take stays outside.
final class Console {
  private let input: Int32, output: Int32
  private unowned(unsafe) var sandbox: Sandbox?
  private var settings: termios?
  /// Whether there is something to read; files are always ready.
  private var isReadable = false, isInputWatched = false, isInputOpen = true
  /// The transmitter is full because the other end is.
  private var isOutputWatched = false
  private var isEscaped = false
  private(set) var wantsToQuit = false

  /// Bytes that wait for the guest at most.
  private static var inputLimit: Int { 4096 }

  init(input: Int32 = 0, output: Int32 = 1) {
    self.input = input
    self.output = output
  }

  func attach(_ sandbox: Sandbox) {
    self.sandbox = sandbox
    if isatty(input) == 1 {
      var settings = termios()
      tcgetattr(input, &settings)
      self.settings = settings
      cfmakeraw(&settings)
      tcsetattr(input, TCSADRAIN, &settings)
    }
    watchInput()
  }

  func detach() {
    if var settings { tcsetattr(input, TCSADRAIN, &settings) }
    settings = nil
  }

  private func watchInput() {
    guard isInputOpen, !isInputWatched else { return }
    isInputWatched = sandbox?.watch(input) ?? false
    if !isInputWatched { isReadable = true }
  }

  private func unwatchInput() {
    if isInputWatched { sandbox?.unwatch(input) }
    isInputWatched = false
  }

  /// A descriptor of ours is ready.
  func hear(_ descriptor: Int32) {
    if descriptor == input { isReadable = true }
    if descriptor == output {
      sandbox?.unwatch(output)
      isOutputWatched = false
    }
  }

  // MARK: In

  /// Takes what there is to read, as far as the guest has room for it.
  func read(_ uart: inout UARTModel) {
    guard isInputOpen else { return }
    guard uart.input.count < Self.inputLimit else { return unwatchInput() }
    guard isReadable else { return watchInput() }
    let isFile = !isInputWatched
    var bytes = [UInt8](repeating: 0, count: Self.inputLimit)
    let count = isFile || isReady(input, POLLIN) ? Glibc.read(input, &bytes, bytes.count) : -1
    isReadable = isFile
    if count > 0 { uart.send(settings == nil ? Array(bytes[..<count]) : keys(bytes[..<count])) }
    if count == 0 || count < 0 && isFile && errno != EINTR {
      unwatchInput()
      isInputOpen = false
    }
  }

  /// Takes Ctrl-A and the key after it out of what was typed.
  private func keys(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
    var typed: [UInt8] = []
    for byte in bytes {
      guard isEscaped else {
        if byte == 1 { isEscaped = true } else { typed.append(byte) }
        continue
      }
      isEscaped = false
      switch byte {
      case UInt8(ascii: "x"): wantsToQuit = true
      case UInt8(ascii: "h"), UInt8(ascii: "?"): say("\r\nCtrl-A x ends the system, Ctrl-A Ctrl-A types Ctrl-A, Ctrl-A h shows this\r\n")
      case 1: typed.append(1)
      default: break
      }
    }
    return typed
  }

  private func say(_ text: String) {
    var text = text
    text.withUTF8 { _ = Glibc.write(output, $0.baseAddress, $0.count) }
  }

  // MARK: Out

  /// Writes what the guest has sent, as far as the other end takes it.
  func write(_ uart: inout UARTModel) {
    while !uart.output.isEmpty, !isOutputWatched {
      guard isReady(output, POLLOUT) else {
        isOutputWatched = sandbox?.watch(output, .output) ?? false
        return
      }
      uart.take(writeSome(uart.output))
    }
  }

  /// What is left at the end; bounded, for a reader that has stopped would hold us for ever.
  func finish(_ uart: inout UARTModel) {
    while !uart.output.isEmpty {
      var entry = pollfd(fd: output, events: Int16(POLLOUT), revents: 0)
      guard poll(&entry, 1, 2000) > 0 else { return }
      uart.take(writeSome(uart.output))
    }
  }

  /// The number of bytes that are gone: all of them if nobody is there to read.
  private func writeSome(_ bytes: ByteQueue) -> Int {
    bytes.withBytes { bytes in
      let count = Glibc.write(output, bytes.baseAddress, min(bytes.count, 4096))
      return count >= 0 ? count : errno == EINTR || errno == EAGAIN ? 0 : bytes.count
    }
  }

  private func isReady(_ descriptor: Int32, _ events: Int32) -> Bool {
    var entry = pollfd(fd: descriptor, events: Int16(events), revents: 0)
    return poll(&entry, 1, 0) > 0
  }
}
