import Foundation
import IPC
import LinuxServers
import Testing

@testable import POSIX

/// The library's calls, with Linux in the servers' place.
@Suite("Calls", .serialized) struct CallTests {
  private let folder: String

  init() throws {
    Host.answer = LinuxServers.answer
    folder = NSTemporaryDirectory() + "apus-posix-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  }

  private func path(_ name: String) -> Bytes { bytes(folder + "/" + name) }

  @Test("files: written, read, sought, cut, copied descriptors") func files() throws {
    let file = try POSIX.open(path("f"), OpenFlags.readWrite | OpenFlags.create | OpenFlags.exclusive)
    try writeAll(file, bytes("hello world"))
    #expect(try seek(file, 6) == 6)
    #expect(try POSIX.read(file, atMost: 100) == bytes("world"))
    #expect(try POSIX.read(file, atMost: 100) == [])
    try POSIX.truncate(file, 5)
    #expect(try POSIX.stat(file).size == 5)
    let second = try duplicate(file)
    try seek(second, 1)
    #expect(try POSIX.read(file, atMost: 2) == bytes("el"))
    try duplicate(file, to: second)
    #expect(try control(second, FileControl.getDescriptorFlags) == 0)
    try POSIX.close(second)
    try POSIX.sync(file)
    try POSIX.close(file)
    #expect(throws: Errno.badFileDescriptor) { try POSIX.close(file) }
    #expect(throws: Errno.fileExists) { try POSIX.open(path("f"), OpenFlags.create | OpenFlags.exclusive) }
    #expect(try contents(of: path("f")) == bytes("hello"))
    #expect(throws: Errno.fileTooLarge) { try contents(of: path("f"), limit: 4) }
  }

  @Test("names: made, linked, renamed, removed") func names() throws {
    try POSIX.close(try POSIX.open(path("f"), OpenFlags.writeOnly | OpenFlags.create))
    try makeDirectory(path("d"))
    try POSIX.link(path("f"), to: path("g"))
    #expect(try POSIX.stat(path("f")).isSame(as: POSIX.stat(path("g"))) && POSIX.stat(path("g")).links == 2)
    try symbolicLink(to: bytes("f"), at: path("s"))
    #expect(try readLink(path("s")) == bytes("f") && linkStat(path("s")).isSymbolicLink && POSIX.stat(path("s")).isRegular)
    try POSIX.rename(path("g"), to: path("d/g"))
    #expect(Set(try directory(path("")).map { text($0.name) }) == [".", "..", "d", "f", "s"])
    #expect(try directory(path("")).first { $0.name == "d" }?.type == 4)
    #expect(throws: Errno.notEmpty) { try removeDirectory(path("d")) }
    try POSIX.unlink(path("d/g"))
    try removeDirectory(path("d"))
    #expect(throws: Errno.noSuchFile) { try POSIX.stat(path("d")) }
    try changeMode(path("f"), 0o400)
    #expect(try POSIX.stat(path("f")).mode & 0o777 == 0o400)
    #expect(exists(path("s")) && !exists(path("none")) && isDirectory(path("")) && !isDirectory(path("f")))
    try POSIX.access(path("f"), AccessMode.read)
    try POSIX.truncate(path("s"), 3)
    #expect(try POSIX.stat(path("f")).size == 3)
  }

  @Test("a path that is empty or too long never leaves the program") func badPaths() {
    #expect(throws: Errno.noSuchFile) { try POSIX.open([]) }
    #expect(throws: Errno.nameTooLong) { try POSIX.open(Bytes(repeating: 0x61, count: 4096)) }
    #expect(throws: Errno.noSuchFile) { try POSIX.rename(path("x"), to: []) }
    #expect(throws: Errno.noSuchFile) { try readLink([]) }
  }

  @Test("the working directory") func workingDirectory() throws {
    let before = try currentDirectory()
    try changeDirectory(path(""))
    #expect(try text(currentDirectory()).hasSuffix(folder))
    try changeDirectory(before)
  }

  @Test("pipes and buffered input: lines, blocks, a last line without an end") func input() throws {
    let ends = try POSIX.pipe()
    let output = Output(descriptor: ends.writeEnd, limit: 8)
    output.write("one\n")
    output.write(bytes("a longer line than the buffer\n"))
    output.write(byte: 0x78)
    output.write(UnsafeRawBufferPointer(start: nil, count: 0))
    output.flush()
    try POSIX.close(ends.writeEnd)
    let input = Input(descriptor: ends.readEnd, capacity: 7)
    #expect(try input.line() == bytes("one"))
    #expect(try input.line() == bytes("a longer line than the buffer"))
    let last = try #require(try input.lineAndEnding())
    #expect(last.text == bytes("x") && !last.ended)
    #expect(try input.line() == nil && input.block().isEmpty)
    try POSIX.close(ends.readEnd)
  }

  @Test("output remembers its first error and keeps quiet") func failingOutput() throws {
    let file = try POSIX.open(path("r"), OpenFlags.readOnly | OpenFlags.create)
    let output = Output(descriptor: file)
    output.write("x")
    output.flush()
    #expect(output.failed == .badFileDescriptor)
    output.clearFailure()
    output.discard()
    output.flush()
    #expect(output.failed == nil)
    try POSIX.close(file)
  }

  @Test("memory") func memory() throws {
    let page = try mapMemory(4096)
    page.storeBytes(of: 42, as: Int.self)
    try protectMemory(page, 4096, Protection.read)
    #expect(page.load(as: Int.self) == 42)
    try unmapMemory(page, 4096)
  }

  @Test("identity, time, a terminal that is none") func rest() throws {
    #expect(POSIX.processID() == Int(getpid()))
    #expect(now() > 0)
    #expect(try times().sinceBoot > 0)
    #expect(!isTerminal(try POSIX.open(path("t"), OpenFlags.create)) && terminalColumns(99) == 80)
    #expect(throws: Errno.noChildProcess) { try wait(for: 999_999) }
    #expect(throws: Errno.noSuchProcess) { try POSIX.kill(999_999_9, 0) }
    try POSIX.sleep(nanoseconds: 1)
    #expect(throws: Errno.deadEndpoint) { try request(RSStatus(), of: .rs) }
  }

  @Test("a directory's records that do not hold together are refused") func records() {
    var items: [DirectoryItem] = []
    func parse(_ records: Bytes) throws(Errno) {
      var failure: Errno?
      records.withUnsafeBytes { bytes in
        do throws(Errno) { try parseDirectory(bytes, into: &items) } catch { failure = error }
      }
      if let failure { throw failure }
    }
    let good: Bytes = [1, 0, 0, 0, 0, 0, 0, 0] + [0, 0, 0, 0, 0, 0, 0, 0] + [24, 0, 8] + bytes("name") + [0]
    #expect(throws: Never.self) { try parse(good) }
    #expect(items.count == 1 && items[0].name == bytes("name") && items[0].inode == 1)
    for length in [0, 19, 25, 255] as [UInt8] {
      var bad = good
      bad[16] = length
      #expect(throws: Errno.badMessage) { try parse(bad) }
    }
    #expect(throws: Never.self) { try parse([]) }
  }
}

private struct RSStatus: Call {
  static var number: Int32 { 0x700 }
  var index: UInt64 = 0
}
