import Testing
import ToolKit

@Suite("QEMU's command line and how a machine ended") struct MachineTests {
  static func machine() -> Machine {
    Machine(media: .direct(kernel: "K", archive: "A"), disk: .file("d,isk"), log: "LOG")
  }

  /// The value that follows an option.
  static func value(_ option: String, _ line: [String]) -> String? {
    line.firstIndex(of: option).map { line[$0 + 1] }
  }

  @Test("what every machine has") func always() {
    let line = Self.machine().commandLine
    #expect(line[0] == "qemu-system-x86_64")
    for word in ["-no-reboot", "-nodefaults"] { #expect(line.contains(word)) }
    #expect(Self.value("-debugcon", line) == "file:LOG")
    #expect(Self.value("-kernel", line) == "K")
    #expect(Self.value("-initrd", line) == "A")
    #expect(Self.value("-m", line) == "256")
    #expect(Self.value("-cpu", line) == "max")
    #expect(Self.value("-append", line) == nil)
    #expect(line.contains("isa-debug-exit,iobase=0xf4,iosize=0x04"))
  }

  @Test("a comma in a disk's name is written twice") func comma() {
    #expect(Self.machine().commandLine.contains("file=d,,isk,format=raw,if=none,id=hd0"))
  }

  @Test("words, processor, memory, terminal, debugger") func options() {
    var machine = Self.machine()
    machine.words = ["ipc=int", "batch"]
    machine.cpu = "qemu64"
    machine.memory = 64
    machine.serial = .terminal
    machine.gdb = true
    let line = machine.commandLine
    #expect(Self.value("-append", line) == "ipc=int batch")
    #expect(Self.value("-cpu", line) == "qemu64")
    #expect(Self.value("-m", line) == "64")
    #expect(Self.value("-serial", line) == "mon:stdio")
    #expect(Self.value("-gdb", line) == "tcp::1234")
  }

  @Test("a counted machine ticks once an instruction and knows no host time") func counted() {
    var machine = Self.machine()
    #expect(Self.value("-icount", machine.commandLine) == nil)
    machine.counted = true
    machine.seed = 7
    #expect(Self.value("-icount", machine.commandLine) == "shift=0,sleep=off")
    #expect(Self.value("-seed", machine.commandLine) == "7")
    #expect(Self.value("-rtc", machine.commandLine) == "base=2024-01-01,clock=vm")
  }

  @Test("a CD has kernel and words inside; no disk, no drive") func iso() {
    let machine = Machine(media: .iso("x.iso"), disk: .none, log: "LOG")
    let line = machine.commandLine
    #expect(!line.contains("-kernel"))
    #expect(Self.value("-boot", line) == "d")
    #expect(line.filter { $0 == "-drive" }.count == 1)
    #expect(ISO.configuration(words: ["batch", "ipc=int"]).contains("multiboot2 /boot/kernel batch ipc=int\n"))
  }

  @Test("a copy-on-write disk forgets") func copyOnWrite() {
    let machine = Machine(media: .direct(kernel: "K", archive: "A"), disk: .copyOnWrite("disk"), log: "LOG")
    #expect(machine.commandLine.contains("file=disk,format=raw,if=none,id=hd0,snapshot=on"))
  }

  @Test("the ending out of QEMU's status and the log", arguments: [
    (33, "shutdown: status 0\n", Ending.shutdown(0), Int32(0)),
    (33, "x\r\nshutdown: status 3\r\n", .shutdown(3), 3),
    (33, "", .shutdown(0), 0),
    (35, "kernel panic", .panic, 35),
    (0, "", .reset, 36),
    (124, "", .timeout, 124),
    (1, "", .qemu(1), 1),
  ])
  func ending(status: Int, log: String, ending: Ending, exit: Int32) {
    #expect(Ending(status: status, log: log) == ending)
    #expect(ending.exitStatus == exit)
    #expect((ending.complaint == nil) == (status == 33))
  }
}

@Suite("Kernel log") struct KernelLogTests {
  @Test("restarts with cause, time and count") func restarts() {
    let log = """
      VM: up
      RS: disk restarted (killed) recovery 1234567 ns count 1 at 99
      noise RS: disk
      RS: tty restarted (page fault) recovery 9 ns count 12\r
      """
    #expect(KernelLog.restarts(log) == [
      .init(service: "disk", cause: "killed", recovery: 1_234_567, count: 1, time: 99), .init(service: "tty", cause: "page fault", recovery: 9, count: 12),
    ])
  }

  @Test("the last shutdown line counts; the panic is the log's end") func ends() {
    #expect(KernelLog.shutdownStatus("shutdown: status 1\nshutdown: status 42\n") == 42)
    #expect(KernelLog.shutdownStatus("status 1") == nil)
    #expect(KernelLog.panic("a\nKernel PANIC: b\nc\n") == ["Kernel PANIC: b", "c", ""])
    #expect(KernelLog.panic("all is well") == [])
    #expect(KernelLog.bootInstructions("tty: first read at 48211345 idle 8211345\n") == 40_000_000)
    #expect(KernelLog.bootInstructions("tty: first read at 48211345 idle 82") == nil, "the line is not whole")
  }

  @Test("kernel addresses in a text") func addresses() {
    #expect(Symbols.kernelAddresses("rip 0xffffffff80101234, FFFF800000000010 and 0x401000, ffff") == [0xFFFF_FFFF_8010_1234, 0xFFFF_8000_0000_0010])
  }
}
