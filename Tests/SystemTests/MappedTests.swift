import Testing
import ToolKit

@Suite("Files in memory", .enabled(if: System.isReady)) struct MappedTests {
  /// The program `mapped` says of each case how it went.
  @Test("V20 V24 V29 V53 V62 V85 M-N8 X12 S1 mapped files on a disk: contents, copies, changes, ends, modes, buffers; a program of 4 MiB is read as far as it is touched",
    arguments: [(ToolKit.Host.metal, ""), (.metal, "cache=off"), (.processes, "")])
  func everyCase(host: ToolKit.Host, word: String) throws {
    let machine = try System.machine("mapped-\(host.rawValue)-\(word.filter(\.isLetter))", on: host, words: word.isEmpty ? [] : [word])
    let result = try System.run(machine, "mapped; echo mapped $?\n")
    let said = result.output.split(whereSeparator: \.isNewline).filter { $0.hasPrefix("mapped") }
    // Without the cache there is nothing to map.
    if word.isEmpty {
      #expect(said.filter { $0.hasSuffix(": ok") }.count == 13 && said.last == "mapped 0", "\(said)")
    } else {
      #expect(said.last == "mapped 1" && said.contains { $0.hasSuffix("status 119") }, "\(said)")
    }
  }
}
