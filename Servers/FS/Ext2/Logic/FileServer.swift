import IPC
import Protocols
import ServerKit

/// The ext2 server: the messages of `FS`, over one volume. One image serves as `rootfs` and as `extfs`.
///
/// It takes one request at a time and waits for its driver; VFS does not wait for it. Only VFS is answered.
public struct FileServer<T: Transport>: Server {
  public typealias IPCTransport = T

  var volume: Volume<DriverDevice<T>>?
  let cacheBytes: Int
  /// A name, or two names, of a request.
  let names: UnsafeMutableRawBufferPointer
  var isAlarmSet = false
  var hasLoggedWriteError = false
  /// Time on the superblock minus time since boot: this machine has no clock of its own yet.
  var timeBase: UInt64 = 0

  /// Nanoseconds from the first change to its writing.
  static var age: UInt64 { 1_000_000_000 }
  static var namesCapacity: Int { 4096 + 512 }

  public init(cacheBytes: Int = 3 << 20) {
    self.cacheBytes = cacheBytes
    names = .allocate(byteCount: Self.namesCapacity, alignment: 16)
  }

  public mutating func start(_ ipc: inout T) {}

  public mutating func notified(by source: Endpoint, events: UInt64, _ ipc: inout T) {
    guard source == .kernel, events & KernelEvent.alarm != 0 else { return }
    isAlarmSet = false
    guard volume != nil else { return }
    do throws(Errno) {
      try volume!.writeBack()
      hasLoggedWriteError = false
    } catch {
      if !hasLoggedWriteError { ipc.log("ext2: cannot write changes back; trying on\n") }
      hasLoggedWriteError = true
    }
    setAlarm(&ipc)
  }

  public mutating func handle(_ delivery: Delivery, _ ipc: inout T) -> Message? {
    // Answers and plain messages are none of ours, and answering them could go on for ever.
    guard delivery.message.type > 0, delivery.isRequest || delivery.isAsynchronous else { return nil }
    guard delivery.message.source == .vfs else { return Message(error: .notPermitted) }
    let answer: Message
    do throws(Errno) { answer = try dispatch(delivery.message, &ipc) } catch { answer = Message(error: error) }
    if let notice = volume?.takeNotice() {
      var text = Text("ext2: ")
      text.append(notice)
      text.append("\n")
      ipc.log(text)
    }
    if !isAlarmSet { setAlarm(&ipc) }
    return answer
  }

  private mutating func setAlarm(_ ipc: inout T) {
    guard volume?.isDirty ?? false, let now = try? ipc.kernel(Kernel.Clock()).now else { return }
    isAlarmSet = (try? ipc.kernel(Kernel.Alarm(deadline: now &+ Self.age))) != nil
  }

  private mutating func dispatch(_ message: Message, _ ipc: inout T) throws(Errno) -> Message {
    guard let number = FS.Number(rawValue: message.type) else { throw .noSuchCall }
    if number == .mount { return Message(reply: try mount(message.body(), &ipc)) }
    guard volume != nil else { throw .noSuchDevice }
    switch number {
    case .create, .makeDirectory, .unlink, .removeDirectory, .rename, .link, .symbolicLink, .write, .truncate, .setAttributes, .forget, .sync:
      setTime(&ipc)
    default: break
    }
    return switch number {
    case .read, .write, .truncate, .attributes, .setAttributes, .readLink, .readDirectory, .forget:
      try dispatchInode(number, message, &ipc)
    case .sync: Message(reply: try sync())
    case .unmount: Message(reply: try unmount())
    case .statistics: Message(reply: statistics())
    default: try dispatchName(number, message, &ipc)
    }
  }

  /// Calls on an inode.
  private mutating func dispatchInode(_ number: FS.Number, _ message: Message, _ ipc: inout T) throws(Errno) -> Message {
    switch number {
    case .read:
      let call: FS.Read = message.body()
      var memory = GrantMemory(ipc, message.source, id: call.grant, offset: call.offset)
      return Message(reply: VFS.Count(count: try volume!.read(call.inode, at: call.position, count: call.length, into: &memory)))
    case .write:
      let call: FS.Write = message.body()
      var memory = GrantMemory(ipc, message.source, id: call.grant, offset: call.offset)
      let (count, size) = try volume!.write(call.inode, at: call.position, count: call.length, from: &memory)
      return Message(reply: FS.Write.Reply(count: count, size: size))
    case .truncate:
      let call: FS.Truncate = message.body()
      try volume!.truncate(call.inode, to: call.size)
      return Message(reply: Done())
    case .attributes:
      return Message(reply: try volume!.attributes(message.body(FS.Attributes.self).inode))
    case .setAttributes:
      let call: FS.SetAttributes = message.body()
      try volume!.setAttributes(call.inode, fields: call.fields, mode: call.mode, modified: call.modified)
      return Message(reply: Done())
    case .readLink:
      let call: FS.ReadLink = message.body()
      var memory = GrantMemory(ipc, message.source, id: call.grant, offset: call.offset)
      return Message(reply: VFS.Count(count: try volume!.readLink(call.inode, capacity: call.capacity, into: &memory)))
    case .readDirectory:
      let call: FS.ReadDirectory = message.body()
      var memory = GrantMemory(ipc, message.source, id: call.grant, offset: call.offset)
      let (count, next) = try volume!.readDirectory(call.inode, from: call.position, count: call.length, into: &memory)
      return Message(reply: FS.ReadDirectory.Reply(count: count, next: next))
    default:
      let call: FS.Forget = message.body()
      try volume!.forget(call.inode, count: call.count)
      return Message(reply: Done())
    }
  }

  /// Calls with names.
  private mutating func dispatchName(_ number: FS.Number, _ message: Message, _ ipc: inout T) throws(Errno) -> Message {
    switch number {
    case .lookup:
      let call: FS.Lookup = message.body()
      let name = try fetch(call.grant, call.offset, call.length, message.source, &ipc)
      return Message(reply: try volume!.lookup(name, in: call.directory))
    case .create:
      let call: FS.Create = message.body()
      let name = try fetch(call.grant, call.offset, UInt64(call.length), message.source, &ipc)
      return Message(reply: try volume!.create(name, in: call.directory, mode: call.mode))
    case .makeDirectory:
      let call: FS.MakeDirectory = message.body()
      let name = try fetch(call.grant, call.offset, UInt64(call.length), message.source, &ipc)
      try volume!.makeDirectory(name, in: call.directory, mode: call.mode)
    case .unlink:
      let call: FS.Unlink = message.body()
      try volume!.unlink(try fetch(call.grant, call.offset, call.length, message.source, &ipc), in: call.directory)
    case .removeDirectory:
      let call: FS.RemoveDirectory = message.body()
      try volume!.removeDirectory(try fetch(call.grant, call.offset, call.length, message.source, &ipc), in: call.directory)
    case .rename:
      let call: FS.Rename = message.body()
      let (old, new) = try fetchTwo(call.grant, call.offset, call.lengths, message.source, &ipc)
      try volume!.rename(old, in: call.from, to: new, in: call.to)
    case .link:
      let call: FS.Link = message.body()
      let name = try fetch(call.grant, call.offset, call.length, message.source, &ipc)
      try volume!.link(call.inode, as: name, in: call.directory)
    default:
      let call: FS.SymbolicLink = message.body()
      let (name, text) = try fetchTwo(call.grant, call.offset, call.lengths, message.source, &ipc)
      try volume!.symbolicLink(name, in: call.directory, to: text)
    }
    return Message(reply: Done())
  }

  // MARK: Names

  private mutating func fetch(_ grant: UInt64, _ offset: UInt64, _ length: UInt64, _ granter: Endpoint, _ ipc: inout T) throws(Errno) -> UnsafeRawBufferPointer {
    guard length > 0 else { throw .noSuchFile }
    guard length <= 255 else { throw .nameTooLong }
    return try copy(grant, offset, Int(length), granter, &ipc)
  }

  private mutating func fetchTwo(
    _ grant: UInt64, _ offset: UInt64, _ lengths: UInt64, _ granter: Endpoint, _ ipc: inout T
  ) throws(Errno) -> (UnsafeRawBufferPointer, UnsafeRawBufferPointer) {
    let first = Int(lengths & 0xFFFF)
    let second = Int(lengths >> 16 & 0xFFFF)
    guard first > 0, second > 0 else { throw .noSuchFile }
    guard first <= 255, second <= 4096 else { throw .nameTooLong }
    let both = try copy(grant, offset, first + second, granter, &ipc)
    return (UnsafeRawBufferPointer(rebasing: both[..<first]), UnsafeRawBufferPointer(rebasing: both[first...]))
  }

  private mutating func copy(_ grant: UInt64, _ offset: UInt64, _ length: Int, _ granter: Endpoint, _ ipc: inout T) throws(Errno) -> UnsafeRawBufferPointer {
    var memory = GrantMemory(ipc, granter, id: grant, offset: offset)
    try memory.copyIn(names.baseAddress.unsafelyUnwrapped, count: length, at: 0)
    return UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(names)[..<length])
  }

  // MARK: The volume as a whole

  private mutating func mount(_ call: FS.Mount, _ ipc: inout T) throws(Errno) -> FS.Node {
    guard volume == nil else { throw .busy }
    let device = try DriverDevice(ipc, driver: call.driver, minor: call.minor)
    var refusal = MountRefusal()
    defer { if refusal.reason.utf8CodeUnitCount > 0 { log(refusal, &ipc) } }
    let mounted = try Volume(device, readOnly: call.flags & 1 != 0, cacheBytes: cacheBytes, refusal: &refusal)
    let root = try mounted.root()
    let uptime = ((try? ipc.kernel(Kernel.Clock()).now) ?? 0) / 1_000_000_000
    timeBase = UInt64(mounted.now) &- uptime
    volume = mounted
    return root
  }

  private mutating func setTime(_ ipc: inout T) {
    guard let now = try? ipc.kernel(Kernel.Clock()).now else { return }
    volume!.now = UInt32(truncatingIfNeeded: timeBase &+ now / 1_000_000_000)
  }

  private mutating func sync() throws(Errno) -> Done {
    try volume!.sync()
    return Done()
  }

  private mutating func unmount() throws(Errno) -> Done {
    guard volume!.isUnused else { throw .busy }
    try volume!.sync()
    volume = nil
    return Done()
  }

  private func statistics() -> FS.Statistics.Reply {
    let counts = volume!.counts
    return FS.Statistics.Reply(
      blockSize: counts.blockSize, blocks: counts.blocks, freeBlocks: counts.freeBlocks, inodes: counts.inodes,
      freeInodes: counts.freeInodes)
  }

  /// "ext2: <reason> 0x<bits> <names of the bits>"
  private func log(_ refusal: MountRefusal, _ ipc: inout T) {
    var text = Text("ext2: ")
    text.append(refusal.reason)
    if refusal.bits != 0 {
      text.append(" ")
      text.append(hex: UInt64(refusal.bits))
      for bit in 0..<32 where refusal.bits & 1 << UInt32(bit) != 0 {
        if let name = FeatureName.of(refusal, bit) {
          text.append(" ")
          text.append(name)
        }
      }
    }
    text.append("\n")
    ipc.log(text)
  }
}
