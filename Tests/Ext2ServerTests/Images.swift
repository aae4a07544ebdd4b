import Foundation
import IPC

@testable import Ext2Server

/// A file system image made by mke2fs, in a file of its own, and the judges of e2fsprogs.
struct Image {
  let path: String

  /// - Parameters:
  ///   - options: for mke2fs, for instance `-b 1024 -I 128`.
  ///   - tree: a directory of the host to fill it from.
  init(blocks: String = "4M", _ options: String = "-b 1024", tree: String? = nil) throws {
    path = NSTemporaryDirectory() + "apus-ext2-\(UUID().uuidString)"
    var arguments = ["-q", "-F"] + (options.contains("-t ") ? [] : ["-t", "ext2"]) + options.split(separator: " ").map(String.init)
    if let tree { arguments += ["-d", tree] }
    let (status, text) = try run("mke2fs", arguments + [path, blocks])
    guard status == 0 else { throw Failure(text: text) }
  }

  /// A copy of `other`.
  init(copying other: Image) throws {
    path = NSTemporaryDirectory() + "apus-ext2-\(UUID().uuidString)"
    try FileManager.default.copyItem(atPath: other.path, toPath: path)
  }

  func remove() { try? FileManager.default.removeItem(atPath: path) }

  var bytes: [UInt8] {
    get { [UInt8](FileManager.default.contents(atPath: path)!) }
    nonmutating set { try! Data(newValue).write(to: URL(fileURLWithPath: path)) }
  }

  /// What `e2fsck -fn` says; nil if it finds nothing.
  var complaint: String? {
    let (status, text) = (try? run("e2fsck", ["-fn", path])) ?? (-1, "e2fsck does not start")
    return status == 0 ? nil : text
  }

  /// Output of a debugfs command.
  func debugfs(_ command: String) throws -> String { try run("debugfs", ["-R", command, path]).1 }
}

struct Failure: Error { var text: String }

/// Runs a program of the host: its status and all it printed.
@discardableResult
func run(_ program: String, _ arguments: [String]) throws -> (Int32, String) {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
  process.arguments = [program] + arguments
  process.environment = ["PATH": "/usr/sbin:/sbin:/usr/bin:/bin", "LC_ALL": "C"]
  let pipe = Pipe()
  process.standardOutput = pipe
  process.standardError = pipe
  process.standardInput = FileHandle.nullDevice
  try process.run()
  let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
  process.waitUntilExit()
  return (process.terminationStatus, text)
}

/// The image as a block device, in memory: `save` puts it back. Can be told to fail.
final class Disk {
  var bytes: [UInt8]
  var reads = 0, writes = 0, flushes = 0
  /// Fails the transfer with this number, counted from now.
  var failing: Int? = nil
  /// Fails every transfer with a number divisible by this.
  var failingEvery: Int? = nil
  var transfers = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  func count() throws(Errno) {
    transfers += 1
    if transfers == failing { throw .ioError }
    if let failingEvery, transfers % failingEvery == 0 { throw .ioError }
  }
}

struct DiskHandle: BlockDevice {
  let disk: Disk
  var size: UInt64 { UInt64(disk.bytes.count) }
  var isReadOnly = false

  func read(at position: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(Errno) {
    try disk.count()
    disk.reads += 1
    guard position + UInt64(buffer.count) <= size else { throw .ioError }
    disk.bytes.withUnsafeBytes { buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[Int(position)..<Int(position) + buffer.count])) }
  }

  func write(at position: UInt64, from buffer: UnsafeRawBufferPointer) throws(Errno) {
    try disk.count()
    disk.writes += 1
    guard position + UInt64(buffer.count) <= size else { throw .ioError }
    disk.bytes.withUnsafeMutableBytes {
      UnsafeMutableRawBufferPointer(rebasing: $0[Int(position)..<Int(position) + buffer.count]).copyMemory(from: buffer)
    }
  }

  func flush() throws(Errno) { disk.flushes += 1 }
}

/// A client's memory. `limit`: copies beyond fail, as they do when the client has died.
struct Buffer: ClientMemory {
  var bytes: [UInt8]
  var limit = Int.max
  var copies = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }
  init(count: Int) { bytes = [UInt8](repeating: 0xAA, count: count) }

  mutating func copyOut(_ source: UnsafeRawPointer, count: Int, at offset: Int) throws(Errno) {
    copies += 1
    guard offset + count <= min(bytes.count, limit) else { throw .badAddress }
    bytes.withUnsafeMutableBytes { ($0.baseAddress! + offset).copyMemory(from: source, byteCount: count) }
  }

  mutating func copyIn(_ target: UnsafeMutableRawPointer, count: Int, at offset: Int) throws(Errno) {
    copies += 1
    guard offset + count <= min(bytes.count, limit) else { throw .badAddress }
    bytes.withUnsafeBytes { target.copyMemory(from: $0.baseAddress! + offset, byteCount: count) }
  }
}
