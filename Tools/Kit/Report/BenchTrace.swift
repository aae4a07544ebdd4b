import Foundation

/// One iteration of a figure, instruction by instruction, as QEMU has executed it: how many each function has taken. For the figures that
/// the probe measures, where there are two ELF files only and every address says whose it is.
public struct BenchTrace: Sendable {
  public static let names = ["null-call", "ipc-roundtrip", "notify-wake", "fault-to-server"]

  public struct Part: Equatable, Sendable {
    public var function: String
    public var isKernel: Bool
    public var instructions: Int
  }
  /// In order of their first instruction.
  public var parts: [Part]
  public var total: Int { parts.reduce(0) { $0 + $1.instructions } }

  public var table: String {
    let rows = parts.sorted { $0.instructions > $1.instructions }.map { [grouped($0.instructions), $0.isKernel ? "kernel" : "user", $0.function] }
    return columns([["instructions", "where", "function"]] + rows + [[grouped(total), "", "sum, with two readings of the clock"]], left: [1, 2])
  }

  /// Addresses that were executed, by the functions that they lie in.
  public init(_ addresses: [UInt64], kernel: [SymbolModule.Symbol], user: [SymbolModule.Symbol]) {
    parts = []
    let tables = (kernel.sorted { $0.address < $1.address }, user.sorted { $0.address < $1.address })
    var places: [String: Int] = [:]
    for address in addresses {
      let isKernel = address >> 63 == 1
      let name = Self.isStub(address) ? "(stub page)" : Self.function(at: address, isKernel ? tables.0 : tables.1)
      let key = (isKernel ? "k" : "u") + name
      if let place = places[key] {
        parts[place].instructions += 1
      } else {
        places[key] = parts.count
        parts.append(Part(function: name, isKernel: isKernel, instructions: 1))
      }
    }
  }

  private static func isStub(_ address: UInt64) -> Bool { address >> 12 == 0x600000000 }

  private static func function(at address: UInt64, _ sorted: [SymbolModule.Symbol]) -> String {
    var (low, high) = (0, sorted.count)
    while low < high {
      let middle = (low + high) / 2
      if sorted[middle].address <= address { low = middle + 1 } else { high = middle }
    }
    if low == 0 { return "?" }
    // `$e` begins Swift's names: the demangler gives it to ours in assembly too.
    let name = sorted[low - 1].name
    return name.hasPrefix("$entry_") ? String(name.dropFirst()) : name
  }

  /// The last stretch between `begin` and `end` in QEMU's log of executed instructions, whose lines have the address as the second
  /// field in brackets: `Trace 0: 0x7f... [00000000/ffffffff80100000/...]`. Neither of the two is in it.
  public static func lastIteration(_ log: Data, from begin: UInt64, to end: UInt64) -> [UInt64]? {
    func field(_ address: UInt64) -> Data {
      let digits = String(address, radix: 16)
      return Data(("/" + String(repeating: "0", count: 16 - digits.count) + digits + "/").utf8)
    }
    guard let last = log.range(of: field(end), options: .backwards),
      let first = log.range(of: field(begin), options: .backwards, in: log.startIndex..<last.lowerBound)
    else { return nil }
    let text = String(decoding: log[first.upperBound..<last.lowerBound], as: UTF8.self)
    // What is left of the first line and of the last has no address.
    return text.split(separator: "\n").dropFirst().compactMap { line in
      let fields = line.split(separator: "/", maxSplits: 2)
      return fields.count == 3 ? UInt64(fields[1], radix: 16) : nil
    }
  }
}

extension Bench {
  /// Runs one of `BenchTrace.names` with one instruction a translation block, so that QEMU logs each.
  public func trace(_ name: String, cpu: String, words: [String], seconds: Int) throws -> BenchTrace {
    let project = image.project
    let (machine, archive) = try probeMachine(cpu: cpu, words: ["figure=" + name] + words)
    let log = project.logs + "/bench.instructions"
    defer {
      Files.remove(archive)
      Files.remove(log)
    }
    try Files.write("", to: machine.log)
    let command = machine.commandLine.map { $0 == "stdio" ? "null" : $0 } + ["-singlestep", "-d", "exec,nochain", "-D", log]
    _ = try Child.run(command, seconds: seconds, errorsToo: false)
    guard let data = try? Data(contentsOf: URL(fileURLWithPath: log), options: .mappedIfSafe) else { throw Failure("QEMU has written no log") }
    let user = try SymbolModule.functions(of: project.product("probe")), kernel = try SymbolModule.functions(of: project.kernel)
    guard let begin = user.first(where: { $0.name == "probe_begin" }), let end = user.first(where: { $0.name == "probe_end" }),
      let addresses = BenchTrace.lastIteration(data, from: begin.address, to: end.address)
    else { throw Failure("the probe did not measure \(name); the kernel's log is \(machine.log)") }
    return BenchTrace(addresses, kernel: kernel, user: user)
  }
}
