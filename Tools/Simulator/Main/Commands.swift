import Foundation
import Script
import Simulator
import ToolKit

struct Commands {
  var words: [String]
  init(_ words: [String]) { self.words = words }

  func run() throws {
    let image = try Disk.standard()
    var scenario = Scenario(scriptSeed: UInt64(words.first ?? "1") ?? 1)
    if words.contains("ram") { scenario.rootInMemory = true }
    scenario.records = words.contains("v")
    let start = Date()
    let outcome = World(scenario, disk: image).run()
    print(String(decoding: outcome.log, as: UTF8.self))
    print(String(decoding: outcome.history, as: UTF8.self))
    print(outcome.ending, outcome.hash, outcome.messages, outcome.traps, outcome.time, outcome.leaks, outcome.unanswered, outcome.broken as Any)
    for m in outcome.sent { print(m.index, m.time, m.operation, m.from, "->", m.to, String(m.type, radix: 16), String(m.answers, radix: 16), m.payload) }
    print(Date().timeIntervalSince(start))
  }
}

/// The disk that runs begin with: empty but for `/bin/play`, the same bytes for everybody.
enum Disk {
  static func standard() throws -> [UInt8] {
    let folder = NSTemporaryDirectory() + "apus-simulator-\(getpid())"
    defer { Files.remove(folder) }
    for name in ["bin", "dev", "proc", "tmp"] { try Files.makeDirectory(folder + "/tree/" + name) }
    try Files.write(BootModules.play, to: folder + "/tree/bin/play")
    guard chmod(folder + "/tree/bin/play", 0o755) == 0 else { throw Failure("cannot make /bin/play executable") }
    try DiskImage.make(folder + "/disk", from: folder + "/tree", size: 4 * DiskImage.mebibyte, blockSize: 1024, label: "simulated")
    return try Files.read(folder + "/disk")
  }
}
