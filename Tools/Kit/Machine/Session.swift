import Foundation

/// A running machine whose serial line we hold: type, expect, end. All waiting is bounded by its one deadline.
public final class Session {
  public let machine: Machine
  private let child: Child
  private let deadline: Date
  /// All that came over the serial line.
  public private(set) var serial: [UInt8] = []
  private var pending: [UInt8] = []
  private var outputOpen = true
  private var finished: Ending?
  /// Where `expect` goes on reading.
  private var seen = 0
  /// Gets what comes over the serial line as it comes.
  public var listener: (([UInt8]) -> Void)?
  /// Called at each turn of the waiting.
  public var watcher: (() -> Void)?

  public init(_ machine: Machine, seconds: Int) throws {
    self.machine = machine
    try Files.write("", to: machine.log)
    deadline = Date(timeIntervalSinceNow: Double(seconds))
    child = try Child(machine.commandLine, seconds: seconds + 10, pipes: [.input, .output])
  }

  deinit { if finished == nil { stop() } }

  /// The Linux process that runs the machine (a `timeout`, whose child is the machine).
  public var process: Int32 { child.pid }

  public var log: String { (try? Files.read(machine.log)).map { String(decoding: $0, as: UTF8.self) } ?? "" }
  public var text: String { String(decoding: serial, as: UTF8.self) }

  /// Bytes for the guest; they go as fast as it takes them.
  public func type(_ text: String) { pending += Array(text.utf8) }

  /// Moves bytes both ways until one of them moved or `milliseconds` are over. False once QEMU has closed its side.
  @discardableResult func pump(_ milliseconds: Int32 = 50) -> Bool {
    guard outputOpen else { return false }
    watcher?()
    var entries = [pollfd(fd: child.output, events: Int16(POLLIN), revents: 0)]
    if !pending.isEmpty { entries.append(pollfd(fd: child.input, events: Int16(POLLOUT), revents: 0)) }
    guard poll(&entries, nfds_t(entries.count), milliseconds) > 0 else { return true }
    if entries.count > 1, entries[1].revents & Int16(POLLOUT) != 0 {
      let written = pending.withUnsafeBytes { write(child.input, $0.baseAddress!, min($0.count, 4096)) }
      if written > 0 { pending.removeFirst(written) } else if errno != EAGAIN { pending = [] }
    } else if entries.count > 1, entries[1].revents != 0 {
      pending = []
    }
    if entries[0].revents != 0 {
      guard let bytes = Child.readable(child.output, milliseconds: 0) else {
        outputOpen = false
        return false
      }
      serial += bytes
      listener?(bytes)
    }
    return true
  }

  private var late: Bool { Date() >= deadline }

  /// Waits until `condition` holds; false if the machine ended or time ran out first.
  public func wait(until condition: () -> Bool) -> Bool {
    while !condition() {
      if late { return false }
      if !pump() { return condition() }
    }
    return true
  }

  /// Waits for `text` on the serial line, after what earlier calls found.
  public func expect(_ text: String) -> Bool {
    let wanted = Array(text.utf8)
    var from = seen
    return wait {
      if let at = find(wanted, from: from) {
        seen = at + wanted.count
        return true
      }
      from = max(seen, serial.count - wanted.count + 1)
      return false
    }
  }

  private func find(_ wanted: [UInt8], from start: Int) -> Int? {
    guard serial.count - start >= wanted.count, !wanted.isEmpty else { return nil }
    return (start...(serial.count - wanted.count)).first { serial[$0] == wanted[0] && serial[$0..<$0 + wanted.count].elementsEqual(wanted) }
  }

  /// Waits for `text` in the kernel's log.
  public func expectInLog(_ text: String) -> Bool { wait { log.contains(text) } }

  /// Waits for the machine's own end, to the deadline.
  public func end() -> Ending {
    if let finished { return finished }
    while outputOpen && !late { pump(200) }
    if outputOpen { return stop() }
    return reap(nil)
  }

  /// Ends the machine now, unless it has ended by itself.
  @discardableResult
  public func stop() -> Ending {
    if let finished { return finished }
    child.kill()
    return reap(late ? .timeout : nil)
  }

  private func reap(_ known: Ending?) -> Ending {
    close(child.input)
    let status = child.wait()
    while outputOpen, pump(0) {}
    close(child.output)
    let ending = known ?? Ending(status: Int(status), log: log)
    finished = ending
    return ending
  }
}
