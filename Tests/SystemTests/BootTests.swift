import Testing
import ToolKit

@Suite("Boot", .enabled(if: System.isReady)) struct BootTests {
  /// The five commands of the issue, and what sensible answers contain.
  static let script = "uname\nls -l /\ncat /etc/motd | wc\nps\nservice status\n"

  static func check(_ output: String, place: SourceLocation = #_sourceLocation) {
    for text in ["Apus", "bin", "etc", "init", "sh", "vm", "rs", "disk", "tty", "running"] {
      #expect(output.contains(text), "'\(text)' is not in:\n\(output)", sourceLocation: place)
    }
    #expect(output.contains(#/\b\d+\s+\d+\s+\d+/#), "wc did not count", sourceLocation: place)
  }

  /// VM knows of all memory but the first megabyte and what lies between.
  static func checkMemory(_ output: String, mebibytes: Int) throws {
    let total = try #require(output.firstMatch(of: #/MemTotal: (\d+) kB/#).flatMap { Int($0.1) })
    #expect(total > (mebibytes - 8) << 10 && total <= mebibytes << 10, "\(total) KiB")
  }

  @Test("reaches a shell that answers, and ends with its status") func plain() throws {
    Self.check(try System.run(System.machine("plain"), Self.script).output)
  }

  @Test("the shell's status is the machine's") func status() throws {
    _ = try System.run(System.machine("status"), "exit 7\n", status: 7)
  }

  @Test("by GRUB from a CD") func iso() throws {
    let project = try Project.find()
    var machine = try System.machine("iso")
    let file = project.output + "/test.iso"
    try ISO.make(file, kernel: project.kernel, archive: project.archive, words: machine.words)
    machine.media = .iso(file)
    Self.check(try System.run(machine, Self.script).output)
  }

  @Test("boots and works with little and with much memory, with a hole below 4 GiB", arguments: [32, 64, 8192]) func memory(mebibytes: Int) throws {
    var machine = try System.machine("memory\(mebibytes)")
    machine.memory = mebibytes
    let output = try System.run(machine, Self.script + "cat /proc/meminfo\n").output
    Self.check(output)
    try Self.checkMemory(output, mebibytes: mebibytes)
  }

  @Test("on plain and on newer processors", arguments: ["qemu64", "Skylake-Client-v1", "max,-erms"]) func processor(model: String) throws {
    var machine = try System.machine("cpu-\(model)")
    machine.cpu = model
    Self.check(try System.run(machine, Self.script).output)
  }

  @Test("M-E1 by each way into the kernel", arguments: ["syscall", "sysenter", "int", "sysenter fastpath=off"]) func entry(way: String) throws {
    var machine = try System.machine("entry-\(way.filter(\.isLetter))", words: ["ipc=\(way)"])
    machine.cpu = "Skylake-Client-v1"
    let result = try System.run(machine, Self.script)
    Self.check(result.output)
    #expect(result.log.contains("entry: \(way == "int" ? "int 0x80" : String(way.prefix { $0 != " " }))\n"))
  }

  @Test("with the fast path off") func slowPath() throws {
    Self.check(try System.run(System.machine("slow", words: ["fastpath=off"]), Self.script).output)
  }

  @Test("without a disk the shell runs on the RAM disk, and a message says so") func noDisk() throws {
    var machine = try System.machine("nodisk")
    machine.disk = .none
    let result = try System.run(machine, "ls /bin && cat /etc/motd\n")
    #expect(result.output.contains("sh"))
    #expect((result.output + result.log).lowercased().contains("ram disk"))
  }
}
