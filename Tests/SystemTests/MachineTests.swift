import Foundation
import Testing
import ToolKit

/// The kernel and the machine below it, with the probe (`Tests/InSystem/Probe`) in VM's place.
@Suite("Machine", .enabled(if: System.isReady)) struct MachineTests {
  static let archive = Result {
    let project = try Project.find()
    let path = project.output + "/probe.archive"
    try Files.write(Archive.bytes([.init(name: "vm", contents: Files.read(project.product("probe")))]), to: path)
    return path
  }

  static func machine(_ name: String, words: [String] = []) throws -> Machine {
    let project = try Project.find()
    try Files.makeDirectory(project.logs)
    var machine = Machine(
      media: .direct(kernel: project.kernel, archive: try archive.get()), disk: .none, log: project.logs + "/machine.\(name).log")
    machine.words = words
    return machine
  }

  /// The checks of the probe that did not hold, by name, and what each one adds: for a scene of messages the number of its first expectation
  /// that failed.
  static func failures(_ log: String) -> [Substring] {
    let mark = "probe: FAILED "
    return log.split(separator: "\n").filter { $0.hasPrefix(mark) }.map { $0.dropFirst(mark.count) }
  }

  /// Boots the probe and reads what it says.
  static func run(_ machine: Machine, place: SourceLocation = #_sourceLocation) throws -> String {
    let session = try Session(machine, seconds: 120)
    let ending = session.end()
    let failed = failures(session.log)
    #expect(
      ending == .shutdown(0) && failed.isEmpty,
      "\(failed.isEmpty ? "" : "failed: \(failed.joined(separator: "; ")). ")\(machine.cpu) \(machine.words.joined(separator: " ")): \(ending)\n\(session.log.suffix(3000))",
      sourceLocation: place)
    return session.log
  }

  /// The way in that a processor takes when it is asked for `entry`.
  static func way(_ cpu: String, _ entry: String) -> String {
    let hasSyscall = !cpu.contains("-syscall"), hasSysenter = cpu.hasPrefix("Skylake") && !cpu.contains("-sep")
    switch entry.split(separator: " ").first {
    case "int": return "int 0x80"
    case "sysenter" where hasSysenter: return "sysenter"
    default: return hasSyscall ? "syscall" : hasSysenter ? "sysenter" : "int 0x80"
    }
  }

  /// Each way into the kernel that there is, with the fast path and without.
  static let ways = ["syscall", "sysenter", "int"].flatMap { [$0, $0 + " fastpath=off"] }

  @Test(
    "M-E1 M-E2 M-E5 M-E7 M-E9 M-N1 M-N2 M-N3 M-N4 M-N5 M-N6 M-N7 M-N8 SEC1 SEC3 SEC5 SEC6 SEC26 SEC27 SEC33 the same behaviour and the same IPC suite by every way in, with the fast path and without, on every processor",
    arguments: ["max", "qemu64", "Skylake-Client-v1", "EPYC"], ways)
  func processors(cpu: String, entry: String) throws {
    var machine = try Self.machine("\(cpu)-\(entry.filter(\.isLetter))", words: ["ipc=\(entry)"])
    machine.cpu = cpu
    let log = try Self.run(machine)
    #expect(log.contains("entry: \(Self.way(cpu, entry))\n"))
    #expect(log.contains("probe: ok SEC6 a fresh thread") && log.contains("figure avx \(cpu == "qemu64" ? 0 : 1)\n"))
    for number in 1...8 { #expect(log.contains("probe: ok M-N\(number) ")) }
    #expect(log.contains("has no sysenter") == (entry.hasPrefix("sysenter") && !cpu.hasPrefix("Skylake")))
  }

  @Test("M-E1 SYSCALL, then SYSENTER, then int: what the processor has, and a word for what was asked for in vain",
    arguments: ["Skylake-Client-v1", "Skylake-Client-v1,-syscall", "Skylake-Client-v1,-syscall,-sep"], ["", "ipc=syscall"])
  func fallback(cpu: String, word: String) throws {
    var machine = try Self.machine("fallback-\(cpu.filter(\.isLetter))-\(word.filter(\.isLetter))", words: word.isEmpty ? [] : [word])
    machine.cpu = cpu
    let log = try Self.run(machine)
    #expect(log.contains("entry: \(Self.way(cpu, "syscall"))\n"))
    #expect(log.contains("entry: this processor has no syscall") == (!word.isEmpty && cpu.contains("-syscall")))
  }

  @Test("V32 V100 M-E2 M-E3 M-E4 M-E6 SEC44 every register and flag, the upper halves of AVX too, survives 100,000 rounds of faults, messages, interrupts and signals, by every way in",
    arguments: ["max", "Skylake-Client-v1", "qemu64"], ways)
  func rounds(cpu: String, entry: String) throws {
    if cpu != "Skylake-Client-v1", entry.hasPrefix("sysenter") { return }  // has none
    var machine = try Self.machine("rounds-\(cpu)-\(entry.filter(\.isLetter))", words: ["ipc=\(entry)", "probe=rounds"])
    machine.cpu = cpu
    machine.counted = true  // the same instants in every run
    let log = try Self.run(machine)
    #expect(log.contains("entry: \(Self.way(cpu, entry))\n") && log.contains("probe: ok V32 V100") && log.contains("probe: ok M-E6 SEC44") && log.contains("figure avx \(cpu == "qemu64" ? 0 : 1)\n") && log.contains("probe: figure faults 100000"))
  }

  @Test("SEC7 FS and GS bases per thread, kept over 20,000 rounds of faults, messages, interrupts and signals beside a thread with others, by every way in",
    arguments: ["max", "Skylake-Client-v1", "qemu64"], ways)
  func bases(cpu: String, entry: String) throws {
    if cpu != "Skylake-Client-v1", entry.hasPrefix("sysenter") { return }  // has none
    var machine = try Self.machine("bases-\(cpu)-\(entry.filter(\.isLetter))", words: ["ipc=\(entry)", "probe=bases"])
    machine.cpu = cpu
    machine.counted = true
    let log = try Self.run(machine)
    #expect(log.contains("probe: ok two threads keep their bases"))
  }

  @Test("SEC3 SEC6 SEC7 bases, debug registers and selectors are the thread's own: set, stopped at, copied by fork or not, gone with the image, never the kernel's",
    arguments: ["max", "Skylake-Client-v1", "qemu64"], ways)
  func threadRegisters(cpu: String, entry: String) throws {
    var machine = try Self.machine("registers-\(cpu)-\(entry.filter(\.isLetter))", words: ["ipc=\(entry)", "probe=registers"])
    machine.cpu = cpu
    let log = try Self.run(machine)
    #expect(log.contains("probe: ok a copy is not watched") && log.contains("probe: ok SEC3 DR7 has nothing"))
  }

  @Test("V1 any size of memory, also above 4 GiB", arguments: [32, 64, 1024, 4096, 8192]) func sizes(mebibytes: Int) throws {
    var machine = try Self.machine("memory-\(mebibytes)")
    machine.memory = mebibytes
    let log = try Self.run(machine)
    let free = try #require(log.firstMatch(of: #/figure free-kib (\d+)/#).flatMap { Int($0.1) })
    #expect(free > (mebibytes - 7) << 10, "the kernel, with room for 1,536 threads, takes less than 7 MiB")
  }

  @Test("GRUB starts the same kernel by Multiboot2") func multiboot() throws {
    let project = try Project.find()
    var machine = try Self.machine("multiboot")
    let path = project.output + "/probe.iso"
    try ISO.make(path, kernel: project.kernel, archive: Self.archive.get(), words: ["ipc=int"])
    machine.media = .iso(path)
    #expect(try Self.run(machine).contains("entry: int 0x80"))
  }

  @Test("counted instructions: the same figures in every run") func counted() throws {
    var logs: [String] = []
    for run in 0..<2 {
      var machine = try Self.machine("counted-\(run)")
      machine.counted = true
      logs.append(try Self.run(machine))
    }
    #expect(logs[0] == logs[1])
  }

  @Test("a panic says why and where, and ends QEMU with a code of its own") func panic() throws {
    let machine = try Self.machine("panic", words: ["probe=crash"])
    let session = try Session(machine, seconds: 60)
    #expect(session.end() == .panic)
    for text in [session.log, session.text] {  // on COM1 too
      #expect(text.contains("kernel panic: VM has touched memory that it does not have"))
      #expect(text.contains("#0 0xffffffff80"))
    }
    let explained = Symbols(file: machine.kernelFile).explain(KernelLog.panic(session.log)).joined(separator: "\n")
    #expect(explained.contains("Entries.swift"), "\(explained)")
  }

  @Test("SEC6 the kernel touches no SSE register but to save and load them all") func noVectorRegisters() throws {
    let listing = try Child.run([Toolchain.tool("llvm-objdump"), "-d", "--no-show-raw-insn", Project.find().kernel]).succeeded("llvm-objdump")
    let uses = listing.split(separator: "\n").filter { $0.contains("%xmm") || $0.contains("%ymm") || $0.contains("%mm") }
    #expect(uses.isEmpty, "\(uses.prefix(5))")
    #expect(listing.contains("fxsave64") && listing.contains("xsave64"))
  }

  /// Boots the probe, and once it waits gives QEMU's monitor an order; then asks for the registers until they hold
  /// `registers`, since the processor takes its time, and quits.
  static func order(_ machine: Machine, _ order: String, registers: String? = nil) throws -> (said: String, ending: Ending, log: String) {
    let command = machine.commandLine.map { $0 == "stdio" ? "null" : $0 } + ["-monitor", "stdio"]
    func log() -> String { (try? Files.read(machine.log)).map { String(decoding: $0, as: UTF8.self) } ?? "" }
    try Files.write("", to: machine.log)
    let child = try Child(command, seconds: 60, pipes: [.input, .output])
    let deadline = Date(timeIntervalSinceNow: 50)
    while Date() < deadline, !log().contains("probe: waiting") { _ = Child.readable(child.output, milliseconds: 100) }
    func type(_ text: String) {
      let bytes = Array(text.utf8)
      #expect(bytes.withUnsafeBytes { write(child.input, $0.baseAddress!, $0.count) } == bytes.count)
    }
    type(order)
    var output: [UInt8] = []
    if let registers {
      while Date() < deadline, !String(decoding: output, as: UTF8.self).contains(registers) {
        type("info registers\n")
        if let bytes = Child.readable(child.output, milliseconds: 200) { output += bytes }
      }
      type("quit\n")
    }
    while let bytes = Child.readable(child.output, milliseconds: 5000), !bytes.isEmpty { output += bytes }
    close(child.input)
    let status = child.wait()
    close(child.output)
    return (String(decoding: output, as: UTF8.self), Ending(status: Int(status), log: log()), log())
  }

  @Test("SEC3 NMIs are harmless, whatever they interrupt") func nonMaskable() throws {
    let result = try Self.order(Self.machine("nmi", words: ["probe=wait"]), String(repeating: "nmi\n", count: 50), registers: "HLT=1")
    #expect(!result.log.contains("panic") && result.said.contains("HLT=1"), "\(result.log)")
  }

  @Test("SEC3 a machine check is a panic that says so") func machineCheck() throws {
    let result = try Self.order(Self.machine("mce", words: ["probe=wait"]), "mce 0 1 0xbe00000000000000 0x5 0 0\n")
    #expect(result.ending == .panic && result.log.contains("machine check (vector 18"), "\(result.ending) \(result.log)")
  }

  @Test("a boot archive that cannot be used is a panic that says why", arguments: ["none", "empty", "no-vm", "no-elf", "cut", "writable-text"])
  func badArchives(kind: String) throws {
    let project = try Project.find()
    var vm = try Files.read(project.product("probe"))
    let bytes: [UInt8] =
      switch kind {
      case "empty": [UInt8](repeating: 0, count: 8192)
      case "no-vm": try Archive.bytes([.init(name: "rs", contents: vm)])
      case "no-elf": try Archive.bytes([.init(name: "vm", contents: Array("#!/bin/sh\n".utf8))])
      case "cut": try Archive.bytes([.init(name: "vm", contents: Array(vm.prefix(5000)))])
      case "writable-text":
        try {
          vm[64 + 4] |= 2  // p_flags of the first program header
          return try Archive.bytes([.init(name: "vm", contents: vm)])
        }()
      default: []
      }
    let path = project.output + "/bad-\(kind).archive"
    defer { Files.remove(path) }
    try Files.write(bytes, to: path)
    var machine = try Self.machine("archive-\(kind)")
    machine.media = .direct(kernel: project.kernel, archive: path)
    let session = try Session(machine, seconds: 60)
    #expect(session.end() == .panic)
    #expect(session.log.contains(/kernel panic: .*(archive|vm)/), "\(session.log)")
  }

  /// A line of QEMU's `info tlb`.
  struct Mapping {
    var address, frame: UInt64
    var flags: Substring
    var isLarge: Bool { flags.contains("P") }
    var isKernel: Bool { address >> 63 == 1 }
  }

  @Test("V2 V3 V9 V12 V88 W^X: what the processor can reach of the kernel") func mappings() throws {
    let seen = try Self.order(Self.machine("mappings", words: ["probe=wait"]), "info tlb\nquit\n")
    let text = seen.said
    let mappings = text.split(whereSeparator: \.isNewline).compactMap { line -> Mapping? in
      guard let match = line.firstMatch(of: #/([0-9a-f]{16}): ([0-9a-f]{16}) ([-XGPDACTUW]{9})/#),
        let address = UInt64(match.1, radix: 16), let frame = UInt64(match.2, radix: 16)
      else { return nil }
      return Mapping(address: address, frame: frame, flags: match.3)
    }
    let kernel = mappings.filter(\.isKernel)
    #expect(kernel.count > 100, "\(text.suffix(2000))")
    for mapping in kernel {
      #expect(mapping.flags.contains("G") && !mapping.flags.contains("U"), "\(mapping)")
      #expect(!mapping.flags.contains("W") || mapping.flags.contains("X"), "writable and executable: \(mapping)")
    }
    for mapping in mappings where !mapping.isKernel { #expect(mapping.flags.contains("U") && !mapping.flags.contains("G"), "\(mapping)") }
    // No frame twice, so no writable alias of the kernel's text; none below 1 MiB (V2, V3).
    var frames: Set<UInt64> = []
    for mapping in kernel {
      #expect(mapping.frame >= 1 << 20, "\(mapping)")
      for offset in stride(from: UInt64(0), to: mapping.isLarge ? 2 << 20 : 4096, by: 4096) { #expect(frames.insert(mapping.frame + offset).inserted, "\(mapping)") }
    }
    // The image lies at 1 MiB or above, and of what VM may hand out nothing is the image's (V2).
    let kernelImage = kernel.filter { $0.address > 0xFFFF_FFFF_8010_0000 - 1 }
    #expect(kernelImage.count > 20 && kernelImage.allSatisfy { $0.frame == $0.address - 0xFFFF_FFFF_8000_0000 })
    func figures(_ name: String) -> [UInt64] { seen.log.split(separator: "\n").filter { $0.hasPrefix("probe: figure \(name) ") }.compactMap { UInt64($0.split(separator: " ").last ?? "") } }
    let free = Array(zip(figures("free-from"), figures("free-to")))
    #expect(free.reduce(0) { $0 + $1.1 - $1.0 } > 128 << 20, "\(free)")
    for mapping in kernelImage { #expect(!free.contains { $0.0 < mapping.frame + 4096 && mapping.frame < $0.1 }, "\(mapping)") }
    // Nearly all of the linear map is large pages (V88).
    let linear = kernel.filter { $0.address < 0xFFFF_FFFF_8000_0000 }
    let large = linear.filter(\.isLarge).count
    #expect(large << 21 > 128 << 20 && linear.count - large < 4 * 512, "\(large) large pages of \(linear.count)")
    // Guard pages: the kernel's data segment has holes.
    let image = kernelImage.map(\.address).sorted()
    let holes = zip(image, image.dropFirst()).filter { $1 - $0 == 8192 }.count
    #expect(holes == 5, "one below each of five stacks")
  }
}

extension Machine {
  var kernelFile: String {
    switch media {
    case .direct(let kernel, _): kernel
    case .iso(let file): file
    case .processes(let broker, _, _): broker
    }
  }
}
