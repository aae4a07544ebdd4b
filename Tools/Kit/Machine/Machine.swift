/// A machine, in QEMU or of Linux processes: what it has, and the command line that says so.
public struct Machine: Sendable {
  public enum Disk: Sendable, Equatable {
    case none
    /// Writes stay in the file.
    case file(String)
    /// Writes are forgotten at the end.
    case copyOnWrite(String)
  }

  public enum Serial: Sendable {
    /// The user's terminal, with QEMU's escape: Ctrl-A x ends the machine.
    case terminal
    /// Our pipes.
    case pipes
  }

  public enum Media: Sendable, Equatable {
    /// QEMU's `-kernel`, by the PVH protocol.
    case direct(kernel: String, archive: String)
    /// GRUB from a CD. The command line is inside it.
    case iso(String)
    /// No QEMU: the broker, and a Linux process for each server, driver and program.
    case processes(broker: String, stub: String, archive: String)
  }

  public var media: Media
  public var cpu = "max"
  /// MiB.
  public var memory = 256
  public var disk: Disk
  /// The kernel's command line, for `Media.direct`.
  public var words: [String] = []
  public var serial = Serial.pipes
  /// Where the kernel's log goes (debug console, port 0xE9).
  public var log: String
  /// Where the records of a trace go (port 0xEA), for a kernel with `trace=` on its command line.
  public var trace: String?
  /// One guest instruction is one nanosecond and one tick of the TSC.
  public var counted = false
  /// A word for the kernel: it idles without HLT. On a counted machine HLT leaps to the next alarm, so a disk of the
  /// host's that takes its time would let any number of alarms go by; this way time is instructions only.
  public static let polling = "idle=poll"
  /// Programs lie at the same addresses each time. With random ones a process can need a page table more or less than the last one did,
  /// and whoever compares frames or instructions would see that.
  public static let sameAddresses = "norandom"
  public var seed = 1
  /// Waits for a debugger on TCP port 1234.
  public var gdb = false
  /// More options for QEMU.
  var extra: [String] = []

  public init(media: Media, disk: Disk, log: String) {
    self.media = media
    self.disk = disk
    self.log = log
  }

  public var commandLine: [String] {
    if case .processes(let broker, let stub, let archive) = media { return brokerLine(broker, stub, archive) }
    var line = ["qemu-system-x86_64", "-M", "pc", "-accel", "tcg"]
    if counted {
      line += ["-icount", "shift=0,sleep=off", "-seed", "\(seed)", "-rtc", "base=2024-01-01,clock=vm"]
    }
    line += ["-cpu", cpu, "-smp", "1", "-m", "\(memory)", "-display", "none", "-no-reboot", "-nodefaults"]
    line += ["-serial", serial.isTerminal ? "mon:stdio" : "stdio", "-debugcon", "file:\(log)"]
    if let trace { line += ["-chardev", "file,id=trace,path=\(quoted(trace))", "-device", "isa-debugcon,iobase=0xea,chardev=trace"] }
    line += ["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"]
    switch media {
    case .direct(let kernel, let archive):
      line += ["-kernel", kernel, "-initrd", archive]
      if !words.isEmpty { line += ["-append", words.joined(separator: " ")] }
    case .processes: break
    case .iso(let file):
      line += ["-drive", "file=\(quoted(file)),format=raw,if=none,media=cdrom,readonly=on,id=cd0", "-device", "ide-cd,drive=cd0", "-boot", "d"]
    }
    switch disk {
    case .none: break
    case .file(let path): line += drive(path, "")
    case .copyOnWrite(let path): line += drive(path, ",snapshot=on")
    }
    if gdb { line += ["-S", "-gdb", "tcp::1234"] }
    return line + extra
  }

  /// What the broker is told of it; processor, seed and counting are QEMU's.
  private func brokerLine(_ broker: String, _ stub: String, _ archive: String) -> [String] {
    var line = [broker, "--stub", stub, "--archive", archive, "--memory", "\(memory)", "--log", log]
    if !words.isEmpty { line += ["--append", words.joined(separator: " ")] }
    if let trace { line += ["--trace", trace] }
    switch disk {
    case .none: return line
    case .file(let path): return line + ["--disk", path]
    case .copyOnWrite(let path): return line + ["--snapshot", path]
    }
  }

  private func drive(_ path: String, _ options: String) -> [String] {
    ["-drive", "file=\(quoted(path)),format=raw,if=none,id=hd0\(options)", "-device", "virtio-blk-pci,drive=hd0"]
  }

  /// QEMU's option lists write a comma twice.
  private func quoted(_ path: String) -> String { path.split(separator: ",", omittingEmptySubsequences: false).joined(separator: ",,") }
}

extension Machine.Serial {
  var isTerminal: Bool {
    switch self {
    case .terminal: true
    case .pipes: false
    }
  }
}
