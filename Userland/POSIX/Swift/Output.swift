import IPC

/// Buffered output to a descriptor. Remembers the first error and writes nothing more after it.
public final class Output {
  public let descriptor: Int
  private var buffer: [UInt8] = []
  private let limit: Int
  /// What went wrong, if anything did.
  public private(set) var failed: Errno?

  public init(descriptor: Int, limit: Int = 8192) {
    self.descriptor = descriptor
    self.limit = limit
  }

  public func write(_ bytes: [UInt8]) {
    if buffer.count + bytes.count > limit { flush() }
    if bytes.count > limit {
      bytes.withUnsafeBytes { writeThrough($0) }
    } else {
      buffer.append(contentsOf: bytes)
    }
  }

  public func write(_ bytes: UnsafeRawBufferPointer) {
    if buffer.count + bytes.count > limit { flush() }
    if bytes.count > limit { writeThrough(bytes) } else { buffer.append(contentsOf: bytes) }
  }

  public func write(_ text: StaticString) {
    if buffer.count + text.utf8CodeUnitCount > limit { flush() }
    text.withUTF8Buffer { buffer.append(contentsOf: $0) }
  }

  public func write(byte: UInt8) {
    if buffer.count == limit { flush() }
    buffer.append(byte)
  }

  public func newline() { write(byte: 0x0A) }

  public func flush() {
    if buffer.isEmpty { return }
    buffer.withUnsafeBytes { writeThrough($0) }
    buffer.removeAll(keepingCapacity: true)
  }

  /// Forgets what was not written: for a child that must not repeat its parent's output.
  public func discard() { buffer.removeAll(keepingCapacity: true) }

  /// Forgets the error, for a shell whose next command has another output.
  public func clearFailure() { failed = nil }

  private func writeThrough(_ bytes: UnsafeRawBufferPointer) {
    if failed != nil { return }
    do throws(Errno) { try writeAll(descriptor, bytes) } catch { failed = error }
  }
}

nonisolated(unsafe) public let standardOutput = Output(descriptor: 1)

public func printBytes(_ bytes: [UInt8]) { standardOutput.write(bytes) }
public func printText(_ text: StaticString) { standardOutput.write(text) }
public func printLine(_ bytes: [UInt8]) {
  standardOutput.write(bytes)
  standardOutput.newline()
}

/// Text for descriptor 2, at once.
public func printError(_ bytes: [UInt8]) {
  standardOutput.flush()
  do throws(Errno) { try writeAll(2, bytes) } catch {}
}
