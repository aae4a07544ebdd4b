import Foundation

/// What was executed, by function: of one iteration of a figure or of a whole boot, as QEMU has logged it.
public struct BenchTrace: Sendable {
  /// Figures of the probe, where there are two ELF files only, with the words and the processor that make the variants of the round trip.
  static let iterations: [(name: String, figure: String, words: [String], cpu: String)] =
    ["null-call", Bench.roundTrip, "notify-wake", "fault-to-server"].map { ($0, $0, [], Bench.usual) }
    + Bench.variants.map { ($0.name, Bench.roundTrip, [$0.word], $0.word == "ipc=sysenter" ? Bench.intel : Bench.usual) }
  public static let names = iterations.map(\.name) + [Bench.boot]

  public struct Part: Equatable, Sendable {
    public var function: String
    /// Whose it is: `kernel`, `user`, the name of an ELF file, `firmware`.
    public var place: String
    public var instructions: Int
  }
  public var parts: [Part] = []
  /// What the last line of the table says.
  var about: String
  public var total: Int { parts.reduce(0) { $0 + $1.instructions } }

  /// The parts that took most, at most `rows` of them, and the rest in one line.
  public func table(rows: Int = 40) -> String {
    let sorted = parts.sorted { $0.instructions > $1.instructions }
    var lines = sorted.prefix(rows).map { [grouped($0.instructions), $0.place, $0.function] }
    let rest = sorted.dropFirst(rows)
    if !rest.isEmpty { lines.append([grouped(rest.reduce(0) { $0 + $1.instructions }), "", "\(rest.count) more"]) }
    return columns([["instructions", "where", "function"]] + lines + [[grouped(total), "", about]], left: [1, 2])
  }

  init(parts: [Part], about: String) {
    self.parts = parts
    self.about = about
  }

  /// Addresses that were executed, by the functions that they lie in, in order of their first instruction.
  public init(_ addresses: [UInt64], kernel: [SymbolModule.Symbol], user: [SymbolModule.Symbol]) {
    about = "sum, with two readings of the clock"
    let names = (FunctionNames(kernel), FunctionNames(user))
    var places: [String: Int] = [:]
    for address in addresses {
      let place = address >> 63 == 1 ? "kernel" : "user"
      let name = place == "kernel" ? names.0[address] : names.1[address]
      if let at = places[place + name] {
        parts[at].instructions += 1
      } else {
        places[place + name] = parts.count
        parts.append(Part(function: name, place: place, instructions: 1))
      }
    }
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

/// The functions of an ELF file by address.
struct FunctionNames {
  let sorted: [SymbolModule.Symbol]
  init(_ symbols: [SymbolModule.Symbol]) { sorted = symbols.sorted { $0.address < $1.address } }

  /// The function that `address` lies in; `?` below the first.
  subscript(address: UInt64) -> String {
    if address >> 12 == 0x600000000 { return "(stub page)" }
    var (low, high) = (0, sorted.count)
    while low < high {
      let middle = (low + high) / 2
      if sorted[middle].address <= address { low = middle + 1 } else { high = middle }
    }
    if low == 0 { return "?" }
    // `$e` and `$s` begin Swift's names: the demangler gives the sign to ours in assembly too.
    let name = sorted[low - 1].name
    return name.hasPrefix("$") ? String(name.dropFirst()) : name
  }
}

extension Bench {
  /// QEMU's options for one instruction a translation block, each of which it logs.
  static func logging(to file: String, _ what: String) -> [String] { ["-singlestep", "-d", what, "-D", file] }

  /// One of `BenchTrace.names`.
  /// - Parameters:
  ///   - cpu: nil: the one that the figure is for.
  ///   - words: for the kernel's command line, besides those of the figure.
  public func trace(_ name: String, cpu: String?, words: [String], seconds: Int) throws -> BenchTrace {
    guard let iteration = BenchTrace.iterations.first(where: { $0.name == name }) else { return try traceBoot(cpu: cpu ?? Self.usual, words: words, seconds: seconds) }
    let project = image.project
    let (machine, archive) = try probeMachine(cpu: cpu ?? iteration.cpu, words: ["figure=" + iteration.figure] + iteration.words + words)
    let log = project.logs + "/bench.instructions"
    defer {
      Files.remove(archive)
      Files.remove(log)
    }
    try Files.write("", to: machine.log)
    let command = machine.commandLine.map { $0 == "stdio" ? "null" : $0 } + Self.logging(to: log, "exec,nochain")
    _ = try Child.run(command, seconds: seconds, errorsToo: false)
    if String(decoding: try Files.read(machine.log), as: UTF8.self).contains(Self.lacks) { throw Failure("the processor \(cpu ?? iteration.cpu) has no such way into the kernel") }
    guard let data = try? Data(contentsOf: URL(fileURLWithPath: log), options: .mappedIfSafe) else { throw Failure("QEMU has written no log") }
    let user = try SymbolModule.functions(of: project.product("probe")), kernel = try SymbolModule.functions(of: project.kernel)
    guard let begin = user.first(where: { $0.name == "probe_begin" }), let end = user.first(where: { $0.name == "probe_end" }),
      let addresses = BenchTrace.lastIteration(data, from: begin.address, to: end.address)
    else { throw Failure("the probe did not measure \(name); the kernel's log is \(machine.log)") }
    return BenchTrace(addresses, kernel: kernel, user: user)
  }
}
