import Testing
import ToolKit

@Suite("Regions", .enabled(if: System.isReady)) struct RegionTests {
  /// The program `regions` says of each call how it went.
  @Test("V50 V52 V71 V75 V76 V77 V90 V91 V96 R4 S5 advice, locks, mremap, immutable and named regions, limits, lent memory, stacks and the stub page, by a program", arguments: [ToolKit.Host.metal, .processes])
  func calls(host: ToolKit.Host) throws {
    let script = """
      regions; echo "regions $?"
      vmmap $$ | grep stack; cat /proc/1/limits /proc/1/smaps_rollup
      echo alive

      """
    let result = try System.run(System.machine("regions-\(host.rawValue)", on: host), script)
    let said = result.output.split(whereSeparator: \.isNewline).filter { $0.hasPrefix("regions") }
    #expect(said.filter { $0.hasSuffix(": ok") }.count == 16 && said.last == "regions 0", "\(said)")
    #expect(result.output.contains(#/Pss: [1-9]\d* kB/#) && result.output.contains("alive"), "\(result.output.suffix(2000))")
    #expect(result.log.split(separator: "\n").filter { $0.contains("restarted") && !$0.contains("echo") }.isEmpty, "a service died: \(result.log.suffix(2000))")
  }
}
