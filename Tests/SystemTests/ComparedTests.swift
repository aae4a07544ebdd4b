import Foundation
import Testing
import ToolKit

/// `/bin/compared` and the same source on this machine's Linux print the same tables.
@Suite("Compared with Linux", .enabled(if: System.isReady)) struct ComparedTests {
  /// Lines of `compared`: the call, and what came of it.
  private typealias Table = [(call: String, answer: String)]

  private static func table(_ output: String) -> Table {
    output.split(whereSeparator: \.isNewline).compactMap { line in
      guard let colon = line.range(of: ": "), line.first?.isLowercase == true else { return nil }
      return (String(line[..<colon.lowerBound]), String(line[colon.upperBound...]))
    }
  }

  /// The program `userland`, beside the one that runs the tests.
  private static func linux(_ part: String) throws -> Table {
    let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe") as NSString
    let program = own.deletingLastPathComponent + "/userland"
    // Its processes die of signals on purpose.
    let run = try Child.run(["/usr/bin/env", "SWIFT_BACKTRACE=enable=no", program, "compared", part], seconds: 60)
    try #require(run.status == 0, "compared on Linux: \(run.status)")
    return table(run.output)
  }

  private static func apus(_ part: String, _ host: ToolKit.Host) throws -> Table {
    let result = try System.run(System.machine("compared-\(part)-\(host.rawValue)", on: host), "compared \(part)\necho \"end: $?\"\n")
    var lines = table(result.output)
    #expect(lines.last?.call == "end" && lines.last?.answer == "0")
    lines.removeLast()
    return lines
  }

  @Test("X11 V53 144 cells of a file's mode, kind of mapping, protections and closed descriptors: as on Linux", arguments: [ToolKit.Host.metal, .processes])
  func modes(host: ToolKit.Host) throws {
    let ours = try Self.apus("modes", host), theirs = try Self.linux("modes")
    #expect(ours.count == 144 && ours.map(\.call) == theirs.map(\.call))
    for (our, their) in zip(ours, theirs) { #expect(our.answer == their.answer, "\(our.call)") }
  }

  @Test("V37 V41 V55 V90 V91 S6 M-B7 errors and effects of munmap, mprotect, madvise, mincore, mlock, msync, mmap, mremap, brk: as on Linux but for named differences",
    arguments: [ToolKit.Host.metal, .processes])
  func edges(host: ToolKit.Host) throws {
    let ours = try Self.apus("edges", host), theirs = try Self.linux("edges")
    #expect(ours.count > 1300 && ours.map(\.call) == theirs.map(\.call))
    var named: [String: (apus: String, linux: String)] = [:]
    for cell in ComparedDifference.all.flatMap(\.cells) { named[cell.call] = (cell.apus, cell.linux) }
    for (our, their) in zip(ours, theirs) where our.answer != their.answer {
      let known = named[our.call]
      #expect(our.answer == known?.apus && their.answer == known?.linux, "\(our.call): \(our.answer), on Linux \(their.answer)")
    }
    // None is named that is none.
    let differing = Set(zip(ours, theirs).filter { $0.answer != $1.answer }.map(\.0.call))
    #expect(Set(named.keys).subtracting(differing).isEmpty)
  }
}
