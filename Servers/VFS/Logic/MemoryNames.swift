import IPC
import Protocols

/// Names and inodes of the file systems without a disk (tmpfs): directories, links, modes, sizes. Contents are VM's. All of
/// it stands in tables that VFS has from the start, so a name costs no memory and can be refused (`.noSpace`). An inode number never
/// comes again. Nothing here waits for anybody.
struct MemoryNames {
  struct Node: BitwiseCopyable {
    /// Mount index; -1: free.
    var mount = -1
    /// Counts the lives of this record: the upper half of its inode number.
    var life: UInt64 = 0
    var mode: UInt32 = 0
    /// Names; of a directory also its own and those that lead up to it. 0: nothing leads here any more.
    var links: UInt32 = 0
    var size: UInt64 = 0
    var modified: UInt64 = 0
    /// Inode of the directory above, of a directory.
    var parent: UInt64 = 0
    /// Of a directory its entries, of a symbolic link its text, -1 for none; the next free record.
    var first = -1
    var last = -1

    var isDirectory: Bool { mode & VFS.Mode.typeMask == VFS.Mode.directory }
  }

  /// A name in a directory, or a piece of a symbolic link's text.
  struct Cell: BitwiseCopyable {
    var next = -1
    /// Node index.
    var node = -1
    /// Where a reader of the directory stands at it: later names have larger ones.
    var position: UInt64 = 0
    var count = 0
    var bytes = InlineArray<256, UInt8>(repeating: 0)
  }

  typealias Name = UnsafeRawBufferPointer

  let nodes: Table<Node>
  let cells: Table<Cell>
  private(set) var freeNodes: UInt64
  private var firstNode = 0
  private(set) var firstCell = 0
  /// 0 and 1 are "." and "..".
  private var position: UInt64 = 2

  init(_ limit: Int) {
    nodes = Table(count: limit, repeating: Node())
    cells = Table(count: limit, repeating: Cell())
    freeNodes = UInt64(limit)
    for index in 0..<limit {
      nodes[index].first = index + 1 < limit ? index + 1 : -1
      cells[index].next = index + 1 < limit ? index + 1 : -1
    }
  }

  func deallocate() {
    nodes.deallocate()
    cells.deallocate()
  }

  // MARK: Inodes

  private func inode(_ index: Int) -> UInt64 { nodes[index].life << 32 | UInt64(index + 1) }

  func index(_ inode: UInt64) throws(Errno) -> Int {
    let index = Int(inode & 0xFFFF_FFFF) - 1
    guard index >= 0, index < nodes.count, nodes[index].mount >= 0, nodes[index].life == inode >> 32 else { throw .noSuchFile }
    return index
  }

  func describe(_ index: Int) -> FS.Node {
    let node = nodes[index]
    return FS.Node(
      inode: inode(index), size: node.size, mode: node.mode, links: node.links, special: 0,
      blocks: UInt32(clamping: ((node.size + 4095) >> 12) << 3), modified: node.modified)
  }

  private mutating func makeNode(_ mount: Int, _ mode: UInt32, _ now: UInt64) throws(Errno) -> Int {
    let index = firstNode
    guard index >= 0 else { throw .noSpace }
    firstNode = nodes[index].first
    freeNodes -= 1
    nodes[index] = Node(mount: mount, life: nodes[index].life + 1, mode: mode, modified: now)
    return index
  }

  private mutating func free(_ index: Int) {
    while nodes[index].first >= 0 {
      let cell = nodes[index].first
      nodes[index].first = cells[cell].next
      freeCell(cell)
    }
    nodes[index] = Node(life: nodes[index].life, first: firstNode)
    firstNode = index
    freeNodes += 1
  }

  private mutating func freeCell(_ cell: Int) {
    cells[cell].next = firstCell
    firstCell = cell
  }

  private mutating func append(_ cell: Int, to node: Int) {
    cells[cell].next = -1
    if nodes[node].last >= 0, nodes[node].first >= 0 { cells[nodes[node].last].next = cell } else { nodes[node].first = cell }
    nodes[node].last = cell
  }

  /// A cell with these bytes, not yet in any list.
  private mutating func makeCell(_ bytes: Name) throws(Errno) -> Int {
    let cell = firstCell
    guard cell >= 0 else { throw .noSpace }
    firstCell = cells[cell].next
    set(cell, bytes)
    return cell
  }

  private func set(_ cell: Int, _ bytes: Name) {
    cells[cell].count = bytes.count
    for index in 0..<bytes.count { cells[cell].bytes[index] = bytes[index] }
  }

  private func isNamed(_ cell: Int, _ name: Name) -> Bool {
    guard cells[cell].count == name.count else { return false }
    for index in 0..<name.count where cells[cell].bytes[index] != name[index] { return false }
    return true
  }

  // MARK: Mounts

  /// The root of a new file system.
  mutating func makeRoot(_ mount: Int, _ now: UInt64) throws(Errno) -> FS.Node {
    let index = try makeNode(mount, VFS.Mode.directory | 0o1777, now)
    nodes[index].links = 2
    nodes[index].parent = inode(index)
    return describe(index)
  }

  mutating func drop(_ mount: Int) {
    for index in 0..<nodes.count where nodes[index].mount == mount { free(index) }
  }

  /// How many inodes a mount has.
  func used(_ mount: Int) -> UInt64 {
    var count: UInt64 = 0
    for index in 0..<nodes.count where nodes[index].mount == mount { count += 1 }
    return count
  }

  /// Nobody uses this inode now. True if it was freed, since nothing names it.
  mutating func release(_ inode: UInt64) -> Bool {
    do throws(Errno) {
      let index = try index(inode)
      guard nodes[index].links == 0 else { return false }
      free(index)
      return true
    } catch { return false }
  }

  // MARK: Directories

  private func directory(_ inode: UInt64) throws(Errno) -> Int {
    let index = try index(inode)
    guard nodes[index].isDirectory else { throw .notDirectory }
    return index
  }

  /// The cell of a name and the one before it, -1 for none.
  private func find(_ directory: Int, _ name: Name) -> (before: Int, cell: Int) {
    var before = -1
    var cell = nodes[directory].first
    while cell >= 0, !isNamed(cell, name) {
      before = cell
      cell = cells[cell].next
    }
    return (before, cell)
  }

  private func existing(_ directory: Int, _ name: Name) throws(Errno) -> (before: Int, cell: Int) {
    let found = find(directory, name)
    guard found.cell >= 0 else { throw .noSuchFile }
    return found
  }

  func lookup(_ directory: UInt64, _ name: Name) throws(Errno) -> FS.Node {
    let directory = try self.directory(directory)
    if name.count == 2, name[0] == UInt8(ascii: "."), name[1] == UInt8(ascii: ".") { return describe(try index(nodes[directory].parent)) }
    return describe(cells[try existing(directory, name).cell].node)
  }

  /// A directory into which a name may come.
  private func room(_ directory: UInt64, _ name: Name) throws(Errno) -> Int {
    let directory = try self.directory(directory)
    // It was removed while somebody is in it.
    guard nodes[directory].links > 0 else { throw .noSuchFile }
    guard find(directory, name).cell < 0 else { throw .fileExists }
    return directory
  }

  private mutating func enter(_ cell: Int, _ node: Int, in directory: Int, _ now: UInt64) {
    cells[cell].node = node
    cells[cell].position = position
    position += 1
    append(cell, to: directory)
    nodes[directory].modified = now
  }

  private mutating func takeOut(_ found: (before: Int, cell: Int), of directory: Int, _ now: UInt64) {
    let next = cells[found.cell].next
    if found.before >= 0 { cells[found.before].next = next } else { nodes[directory].first = next }
    if nodes[directory].last == found.cell { nodes[directory].last = found.before }
    nodes[directory].modified = now
  }

  /// A new file, directory or symbolic link (`target`).
  mutating func make(_ directory: UInt64, _ name: Name, mode: UInt32, target: Name? = nil, _ now: UInt64) throws(Errno) -> FS.Node {
    let directory = try room(directory, name)
    let node = try makeNode(nodes[directory].mount, mode, now)
    do throws(Errno) {
      var at = 0
      while let target, at < target.count {
        let end = min(at + 256, target.count)
        append(try makeCell(Name(rebasing: target[at..<end])), to: node)
        at = end
      }
      nodes[node].size = UInt64(at)
      enter(try makeCell(name), node, in: directory, now)
    } catch {
      free(node)
      throw error
    }
    nodes[node].links = 1
    if nodes[node].isDirectory {
      nodes[node].links = 2
      nodes[node].parent = inode(directory)
      nodes[directory].links += 1
    }
    return describe(node)
  }

  mutating func link(_ inode: UInt64, _ directory: UInt64, _ name: Name, _ now: UInt64) throws(Errno) {
    let node = try index(inode)
    guard !nodes[node].isDirectory else { throw .notPermitted }
    guard nodes[node].links > 0 else { throw .noSuchFile }
    let directory = try room(directory, name)
    enter(try makeCell(name), node, in: directory, now)
    nodes[node].links += 1
  }

  mutating func unlink(_ directory: UInt64, _ name: Name, _ now: UInt64) throws(Errno) {
    let directory = try self.directory(directory)
    let found = try existing(directory, name)
    let node = cells[found.cell].node
    guard !nodes[node].isDirectory else { throw .isDirectory }
    takeOut(found, of: directory, now)
    freeCell(found.cell)
    nodes[node].links -= 1
  }

  mutating func removeDirectory(_ directory: UInt64, _ name: Name, _ now: UInt64) throws(Errno) {
    let directory = try self.directory(directory)
    let found = try existing(directory, name)
    let node = cells[found.cell].node
    guard nodes[node].isDirectory else { throw .notDirectory }
    guard nodes[node].first < 0 else { throw .notEmpty }
    takeOut(found, of: directory, now)
    freeCell(found.cell)
    nodes[node].links = 0
    nodes[directory].links -= 1
  }

  /// rename(2): all is checked first; it needs no memory.
  mutating func rename(_ from: UInt64, _ old: Name, _ to: UInt64, _ new: Name, _ now: UInt64) throws(Errno) {
    let from = try directory(from), to = try directory(to)
    let node = cells[try existing(from, old).cell].node
    guard nodes[to].links > 0 else { throw .noSuchFile }
    if nodes[node].isDirectory {
      // Not into itself: up from the target until the root.
      var at = to
      while at != node, nodes[at].parent != inode(at) { at = try index(nodes[at].parent) }
      guard at != node else { throw .invalidArgument }
    }
    let target = find(to, new)
    if target.cell >= 0 {
      let other = cells[target.cell].node
      if other == node { return }
      if nodes[node].isDirectory {
        guard nodes[other].isDirectory else { throw .notDirectory }
        guard nodes[other].first < 0 else { throw .notEmpty }
        nodes[other].links = 0
        nodes[to].links -= 1
      } else {
        guard !nodes[other].isDirectory else { throw .isDirectory }
        nodes[other].links -= 1
      }
      takeOut(target, of: to, now)
      freeCell(target.cell)
    }
    let found = find(from, old)
    takeOut(found, of: from, now)
    set(found.cell, new)
    enter(found.cell, node, in: to, now)
    if nodes[node].isDirectory {
      nodes[from].links -= 1
      nodes[to].links += 1
      nodes[node].parent = inode(to)
    }
  }

  /// The text of a symbolic link; the buffer holds the longest.
  func readLink(_ inode: UInt64, into buffer: UnsafeMutableRawPointer) throws(Errno) -> UInt64 {
    let node = try index(inode)
    guard nodes[node].mode & VFS.Mode.typeMask == VFS.Mode.symbolicLink else { throw .invalidArgument }
    var cell = nodes[node].first
    var at = 0
    while cell >= 0 {
      for index in 0..<cells[cell].count { buffer.storeBytes(of: cells[cell].bytes[index], toByteOffset: at + index, as: UInt8.self) }
      at += cells[cell].count
      cell = cells[cell].next
    }
    return UInt64(at)
  }

  /// `FS.ReadDirectory`.
  func readDirectory(_ inode: UInt64, _ position: UInt64, into buffer: UnsafeMutableRawPointer, _ room: Int) throws(Errno) -> FS.ReadDirectory.Reply {
    let node = try directory(inode)
    var writer = EntryWriter(buffer: buffer, room: room)
    var next = position
    var isFull = false
    if next == 0 {
      if writer.add(inode, DirectoryEntry.directory, next: 1, count: 1, { _ in UInt8(ascii: ".") }) { next = 1 } else { isFull = true }
    }
    if next == 1, !isFull {
      if writer.add(nodes[node].parent, DirectoryEntry.directory, next: 2, count: 2, { _ in UInt8(ascii: ".") }) { next = 2 } else { isFull = true }
    }
    var cell = nodes[node].first
    while cell >= 0, !isFull {
      let entry = cells[cell]
      if entry.position >= next {
        let mode = nodes[entry.node].mode & VFS.Mode.typeMask
        let type = mode == VFS.Mode.directory ? DirectoryEntry.directory
          : mode == VFS.Mode.symbolicLink ? DirectoryEntry.symbolicLink : DirectoryEntry.regular
        if writer.add(self.inode(entry.node), type, next: entry.position + 1, count: entry.count, { entry.bytes[$0] }) {
          next = entry.position + 1
        } else {
          isFull = true
        }
      }
      cell = entry.next
    }
    if isFull, writer.count == 0 { throw .invalidArgument }
    return FS.ReadDirectory.Reply(count: UInt64(writer.count), next: next)
  }

  // MARK: Attributes

  func setMode(_ inode: UInt64, _ mode: UInt32) throws(Errno) {
    let node = try index(inode)
    nodes[node].mode = nodes[node].mode & VFS.Mode.typeMask | mode & 0o7777
  }

  func setModified(_ inode: UInt64, _ time: UInt64) throws(Errno) { nodes[try index(inode)].modified = time }

  func setSize(_ inode: UInt64, _ size: UInt64, _ now: UInt64) throws(Errno) {
    let node = try index(inode)
    nodes[node].size = size
    nodes[node].modified = now
  }
}

/// Writes directory entries one after the other.
struct EntryWriter {
  let buffer: UnsafeMutableRawPointer
  let room: Int
  private(set) var count = 0

  init(buffer: UnsafeMutableRawPointer, room: Int) {
    self.buffer = buffer
    self.room = room
  }

  /// False if there is no room for it.
  mutating func add(_ inode: UInt64, _ type: UInt8, next: UInt64, count nameCount: Int, _ byte: (Int) -> UInt8) -> Bool {
    let length = DirectoryEntry.length(nameCount: nameCount)
    guard count + length <= room else { return false }
    let at = buffer + count
    at.initializeMemory(as: UInt8.self, repeating: 0, count: length)
    at.storeBytes(of: inode, as: UInt64.self)
    at.storeBytes(of: next, toByteOffset: 8, as: UInt64.self)
    at.storeBytes(of: UInt16(length), toByteOffset: 16, as: UInt16.self)
    at.storeBytes(of: type, toByteOffset: 18, as: UInt8.self)
    for index in 0..<nameCount { at.storeBytes(of: byte(index), toByteOffset: DirectoryEntry.nameOffset + index, as: UInt8.self) }
    count += length
    return true
  }
}
