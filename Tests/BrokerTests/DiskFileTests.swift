@testable import Broker
@testable import DeviceModels
import Foundation
import Sandbox
import Testing
import ToolKit

@Suite("Broker: the disk's process", .serialized) struct DiskFileTests {
  /// The program `broker`, beside the tests.
  private static let program = Bundle.allBundles.map { $0.bundlePath + "/../broker" }.first { Files.exists($0) }
    ?? (CommandLine.arguments[0] as NSString).deletingLastPathComponent + "/broker"

  /// An image of 64 KiB: each sector full of its number.
  private func image(_ name: String) throws -> String {
    let path = NSTemporaryDirectory() + "apus-\(getpid())-\(name).img"
    try Files.write((0..<128).flatMap { [UInt8](repeating: UInt8($0), count: 512) }, to: path)
    return path
  }

  private func disk(_ path: String, copyOnWrite: Bool) throws -> DiskFile {
    try DiskFile(Broker.Disk(path: path, isCopyOnWrite: copyOnWrite), program: Self.program)
  }

  /// Carries out one request; nil if no answer came in time.
  private func ask(_ disk: DiskFile, _ kind: BlockRequest.Kind, at position: UInt64, _ bytes: inout [UInt8], token: UInt64) -> BlockOutcome? {
    bytes.withUnsafeMutableBytes { bytes in
      let request = BlockRequest(kind: kind, position: position, length: bytes.count, parts: [bytes], token: token)
      if let outcome = disk.begin(request) { return outcome }
      var outcome: BlockOutcome?
      var entry = pollfd(fd: disk.descriptor, events: Int16(POLLIN), revents: 0)
      guard poll(&entry, 1, 30_000) == 1 else { return nil }
      disk.hear { answered, result, data in
        #expect(answered == token)
        if let data { request.fill(from: data) }
        outcome = result
      }
      return outcome
    }
  }

  @Test("what is written is read again; in the file only if it is not a copy", arguments: [false, true]) func readWrite(copyOnWrite: Bool) throws {
    let path = try image("rw-\(copyOnWrite)")
    defer { Files.remove(path) }
    let disk = try disk(path, copyOnWrite: copyOnWrite)
    #expect(disk.size == 65536)
    var bytes = [UInt8](repeating: 0, count: 1024)
    #expect(ask(disk, .read, at: 512 * 7, &bytes, token: 1) == .done)
    #expect(bytes == [UInt8](repeating: 7, count: 512) + [UInt8](repeating: 8, count: 512))
    bytes = [UInt8](repeating: 0xAA, count: 1024)
    #expect(ask(disk, .write, at: 512 * 3, &bytes, token: 2) == .done)
    var nothing: [UInt8] = []
    #expect(ask(disk, .flush, at: 0, &nothing, token: 3) == .done)
    bytes = [UInt8](repeating: 0, count: 1024)
    #expect(ask(disk, .read, at: 512 * 3, &bytes, token: 4) == .done)
    #expect(bytes == [UInt8](repeating: 0xAA, count: 1024))
    disk.close()
    #expect(try Files.read(path)[512 * 3] == (copyOnWrite ? 3 : 0xAA))
  }

  @Test("its process has the image, a socket and nothing else, and can call nothing else") func confined() throws {
    let path = try image("confined")
    defer { Files.remove(path) }
    let disk = try disk(path, copyOnWrite: false)
    defer { disk.close() }
    var bytes = [UInt8](repeating: 0, count: 512)
    #expect(ask(disk, .read, at: 0, &bytes, token: 1) == .done)
    #expect(Files.names(in: "/proc/\(disk.pid)/fd") == ["3", "4"])
    let status = ProcessTree.text("/proc/\(disk.pid)/status")
    #expect(status.contains("Seccomp:\t2") && status.contains("NoNewPrivs:\t1"))
  }

  @Test("when its process is gone, what is open fails and so does what comes, and nobody waits") func gone() throws {
    let path = try image("gone")
    defer { Files.remove(path) }
    let disk = try disk(path, copyOnWrite: true)
    kill(disk.pid, SIGKILL)
    var bytes = [UInt8](repeating: 0, count: 512)
    #expect(ask(disk, .read, at: 0, &bytes, token: 1) == .failed)
    #expect(disk.isBroken)
    #expect(ask(disk, .read, at: 0, &bytes, token: 2) == .failed)
    disk.close()
  }

  @Test("an image that another system uses is refused, unless both only look") func locks() throws {
    let path = try image("locks")
    defer { Files.remove(path) }
    let first = try disk(path, copyOnWrite: true)
    let second = try disk(path, copyOnWrite: true)
    #expect(throws: (any Error).self) { try disk(path, copyOnWrite: false) }
    first.close()
    second.close()
    let third = try disk(path, copyOnWrite: false)
    #expect(throws: (any Error).self) { try disk(path, copyOnWrite: true) }
    #expect(throws: (any Error).self) { try disk(path, copyOnWrite: false) }
    third.close()
    try disk(path, copyOnWrite: false).close()
  }

  @Test("an image without a sector, or none at all, is refused in words") func refused() throws {
    let path = NSTemporaryDirectory() + "apus-\(getpid())-empty.img"
    try Files.write([UInt8](repeating: 0, count: 100), to: path)
    defer { Files.remove(path) }
    #expect(throws: SandboxFailure("the disk image \(path) holds no sector")) { try disk(path, copyOnWrite: true) }
    #expect(throws: SandboxFailure("cannot open the disk image /nowhere: No such file or directory")) { try disk("/nowhere", copyOnWrite: true) }
  }
}
