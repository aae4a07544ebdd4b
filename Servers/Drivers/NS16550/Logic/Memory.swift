import IPC
import Protocols
import ServerKit
import Terminal

// What the driver's next life has to know: DS keeps it. Without the foreground group Ctrl-C would mean nobody.
extension TerminalDriver {
  private enum Key {
    static var settings: UInt64 { 0 }
    static var groupAndWindow: UInt64 { 1 }
  }

  /// Whenever ioctl has changed something.
  func remember(_ ipc: inout T) {
    terminal.settings.store(into: buffer)
    let settings: DS.Value = (word(0), word(1), word(2), word(3), word(4))
    let window = UInt64(terminal.window.0) | UInt64(terminal.window.1) << 16 | UInt64(terminal.window.2) << 32 | UInt64(terminal.window.3) << 48
    do throws(Errno) {
      _ = try ipc.call(.ds, DS.Keep(key: Key.settings, value: settings))
      _ = try ipc.call(.ds, DS.Keep(key: Key.groupAndWindow, value: (UInt64(UInt32(bitPattern: terminal.group)), window, 0, 0, 0)))
    } catch { ipc.log("tty: nobody keeps the settings\n") }
  }

  /// False: this is the first life, or the last one had changed nothing.
  mutating func recall(_ ipc: inout T) -> Bool {
    do throws(Errno) {
      let words = try ipc.call(.ds, DS.Recall(key: Key.settings)).value
      let (group, window, _, _, _) = try ipc.call(.ds, DS.Recall(key: Key.groupAndWindow)).value
      store(words.0, 0)
      store(words.1, 1)
      store(words.2, 2)
      store(words.3, 3)
      store(words.4, 4)
      if let settings = Settings(UnsafeRawBufferPointer(buffer)) { terminal.apply(settings) }
      terminal.group = Int32(bitPattern: UInt32(truncatingIfNeeded: group))
      terminal.window = (
        UInt16(truncatingIfNeeded: window), UInt16(truncatingIfNeeded: window >> 16), UInt16(truncatingIfNeeded: window >> 32),
        UInt16(truncatingIfNeeded: window >> 48)
      )
      return true
    } catch { return false }
  }

  private func word(_ index: Int) -> UInt64 { buffer.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self) }
  private func store(_ word: UInt64, _ index: Int) { buffer.storeBytes(of: word, toByteOffset: index * 8, as: UInt64.self) }
}
