import IPC
import Protocols

/// Memory of a client's that is mapped here, pinned, so that no access of ours can fault and the client cannot take it away. It
/// stays mapped for the client's next request; a client that ends loses nothing that we still read.
struct BorrowedMemory {
  private var lender = Endpoint.none
  private var loan: UInt64 = 0
  private var address: UInt64 = 0
  private var length: UInt64 = 0

  /// The loan's first `length` bytes as words, borrowed now if they are not there already.
  mutating func show<T: Transport>(
    _ loan: UInt64, of lender: Endpoint, _ length: UInt64, _ ipc: inout T
  ) throws(Errno) -> UnsafeMutableBufferPointer<UInt64> {
    guard length > 0, length & 4095 == 0 else { throw .invalidArgument }
    if loan != self.loan || lender != self.lender || length != self.length {
      try giveBack(&ipc)
      let access = VM.Protection.read | VM.Protection.write
      let call = VM.Borrow(from: lender, loan: loan, length: length, protection: access, flags: VM.BorrowFlags.pinned)
      address = try ipc.call(.vm, call).address
      self.lender = lender
      self.loan = loan
      self.length = length
    }
    return UnsafeMutableBufferPointer(start: UnsafeMutablePointer(bitPattern: UInt(address)), count: Int(length >> 3))
  }

  mutating func giveBack<T: Transport>(_ ipc: inout T) throws(Errno) {
    guard length > 0 else { return }
    _ = try ipc.call(.vm, VM.MUnmap(address: address, length: length))
    length = 0
    lender = .none
  }
}
