import Foundation
import IPC
import Testing

@testable import Ext2Server

@Suite struct NamesTests {
  @Test("names that cannot be, and names that are taken")
  func badNames() throws {
    var mounted = try Mounted(Image())
    defer { mounted.done() }
    try mounted.make("file")
    try mounted.mkdir("dir")
    #expect(throws: Errno.fileExists) { try mounted.make("file") }
    #expect(throws: Errno.fileExists) { try mounted.mkdir("file") }
    #expect(throws: Errno.fileExists) { try mounted.make("dir") }
    #expect(throws: Errno.fileExists) { try mounted.symlink("x", "file") }
    #expect(throws: Errno.fileExists) { try mounted.link("file", "dir") }
    #expect(throws: Errno.fileExists) { try mounted.mkdir(".") }
    #expect(throws: Errno.fileExists) { try mounted.make("..") }
    #expect(throws: Errno.nameTooLong) { try mounted.make(String(repeating: "x", count: 256)) }
    #expect(throws: Errno.nameTooLong) { try mounted.rename("file", String(repeating: "x", count: 256)) }
    #expect(throws: Errno.invalidArgument) { try mounted.make("a\0b") }
    #expect(throws: Errno.noSuchFile) { try mounted.make("") }
    #expect(throws: Errno.noSuchFile) { try mounted.symlink("", "empty") }
    #expect(throws: Errno.invalidArgument) { try mounted.symlink("a\0b", "zero") }
    #expect(throws: Errno.nameTooLong) { try mounted.symlink(String(repeating: "x", count: 1024), "long") }
    #expect(throws: Errno.noSuchFile) { try mounted.stat("nothing") }
    #expect(throws: Errno.notDirectory) { try mounted.stat("file/below") }
    #expect(throws: Errno.notDirectory) { try mounted.make("file/below") }
    try mounted.make(String(repeating: "x", count: 255))
    #expect(try mounted.judge() == nil)
  }

  @Test("unlink and rmdir refuse the wrong kind, dots and directories that are not empty")
  func removing() throws {
    var mounted = try Mounted(Image())
    defer { mounted.done() }
    try mounted.mkdir("dir")
    try mounted.make("dir/file")
    #expect(throws: Errno.isDirectory) { try mounted.unlink("dir") }
    #expect(throws: Errno.isDirectory) { try mounted.unlink("dir/.") }
    #expect(throws: Errno.isDirectory) { try mounted.unlink("dir/..") }
    #expect(throws: Errno.notDirectory) { try mounted.rmdir("dir/file") }
    #expect(throws: Errno.notEmpty) { try mounted.rmdir("dir") }
    #expect(throws: Errno.invalidArgument) { try mounted.rmdir("dir/.") }
    #expect(throws: Errno.notEmpty) { try mounted.rmdir("dir/..") }
    #expect(throws: Errno.noSuchFile) { try mounted.unlink("dir/other") }
    try mounted.unlink("dir/file")
    try mounted.rmdir("dir")
    #expect(throws: Errno.noSuchFile) { try mounted.stat("dir") }
    #expect(try mounted.judge() == nil)
  }

  @Test("link counts: files by their names, directories by their children")
  func linkCounts() throws {
    var mounted = try Mounted(Image())
    defer { mounted.done() }
    #expect(try mounted.stat("").links == 3)
    try mounted.mkdir("a")
    try mounted.mkdir("a/b")
    #expect(try mounted.stat("a").links == 3)
    #expect(try mounted.stat("").links == 4)
    try mounted.make("f")
    try mounted.link("f", "a/g")
    try mounted.link("f", "a/b/h")
    #expect(try mounted.stat("f").links == 3)
    #expect(try mounted.stat("f").inode == mounted.stat("a/b/h").inode)
    try mounted.unlink("f")
    #expect(try mounted.stat("a/g").links == 2)
    #expect(throws: Errno.notPermitted) { try mounted.link("a", "a2") }
    try mounted.rmdirAll()
    #expect(try mounted.judge() == nil)
  }

  @Test("an unlinked file lives until the last reference is given back")
  func unlinkedButOpen() throws {
    var mounted = try Mounted(Image())
    defer { mounted.done() }
    let before = mounted.volume.counts
    try mounted.make("file")
    try mounted.write("file", at: 0, [1, 2, 3])
    let inode = try mounted.walk("file").inode
    try mounted.unlink("file")
    #expect(throws: Errno.noSuchFile) { try mounted.stat("file") }
    #expect(try mounted.volume.attributes(inode).links == 0)
    var buffer = Buffer([9, 9, 9, 9])
    #expect(try mounted.volume.write(inode, at: 3, count: 4, from: &buffer).size == 7)
    #expect(throws: Errno.noSuchFile) {
      try mounted.withName("again") { name throws(Errno) in try mounted.volume.link(inode, as: name, in: 2) }
    }
    try mounted.volume.sync()
    #expect(mounted.disk.bytes[1024 + 58] & 1 == 0)  // an orphan is not clean
    try mounted.volume.forget(inode, count: 1)
    #expect(throws: Errno.noSuchFile) { try mounted.volume.attributes(inode) }
    #expect(mounted.volume.counts.freeBlocks == before.freeBlocks)
    #expect(mounted.volume.counts.freeInodes == before.freeInodes)
    #expect(try mounted.judge() == nil)
  }

  @Test("a directory removed while referenced: nothing is found or made in it")
  func removedDirectory() throws {
    var mounted = try Mounted(Image())
    defer { mounted.done() }
    try mounted.mkdir("dir")
    let inode = try mounted.walk("dir").inode
    try mounted.rmdir("dir")
    #expect(throws: Errno.noSuchFile) {
      try mounted.withName("x") { name throws(Errno) in try mounted.volume.create(name, in: inode, mode: 0) }
    }
    #expect(throws: Errno.noSuchFile) {
      try mounted.withName("x") { name throws(Errno) in try mounted.volume.lookup(name, in: inode) }
    }
    try mounted.volume.forget(inode, count: 1)
    #expect(try mounted.judge() == nil)
  }

  @Test("references are counted, more than given are forgiven")
  func references() throws {
    var mounted = try Mounted(Image())
    defer { mounted.done() }
    try mounted.make("file")
    for _ in 0..<10 { _ = try mounted.walk("file") }
    let inode = try mounted.stat("file").inode
    #expect(mounted.volume.references.count(of: UInt32(inode)) == 10)
    try mounted.volume.forget(inode, count: 9)
    #expect(!mounted.volume.isUnused)
    try mounted.volume.forget(inode, count: 100)
    #expect(mounted.volume.isUnused)
    try mounted.volume.forget(inode, count: 1)
    #expect(throws: Errno.invalidArgument) { try mounted.volume.forget(.max, count: 1) }
    #expect(throws: Errno.invalidArgument) { try mounted.volume.forget(0, count: 1) }
    #expect(throws: Errno.invalidArgument) { try mounted.volume.forget(5, count: 1) }
  }

  @Test("inode numbers from a message that name nothing", arguments: [0, 1, 3, 8, 1000, 0xFFFF_FFFF, UInt64.max])
  func badInodes(number: UInt64) throws {
    var mounted = try Mounted(Image())
    defer { mounted.done() }
    var buffer = Buffer(count: 16)
    #expect(throws: Errno.self) { try mounted.volume.attributes(number) }
    #expect(throws: Errno.self) { try mounted.volume.read(number, at: 0, count: 16, into: &buffer) }
    #expect(throws: Errno.self) { try mounted.volume.write(number, at: 0, count: 16, from: &buffer) }
    #expect(throws: Errno.self) { try mounted.volume.readDirectory(number, from: 0, count: 16, into: &buffer) }
    #expect(throws: Errno.self) { try mounted.volume.truncate(number, to: 0) }
    #expect(!mounted.volume.isReadOnly)
  }

  @Test("a thousand entries in one directory: all found, listed once, removed", arguments: ["-b 1024", "-b 4096"])
  func manyEntries(shape: String) throws {
    var mounted = try Mounted(Image(blocks: "8M", shape + " -N 2000"))
    defer { mounted.done() }
    try mounted.mkdir("d")
    for index in 0..<1000 { try mounted.make("d/file-number-\(index)") }
    let listed = try mounted.list("d", capacity: 300)
    #expect(listed.count == 1002)
    #expect(Set(listed.map(\.name)).count == 1002)
    for entry in listed.dropFirst(2) { #expect(try mounted.stat("d/" + entry.name).inode == entry.inode) }
    #expect(try mounted.judge() == nil)
    for index in stride(from: 0, to: 1000, by: 2) { try mounted.unlink("d/file-number-\(index)") }
    #expect(try mounted.list("d").count == 502)
    let size = try mounted.stat("d").size
    for index in stride(from: 0, to: 1000, by: 2) { try mounted.make("d/file-number-\(index)") }
    #expect(try mounted.stat("d").size == size)  // the room is used again
    for index in 0..<1000 { try mounted.unlink("d/file-number-\(index)") }
    try mounted.rmdir("d")
    #expect(try mounted.judge() == nil)
  }

  @Test("listing goes on where it stopped while entries come and go")
  func listingUnderChange() throws {
    var mounted = try Mounted(Image())
    defer { mounted.done() }
    try mounted.mkdir("d")
    for index in 0..<50 { try mounted.make("d/f\(index)") }
    let inode = try mounted.walk("d").inode
    var names: [String] = []
    var position: UInt64 = 0
    var round = 0
    while true {
      var buffer = Buffer(count: 32)  // one record
      let (count, next) = try mounted.volume.readDirectory(inode, from: position, count: 32, into: &buffer)
      if count == 0 { break }
      position = next
      let length = Int(buffer.bytes[16])
      names.append(String(decoding: buffer.bytes[19..<length].prefix { $0 != 0 }, as: UTF8.self))
      // Removes the one just seen, whose room goes to the entry before it.
      if names.last!.hasPrefix("f") { try mounted.unlink("d/" + names.last!) }
      round += 1
      #expect(round < 200)
    }
    #expect(Set(names).count == 52)
    try mounted.volume.forget(inode, count: 1)
    #expect(try mounted.list("d").count == 2)
    #expect(try mounted.judge() == nil)
  }

  @Test("readDirectory: a buffer too small for one record, positions from anywhere")
  func listingEdges() throws {
    var mounted = try Mounted(Image())
    defer { mounted.done() }
    var buffer = Buffer(count: 4096)
    #expect(throws: Errno.invalidArgument) { try mounted.volume.readDirectory(2, from: 0, count: 8, into: &buffer) }
    for position: UInt64 in [1, 3, 1000, 1023, 1024, 5000, 1 << 40, .max] {
      _ = try mounted.volume.readDirectory(2, from: position, count: 4096, into: &buffer)
    }
    #expect(!mounted.volume.isReadOnly)
    #expect(throws: Errno.notDirectory) {
      try mounted.make("f")
      _ = try mounted.list("f")
    }
  }

  @Test("types in listings", arguments: ["-b 1024", "-b 1024 -O ^filetype"])
  func types(shape: String) throws {
    var mounted = try Mounted(Image(shape))
    defer { mounted.done() }
    try mounted.make("f")
    try mounted.mkdir("d")
    try mounted.symlink("x", "l")
    let types = Dictionary(uniqueKeysWithValues: try mounted.list("").map { ($0.name, $0.type) })
    let known = !shape.contains("^")
    #expect(types["f"] == (known ? 8 : 0))
    #expect(types["d"] == (known ? 4 : 0))
    #expect(types["l"] == (known ? 10 : 0))
  }

  @Test("symbolic links of every length", arguments: [1, 58, 59, 60, 61, 100, 1023])
  func symbolicLinks(length: Int) throws {
    var mounted = try Mounted(Image())
    defer { mounted.done() }
    let text = String(repeating: "t", count: length)
    try mounted.symlink(text, "l")
    #expect(try mounted.readLink("l") == text)
    #expect(try mounted.stat("l").size == length)
    #expect(try mounted.stat("l").blocks == (length < 60 ? 0 : 2))
    #expect(throws: Errno.invalidArgument) { try mounted.read("l") }
    #expect(throws: Errno.invalidArgument) { try mounted.readLink("lost+found") }
    #expect(try mounted.judge() == nil)
    try mounted.unlink("l")
    #expect(try mounted.judge() == nil)
  }

  @Test("chmod and utime")
  func setAttributes() throws {
    var mounted = try Mounted(Image())
    defer { mounted.done() }
    try mounted.make("f", mode: 0o640)
    let node = try mounted.stat("f")
    #expect(node.mode == 0o100640)
    try mounted.volume.setAttributes(node.inode, fields: 1, mode: 0o177777, modified: 7)
    #expect(try mounted.stat("f").mode == 0o107777)
    try mounted.volume.setAttributes(node.inode, fields: 2, mode: 0, modified: 12345)
    #expect(try mounted.stat("f").modified == 12345)
    try mounted.volume.setAttributes(node.inode, fields: 2, mode: 0, modified: .max)
    #expect(try mounted.stat("f").modified == 0xFFFF_FFFF)
    #expect(try mounted.judge() == nil)
  }

  @Test("the most links that a directory may have")
  func tooManyLinks() throws {
    var mounted = try Mounted(Image())
    defer { mounted.done() }
    try mounted.mkdir("d")
    try mounted.make("f")
    for name in ["d", "f"] {
      var inode = try mounted.volume.load(UInt32(try mounted.stat(name).inode))
      inode.links = 32000
      try mounted.volume.store(inode)
    }
    #expect(throws: Errno.tooManyLinks) { try mounted.mkdir("d/e") }
    #expect(throws: Errno.tooManyLinks) { try mounted.link("f", "g") }
    try mounted.mkdir("other")
    #expect(throws: Errno.tooManyLinks) { try mounted.rename("other", "d/other") }
  }
}

extension Mounted {
  /// Removes everything but lost+found.
  mutating func rmdirAll(_ path: String = "") throws(Errno) {
    for entry in try list(path) where entry.name != "." && entry.name != ".." && entry.name != "lost+found" {
      let below = path.isEmpty ? entry.name : path + "/" + entry.name
      if try stat(below).mode & 0xF000 == 0x4000 {
        try rmdirAll(below)
        try rmdir(below)
      } else {
        try unlink(below)
      }
    }
  }
}
