import CX86
import IPC
import KernelCore

/// Where the records of a trace leave the machine: a second debug console of QEMU's, on port 0xEA, of nothing but
/// records. They gather in a ring, so that a long trace is written in a few large pieces; or only the ring is
/// written, at the end, and whoever looks for what came before a crash pays for no more than that.
public struct TraceConsole: BitwiseCopyable {
  public static var port: UInt16 { 0xEA }
  /// Records in the ring.
  static var capacity: Int { 2048 }
  /// Bytes of memory that `make` wants, in whole pages: the console itself on the first, the ring behind.
  public static var size: UInt64 { 4096 + UInt64(capacity * MemoryLayout<TraceRecord>.stride + 4095) & ~4095 }

  var ring: TraceRing
  let keepsLast: Bool

  public static func make(_ memory: UnsafeMutableRawPointer, keepsLast: Bool) -> UnsafeMutablePointer<TraceConsole> {
    let console = memory.bindMemory(to: TraceConsole.self, capacity: 1)
    console.initialize(to: TraceConsole(ring: TraceRing(memory: memory + 4096, capacity: capacity), keepsLast: keepsLast))
    return console
  }

  public mutating func add(_ record: TraceRecord) {
    if ring.isFull && !keepsLast { write() }
    ring.add(record)
  }

  /// Empties the ring.
  public mutating func write() {
    while var record = ring.take() {
      withUnsafeBytes(of: &record) { bytes in
        if let start = bytes.baseAddress { x86_out_bytes(Self.port, start, UInt64(bytes.count)) }
      }
    }
  }
}
