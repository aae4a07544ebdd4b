import BootImage
import IPC
import Protocols
import ServerKit

/// The RAM disk driver: minor 0 is the module `ramdisk` of the boot archive, mapped where it is. Its contents
/// outlive the driver, since VM keeps the frames: a restart loses nothing.
///
/// The simplest block driver there can be: every request is answered at once.
public struct MemoryDriver<T: Transport>: Server {
  public typealias IPCTransport = T

  private var address: UInt64 = 0
  private var size: UInt64 = 0
  /// A file system has used it: then it cannot be given up.
  private var isMounted = false

  public init() {}

  public mutating func start(_ ipc: inout T) {
    do throws(Errno) {
      let image = try ipc.call(.vm, VM.MapModule(name: packName(BootTable.ramDiskModule)))
      address = image.address
      size = image.length
    } catch {}  // no such module: a disk of size 0
  }

  public mutating func notified(by source: Endpoint, events: UInt64, _ ipc: inout T) {}

  public mutating func handle(_ delivery: Delivery, _ ipc: inout T) -> Message? {
    guard delivery.message.type > 0, delivery.isRequest || delivery.isAsynchronous else { return nil }
    do throws(Errno) { return try dispatch(delivery.message, &ipc) } catch { return Message(error: error) }
  }

  private mutating func dispatch(_ message: Message, _ ipc: inout T) throws(Errno) -> Message {
    if message.type == Char.Number.control.rawValue { return Message(reply: try control(message.body(), &ipc)) }
    switch Block.Number(rawValue: message.type) {
    case .open:
      try check(message.body(Block.Open.self).minor)
      noteUse(by: message.source)
      return Message(reply: Block.Open.Reply(size: size, readOnly: 0))
    case .transfer:
      noteUse(by: message.source)
      return Message(reply: VFS.Count(count: try transfer(message.body(), for: message.source, &ipc)))
    case .flush:
      try check(message.body(Block.Flush.self).minor)
      return Message(reply: Done())
    case nil: throw .noSuchCall
    }
  }

  private func check(_ minor: UInt64) throws(Errno) {
    guard minor == 0 else { throw .noSuchDevice }
  }

  private mutating func noteUse(by source: Endpoint) {
    if source == .rootfs || source == .extfs { isMounted = true }
  }

  private func transfer(_ call: Block.Transfer, for source: Endpoint, _ ipc: inout T) throws(Errno) -> UInt64 {
    try check(UInt64(call.minor))
    guard call.granter == .none || call.granter == source, UInt64(call.length) <= Kernel.copyLimit else { throw .invalidArgument }
    guard call.position < size else { return 0 }
    let length = min(UInt64(call.length), size - call.position)
    if length == 0 { return 0 }
    try ipc.kernel(
      Kernel.CopyGrant(
        granter: source, id: call.grant, offset: call.offset, address: address + call.position, length: length,
        direction: call.isWrite ? Kernel.Direction.read : Kernel.Direction.write))
    return length
  }

  /// Giving the image's memory back (M-D1). Any other size means the same (M-D2), since an image cannot grow.
  private mutating func control(_ call: Char.Control, _ ipc: inout T) throws(Errno) -> VFS.Control.Reply {
    try check(call.minor)
    guard call.request == Char.Request.ramDiskSize else { throw .notTerminal }
    if isMounted { throw .busy }  // M-D3
    if size > 0 {
      _ = try ipc.call(.vm, VM.MUnmap(address: address, length: size))
      size = 0
    }
    return VFS.Control.Reply(result: 0)
  }
}
