import Foundation
import IPC
import Testing

@testable import Ext2Server

@Suite struct RenameTests {
  /// a/ (with a/sub/ and a/file), b/ (empty), f, g
  private func prepared() throws -> Mounted {
    var mounted = try Mounted(Image())
    try mounted.mkdir("a")
    try mounted.mkdir("a/sub")
    try mounted.make("a/file")
    try mounted.mkdir("b")
    try mounted.make("f")
    try mounted.write("f", at: 0, Array("f".utf8))
    try mounted.make("g")
    try mounted.write("g", at: 0, Array("g".utf8))
    return mounted
  }

  @Test("a file, within a directory and to another")
  func file() throws {
    var mounted = try prepared()
    defer { mounted.done() }
    try mounted.rename("f", "h")
    #expect(try mounted.read("h") == Array("f".utf8))
    #expect(throws: Errno.noSuchFile) { try mounted.stat("f") }
    try mounted.rename("h", "b/x")
    #expect(try mounted.read("b/x") == Array("f".utf8))
    #expect(try mounted.judge() == nil)
  }

  @Test("a file over a file: the old one is gone, unless it is referenced")
  func replaceFile() throws {
    var mounted = try prepared()
    defer { mounted.done() }
    let free = mounted.volume.counts.freeInodes
    let held = try mounted.walk("g").inode
    try mounted.rename("f", "g")
    #expect(try mounted.read("g") == Array("f".utf8))
    #expect(mounted.volume.counts.freeInodes == free)
    try mounted.volume.forget(held, count: 1)
    #expect(mounted.volume.counts.freeInodes == free + 1)
    #expect(try mounted.judge() == nil)
  }

  @Test("two names of one inode: nothing happens, both stay")
  func sameInode() throws {
    var mounted = try prepared()
    defer { mounted.done() }
    try mounted.link("f", "b/f2")
    try mounted.rename("f", "b/f2")
    #expect(try mounted.stat("f").links == 2)
    try mounted.rename("f", "f")
    #expect(try mounted.stat("f").links == 2)
    #expect(try mounted.judge() == nil)
  }

  @Test("a directory moves with all below, \"..\" and link counts follow")
  func directory() throws {
    var mounted = try prepared()
    defer { mounted.done() }
    let root = try mounted.stat("").links
    try mounted.rename("a", "b/a")
    #expect(try mounted.stat("").links == root - 1)
    #expect(try mounted.stat("b").links == 3)
    #expect(try mounted.stat("b/a/..").inode == mounted.stat("b").inode)
    #expect(try mounted.stat("b/a/file").size == 0)
    try mounted.rename("b/a", "b/c")
    #expect(try mounted.stat("b").links == 3)
    #expect(try mounted.judge() == nil)
  }

  @Test("a directory over an empty one, in the same and in another parent")
  func replaceDirectory() throws {
    var mounted = try prepared()
    defer { mounted.done() }
    let root = try mounted.stat("").links
    try mounted.rename("a", "b")
    #expect(try mounted.stat("").links == root - 1)
    #expect(try mounted.stat("b/file").size == 0)
    try mounted.mkdir("c")
    try mounted.mkdir("c/sub")
    try mounted.rename("c/sub", "b/sub")
    #expect(try mounted.stat("c").links == 2)
    #expect(try mounted.stat("b").links == 3)
    #expect(try mounted.judge() == nil)
  }

  @Test("a directory into itself or below itself is EINVAL")
  func loop() throws {
    var mounted = try prepared()
    defer { mounted.done() }
    #expect(throws: Errno.invalidArgument) { try mounted.rename("a", "a/x") }
    #expect(throws: Errno.invalidArgument) { try mounted.rename("a", "a/sub/x") }
    try mounted.mkdir("a/sub/deep")
    #expect(throws: Errno.invalidArgument) { try mounted.rename("a", "a/sub/deep/x") }
    #expect(throws: Errno.invalidArgument) { try mounted.rename("a/sub", "a/sub/deep") }
    #expect(throws: Errno.notEmpty) { try mounted.rename("a/sub/deep", "a") }
    #expect(throws: Errno.notEmpty) { try mounted.rename("a/sub", "a") }
    #expect(try mounted.judge() == nil)
  }

  @Test("wrong kinds and dots")
  func refusals() throws {
    var mounted = try prepared()
    defer { mounted.done() }
    #expect(throws: Errno.isDirectory) { try mounted.rename("f", "b") }
    #expect(throws: Errno.notDirectory) { try mounted.rename("b", "f") }
    #expect(throws: Errno.notEmpty) { try mounted.rename("b", "a") }
    #expect(throws: Errno.noSuchFile) { try mounted.rename("nothing", "x") }
    #expect(throws: Errno.invalidArgument) { try mounted.rename("a/.", "x") }
    #expect(throws: Errno.invalidArgument) { try mounted.rename("a/..", "x") }
    #expect(throws: Errno.invalidArgument) { try mounted.rename("f", "a/..") }
    #expect(throws: Errno.notDirectory) { try mounted.rename("f/x", "y") }
    #expect(throws: Errno.invalidArgument) { try mounted.rename("f", "a\0b") }
    #expect(try mounted.judge() == nil)
  }

  @Test("the new name needs room in front of the old one")
  func crowded() throws {
    var mounted = try Mounted(Image())
    defer { mounted.done() }
    try mounted.mkdir("d")
    for index in 0..<80 { try mounted.make("d/n\(index)") }
    for index in 0..<80 {
      try mounted.rename("d/n\(index)", "d/a-much-longer-name-than-it-had-before-\(index)")
    }
    #expect(try mounted.list("d").count == 82)
    for index in 0..<80 { try mounted.rename("d/a-much-longer-name-than-it-had-before-\(index)", "d/n\((index + 1) % 80)-") }
    #expect(Set(try mounted.list("d").map(\.name)).count == 82)
    #expect(try mounted.judge() == nil)
  }

  @Test("no room for the entry: nothing has changed")
  func noSpace() throws {
    var mounted = try Mounted(Image(blocks: "256K", "-b 1024 -m 0"))
    defer { mounted.done() }
    try mounted.mkdir("d")
    try mounted.make("source")
    var index = 0
    // Fills the one block of d to the brim, then the disk.
    while try mounted.stat("d").size == 1024 {
      try mounted.make("d/" + String(repeating: "x", count: 200) + "\(index)")
      index += 1
    }
    try mounted.unlink("d/" + String(repeating: "x", count: 200) + "\(index - 1)")
    try mounted.make("fill")
    #expect(try mounted.write("fill", at: 0, [UInt8](repeating: 7, count: 1 << 20)) < 1 << 20)
    while (try? mounted.make("d/" + String(repeating: "y", count: 190) + "\(index)")) != nil { index += 1 }
    #expect(throws: Errno.noSpace) { try mounted.rename("source", "d/" + String(repeating: "z", count: 255)) }
    #expect(try mounted.stat("source").links == 1)
    #expect(try mounted.judge() == nil)
  }
}
