import IPC
import Protocols
import ServerKit

/// One request of a client, from its message to its answer.
struct Request {
  enum Kind { case read, write, flush }
  var requester: Requester
  var kind: Kind
  var grant: UInt64
  var grantOffset: UInt64
  var position: UInt64
  /// Bytes asked for, cut at the end of the disk.
  var length: Int
  var done = 0

  init(flush requester: Requester) {
    self.requester = requester
    kind = .flush
    grant = 0
    grantOffset = 0
    position = 0
    length = 0
  }

  init(_ call: Block.Transfer, length: Int, for requester: Requester) {
    self.requester = requester
    kind = call.isWrite ? .write : .read
    grant = call.grant
    grantOffset = call.offset
    position = call.position
    self.length = length
  }
}

/// A place for a request that the device works on, with a buffer of its own in DMA memory. Long requests go
/// through it piece by piece.
struct Slot {
  var request: Request
  var isActive: Bool
  /// Bytes of the piece under way.
  var piece: Int
  /// Alarms that passed since the piece was offered.
  var ticks: Int
  /// How often the piece was offered again after the device had failed.
  var attempts: Int
}
