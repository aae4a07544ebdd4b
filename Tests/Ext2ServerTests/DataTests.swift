import Foundation
import IPC
import Testing

@testable import Ext2Server

@Suite struct DataTests {
  @Test("bytes at the edges of every level of pointers", arguments: ["-b 1024", "-b 2048", "-b 4096"])
  func levels(shape: String) throws {
    var mounted = try Mounted(Image(shape))
    defer { mounted.done() }
    let size = UInt64(mounted.volume.geometry.blockSize)
    let p = size / 4
    let edges: [UInt64] = [0, 11, 12, 12 + p - 1, 12 + p, 12 + p + p * p - 1, 12 + p + p * p, 12 + p + p * p + p]
    try mounted.make("f")
    for (index, block) in edges.enumerated() {
      try mounted.write("f", at: block * size + 5, [UInt8(index + 1), 0xFF])
    }
    for (index, block) in edges.enumerated() {
      #expect(try mounted.read("f", at: block * size + 4, count: 4).prefix(3) == [0, UInt8(index + 1), 0xFF])
    }
    // Between them: holes.
    #expect(try mounted.read("f", at: 13 * size, count: 100) == [UInt8](repeating: 0, count: 100))
    #expect(try mounted.stat("f").blocks < 64 * UInt32(size / 512))
    #expect(try mounted.judge() == nil)
    for block in edges.reversed() {
      try mounted.truncate("f", block * size + 6)
      #expect(try mounted.judge() == nil)
    }
    try mounted.unlink("f")
    #expect(try mounted.judge() == nil)
  }

  @Test("a file of 2 GiB and more needs large_file, which is then set")
  func largeFile() throws {
    var mounted = try Mounted(Image("-b 4096 -O ^large_file"))
    defer { mounted.done() }
    try mounted.make("f")
    try mounted.write("f", at: 5 << 30, [1])
    #expect(try mounted.stat("f").size == 5 << 30 + 1)
    #expect(try mounted.judge() == nil)
    #expect(try mounted.image.debugfs("stats").contains("large_file"))
    try mounted.truncate("f", 3 << 30)
    #expect(try mounted.stat("f").size == 3 << 30)
    #expect(try mounted.judge() == nil)
  }

  @Test("the largest file: a byte more is EFBIG")
  func largest() throws {
    var mounted = try Mounted(Image("-b 1024"))
    defer { mounted.done() }
    let largest = mounted.volume.geometry.largestFile
    try mounted.make("f")
    #expect(throws: Errno.fileTooLarge) { try mounted.write("f", at: largest, [1]) }
    #expect(throws: Errno.fileTooLarge) { try mounted.write("f", at: .max - 1, [1]) }
    #expect(throws: Errno.fileTooLarge) { try mounted.truncate("f", largest + 1) }
    #expect(throws: Errno.fileTooLarge) { try mounted.truncate("f", .max) }
    #expect(try mounted.write("f", at: largest - 1, [1, 2]) == 1)
    #expect(try mounted.judge() == nil)
  }

  @Test("append goes to the end, wherever that is")
  func append() throws {
    var mounted = try Mounted(Image())
    defer { mounted.done() }
    try mounted.make("f")
    for index in 0..<200 { try mounted.write("f", at: .max, [UInt8](repeating: UInt8(index), count: 37)) }
    #expect(try mounted.read("f") == (0..<200).flatMap { [UInt8](repeating: UInt8($0), count: 37) })
    #expect(try mounted.judge() == nil)
  }

  @Test("reading stops at the end of the file")
  func readEdges() throws {
    var mounted = try Mounted(Image())
    defer { mounted.done() }
    try mounted.make("f")
    try mounted.write("f", at: 0, [UInt8](repeating: 3, count: 1500))
    #expect(try mounted.read("f", at: 1400, count: 500).count == 100)
    #expect(try mounted.read("f", at: 1500, count: 500).isEmpty)
    #expect(try mounted.read("f", at: .max, count: 500).isEmpty)
    #expect(try mounted.read("f", at: 0, count: 0).isEmpty)
    #expect(throws: Errno.isDirectory) { try mounted.read("lost+found") }
    #expect(throws: Errno.isDirectory) { try mounted.write("lost+found", at: 0, [1]) }
    #expect(throws: Errno.isDirectory) { try mounted.truncate("lost+found", 0) }
  }

  @Test("M-N9 cut off and grown again: zeros, never the old bytes", arguments: ["-b 1024", "-b 4096"])
  func regrown(shape: String) throws {
    var mounted = try Mounted(Image(shape))
    defer { mounted.done() }
    try mounted.make("f")
    try mounted.write("f", at: 0, [UInt8](repeating: 0xEE, count: 50000))
    for cut: UInt64 in [49999, 40000, 10241, 1025, 1, 0] {
      try mounted.truncate("f", cut)
      try mounted.truncate("f", 50000)
      let bytes = try mounted.read("f")
      #expect(bytes.count == 50000)
      #expect(bytes[..<Int(cut)].allSatisfy { $0 == 0xEE })
      #expect(bytes[Int(cut)...].allSatisfy { $0 == 0 })
      #expect(try mounted.judge() == nil)
    }
  }

  @Test("M-N9 a block that another file left behind never shows")
  func reused() throws {
    var mounted = try Mounted(Image(blocks: "1M", "-b 1024"))
    defer { mounted.done() }
    try mounted.make("secret")
    let filled = try mounted.write("secret", at: 0, [UInt8](repeating: 0x5E, count: 1 << 20))
    #expect(filled > 500_000 && filled < 1 << 20)
    try mounted.volume.sync()
    try mounted.unlink("secret")
    try mounted.make("f")
    for block in 0..<200 { try mounted.write("f", at: UInt64(block * 2048 + 100), [1]) }
    for byte in try mounted.read("f") { #expect(byte <= 1) }
    #expect(try mounted.judge() == nil)
  }

  @Test("M-N9 M-N8 the client dies in the middle of a write: nothing old shows, nothing leaks", arguments: [0, 1, 1024, 5000, 30000])
  func copyFails(limit: Int) throws {
    var mounted = try Mounted(Image("-b 1024"))
    defer { mounted.done() }
    try mounted.make("old")
    try mounted.write("old", at: 0, [UInt8](repeating: 0x5E, count: 200_000))
    try mounted.unlink("old")
    try mounted.make("f")
    try mounted.write("f", at: 0, [UInt8](repeating: 1, count: 3000))
    let inode = try mounted.walk("f").inode
    var buffer = Buffer([UInt8](repeating: 2, count: 100_000))
    buffer.limit = limit
    #expect(throws: Errno.badAddress) { try mounted.volume.write(inode, at: 1500, count: 100_000, from: &buffer) }
    let bytes = try mounted.read("f")
    #expect(bytes[..<1500].allSatisfy { $0 == 1 })
    #expect(bytes[1500...].allSatisfy { $0 <= 2 })
    try mounted.volume.forget(inode, count: 1)
    #expect(try mounted.judge() == nil)
  }

  @Test("M-N9 the client dies while it writes into a hole")
  func copyFailsInHole() throws {
    var mounted = try Mounted(Image("-b 1024"))
    defer { mounted.done() }
    try mounted.make("old")
    try mounted.write("old", at: 0, [UInt8](repeating: 0x5E, count: 200_000))
    try mounted.unlink("old")
    try mounted.make("f")
    try mounted.truncate("f", 100_000)
    let inode = try mounted.walk("f").inode
    var buffer = Buffer([UInt8](repeating: 2, count: 50_000))
    buffer.limit = 0
    #expect(throws: Errno.badAddress) { try mounted.volume.write(inode, at: 10240, count: 50_000, from: &buffer) }
    #expect(throws: Errno.badAddress) { try mounted.volume.write(inode, at: 70001, count: 50, from: &buffer) }
    #expect(try mounted.read("f").allSatisfy { $0 == 0 })
    try mounted.volume.forget(inode, count: 1)
    #expect(try mounted.judge() == nil)
  }

  @Test("a failed copy over old data leaves the old data")
  func copyFailsOverOld() throws {
    var mounted = try Mounted(Image("-b 1024"))
    defer { mounted.done() }
    try mounted.make("f")
    try mounted.write("f", at: 0, [UInt8](repeating: 7, count: 50_000))
    try mounted.volume.sync()
    for _ in 0..<2 {
      let inode = try mounted.walk("f").inode
      var buffer = Buffer([UInt8](repeating: 9, count: 10_000))
      buffer.limit = 0
      #expect(throws: Errno.badAddress) { try mounted.volume.write(inode, at: 2048, count: 10_000, from: &buffer) }
      #expect(try mounted.read("f").allSatisfy { $0 == 7 })
      try mounted.volume.forget(inode, count: 1)
    }
    #expect(try mounted.judge() == nil)
  }

  @Test("a full device: a short count, then ENOSPC, and everything comes back", arguments: ["-b 1024 -m 0", "-b 4096 -m 0"])
  func full(shape: String) throws {
    var mounted = try Mounted(Image(blocks: "2M", shape))
    defer { mounted.done() }
    let before = mounted.volume.counts
    try mounted.make("f")
    let wrote = try mounted.write("f", at: 0, [UInt8](repeating: 1, count: 3 << 20))
    #expect(wrote > 1 << 20 && wrote < 2 << 20)
    #expect(try mounted.stat("f").size == wrote)
    #expect(throws: Errno.noSpace) { try mounted.write("f", at: .max, [UInt8](repeating: 1, count: 10000)) }
    try mounted.make("g")
    #expect(throws: Errno.noSpace) { try mounted.write("g", at: 1 << 30, [1]) }
    #expect(throws: Errno.noSpace) { try mounted.mkdir("d") }
    #expect(throws: Errno.noSpace) { try mounted.symlink(String(repeating: "x", count: 100), "l") }
    #expect(try mounted.judge() == nil)
    try mounted.unlink("f")
    try mounted.unlink("g")
    #expect(mounted.volume.counts.freeBlocks == before.freeBlocks)
    #expect(mounted.volume.counts.freeInodes == before.freeInodes)
    #expect(try mounted.judge() == nil)
  }

  @Test("no inodes left: ENOSPC, and it works again after one is freed")
  func outOfInodes() throws {
    var mounted = try Mounted(Image("-b 1024 -N 32"))
    defer { mounted.done() }
    var count = 0
    while (try? mounted.make("f\(count)")) != nil { count += 1 }
    #expect(mounted.volume.counts.freeInodes == 0)
    #expect(throws: Errno.noSpace) { try mounted.make("x") }
    #expect(throws: Errno.noSpace) { try mounted.mkdir("x") }
    try mounted.unlink("f3")
    try mounted.mkdir("x")
    #expect(try mounted.judge() == nil)
  }

  @Test("files near their directory, directories in other groups")
  func placement() throws {
    var mounted = try Mounted(Image(blocks: "8M", "-b 1024 -g 1024"))
    defer { mounted.done() }
    try mounted.mkdir("d1")
    try mounted.make("d1/f")
    try mounted.write("d1/f", at: 0, [UInt8](repeating: 1, count: 100_000))
    let perGroup = UInt64(mounted.volume.geometry.inodesPerGroup)
    let group = (try mounted.stat("d1").inode - 1) / perGroup
    #expect(group != 0)
    let file = try mounted.volume.load(UInt32(try mounted.stat("d1/f").inode))
    #expect(UInt64(file.number - 1) / perGroup == group)
    #expect(mounted.volume.group(of: file.pointers[0]) == Int(group))
    #expect((0..<11).allSatisfy { file.pointers[$0 + 1] == file.pointers[$0] + 1 })
    #expect(try mounted.judge() == nil)
  }

  @Test("extended attribute blocks are counted down and freed with their file")
  func extendedAttributes() throws {
    let image = try Image("-b 1024 -I 128")
    let source = NSTemporaryDirectory() + UUID().uuidString
    try Data([1, 2, 3]).write(to: URL(fileURLWithPath: source))
    defer { try? FileManager.default.removeItem(atPath: source) }
    for name in ["f", "g"] {
      _ = try run("debugfs", ["-w", "-R", "write \(source) \(name)", image.path])
      _ = try run("debugfs", ["-w", "-R", "ea_set \(name) user.note something", image.path])
    }
    #expect(image.complaint == nil)
    var mounted = try Mounted(image)
    defer { mounted.done() }
    #expect(try mounted.volume.load(UInt32(try mounted.stat("f").inode)).attributes != 0)
    try mounted.unlink("f")
    try mounted.write("g", at: .max, [4])
    #expect(try mounted.judge() == nil)
    #expect(try image.debugfs("ea_get g user.note").contains("something"))
  }

  @Test("device files show their numbers and cannot be read")
  func devices() throws {
    let image = try Image()
    _ = try run("debugfs", ["-w", "-R", "mknod null c 1 3", image.path])
    _ = try run("debugfs", ["-w", "-R", "mknod pipe p", image.path])
    var mounted = try Mounted(image)
    defer { mounted.done() }
    #expect(try mounted.stat("null").special == 1 << 16 | 3)
    #expect(throws: Errno.invalidArgument) { try mounted.read("null", count: 1) }
    try mounted.unlink("null")
    try mounted.unlink("pipe")
    #expect(try mounted.judge() == nil)
  }
}
