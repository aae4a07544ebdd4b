import Foundation
import IPC
import Testing

@testable import Ext2Server

/// A directory of the host with files of many sizes, for mke2fs -d and for comparing.
struct HostTree {
  let path: String
  private(set) var files: [String: [UInt8]] = [:]
  private(set) var links: [String: String] = [:]
  private(set) var directories: [String] = []

  init(seed: UInt64, files count: Int) throws {
    path = NSTemporaryDirectory() + "apus-tree-\(UUID().uuidString)"
    var random = Random(seed: seed)
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    directories = [""]
    for index in 0..<count / 10 + 1 {
      let parent = directories.randomElement(using: &random)!
      let directory = parent + "/dir\(index)"
      try FileManager.default.createDirectory(atPath: path + directory, withIntermediateDirectories: true)
      directories.append(directory)
    }
    for index in 0..<count {
      let name = directories.randomElement(using: &random)! + "/file-\(index)" + String(repeating: "n", count: Int.random(in: 0..<60, using: &random))
      let size = [0, 1, 100, 1023, 1024, 1025, 4096, 13000, 70000, 300_000].randomElement(using: &random)!
      let byte = UInt8(truncatingIfNeeded: index)
      let bytes = (0..<size).map { byte &+ UInt8(truncatingIfNeeded: $0 >> 3) }
      try Data(bytes).write(to: URL(fileURLWithPath: path + name))
      files[name] = bytes
    }
    for length in [1, 30, 59, 60, 61, 500] {
      let name = directories.randomElement(using: &random)! + "/link\(length)"
      links[name] = String(repeating: "l", count: length)
      try FileManager.default.createSymbolicLink(atPath: path + name, withDestinationPath: links[name]!)
    }
  }

  func remove() { try? FileManager.default.removeItem(atPath: path) }
}

@Suite struct TreeTests {
  @Test("a tree that mke2fs copied from the host reads as on the host", arguments: [
    "-b 1024 -I 128", "-b 1024 -I 256", "-b 2048", "-b 4096", "-b 1024 -r 0", "-b 1024 -O ^filetype", "-b 1024 -g 2048",
  ])
  func fromHost(shape: String) throws {
    let tree = try HostTree(seed: 3, files: 150)
    defer { tree.remove() }
    var mounted = try Mounted(Image(blocks: "32M", shape, tree: tree.path), cache: 256 << 10)
    defer { mounted.done() }
    for (name, bytes) in tree.files { #expect(try mounted.read(name) == bytes) }
    for (name, text) in tree.links { #expect(try mounted.readLink(name) == text) }
    for directory in tree.directories {
      var expected = Set(try FileManager.default.contentsOfDirectory(atPath: tree.path + directory) + [".", ".."])
      if directory.isEmpty { expected.insert("lost+found") }
      #expect(Set(try mounted.list(directory).map(\.name)) == expected)
    }
    #expect(!mounted.volume.isDirty)
    #expect(mounted.volume.takeNotice() == nil)
  }

  @Test("a tree that we wrote reads the same by debugfs", arguments: ["-b 1024", "-b 4096"])
  func toHost(shape: String) throws {
    let tree = try HostTree(seed: 4, files: 60)
    defer { tree.remove() }
    var mounted = try Mounted(Image(blocks: "32M", shape), cache: 256 << 10)
    defer { mounted.done() }
    for directory in tree.directories.sorted() where !directory.isEmpty { try mounted.mkdir(directory) }
    for (name, bytes) in tree.files {
      try mounted.make(name)
      try mounted.write(name, at: 0, bytes)
    }
    for (name, text) in tree.links { try mounted.symlink(text, name) }
    #expect(try mounted.judge() == nil)
    let copy = NSTemporaryDirectory() + "apus-dump-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: copy, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: copy) }
    _ = try mounted.image.debugfs("rdump / \(copy)")
    try? FileManager.default.removeItem(atPath: copy + "/lost+found")
    let (status, text) = try run("diff", ["-r", "--no-dereference", tree.path, copy])
    #expect(status == 0, "\(text)")
  }

  @Test("dir_index: an indexed directory is read, changed, and is then a plain one", arguments: ["-b 1024", "-b 4096"])
  func indexed(shape: String) throws {
    let path = NSTemporaryDirectory() + "apus-tree-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path + "/big", withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: path) }
    for index in 0..<600 { try Data().write(to: URL(fileURLWithPath: path + "/big/a-file-with-number-\(index)")) }
    let image = try Image(blocks: "8M", shape + " -N 2000", tree: path)
    _ = try run("e2fsck", ["-fyD", image.path])
    #expect(try image.debugfs("stat /big").contains("Flags: 0x1000"))
    var mounted = try Mounted(image)
    defer { mounted.done() }
    #expect(try mounted.list("big").count == 602)
    for index in 0..<600 { _ = try mounted.stat("big/a-file-with-number-\(index)") }
    #expect(try mounted.judge() == nil)
    #expect(try image.debugfs("stat /big").contains("Flags: 0x1000"))
    for index in 0..<100 { try mounted.make("big/new\(index)") }
    for index in 0..<300 { try mounted.unlink("big/a-file-with-number-\(index * 2)") }
    #expect(try mounted.list("big").count == 402)
    #expect(try mounted.judge() == nil)
    #expect(try image.debugfs("stat /big").contains("Flags: 0x0"))
  }
}
