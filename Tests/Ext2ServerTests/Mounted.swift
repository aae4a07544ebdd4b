import Foundation
import IPC
import Protocols

@testable import Ext2Server

/// A mounted image with calls by path, as VFS would make them.
struct Mounted {
  let image: Image
  let disk: Disk
  var volume: Volume<DiskHandle>

  init(_ image: Image, readOnly: Bool = false, cache: Int = 1 << 20) throws {
    self.image = image
    disk = Disk(image.bytes)
    var refusal = MountRefusal()
    volume = try Volume(DiskHandle(disk: disk), readOnly: readOnly, cacheBytes: cache, refusal: &refusal)
    _ = try volume.root()
  }

  /// Syncs, writes the image back and asks e2fsck.
  mutating func judge() throws -> String? {
    try volume.sync()
    image.bytes = disk.bytes
    return image.complaint
  }

  /// The image is not needed any more.
  mutating func done() {
    image.remove()
  }

  // MARK: Calls by path

  /// The node at `path`, with one reference.
  mutating func walk(_ path: String) throws(Errno) -> FS.Node {
    var node = try volume.root()
    for name in path.split(separator: "/") {
      let parent = node.inode
      node = try withName(String(name)) { name throws(Errno) in try volume.lookup(name, in: parent) }
      try volume.forget(parent, count: 1)
    }
    return node
  }

  /// The directory that holds the last component, and that component.
  mutating func parent(_ path: String) throws(Errno) -> (UInt64, String) {
    guard let slash = path.lastIndex(of: "/") else { return (try walk("").inode, path) }
    return (try walk(String(path[..<slash])).inode, String(path[path.index(after: slash)...]))
  }

  func withName<R>(_ name: String, _ body: (UnsafeRawBufferPointer) throws(Errno) -> R) throws(Errno) -> R {
    let bytes = Array(name.utf8)
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, bytes.count), alignment: 1)
    defer { copy.deallocate() }
    copy.copyBytes(from: bytes)
    return try body(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(copy)[..<bytes.count]))
  }

  mutating func make(_ path: String, mode: UInt32 = 0o644) throws(Errno) {
    let (directory, name) = try parent(path)
    defer { try? volume.forget(directory, count: 1) }
    let node = try withName(name) { name throws(Errno) in try volume.create(name, in: directory, mode: mode) }
    try volume.forget(node.inode, count: 1)
  }

  mutating func mkdir(_ path: String, mode: UInt32 = 0o755) throws(Errno) {
    let (directory, name) = try parent(path)
    defer { try? volume.forget(directory, count: 1) }
    try withName(name) { name throws(Errno) in try volume.makeDirectory(name, in: directory, mode: mode) }
  }

  mutating func unlink(_ path: String) throws(Errno) {
    let (directory, name) = try parent(path)
    defer { try? volume.forget(directory, count: 1) }
    try withName(name) { name throws(Errno) in try volume.unlink(name, in: directory) }
  }

  mutating func rmdir(_ path: String) throws(Errno) {
    let (directory, name) = try parent(path)
    defer { try? volume.forget(directory, count: 1) }
    try withName(name) { name throws(Errno) in try volume.removeDirectory(name, in: directory) }
  }

  mutating func rename(_ old: String, _ new: String) throws(Errno) {
    let (from, oldName) = try parent(old)
    defer { try? volume.forget(from, count: 1) }
    let (to, newName) = try parent(new)
    defer { try? volume.forget(to, count: 1) }
    try withName(oldName) { old throws(Errno) in
      try withName(newName) { new throws(Errno) in try volume.rename(old, in: from, to: new, in: to) }
    }
  }

  mutating func link(_ target: String, _ new: String) throws(Errno) {
    let inode = try walk(target).inode
    defer { try? volume.forget(inode, count: 1) }
    let (directory, name) = try parent(new)
    defer { try? volume.forget(directory, count: 1) }
    try withName(name) { name throws(Errno) in try volume.link(inode, as: name, in: directory) }
  }

  mutating func symlink(_ text: String, _ new: String) throws(Errno) {
    let (directory, name) = try parent(new)
    defer { try? volume.forget(directory, count: 1) }
    try withName(name) { name throws(Errno) in
      try withName(text) { text throws(Errno) in try volume.symbolicLink(name, in: directory, to: text) }
    }
  }

  mutating func readLink(_ path: String) throws(Errno) -> String {
    let inode = try walk(path).inode
    defer { try? volume.forget(inode, count: 1) }
    var buffer = Buffer(count: 4096)
    let count = try volume.readLink(inode, capacity: 4096, into: &buffer)
    return String(decoding: buffer.bytes[..<Int(count)], as: UTF8.self)
  }

  /// - Returns: what was written.
  @discardableResult
  mutating func write(_ path: String, at position: UInt64, _ bytes: [UInt8]) throws(Errno) -> Int {
    let inode = try walk(path).inode
    defer { try? volume.forget(inode, count: 1) }
    var buffer = Buffer(bytes)
    return Int(try volume.write(inode, at: position, count: UInt64(bytes.count), from: &buffer).count)
  }

  mutating func read(_ path: String, at position: UInt64 = 0, count: Int? = nil) throws(Errno) -> [UInt8] {
    let node = try walk(path)
    defer { try? volume.forget(node.inode, count: 1) }
    let wanted = count ?? Int(node.size)
    var buffer = Buffer(count: wanted)
    let got = try volume.read(node.inode, at: position, count: UInt64(wanted), into: &buffer)
    return Array(buffer.bytes[..<Int(got)])
  }

  mutating func truncate(_ path: String, _ size: UInt64) throws(Errno) {
    let inode = try walk(path).inode
    defer { try? volume.forget(inode, count: 1) }
    try volume.truncate(inode, to: size)
  }

  mutating func stat(_ path: String) throws(Errno) -> FS.Node {
    let node = try walk(path)
    try volume.forget(node.inode, count: 1)
    return node
  }

  struct Listed: Equatable { var name: String, inode: UInt64, type: UInt8 }

  /// All entries, fetched `capacity` bytes at a time.
  mutating func list(_ path: String, capacity: Int = 512) throws(Errno) -> [Listed] {
    let inode = try walk(path).inode
    defer { try? volume.forget(inode, count: 1) }
    var result: [Listed] = []
    var position: UInt64 = 0
    while true {
      var buffer = Buffer(count: capacity)
      let (count, next) = try volume.readDirectory(inode, from: position, count: UInt64(capacity), into: &buffer)
      if count == 0 { return result }
      position = next
      buffer.bytes.withUnsafeBytes { bytes in
        var at = 0
        while at < Int(count) {
          let length = Int(bytes.loadUnaligned(fromByteOffset: at + 16, as: UInt16.self))
          let name = String(cString: bytes.baseAddress!.assumingMemoryBound(to: CChar.self) + at + 19)
          result.append(
            Listed(name: name, inode: bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self), type: bytes[at + 18]))
          at += length
        }
      }
    }
  }
}

/// A reproducible source of numbers.
struct Random: RandomNumberGenerator {
  var state: UInt64
  init(seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }
  mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) } }
}
