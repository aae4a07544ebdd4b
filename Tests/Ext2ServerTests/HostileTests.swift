import Foundation
import IPC
import Testing

@testable import Ext2Server

@Suite struct HostileTests {
  /// Uses everything that is there: lists, reads, and if it may, changes and removes. Returns how many calls were made.
  private func abuse(_ mounted: inout Mounted, limit: Int) -> Int {
    var calls = 0
    var pending = [""]
    var seen = 0
    while let path = pending.popLast(), seen < limit {
      seen += 1
      calls += 1
      guard let entries = try? mounted.list(path, capacity: 4096) else { continue }
      for entry in entries.prefix(100) where entry.name != "." && entry.name != ".." {
        let below = path + "/" + entry.name
        guard let node = try? mounted.stat(below) else { continue }
        calls += 1
        switch node.mode & 0xF000 {
        case 0x4000: if path.count < 100 { pending.append(below) }
        case 0xA000: _ = try? mounted.readLink(below)
        default:
          _ = try? mounted.read(below, at: 0, count: 100_000)
          _ = try? mounted.read(below, at: node.size / 2, count: 5000)
        }
      }
    }
    for name in ["x", "f1", "d1/y"] {
      _ = try? mounted.make(name)
      _ = try? mounted.write(name, at: 0, [UInt8](repeating: 1, count: 20000))
      _ = try? mounted.write(name, at: 300_000, [1])
      _ = try? mounted.truncate(name, 3)
      _ = try? mounted.rename(name, "d2/z")
      _ = try? mounted.rename("d2", "d1/sub")
      _ = try? mounted.unlink("f2")
      _ = try? mounted.mkdir(name + "-dir")
      _ = try? mounted.rmdir("d2/empty")
    }
    try? mounted.rmdirAllQuietly()
    _ = try? mounted.volume.sync()
    return calls
  }

  private func prepared(_ shape: String) throws -> Image {
    let image = try Image(blocks: "1M", shape)
    var mounted = try Mounted(image)
    try mounted.mkdir("d1")
    try mounted.mkdir("d2")
    try mounted.mkdir("d2/empty")
    for index in 1...6 {
      try mounted.make("f\(index)")
      try mounted.write("f\(index)", at: 0, [UInt8](repeating: UInt8(index), count: index * 9000))
      try mounted.make("d1/g\(index)")
      try mounted.write("d1/g\(index)", at: UInt64(index) * 100_000, [1, 2, 3])
    }
    try mounted.symlink("f1", "d1/short")
    try mounted.symlink(String(repeating: "s", count: 100), "d1/long")
    #expect(try mounted.judge() == nil)
    return image
  }

  /// Where the structures of the image stand, so that most damage hits one.
  private func hotspots(_ image: Image) throws -> [Range<Int>] {
    var refusal = MountRefusal()
    let bytes = image.bytes
    let volume = try Volume(DiskHandle(disk: Disk(bytes)), readOnly: true, cacheBytes: 1 << 20, refusal: &refusal)
    let size = volume.geometry.blockSize
    var ranges = [1024..<1024 + 264]
    let (block, _) = volume.descriptor(0)
    ranges.append(Int(block) * size..<Int(block) * size + volume.groups.count * 32)
    for index in 0..<volume.groups.count {
      let group = volume.groups[index]
      ranges.append(Int(group.blockBitmap) * size..<Int(group.blockBitmap + 2) * size)
      ranges.append(Int(group.inodeTable) * size..<Int(group.inodeTable) * size + 40 * volume.geometry.inodeSize)
    }
    // What is not zero in the data: directories, pointer blocks.
    for block in 0..<bytes.count / size where bytes[block * size] == 2 && bytes[block * size + 3] == 0 { ranges.append(block * size..<(block + 1) * size) }
    return ranges
  }

  @Test("random bytes flipped: 640 images, an error at worst, never a trap or an endless walk", arguments: [
    ("-b 1024", UInt64(100)), ("-b 1024 -O ^filetype", 200), ("-b 2048", 300), ("-b 4096", 400),
  ])
  func flippedBytes(shape: String, seed: UInt64) throws {
    print("seed \(seed), \(shape)")
    let image = try prepared(shape)
    defer { image.remove() }
    let good = image.bytes
    let hot = try hotspots(image)
    var random = Random(seed: seed)
    var mountedCount = 0, damaged = 0
    for variant in 0..<160 {
      var bytes = good
      for _ in 0..<[1, 3, 10, 100][variant % 4] {
        let at = variant % 8 < 6 ? Int.random(in: hot.randomElement(using: &random)!, using: &random) : Int.random(in: 0..<bytes.count, using: &random)
        bytes[at] = [UInt8(truncatingIfNeeded: random.next()), 0, 0xFF, bytes[at] ^ 1 << UInt8(random.next() % 8)].randomElement(using: &random)!
      }
      let variant = try Image(copying: image)
      variant.bytes = bytes
      defer { variant.remove() }
      guard var mounted = try? Mounted(variant, cache: 128 << 10) else { continue }
      mountedCount += 1
      mounted.disk.transfers = 0
      let calls = abuse(&mounted, limit: 60)
      #expect(mounted.disk.transfers < 40_000 + calls * 100)
      if mounted.volume.isReadOnly { damaged += 1 }
    }
    print("\(mountedCount) of 160 could be mounted, \(damaged) then turned read-only")
    #expect(mountedCount > 60)
    #expect(damaged > 10)
  }

  /// An image with one field of an inode or directory changed.
  private func variant(_ image: Image, _ change: (inout Volume<DiskHandle>) throws -> Void) throws -> Mounted {
    var mounted = try Mounted(Image(copying: image))
    try change(&mounted.volume)
    _ = try? mounted.volume.writeBack()
    mounted.image.bytes = mounted.disk.bytes
    return try Mounted(mounted.image)
  }

  @Test("pointers to the superblock, bitmaps, inode tables, beyond the end: EIO and read-only, said once")
  func wildPointers() throws {
    let image = try prepared("-b 1024")
    defer { image.remove() }
    for target: UInt32 in [1, 2, 0xFFFF_FFFF, 1024, 1025, 3, 4, 5, 6, 7, 8, 9, 10] {
      var mounted = try variant(image) { volume in
        var inode = try volume.load(UInt32(try volume.lookupRoot("f3")))
        inode.pointers[0] = volume.isData(target) ? 1 : target
        try volume.store(inode)
      }
      defer { mounted.done() }
      #expect(throws: Errno.ioError) { try mounted.read("f3") }
      #expect(mounted.volume.isReadOnly)
      #expect(mounted.volume.takeNotice() != nil)
      #expect(throws: Errno.ioError) { try mounted.read("f3") }
      #expect(mounted.volume.takeNotice() == nil)
      #expect(throws: Errno.readOnlyFileSystem) { try mounted.unlink("f3") }
      #expect(try mounted.read("f1").count == 9000)
    }
  }

  @Test("pointer blocks that point to themselves: freeing ends", arguments: [12, 13, 14])
  func cyclicPointers(top: Int) throws {
    let image = try prepared("-b 1024")
    defer { image.remove() }
    var mounted = try variant(image) { volume in
      var inode = try volume.load(UInt32(try volume.lookupRoot("f6")))
      let block = inode.pointers[12]
      inode.pointers[top] = block
      let raw = try volume.cache.read(block).assumingMemoryBound(to: UInt32.self)
      for index in 0..<256 { raw[index] = block }
      volume.cache.changed(block)
      inode.size = 1 << 33
      try volume.store(inode)
    }
    defer { mounted.done() }
    mounted.disk.transfers = 0
    #expect(throws: Errno.ioError) { try mounted.unlink("f6") }
    #expect(mounted.volume.isReadOnly)
    #expect(mounted.disk.transfers < 5000)
  }

  @Test("directories in a circle: a rename that walks up ends")
  func cyclicDirectories() throws {
    let image = try Image("-b 1024")
    defer { image.remove() }
    var prepared = try Mounted(image)
    try prepared.mkdir("a")
    try prepared.mkdir("a/b")
    try prepared.mkdir("c")
    _ = try prepared.judge()
    var mounted = try variant(image) { volume in
      // a/.. is a/b: going up from b never ends.
      let a = UInt32(try volume.lookupRoot("a"))
      let directory = try volume.load(a)
      let raw = try volume.cache.read(directory.pointers[0])
      let b = raw.load(fromByteOffset: 24, as: UInt32.self)
      raw.storeBytes(of: b, toByteOffset: 12, as: UInt32.self)
      volume.cache.changed(directory.pointers[0])
    }
    defer { mounted.done() }
    #expect(throws: Errno.ioError) { try mounted.rename("c", "a/b/c") }
    #expect(mounted.volume.isReadOnly)
  }

  @Test("directory entries of impossible length", arguments: [0, 4, 6, 7, 13, 1023, 1025, 2000, 0xFFFF])
  func entryLengths(length: Int) throws {
    let image = try prepared("-b 1024")
    defer { image.remove() }
    var mounted = try variant(image) { volume in
      let directory = try volume.load(UInt32(try volume.lookupRoot("d1")))
      let raw = try volume.cache.read(directory.pointers[0])
      raw.storeBytes(of: UInt16(length), toByteOffset: 24 + 4, as: UInt16.self)
      volume.cache.changed(directory.pointers[0])
    }
    defer { mounted.done() }
    #expect(throws: Errno.ioError) { try mounted.list("d1") }
    #expect(throws: Errno.ioError) { try mounted.stat("d1/nothing") }
    #expect(throws: Errno.self) { try mounted.make("d1/new") }
    #expect(mounted.volume.isReadOnly)
  }

  @Test("entries that name reserved, free or impossible inodes", arguments: [1, 5, 7, 8, 10, 100, 0xFFFF_FFFF])
  func entryInodes(number: UInt32) throws {
    let image = try prepared("-b 1024")
    defer { image.remove() }
    var mounted = try variant(image) { volume in
      let directory = try volume.load(UInt32(try volume.lookupRoot("d1")))
      let raw = try volume.cache.read(directory.pointers[0])
      raw.storeBytes(of: number, toByteOffset: 24, as: UInt32.self)
      volume.cache.changed(directory.pointers[0])
    }
    defer { mounted.done() }
    #expect(throws: Errno.ioError) { try mounted.stat("d1/g1") }
    #expect(mounted.volume.isReadOnly)
  }

  @Test("a bitmap that calls metadata free is found out before anything is overwritten")
  func lyingBitmap() throws {
    let image = try prepared("-b 1024")
    defer { image.remove() }
    var mounted = try variant(image) { volume in
      let block = volume.groups[0].blockBitmap
      try volume.cache.read(block).initializeMemory(as: UInt8.self, repeating: 0, count: 128)
      volume.cache.changed(block)
    }
    defer { mounted.done() }
    _ = try? mounted.make("new")
    for index in 0..<20 { _ = try? mounted.write("f1", at: UInt64(index) * 20000, [UInt8](repeating: 0xDD, count: 20000)) }
    let before = mounted.disk.bytes[1024..<8192]
    _ = try? mounted.volume.writeBack()
    #expect(!mounted.disk.bytes[5120..<8192].contains(0xDD))
    #expect(before.count == 7168)
  }
}

extension Volume where Device == DiskHandle {
  func lookupRoot(_ name: StaticString) throws(Errno) -> UInt64 {
    let bytes = UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
    let node = try lookup(bytes, in: 2)
    try forget(node.inode, count: 1)
    return node.inode
  }
}

extension Mounted {
  /// Removes what can be removed, at most a few hundred entries deep or wide.
  mutating func rmdirAllQuietly(_ path: String = "", depth: Int = 0) throws {
    guard depth < 6, let entries = try? list(path, capacity: 4096) else { return }
    for entry in entries.prefix(60) where entry.name != "." && entry.name != ".." {
      let below = path + "/" + entry.name
      guard let node = try? stat(below) else { continue }
      if node.mode & 0xF000 == 0x4000 {
        try rmdirAllQuietly(below, depth: depth + 1)
        _ = try? rmdir(below)
      } else {
        _ = try? unlink(below)
      }
    }
  }
}
