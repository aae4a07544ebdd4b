import Foundation
import IPC
import Testing

@testable import Ext2Server

@Suite struct FaultTests {
  /// A fixed script of calls; errors are allowed in each.
  private func script(_ mounted: inout Mounted) -> [Errno] {
    var errors: [Errno] = []
    func attempt(_ body: () throws(Errno) -> Void) {
      do throws(Errno) { try body() } catch { errors.append(error) }
    }
    for index in 0..<4 {
      attempt { () throws(Errno) in try mounted.mkdir("d\(index)") }
      attempt { () throws(Errno) in try mounted.make("d\(index)/f") }
      attempt { () throws(Errno) in try mounted.write("d\(index)/f", at: UInt64(index * 3000), [UInt8](repeating: 1, count: 30000)) }
      attempt { () throws(Errno) in try mounted.symlink(String(repeating: "l", count: 80), "d\(index)/l") }
      attempt { () throws(Errno) in _ = try mounted.read("d\(index)/f") }
      attempt { () throws(Errno) in try mounted.volume.writeBack() }
    }
    attempt { () throws(Errno) in try mounted.rename("d0", "d1/d0") }
    attempt { () throws(Errno) in try mounted.rename("d2/f", "d3/f") }
    attempt { () throws(Errno) in try mounted.truncate("d3/f", 100) }
    attempt { () throws(Errno) in try mounted.unlink("d1/f") }
    attempt { () throws(Errno) in try mounted.volume.sync() }
    return errors
  }

  @Test("every single transfer fails once: an error, no trap; the image is clean or e2fsck repairs it")
  func failOne() throws {
    let image = try Image(blocks: "1M", "-b 1024 -g 256")
    defer { image.remove() }
    var clean = 0, total = 0
    for failing in 1...400 {
      var mounted = try Mounted(Image(copying: image), cache: 96 << 10)
      defer { mounted.done() }
      mounted.disk.transfers = 0
      mounted.disk.failing = failing
      let errors = script(&mounted)
      if mounted.disk.transfers < failing { break }
      #expect(errors.allSatisfy { $0 == .ioError || $0 == .noSuchFile || $0 == .fileExists || $0 == .readOnlyFileSystem || $0 == .noSpace })
      total += 1
      mounted.disk.failing = nil
      try? mounted.volume.sync()
      mounted.image.bytes = mounted.disk.bytes
      if mounted.image.complaint == nil { clean += 1 } else {
        _ = try run("e2fsck", ["-fy", mounted.image.path])
        #expect(mounted.image.complaint == nil)
      }
    }
    print("failed each of \(total) transfers once: \(clean) images clean, the others repaired")
    #expect(total > 20)
    #expect(clean * 10 >= total * 9)
  }

  @Test("every k-th transfer fails: errors are reported, nothing traps, and afterwards it works", arguments: [1, 2, 3, 5, 8, 13])
  func failEvery(k: Int) throws {
    var mounted = try Mounted(Image(blocks: "1M", "-b 1024 -g 256"), cache: 96 << 10)
    defer { mounted.done() }
    mounted.disk.failingEvery = k
    let errors = script(&mounted)
    #expect(!errors.isEmpty)
    mounted.disk.failingEvery = nil
    _ = try? mounted.volume.sync()
    mounted.image.bytes = mounted.disk.bytes
    if mounted.image.complaint != nil { _ = try run("e2fsck", ["-fy", mounted.image.path]) }
    #expect(mounted.image.complaint == nil)
  }

  @Test("a failed write stays in the cache and goes out with the next sync")
  func writeAgain() throws {
    var mounted = try Mounted(Image())
    defer { mounted.done() }
    try mounted.make("f")
    try mounted.write("f", at: 0, [UInt8](repeating: 9, count: 50000))
    mounted.disk.failingEvery = 1
    #expect(throws: Errno.ioError) { try mounted.volume.sync() }
    #expect(mounted.volume.isDirty)
    #expect(try mounted.read("f").count == 50000)
    mounted.disk.failingEvery = nil
    #expect(try mounted.judge() == nil)
    var again = try Mounted(mounted.image)
    #expect(try again.read("f") == [UInt8](repeating: 9, count: 50000))
  }

  @Test("a read that fails is an error once, not for ever")
  func readAgain() throws {
    let tree = try HostTree(seed: 9, files: 20)
    defer { tree.remove() }
    var mounted = try Mounted(Image(blocks: "16M", "-b 1024", tree: tree.path))
    defer { mounted.done() }
    let (name, bytes) = tree.files.first { $0.value.count > 200_000 }!
    mounted.disk.failingEvery = 1
    #expect(throws: Errno.ioError) { try mounted.read(name) }
    mounted.disk.failingEvery = nil
    #expect(try mounted.read(name) == bytes)
    #expect(!mounted.volume.isReadOnly)
  }
}
