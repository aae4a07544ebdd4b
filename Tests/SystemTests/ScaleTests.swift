import Testing
import ToolKit

@Suite("Scale", .enabled(if: System.isReady)) struct SystemScaleTests {
  /// On a machine that counts instructions; touched one-page mappings, mmap leaves a page free between them.
  @Test("V45 V48 among 65,536 regions mmap, a first touch, mprotect, munmap and fork cost at most three times what they cost among 100") func regions() throws {
    var machine = try System.machine("scale")
    machine.counted = true
    machine.memory = 1024
    let figures = Figure.read(try System.run(machine, "bench scale").output)
    #expect(figures.count == Peer.ofScale.count)
    for few in figures where few.name.hasSuffix("-100") {
      let name = few.name.dropLast(3) + "65536"
      let many = try #require(figures.first { $0.name == name })
      #expect(few.median > 100 && many.median <= 3 * few.median, "\(few.name): \(few.median), then \(many.median)")
    }
  }

  /// Each asleep, a fork and an exec of its own.
  @Test("V5 1,000 processes at once: each is there, and the shell goes on starting others") func processes() throws {
    var machine = try System.machine("processes-1000")
    machine.memory = 512
    let script = Array(repeating: "sleep 1000 &", count: 1000) + ["cat /proc/kernel", "ps | grep -c sleep", "echo alive", ""]
    let result = try System.run(machine, script.joined(separator: "\n"))
    let lines = result.output.split(whereSeparator: \.isNewline)
    let spaces = lines.compactMap { $0.hasPrefix("spaces ") ? Int($0.dropFirst(7)) : nil }.first ?? 0
    #expect(spaces > 1000 && lines.contains("1000") && lines.contains("alive"), "\(result.output.suffix(2000))")
  }
}
