import IPC
import Protocols
import ServerKit

/// The file system of /proc. It has no state but a few texts that are being read: every question is answered by
/// asking those who know, PM, RS, VM and the kernel, at that moment.
public struct ProcFileSystem<T: Transport>: Server {
  public typealias IPCTransport = T
  private var snapshots: InlineArray<4, Snapshot>
  private var clock: UInt64 = 0
  /// Names on their way in, directory entries on their way out.
  private let scratch: UnsafeMutableRawPointer

  public init() {
    snapshots = InlineArray { _ in Snapshot() }
    scratch = UnsafeMutableRawPointer.allocate(byteCount: 512, alignment: 16)
    scratch.initializeMemory(as: UInt8.self, repeating: 0, count: 512)
  }

  /// Gives back what `init` took. For tests.
  public func dispose() {
    for index in snapshots.indices { snapshots[index].bytes.deallocate() }
    scratch.deallocate()
  }

  /// Between our memory and a grant of VFS.
  private func copy(_ grant: UInt64, _ offset: UInt64, _ bytes: UnsafeMutableRawPointer, _ length: UInt64, _ direction: UInt32, _ ipc: inout T) throws(Errno) {
    try ipc.kernel(Kernel.CopyGrant(
      granter: .vfs, id: grant, offset: offset, address: UInt64(UInt(bitPattern: bytes)), length: length, direction: direction))
  }

  public mutating func start(_ ipc: inout T) {}
  public mutating func notified(by source: Endpoint, events: UInt64, _ ipc: inout T) {}

  /// Requests come from VFS alone, asynchronously; names and data are in its grants.
  public mutating func handle(_ delivery: Delivery, _ ipc: inout T) -> Message? {
    guard delivery.isAsynchronous, delivery.message.source == .vfs else {
      return delivery.isRequest ? Message(error: .notPermitted) : nil
    }
    guard delivery.message.type > 0 else { return nil }
    do throws(Errno) { return try answer(delivery.message, &ipc) } catch { return Message(error: error) }
  }

  private mutating func answer(_ message: Message, _ ipc: inout T) throws(Errno) -> Message {
    switch FS.Number(rawValue: message.type) {
    case .mount: return Message(reply: Node.root.attributes)
    case .unmount, .forget, .sync: return Message(reply: Done())
    case .lookup: return Message(reply: try lookup(message.body(), &ipc))
    case .attributes: return Message(reply: try node((message.body() as FS.Attributes).inode).attributes)
    case .read: return Message(reply: try read(message.body(), &ipc))
    case .readDirectory: return Message(reply: try readDirectory(message.body(), &ipc))
    case .readLink: throw .invalidArgument
    case .statistics: return Message(reply: FS.Statistics.Reply(blockSize: 4096, blocks: 0, freeBlocks: 0, inodes: 0, freeInodes: 0))
    case .write, .truncate, .create, .makeDirectory, .unlink, .removeDirectory, .rename, .link, .symbolicLink, .setAttributes:
      throw .readOnlyFileSystem
    case nil: throw .noSuchCall
    }
  }

  private func node(_ inode: UInt64) throws(Errno) -> Node {
    guard let node = Node(inode: inode) else { throw .noSuchFile }
    return node
  }

  private func lookup(_ call: FS.Lookup, _ ipc: inout T) throws(Errno) -> FS.Node {
    let directory = try node(call.directory)
    guard call.length > 0, call.length <= 255 else { throw .nameTooLong }
    try copy(call.grant, call.offset, scratch, call.length, Kernel.Direction.read, &ipc)
    let found = try find(UnsafeRawBufferPointer(start: scratch, count: Int(call.length)), in: directory, &ipc)
    guard let found else { throw .noSuchFile }
    return found.attributes
  }

  private func find(_ name: UnsafeRawBufferPointer, in directory: Node, _ ipc: inout T) throws(Errno) -> Node? {
    let isParent = name.count == 2 && name[0] == UInt8(ascii: ".") && name[1] == UInt8(ascii: ".")
    switch directory {
    case .root:
      if isParent { return .root }
      for file in RootFile.allCases where isSame(file.name, name) { return .file(file) }
      guard let id = processID(name) else { return nil }
      return try processInformation(id, &ipc) == nil ? nil : .process(id)
    case .process(let id):
      if isParent { return .root }
      for file in ProcessFile.allCases where isSame(file.name, name) { return .processFile(id, file) }
      return nil
    case .file, .processFile: throw .notDirectory
    }
  }

  /// The process with this id in PM's table.
  func processInformation(_ id: Int32, _ ipc: inout T) throws(Errno) -> PM.ProcessInformation.Reply? {
    var index: UInt64 = 0
    while let process = try nextProcess(index, &ipc) {
      if process.id == id { return process }
      index = UInt64(process.index) + 1
    }
    return nil
  }

  func nextProcess(_ index: UInt64, _ ipc: inout T) throws(Errno) -> PM.ProcessInformation.Reply? {
    do throws(Errno) {
      let found = try ipc.call(.pm, PM.ProcessInformation(index: index))
      // Whatever PM says, the search moves on.
      guard UInt64(found.index) >= index else { throw .ioError }
      return found
    } catch {
      if error == .noSuchProcess { return nil }
      throw error
    }
  }

  // MARK: Reading

  private mutating func read(_ call: FS.Read, _ ipc: inout T) throws(Errno) -> VFS.Count {
    let node = try node(call.inode)
    if node.isDirectory { throw .isDirectory }
    clock &+= 1
    var slot = 0
    for index in snapshots.indices {
      if snapshots[index].inode == call.inode {
        slot = index
        break
      }
      if snapshots[index].lastUse < snapshots[slot].lastUse { slot = index }
    }
    if call.position == 0 || snapshots[slot].inode != call.inode || call.position < snapshots[slot].base {
      snapshots[slot].beginAgain()
      try write(node, into: &snapshots[slot], &ipc)
      snapshots[slot].inode = call.inode
    }
    while call.position >= snapshots[slot].end, snapshots[slot].rest != 0, snapshots[slot].end < Snapshot.longest {
      snapshots[slot].goOn()
      try write(node, into: &snapshots[slot], &ipc)
      snapshots[slot].inode = call.inode
    }
    snapshots[slot].lastUse = clock
    let text = snapshots[slot]
    guard call.position < text.end else { return VFS.Count(count: 0) }
    let length = min(call.length, text.end - call.position)
    guard length > 0 else { return VFS.Count(count: 0) }
    try copy(call.grant, call.offset, text.bytes + Int(call.position - text.base), length, Kernel.Direction.write, &ipc)
    return VFS.Count(count: length)
  }

  private func write(_ node: Node, into text: inout Snapshot, _ ipc: inout T) throws(Errno) {
    switch node {
    case .file(let file): try writeSystem(file, into: &text, &ipc)
    case .processFile(let id, let file):
      guard let process = try processInformation(id, &ipc) else { throw .noSuchProcess }
      try writeProcess(file, process, into: &text, &ipc)
    case .root, .process: throw .isDirectory
    }
  }

  // MARK: Directories

  /// Positions: 0 ".", 1 "..", then the files; in the root then the processes, by their place in PM's table.
  private func readDirectory(_ call: FS.ReadDirectory, _ ipc: inout T) throws(Errno) -> FS.ReadDirectory.Reply {
    let directory = try node(call.inode)
    guard directory.isDirectory else { throw .notDirectory }
    var position = call.position
    var written: UInt64 = 0
    while let entry = try entry(directory, position, &ipc) {
      let length = UInt64(DirectoryEntry.length(nameCount: entry.name.count))
      if length > call.length - written {
        if written == 0 { throw .invalidArgument }
        break
      }
      entry.write(scratch)
      try copy(call.grant, call.offset &+ written, scratch, length, Kernel.Direction.write, &ipc)
      written += length
      position = entry.next
    }
    return FS.ReadDirectory.Reply(count: written, next: position)
  }

  private func entry(_ directory: Node, _ position: UInt64, _ ipc: inout T) throws(Errno) -> Entry? {
    if position == 0 { return Entry(directory, name: Text("."), next: 1) }
    if position == 1 { return Entry(.root, name: Text(".."), next: 2) }
    switch directory {
    case .root:
      if position - 2 < UInt64(RootFile.allCases.count), let file = RootFile(rawValue: Int(position - 2)) {
        return Entry(.file(file), name: Text(file.name), next: position + 1)
      }
      let first = UInt64(RootFile.allCases.count) + 2
      guard let process = try nextProcess(position - first, &ipc), process.id > 0 else { return nil }
      var name = Text()
      name.append(UInt64(process.id))
      return Entry(.process(process.id), name: name, next: first + UInt64(process.index) + 1)
    case .process(let id):
      guard position - 2 < UInt64(ProcessFile.allCases.count), let file = ProcessFile(rawValue: Int(position - 2)) else { return nil }
      return Entry(.processFile(id, file), name: Text(file.name), next: position + 1)
    case .file, .processFile: return nil
    }
  }
}

/// One directory entry on its way out.
struct Entry {
  var node: Node
  var name: Text
  var next: UInt64

  init(_ node: Node, name: Text, next: UInt64) {
    self.node = node
    self.name = name
    self.next = next
  }

  /// As `DirectoryEntry` says; our names are short.
  func write(_ record: UnsafeMutableRawPointer) {
    let length = DirectoryEntry.length(nameCount: name.count)
    record.initializeMemory(as: UInt8.self, repeating: 0, count: length)
    record.storeBytes(of: node.inode, as: UInt64.self)
    record.storeBytes(of: next, toByteOffset: 8, as: UInt64.self)
    record.storeBytes(of: UInt16(length), toByteOffset: 16, as: UInt16.self)
    record.storeBytes(of: node.isDirectory ? DirectoryEntry.directory : DirectoryEntry.regular, toByteOffset: 18, as: UInt8.self)
    name.withBytes { (record + DirectoryEntry.nameOffset).copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
  }
}
