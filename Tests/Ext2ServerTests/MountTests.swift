import Foundation
import IPC
import Testing

@testable import Ext2Server

/// Tries to mount; what was said about it.
private func refusal(_ bytes: [UInt8], readOnly: Bool = false) -> (Errno?, MountRefusal) {
  var refusal = MountRefusal()
  do throws(Errno) {
    _ = try Volume(DiskHandle(disk: Disk(bytes)), readOnly: readOnly, cacheBytes: 1 << 20, refusal: &refusal)
    return (nil, refusal)
  } catch { return (error, refusal) }
}

@Suite struct MountTests {
  @Test("features that are not known are refused and named", arguments: [
    ("ext4", "", UInt32(0x2C0)), ("ext2", "-O extents", 0x40), ("ext2", "-O meta_bg,^resize_inode", 0x10), ("ext2", "-O flex_bg", 0x200),
    ("ext2", "-O inline_data -I 256", 0x8000), ("ext2", "-O 64bit,extents", 0xC0),
  ])
  func unknownFeatures(type: String, options: String, bits: UInt32) throws {
    let image = try Image("-b 1024 -t \(type) \(options)")
    defer { image.remove() }
    let (error, refusal) = refusal(image.bytes)
    #expect(error == .invalidArgument)
    #expect(refusal.kind == .incompatible)
    #expect(refusal.bits & bits == bits)
    for bit in 0..<32 where refusal.bits & 1 << UInt32(bit) != 0 { #expect(FeatureName.of(refusal, bit) != nil) }
  }

  @Test("an ext3 journal is no obstacle, unless it needs recovery")
  func journal() throws {
    let image = try Image(blocks: "8M", "-b 1024 -j")
    #expect(refusal(image.bytes).0 == nil)
    var mounted = try Mounted(image)
    try mounted.make("file")
    #expect(try mounted.judge() == nil)
    _ = try run("debugfs", ["-w", "-R", "feature needs_recovery", image.path])
    let (error, why) = refusal(image.bytes)
    #expect(error == .invalidArgument)
    #expect(why.bits == 0x4)
    mounted.done()
  }

  @Test("unknown read-only-compatible features: reading works, writing is EROFS", arguments: ["huge_file", "metadata_csum", "uninit_bg", "dir_nlink"])
  func readOnlyFeatures(feature: String) throws {
    let image = try Image("-b 1024 -O \(feature)")
    let (error, why) = refusal(image.bytes)
    #expect(error == nil)
    #expect(why.kind == .readOnly)
    var mounted = try Mounted(image)
    defer { mounted.done() }
    #expect(mounted.volume.isReadOnly)
    #expect(try mounted.list("").count == 3)
    #expect(throws: Errno.readOnlyFileSystem) { try mounted.make("a") }
    #expect(throws: Errno.readOnlyFileSystem) { try mounted.rmdir("lost+found") }
    #expect(try mounted.judge() == nil)
  }

  @Test("a read-only mount writes nothing at all")
  func readOnly() throws {
    var mounted = try Mounted(Image(), readOnly: true)
    defer { mounted.done() }
    #expect(throws: Errno.readOnlyFileSystem) { try mounted.make("a") }
    #expect(throws: Errno.readOnlyFileSystem) { try mounted.mkdir("a") }
    #expect(throws: Errno.readOnlyFileSystem) { try mounted.symlink("x", "a") }
    #expect(throws: Errno.readOnlyFileSystem) { try mounted.rename("lost+found", "a") }
    try mounted.volume.sync()
    #expect(mounted.disk.writes == 0)
  }

  @Test("what is not ext2 is refused", arguments: [0, 1024, 2048, 5000, 1 << 20])
  func notExt2(size: Int) {
    var random = Random(seed: 5)
    #expect(refusal([UInt8](repeating: 0, count: size)).0 == .invalidArgument)
    #expect(refusal(random.bytes(size)).0 == .invalidArgument)
  }

  @Test("a truncated image is refused", arguments: [2048, 4096, 65536, 1 << 20, (4 << 20) - 1024])
  func truncated(size: Int) throws {
    let image = try Image()
    defer { image.remove() }
    let (error, why) = refusal(Array(image.bytes[..<size]))
    #expect(error == .invalidArgument)
    #expect(why.reason.description == "the file system is larger than its device")
  }

  @Test("every field of the superblock, with bad values: an error or a mount, never a trap")
  func superblockFields() throws {
    let image = try Image()
    defer { image.remove() }
    let good = image.bytes
    for field in stride(from: 0, to: 264, by: 2) {
      for value: UInt32 in [0, 1, 0x7FFF, 0xFFFF, 0xFFFF_FFFF, 0x8000_0000, 33, 12345] {
        var bytes = good
        withUnsafeBytes(of: value) { raw in for index in 0..<4 { bytes[1024 + field + index] = raw[index] } }
        let error = refusal(bytes).0
        #expect(error == nil || error == .invalidArgument || error == .ioError)
      }
    }
  }

  @Test("every field of the group descriptors, with bad values")
  func descriptorFields() throws {
    let image = try Image("-b 1024 -g 512")
    defer { image.remove() }
    let good = image.bytes
    for field in stride(from: 2048, to: 2048 + 64, by: 2) {
      for value: UInt32 in [0, 1, 2, 0xFFFF, 0xFFFF_FFFF, 700] {
        var bytes = good
        withUnsafeBytes(of: value) { raw in for index in 0..<4 { bytes[field + index] = raw[index] } }
        let error = refusal(bytes).0
        #expect(error == nil || error == .invalidArgument || error == .ioError)
      }
    }
  }

  @Test("the superblock says dirty while changes are under way, and clean after sync")
  func state() throws {
    var mounted = try Mounted(Image())
    defer { mounted.done() }
    try mounted.make("a")
    try mounted.volume.writeBack()
    #expect(mounted.disk.bytes[1024 + 58] & 1 == 0)
    try mounted.volume.sync()
    #expect(mounted.disk.bytes[1024 + 58] & 1 == 1)
    #expect(mounted.disk.flushes >= 2)
    let writes = mounted.disk.writes
    try mounted.volume.sync()
    #expect(mounted.disk.writes == writes)
  }

  @Test("counts of the superblock that are wrong are put right")
  func wrongCounts() throws {
    let image = try Image()
    var bytes = image.bytes
    bytes[1024 + 12] ^= 0x55
    bytes[1024 + 16] ^= 0x55
    image.bytes = bytes
    var mounted = try Mounted(image)
    defer { mounted.done() }
    try mounted.make("a")
    #expect(try mounted.judge() == nil)
  }

  @Test("statistics are those of dumpe2fs")
  func statistics() throws {
    var mounted = try Mounted(Image("-b 1024 -g 512"))
    defer { mounted.done() }
    try mounted.make("a")
    try mounted.write("a", at: 0, [UInt8](repeating: 1, count: 20000))
    _ = try mounted.judge()
    let text = try run("dumpe2fs", ["-h", mounted.image.path]).1
    func field(_ name: String) -> UInt64 {
      let line = text.split(separator: "\n").first { $0.hasPrefix(name + ":") }!
      return UInt64(line.split(separator: ":")[1].trimmingCharacters(in: .whitespaces))!
    }
    let counts = mounted.volume.counts
    #expect(counts.freeBlocks == field("Free blocks"))
    #expect(counts.freeInodes == field("Free inodes"))
    #expect(counts.inodes == field("Inode count"))
    #expect(counts.blocks == field("Block count") - field("First block"))
  }
}
