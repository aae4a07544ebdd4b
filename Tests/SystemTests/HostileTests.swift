import Testing
import ToolKit

@Suite("Hostile programs", .enabled(if: System.isReady)) struct HostileTests {
  /// `hostile` says after each attack how it ended; the services and the shell must then be as before.
  static func attack(_ name: String, _ arguments: String, seconds: Int, cpu: String = "max", words: [String] = []) throws {
    let script = """
      cat /proc/kernel > /tmp/before; service status > /dev/null
      hostile \(arguments); echo "hostile $?"
      echo BEGIN; echo alive; ls /bin | grep sh; ps | grep -c init; END=END; echo $END

      """
    var machine = try System.machine("hostile-\(name)", words: words)
    machine.cpu = cpu
    let result = try System.run(machine, script, seconds: seconds)
    #expect(result.output.contains("hostile 0"), "\(result.output.suffix(3000))")
    #expect(!result.output.contains("WRONG"))
    #expect(result.output.contains("alive"))
    #expect(!result.log.contains("restarted"), "a service died: \(result.log.suffix(2000))")
  }

  @Test("SEC8 SEC20 M-J1 M-N5 2,000,000 random traps by the stub page, SYSCALL and int, garbage in every register: nothing of the kernel's comes back")
  func calls() throws { try Self.attack("calls", "-r -n 2000000 -s 1 calls interrupts stacks", seconds: 900) }

  @Test("SEC8 SEC20 V50 random traps where programs come by another entry", arguments: [
    ("max", "ipc=int"), ("Skylake-Client-v1", "ipc=sysenter"), ("max", "fastpath=off"),
  ])
  func entries(cpu: String, word: String) throws {
    try Self.attack("calls-\(word.filter(\.isLetter))", "-r -n 100000 -s 2 calls interrupts stacks", seconds: 300, cpu: cpu, words: [word])
  }

  @Test("SEC9 SEC14 SEC15 SEC16 M-K1 wild pointers, faults and privileged instructions") func faults() throws {
    try Self.attack(
      "faults",
      "null lowest read-kernel read-linear non-canonical last-page write-text write-stub exec-data exec-stack stack-overflow port halt interrupts-off read-cr3 flags pointers",
      seconds: 300)
  }

  @Test("SEC35 V93 R1 memory exhausted") func memory() throws { try Self.attack("memory", "memory", seconds: 400) }

  @Test("SEC35 a fork bomb") func forkBomb() throws { try Self.attack("forkbomb", "forkbomb", seconds: 400) }
}
