import Testing
import ToolKit

@Suite("Files without a disk", .enabled(if: System.isReady)) struct SharedMemoryTests {
  /// The program `shm` says of each case how it went.
  @Test("V72 V73 V29 V53 V90 V91 M-J4 shared memory objects by name and tmpfs, without a cache too",
    arguments: [(ToolKit.Host.metal, ""), (.metal, "cache=off"), (.processes, "")])
  func everyCase(host: ToolKit.Host, word: String) throws {
    let machine = try System.machine("shm-\(host.rawValue)-\(word.filter(\.isLetter))", on: host, words: word.isEmpty ? [] : [word])
    let result = try System.run(machine, "shm; echo shm $?; ls /dev/shm; grep shm /proc/mounts; free\n")
    let said = result.output.split(whereSeparator: \.isNewline)
    let cases = said.filter { $0.hasPrefix("shm: ") }
    // What a disk's pages have to do with it needs the cache.
    let wrong = word.isEmpty ? [] : cases.filter { !$0.hasPrefix("shm: buffers") && !$0.hasSuffix(": ok") }
    #expect(cases.count == 17 && (word.isEmpty ? cases.allSatisfy { $0.hasSuffix(": ok") } : wrong.isEmpty), "\(said)")
    if word.isEmpty { #expect(said.contains("shm 0")) }
    #expect(said.contains("none /dev/shm tmpfs rw"))
    #expect(said.contains { $0.hasPrefix("memory:") && $0.split(separator: " ").last == "0" }, "\(said)")
  }
}
