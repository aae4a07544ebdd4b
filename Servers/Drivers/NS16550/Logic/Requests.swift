import IPC
import Protocols
import ServerKit

/// A read or a write that waits.
struct Transfer: BitwiseCopyable {
  var requester: Requester
  var grant, offset, length: UInt64
  /// Bytes of a write that are on their way already.
  var done: UInt64 = 0
}

/// Transfers in the order in which they came, at most 32.
struct TransferQueue: BitwiseCopyable {
  static var capacity: Int { 32 }
  private var entries = InlineArray<32, Transfer?>(repeating: nil)
  private(set) var count = 0

  var first: Transfer? { count > 0 ? entries[0] : nil }

  /// False: no room. A request with the token of one that waits is that request asked again: what has moved
  /// stays moved, the grant is the new one.
  mutating func insert(_ transfer: Transfer) -> Bool {
    if let index = find(transfer.requester), var old = entries[index] {
      old.grant = transfer.grant
      old.offset = transfer.offset
      old.length = max(transfer.length, old.done)
      entries[index] = old
      return true
    }
    guard count < Self.capacity else { return false }
    entries[count] = transfer
    count += 1
    return true
  }

  mutating func progress(_ bytes: UInt64) {
    guard count > 0, var transfer = entries[0] else { return }
    transfer.done &+= bytes
    entries[0] = transfer
  }

  mutating func removeFirst() { remove(at: 0) }

  mutating func remove(_ requester: Requester) -> Transfer? {
    guard let index = find(requester) else { return nil }
    let transfer = entries[index]
    remove(at: index)
    return transfer
  }

  private func find(_ requester: Requester) -> Int? {
    for index in 0..<count where entries[index]?.requester == requester { return index }
    return nil
  }

  private mutating func remove(at position: Int) {
    guard position < count else { return }
    for index in position..<count - 1 { entries[index] = entries[index + 1] }
    count -= 1
    entries[count] = nil
  }
}
