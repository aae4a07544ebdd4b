import CLinux
import Glibc
import IPC
import KernelCore
import Sandbox

/// A file that is only written; what cannot be written is lost, as on a debug console.
final class OutputFile {
  private let descriptor: Int32

  /// - Parameter path: nil for a file that takes everything and keeps nothing.
  init(_ path: String?) throws(SandboxFailure) {
    guard let path else {
      descriptor = -1
      return
    }
    descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw SandboxFailure("cannot write \(path): \(String(cString: strerror(errno)))") }
  }

  func write(_ bytes: UnsafeRawBufferPointer) {
    guard descriptor >= 0, var start = bytes.baseAddress else { return }
    var rest = bytes.count
    while rest > 0 {
      let count = Glibc.write(descriptor, start, rest)
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { return }
      start += count
      rest -= count
    }
  }

  func close() { if descriptor >= 0 { Glibc.close(descriptor) } }
}

/// Records of a trace, gathered and written in pieces; with `trace=last` only the last of them, at the end.
struct TraceFile {
  let file: OutputFile
  let what: Tracing
  private let keepsLast: Bool
  private var records: [TraceRecord] = []
  private static var limit: Int { 2048 }

  init(file: OutputFile, words: [String]) {
    self.file = file
    keepsLast = words.contains("trace=last")
    what = words.contains("trace=all") ? .everything : keepsLast || words.contains("trace=on") ? .messages : .off
  }

  mutating func add(_ record: TraceRecord) {
    if records.count == (keepsLast ? 2 : 1) * Self.limit { if keepsLast { records.removeFirst(Self.limit) } else { flush() } }
    records.append(record)
  }

  mutating func flush() {
    if keepsLast, records.count > Self.limit { records.removeFirst(records.count - Self.limit) }
    records.withUnsafeBytes { file.write($0) }
    records.removeAll(keepingCapacity: true)
  }
}

/// The signals that ask for the end, as a descriptor: they come between two turns, not in the middle of one.
final class SignalFile {
  let descriptor: Int32

  init() throws(SandboxFailure) {
    var mask: UInt64 = 0
    for number in [SIGHUP, SIGINT, SIGTERM] { mask |= 1 << UInt64(number - 1) }
    signal(SIGPIPE, SIG_IGN)
    descriptor = withUnsafePointer(to: &mask) { mask in
      let place = Int64(Int(bitPattern: mask))
      _ = linux_call(Int64(LINUX_rt_sigprocmask.rawValue), 0, place, 0, 8, 0, 0)  // SIG_BLOCK
      return Int32(truncatingIfNeeded: linux_call(Int64(LINUX_signalfd4.rawValue), -1, place, 8, 0x80800, 0, 0))  // SFD_CLOEXEC, SFD_NONBLOCK
    }
    guard descriptor >= 0 else { throw SandboxFailure("no descriptor for signals: error \(-descriptor)") }
  }

  /// The number of a signal that has come.
  func read() -> Int32? {
    var information: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) =
      (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    let count = withUnsafeMutableBytes(of: &information) { Glibc.read(descriptor, $0.baseAddress, $0.count) }
    return count == 128 ? Int32(truncatingIfNeeded: information.0 & 0xFFFF_FFFF) : nil
  }

  func close() { Glibc.close(descriptor) }
}
