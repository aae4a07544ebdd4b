import IPC
import Protocols

/// A file system in memory that speaks FS.*, and counts VFS's references.
final class MemoryFileSystem: FakeService {
  final class Inode {
    var number: UInt64 = 0
    var mode: UInt32 = 0
    var data: [UInt8] = []
    var entries: [(name: String, inode: UInt64)] = []
    var parent: UInt64 = 0
    var links: UInt32 = 0
    var references: UInt64 = 0
    var isDirectory: Bool { mode & VFS.Mode.typeMask == VFS.Mode.directory }
  }

  var inodes: [UInt64: Inode] = [:]
  var next: UInt64 = 2
  var mounts = 0
  /// What FS.Mount says; nil: it works.
  var mountError: Errno?
  /// Mount fails for this driver only.
  var mountErrorFor: Endpoint?
  var writeLimit = Int.max
  var syncs = 0

  override init() {
    super.init()
    let root = Inode()
    root.number = 1
    root.mode = VFS.Mode.directory | 0o755
    root.links = 2
    root.parent = 1
    inodes[1] = root
    for name in ["dev", "proc", "mnt", "tmp"] { _ = add(1, name, VFS.Mode.directory | 0o755) }
  }

  func add(_ directory: UInt64, _ name: String, _ mode: UInt32, _ data: [UInt8] = []) -> Inode {
    let inode = Inode()
    inode.number = next
    inode.mode = mode
    inode.data = data
    inode.links = 1
    inode.parent = directory
    if inode.isDirectory { inode.links = 2 }
    next += 1
    inodes[inode.number] = inode
    inodes[directory]!.entries.append((name, inode.number))
    return inode
  }

  /// Makes a file (and not its directories) from outside.
  @discardableResult
  func file(_ path: String, _ text: String = "", mode: UInt32 = 0o644) -> Inode { file(path, Array(text.utf8), mode: mode) }
  @discardableResult
  func file(_ path: String, _ data: [UInt8], mode: UInt32 = 0o644) -> Inode {
    let (directory, name) = split(path)
    return add(directory, name, VFS.Mode.regular | mode, data)
  }
  @discardableResult
  func directory(_ path: String) -> Inode {
    let (directory, name) = split(path)
    return add(directory, name, VFS.Mode.directory | 0o755)
  }
  @discardableResult
  func symlink(_ path: String, _ target: String) -> Inode {
    let (directory, name) = split(path)
    return add(directory, name, VFS.Mode.symbolicLink | 0o777, Array(target.utf8))
  }
  func find(_ path: String) -> Inode? {
    var at: UInt64 = 1
    for part in path.split(separator: "/") {
      guard let entry = inodes[at]?.entries.first(where: { $0.name == part }) else { return nil }
      at = entry.inode
    }
    return inodes[at]
  }
  private func split(_ path: String) -> (UInt64, String) {
    var parts = path.split(separator: "/").map(String.init)
    let name = parts.removeLast()
    return (find(parts.joined(separator: "/"))!.number, name)
  }

  var references: UInt64 { inodes.values.reduce(0) { $0 + $1.references } }

  private func node(_ inode: Inode, refer: Bool = true) -> FS.Node {
    if refer { inode.references += 1 }
    return FS.Node(
      inode: inode.number, size: UInt64(inode.data.count), mode: inode.mode, links: inode.links, special: 0,
      blocks: UInt32(inode.data.count + 511) / 512, modified: 0)
  }

  private func name(_ grant: UInt64, _ offset: UInt64, _ length: UInt64) throws(Errno) -> String {
    guard length > 0, length <= 4096 else { throw .invalidArgument }
    var bytes = [UInt8](repeating: 0, count: Int(length))
    guard world.copy(by: endpoint, grant, offset: offset, into: &bytes) else { throw .badAddress }
    return String(decoding: bytes, as: UTF8.self)
  }
  private func inode(_ number: UInt64) throws(Errno) -> Inode {
    guard let inode = inodes[number] else { throw .invalidArgument }
    return inode
  }
  private func directory(_ number: UInt64) throws(Errno) -> Inode {
    let inode = try inode(number)
    guard inode.isDirectory else { throw .notDirectory }
    guard inode.links > 0 else { throw .noSuchFile }
    return inode
  }
  private func collect(_ inode: Inode) {
    if inode.links == 0, inode.references == 0 { inodes[inode.number] = nil }
  }

  override func handle(_ message: Message) -> Message? {
    do throws(Errno) { return try dispatch(message) } catch { return Message(error: error) }
  }

  private func dispatch(_ message: Message) throws(Errno) -> Message {
    switch FS.Number(rawValue: message.type) {
    case .mount:
      let call: FS.Mount = message.body()
      if let mountError, mountErrorFor == nil || mountErrorFor == call.driver { throw mountError }
      mounts += 1
      return Message(reply: node(inodes[1]!))
    case .unmount:
      if inodes.values.contains(where: { $0.number != 1 && $0.references > 0 }) { throw .busy }
      inodes[1]!.references = 0
      mounts -= 1
    case .lookup:
      let call: FS.Lookup = message.body()
      let directory = try directory(call.directory)
      let wanted = try name(call.grant, call.offset, call.length)
      if wanted == ".." { return Message(reply: node(try inode(directory.parent))) }
      guard let entry = directory.entries.first(where: { $0.name == wanted }) else { throw .noSuchFile }
      return Message(reply: node(inodes[entry.inode]!))
    case .forget:
      let call: FS.Forget = message.body()
      let inode = try inode(call.inode)
      precondition(lie != nil || inode.references >= call.count, "VFS forgets more than it has")
      inode.references -= min(call.count, inode.references)
      collect(inode)
    case .read:
      let call: FS.Read = message.body()
      let inode = try inode(call.inode)
      guard call.position < inode.data.count else { return Message(reply: VFS.Count(count: 0)) }
      let part = Array(inode.data[Int(call.position)...].prefix(Int(call.length)))
      guard world.copy(by: endpoint, call.grant, offset: call.offset, from: part) else { throw .badAddress }
      return Message(reply: VFS.Count(count: UInt64(part.count)))
    case .write:
      let call: FS.Write = message.body()
      let inode = try inode(call.inode)
      var bytes = [UInt8](repeating: 0, count: min(Int(call.length), writeLimit))
      guard world.copy(by: endpoint, call.grant, offset: call.offset, into: &bytes) else { throw .badAddress }
      let position = call.position == .max ? inode.data.count : Int(call.position)
      guard position < 1 << 24 else { throw .fileTooLarge }
      if inode.data.count < position + bytes.count { inode.data += Array(repeating: 0, count: position + bytes.count - inode.data.count) }
      inode.data.replaceSubrange(position..<position + bytes.count, with: bytes)
      return Message(reply: FS.Write.Reply(count: UInt64(bytes.count), size: UInt64(inode.data.count)))
    case .truncate:
      let call: FS.Truncate = message.body()
      let inode = try inode(call.inode)
      guard call.size < 1 << 24 else { throw .fileTooLarge }
      let size = Int(call.size)
      inode.data = Array(inode.data.prefix(size)) + Array(repeating: 0, count: max(0, size - inode.data.count))
    case .attributes: return Message(reply: node(try inode((message.body() as FS.Attributes).inode), refer: false))
    case .create:
      let call: FS.Create = message.body()
      let directory = try directory(call.directory)
      let wanted = try name(call.grant, call.offset, UInt64(call.length))
      if directory.entries.contains(where: { $0.name == wanted }) { throw .fileExists }
      return Message(reply: node(add(directory.number, wanted, VFS.Mode.regular | call.mode)))
    case .makeDirectory:
      let call: FS.MakeDirectory = message.body()
      let directory = try directory(call.directory)
      let wanted = try name(call.grant, call.offset, UInt64(call.length))
      if directory.entries.contains(where: { $0.name == wanted }) { throw .fileExists }
      _ = add(directory.number, wanted, VFS.Mode.directory | call.mode)
    case .unlink:
      let call: FS.Unlink = message.body()
      let directory = try directory(call.directory)
      let wanted = try name(call.grant, call.offset, call.length)
      guard let index = directory.entries.firstIndex(where: { $0.name == wanted }) else { throw .noSuchFile }
      let inode = inodes[directory.entries[index].inode]!
      if inode.isDirectory { throw .isDirectory }
      directory.entries.remove(at: index)
      inode.links -= 1
      collect(inode)
    case .removeDirectory:
      let call: FS.RemoveDirectory = message.body()
      let directory = try directory(call.directory)
      let wanted = try name(call.grant, call.offset, call.length)
      guard let index = directory.entries.firstIndex(where: { $0.name == wanted }) else { throw .noSuchFile }
      let inode = inodes[directory.entries[index].inode]!
      if !inode.isDirectory { throw .notDirectory }
      if !inode.entries.isEmpty { throw .notEmpty }
      directory.entries.remove(at: index)
      inode.links = 0
      collect(inode)
    case .rename:
      let call: FS.Rename = message.body()
      let fromLength = call.lengths & 0xFFFF, toLength = call.lengths >> 16
      let fromName = try name(call.grant, call.offset, fromLength)
      let toName = try name(call.grant, call.offset + fromLength, toLength)
      let from = try directory(call.from), to = try directory(call.to)
      guard let index = from.entries.firstIndex(where: { $0.name == fromName }) else { throw .noSuchFile }
      let moved = inodes[from.entries[index].inode]!
      var above = to.number
      while above != 1 {
        if above == moved.number { throw .invalidArgument }
        above = inodes[above]!.parent
      }
      if let old = to.entries.firstIndex(where: { $0.name == toName }) {
        let victim = inodes[to.entries[old].inode]!
        if victim === moved { return Message(reply: Done()) }
        if victim.isDirectory != moved.isDirectory { throw victim.isDirectory ? .isDirectory : .notDirectory }
        if !victim.entries.isEmpty { throw .notEmpty }
        to.entries.remove(at: old)
        victim.links = victim.isDirectory ? 0 : victim.links - 1
        collect(victim)
      }
      from.entries.remove(at: from.entries.firstIndex { $0.name == fromName }!)
      to.entries.append((toName, moved.number))
      moved.parent = to.number
    case .link:
      let call: FS.Link = message.body()
      let inode = try inode(call.inode)
      let directory = try directory(call.directory)
      let wanted = try name(call.grant, call.offset, call.length)
      if directory.entries.contains(where: { $0.name == wanted }) { throw .fileExists }
      directory.entries.append((wanted, inode.number))
      inode.links += 1
    case .symbolicLink:
      let call: FS.SymbolicLink = message.body()
      let nameLength = call.lengths & 0xFFFF
      let directory = try directory(call.directory)
      let wanted = try name(call.grant, call.offset, nameLength)
      let target = try name(call.grant, call.offset + nameLength, call.lengths >> 16)
      if directory.entries.contains(where: { $0.name == wanted }) { throw .fileExists }
      _ = add(directory.number, wanted, VFS.Mode.symbolicLink | 0o777, Array(target.utf8))
    case .readLink:
      let call: FS.ReadLink = message.body()
      let part = Array(try inode(call.inode).data.prefix(Int(call.capacity)))
      guard world.copy(by: endpoint, call.grant, offset: call.offset, from: part) else { throw .badAddress }
      return Message(reply: VFS.Count(count: UInt64(part.count)))
    case .readDirectory:
      let call: FS.ReadDirectory = message.body()
      let directory = try inode(call.inode)
      let all = [(name: ".", inode: directory.number), (name: "..", inode: directory.parent)] + directory.entries
      var position = Int(min(call.position, UInt64(all.count)))
      var bytes: [UInt8] = []
      while position < all.count {
        let record = entry(all[position].name, all[position].inode, next: position + 1)
        if bytes.count + record.count > Int(call.length) { break }
        bytes += record
        position += 1
      }
      if bytes.isEmpty, position < all.count { throw .invalidArgument }
      guard world.copy(by: endpoint, call.grant, offset: call.offset, from: bytes) else { throw .badAddress }
      return Message(reply: FS.ReadDirectory.Reply(count: UInt64(bytes.count), next: UInt64(position)))
    case .setAttributes:
      let call: FS.SetAttributes = message.body()
      let inode = try inode(call.inode)
      if call.fields & 1 != 0 { inode.mode = inode.mode & ~0o7777 | call.mode & 0o7777 }
    case .sync: syncs += 1
    case .statistics: return Message(reply: FS.Statistics.Reply(blockSize: 4096, blocks: 100, freeBlocks: 50, inodes: 64, freeInodes: 32))
    case nil: throw .noSuchCall
    }
    return Message(reply: Done())
  }

  private func entry(_ name: String, _ inode: UInt64, next: Int) -> [UInt8] {
    let text = Array(name.utf8)
    let length = DirectoryEntry.length(nameCount: text.count)
    var record = [UInt8](repeating: 0, count: length)
    record.withUnsafeMutableBytes {
      $0.storeBytes(of: inode, as: UInt64.self)
      $0.storeBytes(of: UInt64(next), toByteOffset: 8, as: UInt64.self)
      $0.storeBytes(of: UInt16(length), toByteOffset: 16, as: UInt16.self)
    }
    let mode = inodes[inode]?.mode ?? 0
    record[18] = mode & VFS.Mode.typeMask == VFS.Mode.directory ? DirectoryEntry.directory : DirectoryEntry.regular
    record.replaceSubrange(19..<19 + text.count, with: text)
    return record
  }
}
