import Foundation
import Testing
import ToolKit

/// xorshift64*: the same seed, the same damage.
struct Dice {
  var state: UInt64
  init(seed: Int) { state = UInt64(seed) &* 0x9E37_79B9_7F4A_7C15 | 1 }
  mutating func below(_ bound: Int) -> Int {
    state ^= state >> 12
    state ^= state << 25
    state ^= state >> 27
    return Int((state &* 0x2545_F491_4F6C_DD1D) >> 33) % bound
  }
}

@Suite("Bad disks", .enabled(if: System.isReady)) struct BadDiskTests {
  static let script = "ls -l / /bin /etc; cat /etc/motd; cp /bin/ls /tmp/copy; mkdir /tmp/d; rm /tmp/copy; sync; cat /proc/kernel; exit 0\n"

  /// Boots with a damaged disk: whatever the programs on it do, the machine must come to an orderly end.
  static func boot(_ name: String, _ image: [UInt8], place: SourceLocation = #_sourceLocation) throws -> Batch.Result {
    let disk = try Project.find().output + "/bad.\(name).img"
    defer { Files.remove(disk) }
    try Files.write(image, to: disk)
    var machine = try System.machine("bad-\(name)")
    machine.disk = .file(disk)
    let result = try Batch.run(machine, script: script, seconds: 200)
    guard case .shutdown = result.ending else {
      Issue.record("\(result.ending) with disk \(name); the log ends:\n\(result.log.suffix(3000))", sourceLocation: place)
      return result
    }
    #expect(!result.log.contains("panic"), sourceLocation: place)
    return result
  }

  static func standard() throws -> [UInt8] { try Files.read(System.freshDisk()) }

  @Test("no ext2 at all: a message, and a shell on the RAM disk", arguments: ["zeros", "text", "one-sector"]) func noFileSystem(kind: String) throws {
    let image: [UInt8] =
      switch kind {
      case "zeros": [UInt8](repeating: 0, count: 8 << 20)
      case "text": Array(String(repeating: "this is no file system\n", count: 100_000).utf8.prefix(2 << 20))
      default: [UInt8](repeating: 0xFF, count: 512)
      }
    let result = try Self.boot(kind, image)
    #expect(result.log.lowercased().contains("ram disk"), "\(result.log)")
    #expect(result.output.contains("bin"), "\(result.output)")
  }

  @Test("cut off at a quarter, in the inode tables, after the superblock", arguments: [16 << 20, 40 << 10, 2048]) func truncated(length: Int) throws {
    _ = try Self.boot("cut\(length)", Array(Self.standard()[..<length]))
  }

  @Test("a feature that ext2 of old does not know is refused by name") func features() throws {
    var image = try Self.standard()
    image[1024 + 0x60] |= 0x40  // extents
    let result = try Self.boot("extents", image)
    #expect(result.log.lowercased().contains("ram disk"), "\(result.log)")
  }

  /// APUS_FLIPS says how many in place of 12; 500 take a quarter of an hour.
  static let flips = ProcessInfo.processInfo.environment["APUS_FLIPS"].flatMap { Int($0) } ?? 12

  @Test("random bytes flipped, most of them in the tables", arguments: 1...max(flips, 1)) func flipped(seed: Int) throws {
    var image = try Self.standard()
    var dice = Dice(seed: seed)
    let tables = 1 << 20
    for _ in 0..<(1 << dice.below(8)) {
      let at = dice.below(4) == 0 ? dice.below(image.count) : 1024 + dice.below(tables)
      image[at] ^= UInt8(1 << dice.below(8))
    }
    _ = try Self.boot("flip\(seed)", image)
  }
}
