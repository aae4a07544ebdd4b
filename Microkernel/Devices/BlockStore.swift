/// Guest memory as a device reaches it on its own.
public protocol GuestMemory {
  /// The bytes at a physical address; nil unless all of them are RAM.
  func bytes(_ physical: UInt64, _ length: UInt64) -> UnsafeMutableRawPointer?
}

/// What a block device is asked to do with what is behind it.
public struct BlockRequest {
  public enum Kind: Sendable { case read, write, flush }
  public var kind: Kind
  /// In bytes, a multiple of 512; inside the store.
  public var position: UInt64
  /// Sum of `parts`.
  public var length: Int
  /// Guest memory to fill or to take from, in order.
  public var parts: [UnsafeMutableRawBufferPointer]
  /// Names the request until it is completed or the device is reset; never used again.
  public var token: UInt64

  /// Copies what was read into guest memory.
  public func fill(from bytes: UnsafeRawBufferPointer) {
    var done = 0
    for part in parts where done < bytes.count {
      let count = min(part.count, bytes.count - done)
      part.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[done..<done + count]))
      done += count
    }
  }

  /// What is to be written, in one piece.
  public func gather(into bytes: UnsafeMutableRawBufferPointer) {
    var done = 0
    for part in parts {
      UnsafeMutableRawBufferPointer(rebasing: bytes[done..<done + part.count]).copyMemory(from: UnsafeRawBufferPointer(part))
      done += part.count
    }
  }
}

public enum BlockOutcome: Sendable { case done, failed }

/// What is behind a block device.
public protocol BlockStore {
  /// In bytes, a multiple of 512.
  var size: UInt64 { get }
  var isReadOnly: Bool { get }
  /// Begins a request. The outcome if that is known at once; nil: it comes later, by `VirtioBlockModel.complete`. Requests are
  /// done in their order, so what a driver's last life has begun cannot overtake its next.
  mutating func begin(_ request: BlockRequest) -> BlockOutcome?
}

/// A disk in memory, done at once.
public final class MemoryStore: BlockStore {
  public var bytes: [UInt8]
  public var isReadOnly: Bool
  public private(set) var flushes = 0

  public init(_ bytes: [UInt8], isReadOnly: Bool = false) {
    self.bytes = bytes + [UInt8](repeating: 0, count: (512 - bytes.count % 512) % 512)
    self.isReadOnly = isReadOnly
  }

  public var size: UInt64 { UInt64(bytes.count) }

  public func begin(_ request: BlockRequest) -> BlockOutcome? {
    let place = Int(request.position)..<Int(request.position) + request.length
    switch request.kind {
    case .read: bytes.withUnsafeBytes { request.fill(from: UnsafeRawBufferPointer(rebasing: $0[place])) }
    case .write: bytes.withUnsafeMutableBytes { request.gather(into: UnsafeMutableRawBufferPointer(rebasing: $0[place])) }
    case .flush: flushes += 1
    }
    return .done
  }
}
