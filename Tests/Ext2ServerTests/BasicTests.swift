import Foundation
import IPC
import Testing

@testable import Ext2Server

/// Every block and inode size that mke2fs makes.
let shapes = [
  "-b 1024 -I 128", "-b 1024 -I 256", "-b 2048 -I 128", "-b 2048 -I 256", "-b 4096 -I 256", "-b 4096 -I 128",
  "-b 1024 -r 0", "-b 1024 -O ^filetype", "-b 1024 -O ^sparse_super,^resize_inode", "-b 4096 -O ^dir_index", "-b 1024 -g 512",
]

@Suite struct BasicTests {
  @Test("a new file system: root, lost+found, nothing dirty", arguments: shapes)
  func empty(shape: String) throws {
    var mounted = try Mounted(Image(shape))
    defer { mounted.done() }
    #expect(try mounted.list("").map(\.name) == [".", "..", "lost+found"])
    #expect(!mounted.volume.isDirty)
    #expect(try mounted.judge() == nil)
  }

  @Test("create, write, read back, list, after which e2fsck finds nothing", arguments: shapes)
  func basics(shape: String) throws {
    var mounted = try Mounted(Image(shape))
    defer { mounted.done() }
    var random = Random(seed: 1)
    let data = random.bytes(300_000)
    try mounted.mkdir("a")
    try mounted.mkdir("a/b")
    try mounted.make("a/b/file")
    #expect(try mounted.write("a/b/file", at: 0, data) == data.count)
    #expect(try mounted.read("a/b/file") == data)
    try mounted.symlink("short", "a/fast")
    try mounted.symlink(String(repeating: "long/", count: 40), "a/slow")
    #expect(try mounted.readLink("a/fast") == "short")
    #expect(try mounted.readLink("a/slow").count == 200)
    try mounted.link("a/b/file", "a/other")
    #expect(try mounted.stat("a/other").links == 2)
    #expect(try mounted.judge() == nil)
    let dump = NSTemporaryDirectory() + UUID().uuidString
    _ = try mounted.image.debugfs("dump /a/b/file \(dump)")
    #expect([UInt8](FileManager.default.contents(atPath: dump) ?? Data()) == data)
    try? FileManager.default.removeItem(atPath: dump)
    try mounted.unlink("a/b/file")
    try mounted.unlink("a/other")
    try mounted.rmdir("a/b")
    try mounted.unlink("a/fast")
    try mounted.unlink("a/slow")
    try mounted.rmdir("a")
    #expect(try mounted.judge() == nil)
  }
}
