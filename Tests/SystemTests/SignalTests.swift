import Testing
import ToolKit

@Suite("Signals", .enabled(if: System.isReady)) struct SignalTests {
  /// The program `signals` says of each state how it went.
  @Test("M-E3 M-E6 SEC44 a signal for a process in any state, with SA_RESTART or EINTR, nested on an alternate stack; forged frames are the end",
    arguments: [(ToolKit.Host.metal, ""), (.metal, "ipc=sysenter"), (.metal, "ipc=int"), (.metal, "fastpath=off"), (.processes, "")])
  func anyState(host: ToolKit.Host, word: String) throws {
    var machine = try System.machine("signals-\(host.rawValue)-\(word.filter(\.isLetter))", on: host, words: word.isEmpty ? [] : [word])
    if word == "ipc=sysenter" { machine.cpu = "Skylake-Client-v1" }
    let result = try System.run(machine, "signals; echo signals $?\n")
    let said = result.output.split(whereSeparator: \.isNewline).filter { $0.hasPrefix("signals") }
    #expect(said.filter { $0.hasSuffix(": ok") }.count == 20 && said.last == "signals 0", "\(said)")
  }
}
